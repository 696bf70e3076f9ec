/* How the checkpoints of one file go: told to the owner, and kept for status pages.
 *
 * It outlives the connections of the file: a writer that opens the file again continues it. While
 * checkpoints fail, all commits stay in the WAL, which is durable but grows. They are tried again
 * after 1 s, then after twice the wait each time, up to TB_CHECKPOINT_RETRY_MAX_MS. Commits wait
 * for a try, so the wait after one is at least TB_CHECKPOINT_RETRY_TIMES as long as it took.
 *
 * Thread:  the file's writer changes it; tb_checkpoints_status from any.
 * Memory:  the owner's; it must not move.
 * Units:   Unix milliseconds (_at_ms of the status), monotonic milliseconds (retry). */
#pragma once
#include "base/error.h"
#include "base/time/clock.h"
#include <pthread.h>
#include <stdbool.h>

#define TB_CHECKPOINT_RETRY_MIN_MS 1000
#define TB_CHECKPOINT_RETRY_MAX_MS 60000
#define TB_CHECKPOINT_RETRY_TIMES 20

struct tb_checkpoint_status {
    const char *file;                                   /* "store.db" */
    uint64_t failures;                                  /* since the start of the process */
    int64_t failing_at_ms;                              /* since when they fail; 0: they do not */
    char problem[sizeof(((struct tb_error *)0)->text)]; /* of the last failure; "": none */
};

struct tb_checkpoints {
    const struct tb_clock *clock; /* borrowed */
    /* Called by the writer after each failure, and with TB_OK after the first checkpoint that
     * copied the whole WAL since. */
    void (*on_result)(void *ctx, const struct tb_error *err);
    void *ctx;
    int64_t retry_wait_ms; /* the present wait between tries; 0: they do not fail */
    int64_t retry_at_ms;
    pthread_mutex_t lock; /* guards status */
    struct tb_checkpoint_status status;
};
/* file: its name for people, borrowed. on_result may be NULL. */
void tb_checkpoints_init(struct tb_checkpoints *checkpoints, const char *file,
                         const struct tb_clock *clock,
                         void (*on_result)(void *ctx, const struct tb_error *err), void *ctx);
void tb_checkpoints_release(struct tb_checkpoints *checkpoints);
void tb_checkpoints_status(struct tb_checkpoints *checkpoints,
                           struct tb_checkpoint_status *ret_status);
