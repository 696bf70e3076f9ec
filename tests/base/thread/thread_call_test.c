/* Promise: the caller gets one of three outcomes (done, not done, unknown), and always the right
 * one; a call that was cancelled before it ran never runs. Method: the test is the owner itself,
 * or runs one on a thread. */
#include "base/thread/thread_call.h"
#include "support/support.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static struct tb_thread_calls calls;
static _Atomic int alive; /* calls that are not freed yet */
static _Atomic int wakes;

struct job {
    struct tb_thread_call call;
    int number;
};

static void free_job(struct tb_thread_call *call)
{
    atomic_fetch_sub(&alive, 1);
    free(call);
}

static struct tb_thread_call *new_job(int number)
{
    struct job *job = calloc(1, sizeof *job);

    ck_assert_ptr_nonnull(job);
    job->call.free = free_job;
    job->number = number;
    atomic_fetch_add(&alive, 1);
    return &job->call;
}

static void wake(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&wakes, 1);
}

static void setup(void)
{
    atomic_store(&alive, 0);
    atomic_store(&wakes, 0);
    tb_thread_calls_init(&calls, 2, wake, NULL);
}

static void teardown(void)
{
    struct tb_error why = {0};

    tb_error_set(&why, TB_UNAVAILABLE, "it ends");
    tb_thread_calls_close(&calls, &why);
    tb_thread_calls_release(&calls);
    ck_assert_int_eq(atomic_load(&alive), 0);
}

static int number_of(const struct tb_thread_call *call)
{
    return ((const struct job *)call)->number;
}

START_TEST(posted_calls_run_in_order)
{
    const struct tb_error done = {0};
    struct tb_error err = {0};

    ck_ok(tb_thread_call_post(&calls, new_job(1), &err));
    ck_ok(tb_thread_call_post(&calls, new_job(2), &err));
    ck_assert_int_eq(tb_thread_call_post(&calls, new_job(3), &err), TB_BUSY);
    ck_assert_int_eq(atomic_load(&alive), 2);
    ck_assert_int_eq(atomic_load(&wakes), 2);
    for (int number = 1; number <= 2; number++) {
        struct tb_thread_call *call = tb_thread_calls_take(&calls);

        ck_assert_int_eq(number_of(call), number);
        tb_thread_call_complete(&calls, call, &done);
    }
    ck_assert_ptr_null(tb_thread_calls_take(&calls));
}
END_TEST

START_TEST(a_call_that_timed_out_never_runs)
{
    struct tb_error err = {0};

    ck_assert_int_eq(tb_thread_call_sync(&calls, new_job(1), 1, &err), TB_UNAVAILABLE);
    ck_assert_int_eq(atomic_load(&alive), 1);
    ck_assert_ptr_null(tb_thread_calls_take(&calls));
}
END_TEST

/* An owner that completes each call with its number as the error code. */
static void *answer_three(void *arg)
{
    (void)arg;
    for (int done = 0; done < 3;) {
        struct tb_thread_call *call = tb_thread_calls_take(&calls);
        struct tb_error outcome = {0};

        if (!call) {
            tb_mailbox_wait(&calls.box, 20000);
            continue;
        }
        if (number_of(call) != TB_OK)
            tb_error_set(&outcome, (enum tb_code)number_of(call), "so it went");
        tb_thread_call_complete(&calls, call, &outcome);
        done++;
    }
    return NULL;
}

START_TEST(the_caller_gets_the_outcome)
{
    struct tb_error err = {0};
    pthread_t owner;

    ck_assert_int_eq(pthread_create(&owner, NULL, answer_three, NULL), 0);
    ck_ok(tb_thread_call_sync(&calls, new_job(TB_OK), 20000, &err));
    ck_assert_int_eq(tb_thread_call_sync(&calls, new_job(TB_CONFLICT), 20000, &err), TB_CONFLICT);
    ck_assert_str_eq(err.text, "so it went");
    ck_assert_int_eq(tb_thread_call_sync(&calls, new_job(TB_NOT_FOUND), 20000, &err),
                     TB_NOT_FOUND);
    pthread_join(owner, NULL);
    ck_assert_int_eq(atomic_load(&alive), 0);
}
END_TEST

/* An owner that takes a call and completes it only after its caller has given up. */
static void *begin_one(void *ret_errand)
{
    struct tb_thread_call *call;

    while (!(call = tb_thread_calls_take(&calls)))
        tb_mailbox_wait(&calls.box, 20000);
    *(struct tb_thread_call **)ret_errand = call;
    return NULL;
}

START_TEST(a_call_that_runs_too_long_is_unknown)
{
    const struct tb_error done = {0};
    struct tb_error err = {0};
    struct tb_thread_call *call = NULL;
    enum tb_code code;
    pthread_t owner;

    ck_assert_int_eq(pthread_create(&owner, NULL, begin_one, &call), 0);
    code = tb_thread_call_sync(&calls, new_job(1), 300, &err);
    if (code == TB_UNAVAILABLE) { /* on a busy machine the owner may not have begun in time */
        ck_ok(tb_thread_call_post(&calls, new_job(2), &err));
        pthread_join(owner, NULL);
        ck_assert_int_eq(number_of(call), 2);
    } else {
        ck_assert_int_eq(code, TB_UNKNOWN);
        pthread_join(owner, NULL);
    }
    ck_assert_int_eq(atomic_load(&alive), 1);
    tb_thread_call_complete(&calls, call, &done);
    ck_assert_int_eq(atomic_load(&alive), 0);
}
END_TEST

static void *ask_long(void *ret_code)
{
    struct tb_error err = {0};

    *(enum tb_code *)ret_code = tb_thread_call_sync(&calls, new_job(1), 60000, &err);
    return NULL;
}

START_TEST(closing_completes_waiting_calls)
{
    struct tb_error err = {0}, why = {0};
    enum tb_code code = TB_OK;
    pthread_t caller;

    ck_assert_int_eq(pthread_create(&caller, NULL, ask_long, &code), 0);
    while (tb_mailbox_count(&calls.box) == 0)
        tb_mailbox_wait(&calls.box, 20000);
    tb_error_set(&why, TB_UNAVAILABLE, "it ends");
    tb_thread_calls_close(&calls, &why);
    pthread_join(caller, NULL);
    ck_assert_int_eq(code, TB_UNAVAILABLE);
    ck_assert_int_eq(tb_thread_call_post(&calls, new_job(2), &err), TB_BUSY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/call");
    TCase *tc = tcase_create("call");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, posted_calls_run_in_order);
    tcase_add_test(tc, a_call_that_timed_out_never_runs);
    tcase_add_test(tc, the_caller_gets_the_outcome);
    tcase_add_test(tc, a_call_that_runs_too_long_is_unknown);
    tcase_add_test(tc, closing_completes_waiting_calls);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
