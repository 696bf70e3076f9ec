#include "bridge/log/kafka/offsets_query.h"
#include "bridge/log/kafka/reader/reader_priv.h"
#include <stdlib.h>

struct tb_log_kafka_offsets_query {
    struct kafka_settings settings;
    struct kafka_handle *handle;
};

static enum tb_code open_handle(struct tb_log_kafka_offsets_query *query,
                                const struct tb_log_kafka_options *options, const char *topic,
                                const char *group, struct tb_error *err)
{
    rd_kafka_conf_t *conf = NULL;

    TB_TRY(tb_kafka_settings_copy(options, &query->settings, err));
    TB_TRY(tb_kafka_conf(&query->settings, group, false, &conf, err));
    return tb_kafka_handle_new(RD_KAFKA_CONSUMER, conf, topic, query, &query->handle, err);
}

enum tb_code tb_log_kafka_offsets_query_open(const struct tb_log_kafka_options *options,
                                             const char *topic, const char *group,
                                             struct tb_log_kafka_offsets_query **ret_asker,
                                             struct tb_error *err)
{
    struct tb_log_kafka_offsets_query *query = calloc(1, sizeof *query);
    enum tb_code code;

    if (!query)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    code = open_handle(query, options, topic, group, err);
    if (code != TB_OK) {
        tb_log_kafka_offsets_query_free(query);
        return code;
    }
    *ret_asker = query;
    return TB_OK;
}

void tb_log_kafka_offsets_query_free(struct tb_log_kafka_offsets_query *query)
{
    if (!query)
        return;
    tb_kafka_handle_destroy(query->handle, TB_KAFKA_QUERY_TIMEOUT_MS);
    tb_kafka_settings_release(&query->settings);
    free(query);
}

static enum tb_code refused(struct tb_error *err, const char *what, rd_kafka_resp_err_t code)
{
    return tb_error_set(err, TB_UNAVAILABLE, "%s: %s", what, rd_kafka_err2str(code));
}

static rd_kafka_resp_err_t ask_ends(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *held,
                                    struct tb_log_range *ranges)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(held);
    rd_kafka_resp_err_t code = tb_kafka_query_watermarks(rk, list, RD_KAFKA_OFFSET_BEGINNING);

    for (int i = 0; i < list->cnt && !code; i++)
        ranges[list->elems[i].partition].begin = list->elems[i].offset;
    if (!code)
        code = tb_kafka_query_watermarks(rk, list, RD_KAFKA_OFFSET_END);
    for (int i = 0; i < list->cnt && !code; i++)
        ranges[list->elems[i].partition].end = list->elems[i].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

static enum tb_code ask_all(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *held,
                            struct tb_log_range *ranges, struct tb_error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_committed(rk, held, TB_KAFKA_QUERY_TIMEOUT_MS);

    for (int i = 0; i < held->cnt && !code; i++)
        code = held->elems[i].err;
    if (code)
        return refused(err, "committed offsets", code);
    code = ask_ends(rk, held, ranges);
    if (code)
        return refused(err, "ends of the log", code);
    for (int i = 0; i < held->cnt; i++)
        ranges[held->elems[i].partition].committed =
            held->elems[i].offset >= 0 ? held->elems[i].offset : -1;
    return TB_OK;
}

/* Who holds nothing has nothing to ask for: is the log there at all? */
static enum tb_code ask_any(const struct kafka_handle *handle, struct tb_error *err)
{
    struct kafka_topic_layout ignored;
    rd_kafka_resp_err_t code =
        tb_kafka_query_topic(handle->rk, handle->topic, TB_KAFKA_QUERY_TIMEOUT_MS, &ignored);

    return code ? refused(err, "the log", code) : TB_OK;
}

static void leave_below(rd_kafka_topic_partition_list_t *list, int32_t count)
{
    for (int i = list->cnt - 1; i >= 0; i--) {
        if (list->elems[i].partition >= count)
            rd_kafka_topic_partition_list_del_by_idx(list, i);
    }
}

/* Of the reader only its handle is looked at, which never changes and which any thread may ask. */
enum tb_code tb_log_kafka_query_assigned(const struct tb_log_kafka_offsets_query *query,
                                         const struct tb_log_reader *base,
                                         struct tb_log_range *ret_ranges, int32_t count,
                                         struct tb_error *err)
{
    const struct kafka_reader *reader = (const struct kafka_reader *)(const void *)base;
    rd_kafka_topic_partition_list_t *held = NULL;
    rd_kafka_resp_err_t code = rd_kafka_assignment(reader->handle->rk, &held);
    enum tb_code result;

    if (code)
        return refused(err, "partitions held", code);
    for (int32_t p = 0; p < count; p++)
        ret_ranges[p] = (struct tb_log_range){.end = -1, .committed = -1};
    leave_below(held, count);
    result = held->cnt > 0 ? ask_all(query->handle->rk, held, ret_ranges, err)
                           : ask_any(query->handle, err);
    rd_kafka_topic_partition_list_destroy(held);
    return result;
}

/* Partitions 0 to count - 1 of the asker's topic; to be destroyed. */
static rd_kafka_topic_partition_list_t *all_of(const struct tb_log_kafka_offsets_query *query,
                                               int32_t count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);

    for (int32_t p = 0; p < count; p++)
        rd_kafka_topic_partition_list_add(list, rd_kafka_topic_name(query->handle->topic), p);
    return list;
}

enum tb_code tb_log_kafka_query_watermarks(const struct tb_log_kafka_offsets_query *query,
                                           struct tb_log_range *ret_ranges, int32_t count,
                                           struct tb_error *err)
{
    rd_kafka_topic_partition_list_t *list = all_of(query, count);
    rd_kafka_resp_err_t code;

    for (int32_t p = 0; p < count; p++)
        ret_ranges[p].committed = -1;
    code = ask_ends(query->handle->rk, list, ret_ranges);
    rd_kafka_topic_partition_list_destroy(list);
    return code ? refused(err, "ends of the log", code) : TB_OK;
}

enum tb_code tb_log_kafka_query_committed(const struct tb_log_kafka_offsets_query *query,
                                          int64_t *ret_next, int32_t count, struct tb_error *err)
{
    rd_kafka_topic_partition_list_t *list = all_of(query, count);
    rd_kafka_resp_err_t code;

    code = rd_kafka_committed(query->handle->rk, list, TB_KAFKA_QUERY_TIMEOUT_MS);
    for (int i = 0; i < list->cnt && !code; i++) {
        const rd_kafka_topic_partition_t *part = &list->elems[i];

        code = part->err;
        ret_next[part->partition] = part->offset >= 0 ? part->offset : -1;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code ? refused(err, "committed offsets", code) : TB_OK;
}
