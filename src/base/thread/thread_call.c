#include "base/thread/thread_call.h"
#include "base/time/clock.h"
#include <errno.h>

void tb_errands_init(struct tb_errands *errands, size_t max, void (*ring)(void *ctx), void *ctx)
{
    *errands = (struct tb_errands){.ring = ring, .ctx = ctx};
    tb_mailbox_init(&errands->box, max);
    TB_ASSERT(pthread_mutex_init(&errands->lock, NULL) == 0);
    tb_cond_init(&errands->ended);
}

void tb_errands_release(struct tb_errands *errands)
{
    tb_mailbox_release(&errands->box);
    pthread_cond_destroy(&errands->ended);
    pthread_mutex_destroy(&errands->lock);
}

static enum tb_code post(struct tb_errands *errands, struct tb_errand *errand, bool awaited,
                         struct tb_error *err)
{
    errand->state = TB_ERRAND_WAITING;
    errand->awaited = awaited;
    errand->outcome = (struct tb_error){0};
    if (!tb_mailbox_post(&errands->box, &errand->mail)) {
        errand->free(errand);
        return tb_error_set(err, TB_BUSY, "too much of this is under way, or it is ending");
    }
    if (errands->ring)
        errands->ring(errands->ctx);
    return TB_OK;
}

enum tb_code tb_errand_post(struct tb_errands *errands, struct tb_errand *errand,
                            struct tb_error *err)
{
    return post(errands, errand, false, err);
}

/* With the lock held: until it has ended or the time is over. */
static void await(struct tb_errands *errands, const struct tb_errand *errand, int64_t wait_ms)
{
    struct timespec until = tb_deadline_in(wait_ms);

    while (errand->state != TB_ERRAND_ENDED) {
        if (pthread_cond_timedwait(&errands->ended, &errands->lock, &until) == ETIMEDOUT)
            return;
    }
}

enum tb_code tb_errand_ask(struct tb_errands *errands, struct tb_errand *errand, int64_t wait_ms,
                           struct tb_error *err)
{
    struct tb_error outcome;
    bool ended;

    TB_TRY(post(errands, errand, true, err));
    pthread_mutex_lock(&errands->lock);
    await(errands, errand, wait_ms);
    ended = errand->state == TB_ERRAND_ENDED;
    outcome = errand->outcome;
    if (!ended && errand->state == TB_ERRAND_WAITING)
        tb_error_set(&outcome, TB_UNAVAILABLE, "nobody had time for it: it is not done");
    else if (!ended)
        tb_error_set(&outcome, TB_UNKNOWN, "it was begun, and whether it is done is not known");
    if (!ended) { /* the owner frees it */
        errand->awaited = false;
        if (errand->state == TB_ERRAND_WAITING)
            errand->state = TB_ERRAND_GIVEN_UP;
    }
    pthread_mutex_unlock(&errands->lock);
    if (ended)
        errand->free(errand);
    if (outcome.code != TB_OK)
        *err = outcome;
    return outcome.code;
}

struct tb_errand *tb_errands_take(struct tb_errands *errands)
{
    struct tb_mail *mail;

    while ((mail = tb_mailbox_take(&errands->box, 1)) != NULL) {
        struct tb_errand *errand = (struct tb_errand *)(void *)mail;
        bool wanted;

        pthread_mutex_lock(&errands->lock);
        wanted = errand->state == TB_ERRAND_WAITING;
        if (wanted)
            errand->state = TB_ERRAND_TAKEN;
        pthread_mutex_unlock(&errands->lock);
        if (wanted)
            return errand;
        errand->free(errand);
    }
    return NULL;
}

void tb_errand_end(struct tb_errands *errands, struct tb_errand *errand,
                   const struct tb_error *outcome)
{
    bool awaited;

    pthread_mutex_lock(&errands->lock);
    errand->state = TB_ERRAND_ENDED;
    errand->outcome = *outcome;
    awaited = errand->awaited;
    if (awaited)
        pthread_cond_broadcast(&errands->ended);
    pthread_mutex_unlock(&errands->lock);
    if (!awaited)
        errand->free(errand);
}

void tb_errands_close(struct tb_errands *errands, const struct tb_error *why)
{
    struct tb_errand *errand;

    tb_mailbox_close(&errands->box);
    while ((errand = tb_errands_take(errands)) != NULL)
        tb_errand_end(errands, errand, why);
}
