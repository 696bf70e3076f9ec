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

struct tb_errand {
    struct tb_mail mail; /* first: the box finds the errand by it */
    void (*free)(struct tb_errand *errand);
    enum { TB_ERRAND_WAITING, TB_ERRAND_TAKEN, TB_ERRAND_ENDED, TB_ERRAND_GIVEN_UP } state;
    bool awaited; /* somebody waits for the outcome */
    struct tb_error outcome;
};
struct tb_errands {
    struct tb_mailbox box; /* the owner may wait on it */
    pthread_mutex_t lock;  /* of every errand's state */
    pthread_cond_t ended;
    void (*ring)(void *ctx); /* wakes an owner that waits elsewhere; NULL: it waits on the box */
    void *ctx;
};
void tb_errands_init(struct tb_errands *errands, size_t max, void (*ring)(void *ctx), void *ctx);
void tb_errands_release(struct tb_errands *errands); /* closed, and nothing is taken */

/* Nobody waits for it. On failure it is freed. */
TB_CHECKED enum tb_code tb_errand_post(struct tb_errands *errands, struct tb_errand *errand,
                                       struct tb_error *err);
/* Posts it and waits for its outcome; it is gone afterwards. */
TB_CHECKED enum tb_code tb_errand_ask(struct tb_errands *errands, struct tb_errand *errand,
                                      int64_t wait_ms, struct tb_error *err);

/* The next one that is still wanted; NULL: none. Does not wait. */
struct tb_errand *tb_errands_take(struct tb_errands *errands);
/* outcome->code TB_OK: done. The errand is gone. */
void tb_errand_end(struct tb_errands *errands, struct tb_errand *errand,
                   const struct tb_error *outcome);
/* No more are taken: what waits, and whoever comes, is told so. */
void tb_errands_close(struct tb_errands *errands, const struct tb_error *why);
