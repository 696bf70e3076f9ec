/* A log reader that stops: hands out what another one reads, of each partition up to an offset
 * that may be moved on.
 *
 * Thread:  the owner of the reader behind it.
 * Memory:  borrows that reader, and lets batches of it through.
 * Errors:  those of the reader behind it.
 * Units:   as log.h. */
#pragma once
#include "bridge/log/log.h"

struct tb_bounded_reader {
    struct tb_log_reader reader; /* hand out &until->reader; its free does nothing */
    struct tb_log_reader *from;
    int32_t partitions;
    int64_t until[TB_LOG_PARTITIONS_MAX]; /* the first offset that is not handed out */
    /* A clock that says when the last record of the batch that was handed out was appended. */
    struct tb_clock clock;
    const struct tb_clock *real; /* borrowed: the rest of that clock */
    int64_t appended_at_ms;
};
/* Nothing is handed out until `until` is set. */
void tb_bounded_reader_init(struct tb_bounded_reader *until, struct tb_log_reader *from,
                            int32_t partitions, const struct tb_clock *real);
