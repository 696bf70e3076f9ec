/* Mailbox: the one bounded door into a thread.
 *
 * Any thread posts; the owner takes all that is there and waits when there is nothing.
 * tb_mailbox_wake wakes the owner without a message (a wake-up is never lost: it is
 * remembered until the next wait).
 *
 * Thread:  post and wake from any thread; take and wait from the owner only.
 * Memory:  messages embed struct tb_mail and stay the poster's until posted.
 * Errors:  post says false when full or closed: the message is still the poster's.
 * Units:   milliseconds; a wait below 0 has no end. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tb_mail {
    struct tb_mail *next;
};

struct tb_mailbox {
    pthread_mutex_t lock;
    pthread_cond_t arrived; /* on CLOCK_MONOTONIC */
    struct tb_mail *first, *last;
    _Atomic size_t count; /* changed under the lock */
    size_t max;
    _Atomic bool woken; /* changed under the lock */
    bool closed;
};

void tb_mailbox_init(struct tb_mailbox *box, size_t max);
void tb_mailbox_release(struct tb_mailbox *box); /* must be empty */
bool tb_mailbox_post(struct tb_mailbox *box, struct tb_mail *mail);
void tb_mailbox_wake(struct tb_mailbox *box);
/* Up to max messages in the order of posting, linked by next; NULL if none. Does not wait. */
struct tb_mail *tb_mailbox_take(struct tb_mailbox *box, size_t max);
/* Returns when there is a message or a wake-up, or wait_ms has passed; clears the wake-up. */
void tb_mailbox_wait(struct tb_mailbox *box, int64_t wait_ms);
/* For an owner that expects a message within microseconds: stays awake until there is one or a
 * wake-up, or watch_us (microseconds) have passed; takes neither. */
void tb_mailbox_spin_wait(struct tb_mailbox *box, int64_t watch_us);
void tb_mailbox_close(struct tb_mailbox *box); /* further posts are refused; wakes the owner */
size_t tb_mailbox_count(struct tb_mailbox *box);
