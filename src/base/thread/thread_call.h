/* Calls between threads: a thread asks the owner of a handle to do something, and may wait for the
 * outcome.
 *
 *   QUEUED --(owner takes it)--> RUNNING --(owner completes it)--> DONE
 *     |
 *     +--(the caller has waited wait_ms)--> CANCELLED: the owner frees it without running it
 *
 * If the call is RUNNING when the caller has waited for wait_ms, the caller gets TB_UNKNOWN.
 *
 * Thread:  post and sync: any; take, complete and close: the owner.
 * Memory:  a call belongs to the queue from post on; the last user, caller or owner, frees it.
 *          Embed it as the first member of the request.
 * Errors:  TB_BUSY: the queue is full or closed. TB_UNAVAILABLE: the owner has not begun in time.
 *          Both mean that it was not done and never will be. TB_UNKNOWN: it was begun, but not
 *          completed in time. */
#pragma once
#include "base/error.h"
#include "base/thread/mailbox.h"

struct tb_thread_call {
    struct tb_mail mail; /* first: the queue finds the call by it */
    void (*free)(struct tb_thread_call *call);
    enum {
        TB_THREAD_CALL_QUEUED,
        TB_THREAD_CALL_RUNNING,
        TB_THREAD_CALL_DONE,
        TB_THREAD_CALL_CANCELLED
    } state;
    bool awaited; /* a caller waits for the outcome */
    struct tb_error outcome;
};
struct tb_thread_calls {
    struct tb_mailbox box; /* the queue */
    pthread_mutex_t lock;  /* guards the state of every call */
    pthread_cond_t done;
    void (*wake)(void *ctx); /* wakes the owner; NULL: it waits on the box */
    void *ctx;
};
void tb_thread_calls_init(struct tb_thread_calls *calls, size_t max, void (*wake)(void *ctx),
                          void *ctx);
/* Call it when the queue is closed and no call is running. */
void tb_thread_calls_release(struct tb_thread_calls *calls);

/* Queues a call and returns without waiting. On failure the call is freed. */
TB_CHECKED enum tb_code tb_thread_call_post(struct tb_thread_calls *calls,
                                            struct tb_thread_call *call, struct tb_error *err);
/* Queues a call and waits at most wait_ms for its outcome (below 0: until there is one). Do not
 * use the call afterwards. */
TB_CHECKED enum tb_code tb_thread_call_sync(struct tb_thread_calls *calls,
                                            struct tb_thread_call *call, int64_t wait_ms,
                                            struct tb_error *err);

/* Takes the next call whose caller has not given up; NULL: there is none. Never waits. */
struct tb_thread_call *tb_thread_calls_take(struct tb_thread_calls *calls);
/* Completes a call that was taken; do not use it afterwards. outcome->code TB_OK: it was done. */
void tb_thread_call_complete(struct tb_thread_calls *calls, struct tb_thread_call *call,
                             const struct tb_error *outcome);
/* Refuses further calls, and completes those that are queued with the error `why`. */
void tb_thread_calls_close(struct tb_thread_calls *calls, const struct tb_error *why);
