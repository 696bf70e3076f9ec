/* Mailbox: a bounded queue of messages to one thread, its owner.
 *
 * tb_mailbox_wake wakes the owner without a message. No wake-up is lost: if the owner is not
 * waiting, its next wait returns at once.
 *
 * Thread:  post, wake and close: any; take and wait: the owner only.
 * Memory:  messages embed struct tb_mail; they belong to the mailbox once post has returned true.
 *          post returns false if the mailbox is full or closed.
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
/* Takes up to max messages in the order of posting, linked by next; NULL if none. Never waits. */
struct tb_mail *tb_mailbox_take(struct tb_mailbox *box, size_t max);
/* Waits until there is a message or a wake-up, or wait_ms have passed; clears the wake-up. */
void tb_mailbox_wait(struct tb_mailbox *box, int64_t wait_ms);
/* Waits without sleeping until there is a message or a wake-up, or spin_us microseconds have
 * passed. For an owner that expects a message within that time: to sleep and be woken would take
 * longer. */
void tb_mailbox_spin_wait(struct tb_mailbox *box, int64_t spin_us);
void tb_mailbox_close(struct tb_mailbox *box); /* refuses further posts and wakes the owner */
size_t tb_mailbox_count(struct tb_mailbox *box);
