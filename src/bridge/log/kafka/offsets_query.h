/* How far a group is with the log, asked of the cluster at the moment, on connections of its own:
 * on a reader's the question would wait behind its fetches, each of them half a second.
 *
 * Thread:  ask from any thread.
 * Memory:  freed after the last question.
 * Errors:  TB_UNAVAILABLE: the cluster does not answer in time, or not on everything.
 * Units:   offsets. */
#pragma once
#include "bridge/log/kafka/kafka.h"

struct tb_log_kafka_offsets_query;
/* Joins nothing. */
TB_CHECKED enum tb_code
tb_log_kafka_offsets_query_open(const struct tb_log_kafka_options *options, const char *topic,
                                const char *group, struct tb_log_kafka_offsets_query **ret_asker,
                                struct tb_error *err);
/* Begin and end of each partition below count, whoever holds it: whatever anybody has read by now
 * is in front of the end. */
TB_CHECKED enum tb_code
tb_log_kafka_query_watermarks(const struct tb_log_kafka_offsets_query *query,
                              struct tb_log_range *ret_ranges, int32_t count,
                              struct tb_error *err);
/* What the group has committed of each partition below count, whoever holds it; -1: nothing. */
TB_CHECKED enum tb_code
tb_log_kafka_query_committed(const struct tb_log_kafka_offsets_query *query, int64_t *ret_next,
                             int32_t count, struct tb_error *err);
void tb_log_kafka_offsets_query_free(struct tb_log_kafka_offsets_query *query); /* NULL is fine */
/* Of each partition below count that the reader, which is of the same topic and group, holds; the
 * others' end is -1. Waits for the cluster at most two seconds a question. */
TB_CHECKED enum tb_code tb_log_kafka_query_assigned(const struct tb_log_kafka_offsets_query *query,
                                                    const struct tb_log_reader *reader,
                                                    struct tb_log_range *ret_ranges, int32_t count,
                                                    struct tb_error *err);
/* Begin and end of each partition below count, whoever holds it: whatever anybody has read by now
 * is in front of the end. */
TB_CHECKED enum tb_code
tb_log_kafka_query_watermarks(const struct tb_log_kafka_offsets_query *query,
                              struct tb_log_range *ret_ranges, int32_t count,
                              struct tb_error *err);
/* What the group has committed of each partition below count, whoever holds it; -1: nothing. */
TB_CHECKED enum tb_code
tb_log_kafka_query_committed(const struct tb_log_kafka_offsets_query *query, int64_t *ret_next,
                             int32_t count, struct tb_error *err);
