/* Bounded log reader: returns the records of another reader, in each partition only those before
 * a limit. The limit may be raised at any time.
 *
 * Memory:  borrows the other reader; a batch is valid until that reader's next poll. */
#pragma once
#include "bridge/log/log.h"

struct tb_bounded_reader {
    struct tb_log_reader reader; /* the interface that the consumer gets; no wake, no free */
    struct tb_log_reader *from;
    int32_t partitions;
    int64_t limit[TB_LOG_PARTITIONS_MAX]; /* first offset that is not read; at first 0 */
    /* Where the other reader must go on, since it returned records behind the limit; -1: where it
     * stands. */
    int64_t seek_to[TB_LOG_PARTITIONS_MAX];
    /* As the consumer has committed it: everything before is applied. It may be behind the last
     * record, where a transaction's marker is. */
    int64_t applied[TB_LOG_PARTITIONS_MAX];
    /* Its wall time is when the last returned record was appended; its other times are real's. */
    struct tb_clock clock;
    const struct tb_clock *real; /* borrowed */
    int64_t appended_at_ms;
};
void tb_bounded_reader_init(struct tb_bounded_reader *bounded, struct tb_log_reader *from,
                            int32_t partitions, const struct tb_clock *real);
