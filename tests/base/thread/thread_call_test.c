/* Promise: who asks is told one of three outcomes, done, not done or unknown, and none is told
 * wrong; an errand that was given up before it was begun is never done. Method: an owner in the
 * test's hands, and one on a thread of its own. */
#include "base/thread/thread_call.h"
#include "support/support.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static struct tb_thread_calls errands;
static _Atomic int alive; /* errands that were not freed */
static _Atomic int rings;

struct job {
    struct tb_thread_call errand;
    int number;
};

static void free_job(struct tb_thread_call *errand)
{
    atomic_fetch_sub(&alive, 1);
    free(errand);
}

static struct tb_thread_call *new_job(int number)
{
    struct job *job = calloc(1, sizeof *job);

    ck_assert_ptr_nonnull(job);
    job->errand.free = free_job;
    job->number = number;
    atomic_fetch_add(&alive, 1);
    return &job->errand;
}

static void ring(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&rings, 1);
}

static void setup(void)
{
    atomic_store(&alive, 0);
    atomic_store(&rings, 0);
    tb_thread_calls_init(&errands, 2, ring, NULL);
}

static void teardown(void)
{
    struct tb_error why = {0};

    tb_error_set(&why, TB_UNAVAILABLE, "it ends");
    tb_thread_calls_close(&errands, &why);
    tb_thread_calls_release(&errands);
    ck_assert_int_eq(atomic_load(&alive), 0);
}

static int number_of(const struct tb_thread_call *errand)
{
    return ((const struct job *)errand)->number;
}

START_TEST(what_nobody_waits_for_is_done_in_order)
{
    const struct tb_error done = {0};
    struct tb_error err = {0};

    ck_ok(tb_thread_call_post(&errands, new_job(1), &err));
    ck_ok(tb_thread_call_post(&errands, new_job(2), &err));
    ck_assert_int_eq(tb_thread_call_post(&errands, new_job(3), &err), TB_BUSY);
    ck_assert_int_eq(atomic_load(&alive), 2);
    ck_assert_int_eq(atomic_load(&rings), 2);
    for (int number = 1; number <= 2; number++) {
        struct tb_thread_call *errand = tb_thread_calls_take(&errands);

        ck_assert_int_eq(number_of(errand), number);
        tb_thread_call_complete(&errands, errand, &done);
    }
    ck_assert_ptr_null(tb_thread_calls_take(&errands));
}
END_TEST

START_TEST(what_is_given_up_in_time_is_never_begun)
{
    struct tb_error err = {0};

    ck_assert_int_eq(tb_thread_call_sync(&errands, new_job(1), 1, &err), TB_UNAVAILABLE);
    ck_assert_int_eq(atomic_load(&alive), 1);
    ck_assert_ptr_null(tb_thread_calls_take(&errands));
}
END_TEST

/* An owner that answers each errand with its number as a code. */
static void *answer_three(void *arg)
{
    (void)arg;
    for (int done = 0; done < 3;) {
        struct tb_thread_call *errand = tb_thread_calls_take(&errands);
        struct tb_error outcome = {0};

        if (!errand) {
            tb_mailbox_wait(&errands.box, 20000);
            continue;
        }
        if (number_of(errand) != TB_OK)
            tb_error_set(&outcome, (enum tb_code)number_of(errand), "so it went");
        tb_thread_call_complete(&errands, errand, &outcome);
        done++;
    }
    return NULL;
}

START_TEST(who_asks_is_told_the_outcome)
{
    struct tb_error err = {0};
    pthread_t owner;

    ck_assert_int_eq(pthread_create(&owner, NULL, answer_three, NULL), 0);
    ck_ok(tb_thread_call_sync(&errands, new_job(TB_OK), 20000, &err));
    ck_assert_int_eq(tb_thread_call_sync(&errands, new_job(TB_CONFLICT), 20000, &err),
                     TB_CONFLICT);
    ck_assert_str_eq(err.text, "so it went");
    ck_assert_int_eq(tb_thread_call_sync(&errands, new_job(TB_NOT_FOUND), 20000, &err),
                     TB_NOT_FOUND);
    pthread_join(owner, NULL);
    ck_assert_int_eq(atomic_load(&alive), 0);
}
END_TEST

/* Takes one and keeps it until who asked has gone. */
static void *begin_one(void *ret_errand)
{
    struct tb_thread_call *errand;

    while (!(errand = tb_thread_calls_take(&errands)))
        tb_mailbox_wait(&errands.box, 20000);
    *(struct tb_thread_call **)ret_errand = errand;
    return NULL;
}

START_TEST(what_was_begun_and_not_ended_is_unknown)
{
    const struct tb_error done = {0};
    struct tb_error err = {0};
    struct tb_thread_call *errand = NULL;
    enum tb_code code;
    pthread_t owner;

    ck_assert_int_eq(pthread_create(&owner, NULL, begin_one, &errand), 0);
    code = tb_thread_call_sync(&errands, new_job(1), 300, &err);
    if (code == TB_UNAVAILABLE) { /* a busy machine: it was not even begun, and is not */
        ck_ok(tb_thread_call_post(&errands, new_job(2), &err));
        pthread_join(owner, NULL);
        ck_assert_int_eq(number_of(errand), 2);
    } else {
        ck_assert_int_eq(code, TB_UNKNOWN);
        pthread_join(owner, NULL);
    }
    ck_assert_int_eq(atomic_load(&alive), 1);
    tb_thread_call_complete(&errands, errand, &done);
    ck_assert_int_eq(atomic_load(&alive), 0);
}
END_TEST

static void *ask_long(void *ret_code)
{
    struct tb_error err = {0};

    *(enum tb_code *)ret_code = tb_thread_call_sync(&errands, new_job(1), 60000, &err);
    return NULL;
}

START_TEST(a_closed_door_tells_who_waits)
{
    struct tb_error err = {0}, why = {0};
    enum tb_code code = TB_OK;
    pthread_t asker;

    ck_assert_int_eq(pthread_create(&asker, NULL, ask_long, &code), 0);
    while (tb_mailbox_count(&errands.box) == 0)
        tb_mailbox_wait(&errands.box, 20000);
    tb_error_set(&why, TB_UNAVAILABLE, "it ends");
    tb_thread_calls_close(&errands, &why);
    pthread_join(asker, NULL);
    ck_assert_int_eq(code, TB_UNAVAILABLE);
    ck_assert_int_eq(tb_thread_call_post(&errands, new_job(2), &err), TB_BUSY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/errand");
    TCase *tc = tcase_create("errand");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_nobody_waits_for_is_done_in_order);
    tcase_add_test(tc, what_is_given_up_in_time_is_never_begun);
    tcase_add_test(tc, who_asks_is_told_the_outcome);
    tcase_add_test(tc, what_was_begun_and_not_ended_is_unknown);
    tcase_add_test(tc, a_closed_door_tells_who_waits);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
