/* Promise: every message arrives once and in order, a full or closed mailbox refuses, and no
 * wake-up is lost. */
#include "base/thread/mailbox.h"
#include "support/support.h"

#define POSTERS 4
#define EACH 5000

struct note {
    struct tb_mail mail;
    int poster, number;
};
static struct tb_mailbox box;

static void *post_all(void *arg)
{
    static struct note notes[POSTERS][EACH];
    int poster = *(int *)arg;

    for (int i = 0; i < EACH; i++) {
        struct note *note = &notes[poster][i];
        *note = (struct note){.poster = poster, .number = i};
        while (!tb_mailbox_post(&box, &note->mail))
            sched_yield(); /* full: the owner is taking */
    }
    return NULL;
}

START_TEST(every_message_once_and_in_order_per_poster)
{
    pthread_t threads[POSTERS];
    int ids[POSTERS], next[POSTERS] = {0}, total = 0;

    tb_mailbox_init(&box, 64);
    for (int i = 0; i < POSTERS; i++) {
        ids[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, post_all, &ids[i]), 0);
    }
    while (total < POSTERS * EACH) {
        tb_mailbox_wait(&box, -1);
        for (struct tb_mail *mail = tb_mailbox_take(&box, 7); mail; mail = mail->next) {
            struct note *note = (struct note *)mail;
            ck_assert_int_eq(note->number, next[note->poster]++);
            total++;
        }
    }
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_ptr_null(tb_mailbox_take(&box, 1));
    tb_mailbox_release(&box);
}
END_TEST

START_TEST(full_and_closed_are_refused)
{
    struct note notes[3] = {0};

    tb_mailbox_init(&box, 2);
    ck_assert(tb_mailbox_post(&box, &notes[0].mail));
    ck_assert(tb_mailbox_post(&box, &notes[1].mail));
    ck_assert(!tb_mailbox_post(&box, &notes[2].mail));
    ck_assert_ptr_eq(tb_mailbox_take(&box, 1), &notes[0].mail);
    tb_mailbox_close(&box);
    ck_assert(!tb_mailbox_post(&box, &notes[2].mail));
    ck_assert_ptr_eq(tb_mailbox_take(&box, 9), &notes[1].mail); /* what was taken stays */
    tb_mailbox_wait(&box, -1);                                  /* closing woke the owner */
    tb_mailbox_release(&box);
}
END_TEST

START_TEST(a_wake_up_before_the_wait_is_remembered)
{
    tb_mailbox_init(&box, 1);
    tb_mailbox_wake(&box);
    tb_mailbox_wake(&box);
    tb_mailbox_wait(&box, -1); /* returns: would hang if the wake-up were lost */
    tb_mailbox_wait(&box, 1);  /* two wake-ups before one wait are one */
    tb_mailbox_release(&box);
}
END_TEST

static void *post_one(void *arg)
{
    ck_assert(tb_mailbox_post(&box, arg));
    return NULL;
}

START_TEST(a_spin_wait_sees_messages_and_takes_none)
{
    struct note note = {0};
    pthread_t poster;

    tb_mailbox_init(&box, 1);
    tb_mailbox_spin_wait(&box, 1); /* ends by itself */
    ck_assert_int_eq(pthread_create(&poster, NULL, post_one, &note.mail), 0);
    tb_mailbox_spin_wait(&box, INT64_MAX / 2); /* would hang if it did not see the message */
    ck_assert_ptr_eq(tb_mailbox_take(&box, 9), &note.mail);
    pthread_join(poster, NULL);
    tb_mailbox_wake(&box);
    tb_mailbox_spin_wait(&box, INT64_MAX / 2);
    tb_mailbox_wait(&box, -1); /* would hang if the spin wait had taken the wake-up */
    tb_mailbox_release(&box);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mailbox");
    TCase *tc = tcase_create("mailbox");

    tcase_add_test(tc, every_message_once_and_in_order_per_poster);
    tcase_add_test(tc, full_and_closed_are_refused);
    tcase_add_test(tc, a_wake_up_before_the_wait_is_remembered);
    tcase_add_test(tc, a_spin_wait_sees_messages_and_takes_none);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
