/* Looks whether records are still where the broker acknowledged them. A topic that was deleted and
 * made anew, or a broker that was restored or lost a disk, has others there, or none.
 *
 * Thread:  one owner. Opening may wait for the cluster as long as a query does; step does not
 * wait. Memory:  copies the positions; borrows options and topic until it is freed. Errors:
 * TB_UNAVAILABLE: the cluster does not answer; nothing is known. */
#pragma once
#include "base/values/uuid.h"
#include "bridge/log/kafka/kafka.h"

enum tb_log_probe_result {
    TB_LOG_PROBE_UNKNOWN,
    TB_LOG_PROBE_THERE,
    TB_LOG_PROBE_REMOVED, /* the log begins behind it: retention has removed it */
    TB_LOG_PROBE_LOST     /* the log ends before it, or has another record there */
};
struct tb_log_probe_position {
    int32_t partition;
    int64_t offset;
    char event_id[TB_UUID_SIZE]; /* the header ce_id */
    enum tb_log_probe_result result;
};
#define TB_LOG_PROBE_MAX (2 * TB_LOG_PARTITIONS_MAX)

struct tb_log_probe;
/* Positions of the same partition stand together. */
TB_CHECKED enum tb_code tb_log_probe_open(const struct tb_log_kafka_options *options,
                                          const char *topic,
                                          const struct tb_log_probe_position *positions,
                                          size_t count, struct tb_log_probe **ret_probe,
                                          struct tb_error *err);
/* *ret_done: every position has a result. Call it again after a moment until then. */
TB_CHECKED enum tb_code tb_log_probe_step(struct tb_log_probe *probe, bool *ret_done,
                                          struct tb_error *err);
const struct tb_log_probe_position *tb_log_probe_positions(const struct tb_log_probe *probe);
void tb_log_probe_free(struct tb_log_probe *probe); /* NULL is fine */
