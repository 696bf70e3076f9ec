#include "base/json/json.h"
#include "edge/derived_priv.h"

/* How many of the last records are searched. New numbers are in new records. */
#define NUMBER_RECORDS 60000

static void note_number(const struct tb_derived_state *derived, struct tb_str value,
                        int64_t *number)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *json = NULL;
    size_t node_len = strlen(derived->options->node);
    struct tb_error err = {0};
    struct tb_str text;
    int64_t found = 0;

    if (!value.ptr || tb_json_parse(value, TB_JSON_DEPTH_MAX, &json, &err) != TB_OK ||
        tb_json_type(json) != TB_JSON_OBJECT || !tb_json_get(json, "orderNumber"))
        return;
    text = tb_json_string(tb_json_get(json, "orderNumber"));
    if (text.len <= node_len + 1 || strncmp(text.ptr, derived->options->node, node_len) != 0 ||
        text.ptr[node_len] != '-')
        return;
    for (size_t i = node_len + 1; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || found > INT64_MAX / 10 - 1)
            return;
        found = found * 10 + (text.ptr[i] - '0');
    }
    if (found > *number)
        *number = found;
}

static enum tb_code read_numbers(struct tb_derived_state *derived, struct tb_log_reader *reader,
                                 int64_t *number, struct tb_error *err)
{
    struct tb_log_range range = tb_log_inproc_range(derived->log, NULL);
    struct tb_log_batch batch = {0};

    if (range.end - NUMBER_RECORDS > range.begin)
        TB_TRY(reader->ops->seek(reader, 0, range.end - NUMBER_RECORDS, err));
    for (;;) {
        TB_TRY(reader->ops->poll(reader, TB_LOG_BATCH_MAX, 0, &batch, err));
        if (batch.count == 0)
            return TB_OK;
        for (size_t i = 0; i < batch.count; i++)
            note_number(derived, batch.records[i].value, number);
    }
}

/* What is damaged is left out. */
static enum tb_code leave_out(const struct tb_derived_state *derived, struct tb_error *err)
{
    struct tb_derived_finding ignored = {0};

    return err->code == TB_OK || tb_derived_condemn_for(derived, &ignored, err) ? TB_OK
                                                                                : err->code;
}

static enum tb_code read_log(struct tb_derived_state *derived, int64_t *number,
                             struct tb_error *err)
{
    struct tb_log_reader *reader = NULL;
    enum tb_code code = tb_log_inproc_reader(derived->log, NULL, &reader, err);

    if (code == TB_OK)
        code = read_numbers(derived, reader, number, err);
    tb_log_reader_free(reader);
    return code == TB_OK ? TB_OK : leave_out(derived, err);
}

enum tb_code tb_derived_known_number(struct tb_derived_state *derived, int64_t *ret_number,
                                     struct tb_error *err)
{
    int64_t in_log = derived->noted_number, in_view = 0;

    if (derived->view &&
        tb_view_sqlite_last_number(derived->view, derived->options->node, &in_view, err) != TB_OK)
        TB_TRY(leave_out(derived, err));
    if (derived->log)
        TB_TRY(read_log(derived, &in_log, err));
    *ret_number = in_log > in_view ? in_log : in_view;
    return TB_OK;
}
