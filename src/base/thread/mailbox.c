#include "base/thread/mailbox.h"
#include "base/error.h"
#include "base/thread/process.h"
#include "base/time/clock.h"
#include <errno.h>
#include <stdatomic.h>
#include <time.h>

void tb_mailbox_init(struct tb_mailbox *box, size_t max)
{
    *box = (struct tb_mailbox){.max = max};
    TB_ASSERT(pthread_mutex_init(&box->lock, NULL) == 0);
    tb_cond_init(&box->arrived);
}

void tb_mailbox_release(struct tb_mailbox *box)
{
    TB_ASSERT(box->count == 0);
    pthread_cond_destroy(&box->arrived);
    pthread_mutex_destroy(&box->lock);
}

bool tb_mailbox_post(struct tb_mailbox *box, struct tb_mail *mail)
{
    bool taken;

    pthread_mutex_lock(&box->lock);
    taken = !box->closed && box->count < box->max;
    if (taken) {
        mail->next = NULL;
        if (box->last)
            box->last->next = mail;
        else
            box->first = mail;
        box->last = mail;
        /* The owner waits only while the box is empty, so only the first message has to wake it.
         */
        if (box->count++ == 0)
            pthread_cond_signal(&box->arrived);
    }
    pthread_mutex_unlock(&box->lock);
    return taken;
}

void tb_mailbox_wake(struct tb_mailbox *box)
{
    pthread_mutex_lock(&box->lock);
    if (!box->woken) {
        box->woken = true;
        pthread_cond_signal(&box->arrived);
    }
    pthread_mutex_unlock(&box->lock);
}

struct tb_mail *tb_mailbox_take(struct tb_mailbox *box, size_t max)
{
    struct tb_mail *first, *last = NULL;
    size_t n = 0;

    pthread_mutex_lock(&box->lock);
    first = box->first;
    for (struct tb_mail *mail = first; mail && n < max; mail = mail->next) {
        last = mail;
        n++;
    }
    if (last) {
        box->first = last->next;
        last->next = NULL;
        if (!box->first)
            box->last = NULL;
        box->count -= n;
    }
    pthread_mutex_unlock(&box->lock);
    return last ? first : NULL;
}

void tb_mailbox_wait(struct tb_mailbox *box, int64_t wait_ms)
{
    struct timespec until = {0};

    if (wait_ms > 0)
        until = tb_deadline_in(wait_ms);
    pthread_mutex_lock(&box->lock);
    while (box->count == 0 && !box->woken && wait_ms != 0) {
        if (wait_ms < 0)
            pthread_cond_wait(&box->arrived, &box->lock);
        else if (pthread_cond_timedwait(&box->arrived, &box->lock, &until) == ETIMEDOUT)
            break;
    }
    box->woken = false;
    pthread_mutex_unlock(&box->lock);
}

void tb_mailbox_spin_wait(struct tb_mailbox *box, int64_t spin_us)
{
    int64_t end_us = tb_clock_mono_us(&tb_clock_system) + spin_us;

    while (atomic_load(&box->count) == 0 && !atomic_load(&box->woken) &&
           tb_clock_mono_us(&tb_clock_system) < end_us)
        tb_yield_cpu();
}

void tb_mailbox_close(struct tb_mailbox *box)
{
    pthread_mutex_lock(&box->lock);
    box->closed = true;
    box->woken = true;
    pthread_cond_broadcast(&box->arrived);
    pthread_mutex_unlock(&box->lock);
}

size_t tb_mailbox_count(struct tb_mailbox *box)
{
    return atomic_load(&box->count);
}
