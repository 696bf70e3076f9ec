#include "bridge/log_kafka_ask.h"
#include "bridge/log_kafka_reader_priv.h"
#include <stdlib.h>

struct tb_log_kafka_asker {
    struct kafka_settings settings;
    struct kafka_handle *handle;
};

static enum tb_code open_handle(struct tb_log_kafka_asker *asker,
                                const struct tb_log_kafka_options *options, const char *topic,
                                const char *group, struct tb_error *err)
{
    rd_kafka_conf_t *conf = NULL;

    TB_TRY(tb_kafka_settings_copy(options, &asker->settings, err));
    TB_TRY(tb_kafka_conf(&asker->settings, group, false, &conf, err));
    return tb_kafka_handle_new(RD_KAFKA_CONSUMER, conf, topic, asker, &asker->handle, err);
}

enum tb_code tb_log_kafka_asker_open(const struct tb_log_kafka_options *options, const char *topic,
                                     const char *group, struct tb_log_kafka_asker **ret_asker,
                                     struct tb_error *err)
{
    struct tb_log_kafka_asker *asker = calloc(1, sizeof *asker);
    enum tb_code code;

    if (!asker)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    code = open_handle(asker, options, topic, group, err);
    if (code != TB_OK) {
        tb_log_kafka_asker_free(asker);
        return code;
    }
    *ret_asker = asker;
    return TB_OK;
}

void tb_log_kafka_asker_free(struct tb_log_kafka_asker *asker)
{
    if (!asker)
        return;
    tb_kafka_bury(asker->handle, TB_KAFKA_ASK_MS);
    tb_kafka_settings_release(&asker->settings);
    free(asker);
}

static enum tb_code refused(struct tb_error *err, const char *what, rd_kafka_resp_err_t code)
{
    return tb_error_set(err, TB_UNAVAILABLE, "%s: %s", what, rd_kafka_err2str(code));
}

static enum tb_code ask_ends(rd_kafka_t *rk, const rd_kafka_topic_partition_t *part,
                             struct tb_log_range *range, struct tb_error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
        rk, part->topic, part->partition, &range->begin, &range->end, TB_KAFKA_ASK_MS);

    if (code)
        return refused(err, "ends of the log", code);
    range->committed = part->offset >= 0 ? part->offset : -1;
    return TB_OK;
}

static enum tb_code ask_all(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *held,
                            struct tb_log_range *ranges, int32_t count, struct tb_error *err)
{
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;

    if (held->cnt > 0)
        code = rd_kafka_committed(rk, held, TB_KAFKA_ASK_MS);
    for (int i = 0; i < held->cnt && !code; i++) {
        const rd_kafka_topic_partition_t *part = &held->elems[i];

        code = part->err;
        if (!code && part->partition < count)
            TB_TRY(ask_ends(rk, part, &ranges[part->partition], err));
    }
    return code ? refused(err, "committed offsets", code) : TB_OK;
}

/* Of the reader only its handle is looked at, which never changes and which any thread may ask. */
enum tb_code tb_log_kafka_ask(const struct tb_log_kafka_asker *asker,
                              const struct tb_log_reader *base, struct tb_log_range *ret_ranges,
                              int32_t count, struct tb_error *err)
{
    const struct kafka_reader *reader = (const struct kafka_reader *)(const void *)base;
    rd_kafka_topic_partition_list_t *held = NULL;
    rd_kafka_resp_err_t code = rd_kafka_assignment(reader->handle->rk, &held);
    enum tb_code result;

    if (code)
        return refused(err, "partitions held", code);
    for (int32_t p = 0; p < count; p++)
        ret_ranges[p] = (struct tb_log_range){.end = -1, .committed = -1};
    result = ask_all(asker->handle->rk, held, ret_ranges, count, err);
    rd_kafka_topic_partition_list_destroy(held);
    return result;
}
