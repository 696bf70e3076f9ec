#include "base/thread/thread_call.h"
#include "base/time/clock.h"
#include <errno.h>

void tb_thread_calls_init(struct tb_thread_calls *calls, size_t max, void (*wake)(void *ctx),
                          void *ctx)
{
    *calls = (struct tb_thread_calls){.wake = wake, .ctx = ctx};
    tb_mailbox_init(&calls->box, max);
    TB_ASSERT(pthread_mutex_init(&calls->lock, NULL) == 0);
    tb_cond_init(&calls->done);
}

void tb_thread_calls_release(struct tb_thread_calls *calls)
{
    tb_mailbox_release(&calls->box);
    pthread_cond_destroy(&calls->done);
    pthread_mutex_destroy(&calls->lock);
}

static enum tb_code post(struct tb_thread_calls *calls, struct tb_thread_call *call, bool awaited,
                         struct tb_error *err)
{
    call->state = TB_THREAD_CALL_QUEUED;
    call->awaited = awaited;
    call->outcome = (struct tb_error){0};
    if (!tb_mailbox_post(&calls->box, &call->mail)) {
        call->free(call);
        return tb_error_set(err, TB_BUSY, "too much of this is under way, or it is ending");
    }
    if (calls->wake)
        calls->wake(calls->ctx);
    return TB_OK;
}

enum tb_code tb_thread_call_post(struct tb_thread_calls *calls, struct tb_thread_call *call,
                                 struct tb_error *err)
{
    return post(calls, call, false, err);
}

/* Waits until the call is done or wait_ms have passed (below 0: only until it is done). The caller
 * holds the lock. */
static void await(struct tb_thread_calls *calls, const struct tb_thread_call *call,
                  int64_t wait_ms)
{
    struct timespec until = tb_deadline_in(wait_ms);

    while (call->state != TB_THREAD_CALL_DONE) {
        if (wait_ms < 0)
            pthread_cond_wait(&calls->done, &calls->lock);
        else if (pthread_cond_timedwait(&calls->done, &calls->lock, &until) == ETIMEDOUT)
            return;
    }
}

enum tb_code tb_thread_call_sync(struct tb_thread_calls *calls, struct tb_thread_call *call,
                                 int64_t wait_ms, struct tb_error *err)
{
    struct tb_error outcome;
    bool done;

    TB_TRY(post(calls, call, true, err));
    pthread_mutex_lock(&calls->lock);
    await(calls, call, wait_ms);
    done = call->state == TB_THREAD_CALL_DONE;
    outcome = call->outcome;
    if (call->state == TB_THREAD_CALL_QUEUED) {
        call->state = TB_THREAD_CALL_CANCELLED;
        tb_error_set(&outcome, TB_UNAVAILABLE, "nobody had time for it: it is not done");
    } else if (!done) {
        tb_error_set(&outcome, TB_UNKNOWN, "it was begun, and whether it is done is not known");
    }
    call->awaited = done; /* if not, the owner frees it from now on */
    pthread_mutex_unlock(&calls->lock);
    if (done)
        call->free(call);
    if (outcome.code != TB_OK)
        *err = outcome;
    return outcome.code;
}

struct tb_thread_call *tb_thread_calls_take(struct tb_thread_calls *calls)
{
    struct tb_mail *mail;

    while ((mail = tb_mailbox_take(&calls->box, 1)) != NULL) {
        struct tb_thread_call *call = (struct tb_thread_call *)(void *)mail;
        bool wanted;

        pthread_mutex_lock(&calls->lock);
        wanted = call->state == TB_THREAD_CALL_QUEUED;
        if (wanted)
            call->state = TB_THREAD_CALL_RUNNING;
        pthread_mutex_unlock(&calls->lock);
        if (wanted)
            return call;
        call->free(call);
    }
    return NULL;
}

void tb_thread_call_complete(struct tb_thread_calls *calls, struct tb_thread_call *call,
                             const struct tb_error *outcome)
{
    bool awaited;

    pthread_mutex_lock(&calls->lock);
    call->state = TB_THREAD_CALL_DONE;
    call->outcome = *outcome;
    awaited = call->awaited;
    if (awaited)
        pthread_cond_broadcast(&calls->done);
    pthread_mutex_unlock(&calls->lock);
    if (!awaited)
        call->free(call);
}

void tb_thread_calls_close(struct tb_thread_calls *calls, const struct tb_error *why)
{
    struct tb_thread_call *call;

    tb_mailbox_close(&calls->box);
    while ((call = tb_thread_calls_take(calls)) != NULL)
        tb_thread_call_complete(calls, call, why);
}
