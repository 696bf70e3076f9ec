/* Asks the cluster for a partition's begin and end, and for what a group has committed. The
 * queries use connections of their own, because on a reader's connection an answer waits behind
 * fetches of half a second each.
 *
 * Thread:  queries from any thread.
 * Memory:  options, topic and group are borrowed for the call that opens it.
 * Errors:  TB_INVALID at opening: the settings contradict each other. TB_UNAVAILABLE: the cluster
 *          did not answer all of it in time (2 s a question). */
#pragma once
#include "bridge/log/kafka/kafka.h"

struct kafka_handle; /* here of a consumer that subscribes to nothing and joins no group */
TB_CHECKED enum tb_code tb_log_kafka_offsets_query_open(const struct tb_log_kafka_options *options,
                                                        const char *topic, const char *group,
                                                        struct kafka_handle **ret_query,
                                                        struct tb_error *err);
void tb_log_kafka_offsets_query_free(struct kafka_handle *query); /* NULL is fine */

/* begin and end of the partitions 0 to count - 1. A record that anyone has read before the call is
 * before the end. */
TB_CHECKED enum tb_code tb_log_kafka_query_watermarks(const struct kafka_handle *query,
                                                      struct tb_log_range *ret_ranges,
                                                      int32_t count, struct tb_error *err);
/* The group's committed offsets of the partitions 0 to count - 1; -1: none. */
TB_CHECKED enum tb_code tb_log_kafka_query_committed(const struct kafka_handle *query,
                                                     int64_t *ret_next, int32_t count,
                                                     struct tb_error *err);
/* Ranges of those partitions below count that are assigned to the reader, which must be of the
 * same topic and group. The others' end is -1. */
TB_CHECKED enum tb_code tb_log_kafka_query_assigned(const struct kafka_handle *query,
                                                    const struct tb_log_reader *reader,
                                                    struct tb_log_range *ret_ranges, int32_t count,
                                                    struct tb_error *err);
