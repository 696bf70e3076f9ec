/* Bounded log reader: reads another reader's partitions, each up to a limit that can be moved on.
 *
 * Thread:  the owner of the other reader.
 * Memory:  borrows the other reader and hands out its batches.
 * Errors:  those of the other reader. */
#pragma once
#include "bridge/log/log.h"

struct tb_bounded_reader {
    struct tb_log_reader reader; /* hand out &bounded->reader; its free does nothing */
    struct tb_log_reader *from;
    int32_t partitions;
    int64_t limit[TB_LOG_PARTITIONS_MAX]; /* first offset that is not read; 0 at first */
    /* Shows as wall time when the last record handed out was appended; the rest is `real`. */
    struct tb_clock clock;
    const struct tb_clock *real; /* borrowed */
    int64_t appended_at_ms;
};
void tb_bounded_reader_init(struct tb_bounded_reader *bounded, struct tb_log_reader *from,
                            int32_t partitions, const struct tb_clock *real);
