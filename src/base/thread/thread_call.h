/* Errands: what one thread asks of another that owns a handle, and may wait for.
 *
 *   WAITING --> TAKEN --> ended (who asked is told)
 *      |          |
 *      v          v
 *   given up    given up: done or not, nobody waits any more
 *   (never done)
 *
 * Thread:  post and ask from any thread; take, end and close from the owner.
 * Memory:  an errand belongs to the box from post on, and is freed with the last who has it: who
 *          waits, or the owner. Embed it first in what it carries.
 * Errors:  TB_BUSY: the box is full or closed; TB_UNAVAILABLE: the owner had no time for it: both
 *          definitely not done. TB_UNKNOWN: the owner has begun and was not waited for longer.
 * Units:   milliseconds. */
#pragma once
#include "base/error.h"
#include "base/thread/mailbox.h"

struct tb_thread_call {
    struct tb_mail mail; /* first: the box finds the errand by it */
    void (*free)(struct tb_thread_call *call);
    enum {
        TB_THREAD_CALL_QUEUED,
        TB_THREAD_CALL_RUNNING,
        TB_THREAD_CALL_DONE,
        TB_THREAD_CALL_CANCELLED
    } state;
    bool awaited; /* somebody waits for the outcome */
    struct tb_error outcome;
};
struct tb_thread_calls {
    struct tb_mailbox box; /* the owner may wait on it */
    pthread_mutex_t lock;  /* of every errand's state */
    pthread_cond_t ended;
    void (*wake)(void *ctx); /* wakes an owner that waits elsewhere; NULL: it waits on the box */
    void *ctx;
};
void tb_thread_calls_init(struct tb_thread_calls *calls, size_t max, void (*wake)(void *ctx),
                          void *ctx);
void tb_thread_calls_release(struct tb_thread_calls *calls); /* closed, and nothing is taken */

/* Nobody waits for it. On failure it is freed. */
TB_CHECKED enum tb_code tb_thread_call_post(struct tb_thread_calls *calls,
                                            struct tb_thread_call *call, struct tb_error *err);
/* Posts it and waits for its outcome; it is gone afterwards. */
TB_CHECKED enum tb_code tb_thread_call_sync(struct tb_thread_calls *calls,
                                            struct tb_thread_call *call, int64_t wait_ms,
                                            struct tb_error *err);

/* The next one that is still wanted; NULL: none. Does not wait. */
struct tb_thread_call *tb_thread_calls_take(struct tb_thread_calls *calls);
/* outcome->code TB_OK: done. The errand is gone. */
void tb_thread_call_complete(struct tb_thread_calls *calls, struct tb_thread_call *call,
                             const struct tb_error *outcome);
/* No more are taken: what waits, and whoever comes, is told so. */
void tb_thread_calls_close(struct tb_thread_calls *calls, const struct tb_error *why);
