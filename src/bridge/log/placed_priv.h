/* The parts of the placed reader: the operations of log.h (placed_reader.c), and where each
 * partition is read from (placed_place.c).
 *
 * Thread:  the reader's. */
#pragma once
#include "bridge/log/placed_reader.h"

/* The view is looked at so often: it may be dropped or put back while nothing is written. */
#define PLACED_LOOK_EVERY_MS 10000

enum placed_state { GONE, UNPLACED, PROVING, PLACED };
struct placed_part {
    enum placed_state state;
    struct tb_log_place place; /* as loaded; next is moved on by poll and seek */
    int64_t unused;            /* the lowest generation that neither we nor the view have used */
    int64_t since_ms;          /* monotonic, when the state was entered */
    bool was_placed;           /* in this assignment: the view must not stand before place.next */
};
struct placed_reader {
    struct tb_log_reader base;
    struct tb_placed_reader_options options;
    struct placed_part parts[TB_LOG_PARTITIONS_MAX];
    int64_t look_at_ms; /* monotonic */
    struct tb_record records[TB_LOG_BATCH_MAX];
};

static inline int64_t now_ms(const struct placed_reader *reader)
{
    return tb_clock_mono_ms(reader->options.clock);
}

/* placed_place.c */
/* Asserts that the drawing has this move. */
void tb_placed_enter(struct placed_reader *reader, struct placed_part *part,
                     enum placed_state state);
/* Places what is to be placed, and looks at the view and proves the log when that is due. Call it
 * before each poll: everything that an earlier poll returned is in the view, or was sought back.
 */
TB_CHECKED enum tb_code tb_placed_place_all(struct placed_reader *reader, struct tb_error *err);
/* Of a partition that is PROVING: takes what the view has off the batch, or begins a generation.
 */
TB_CHECKED enum tb_code tb_placed_judge(struct placed_reader *reader, struct tb_log_batch *batch,
                                        struct tb_error *err);
