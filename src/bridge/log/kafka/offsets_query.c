#include "bridge/log/kafka/offsets_query.h"
#include "bridge/log/kafka/kafka_priv.h"

enum tb_code tb_log_kafka_offsets_query_open(const struct tb_log_kafka_options *options,
                                             const char *topic, const char *group,
                                             struct kafka_handle **ret_query, struct tb_error *err)
{
    rd_kafka_conf_t *conf = NULL;

    TB_TRY(tb_kafka_conf(options, group, false, &conf, err));
    return tb_kafka_handle_new(RD_KAFKA_CONSUMER, conf, topic, NULL, ret_query, err);
}

void tb_log_kafka_offsets_query_free(struct kafka_handle *query)
{
    tb_kafka_handle_destroy(query, TB_KAFKA_QUERY_TIMEOUT_MS);
}

static enum tb_code refused(struct tb_error *err, const char *what, rd_kafka_resp_err_t code)
{
    return tb_error_set(err, TB_UNAVAILABLE, "%s: %s", what, rd_kafka_err2str(code));
}

/* Partitions 0 to count - 1 of the topic. The caller destroys the list. */
static rd_kafka_topic_partition_list_t *list_all(const struct kafka_handle *query, int32_t count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);

    for (int32_t p = 0; p < count; p++)
        rd_kafka_topic_partition_list_add(list, rd_kafka_topic_name(query->topic), p);
    return list;
}

static void remove_from(rd_kafka_topic_partition_list_t *list, int32_t first)
{
    for (int i = list->cnt - 1; i >= 0; i--) {
        if (list->elems[i].partition >= first)
            rd_kafka_topic_partition_list_del_by_idx(list, i);
    }
}

static enum tb_code watermarks(const struct kafka_handle *query,
                               rd_kafka_topic_partition_list_t *list, struct tb_log_range *ranges,
                               struct tb_error *err)
{
    rd_kafka_resp_err_t code = tb_kafka_query_watermarks(query->rk, list, ranges);

    return code ? refused(err, "ends of the log", code) : TB_OK;
}

/* Sets each element's offset; -1: none. */
static enum tb_code committed(const struct kafka_handle *query,
                              rd_kafka_topic_partition_list_t *list, struct tb_error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_committed(query->rk, list, TB_KAFKA_QUERY_TIMEOUT_MS);

    for (int i = 0; i < list->cnt && !code; i++) {
        code = list->elems[i].err;
        if (list->elems[i].offset < 0)
            list->elems[i].offset = -1;
    }
    return code ? refused(err, "committed offsets", code) : TB_OK;
}

enum tb_code tb_log_kafka_query_watermarks(const struct kafka_handle *query,
                                           struct tb_log_range *ret_ranges, int32_t count,
                                           struct tb_error *err)
{
    TB_CLEANUP(tb_kafka_list_free)
    rd_kafka_topic_partition_list_t *list = list_all(query, count);

    for (int32_t p = 0; p < count; p++)
        ret_ranges[p].committed = -1;
    return watermarks(query, list, ret_ranges, err);
}

enum tb_code tb_log_kafka_query_committed(const struct kafka_handle *query, int64_t *ret_next,
                                          int32_t count, struct tb_error *err)
{
    TB_CLEANUP(tb_kafka_list_free)
    rd_kafka_topic_partition_list_t *list = list_all(query, count);

    TB_TRY(committed(query, list, err));
    for (int i = 0; i < list->cnt; i++)
        ret_next[list->elems[i].partition] = list->elems[i].offset;
    return TB_OK;
}

static enum tb_code query_list(const struct kafka_handle *query,
                               rd_kafka_topic_partition_list_t *list, struct tb_log_range *ranges,
                               struct tb_error *err)
{
    struct kafka_topic_layout ignored;
    rd_kafka_resp_err_t code;

    /* Without partitions there is nothing to ask, but the caller wants to know if Kafka answers.
     */
    if (list->cnt == 0) {
        code = tb_kafka_query_topic(query->rk, query->topic, TB_KAFKA_QUERY_TIMEOUT_MS, &ignored);
        return code ? refused(err, "the log", code) : TB_OK;
    }
    TB_TRY(committed(query, list, err));
    for (int i = 0; i < list->cnt; i++)
        ranges[list->elems[i].partition].committed = list->elems[i].offset;
    return watermarks(query, list, ranges, err);
}

enum tb_code tb_log_kafka_query_assigned(const struct kafka_handle *query,
                                         const struct tb_log_reader *reader,
                                         struct tb_log_range *ret_ranges, int32_t count,
                                         struct tb_error *err)
{
    TB_CLEANUP(tb_kafka_list_free) rd_kafka_topic_partition_list_t *list = NULL;
    rd_kafka_resp_err_t code = tb_kafka_reader_assignment(reader, &list);

    if (code)
        return refused(err, "assigned partitions", code);
    for (int32_t p = 0; p < count; p++)
        ret_ranges[p] = (struct tb_log_range){.end = -1, .committed = -1};
    remove_from(list, count);
    return query_list(query, list, ret_ranges, err);
}
