/* Promise: a problem is shown as long as it lasts, and reported once an outage, however often it
 * is met. Method: the memory of reported problems, and what tb_outage_update writes to standard
 * error. */
#include "daemon/outage.h"
#include "support/support.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct tb_outage outage;

static void setup(void)
{
    tb_outage_init(&outage);
}

static void teardown(void)
{
    tb_outage_release(&outage);
}

static const char *problem(void)
{
    static char text[TB_OUTAGE_TEXT_SIZE];

    tb_outage_problem(&outage, text);
    return text;
}

START_TEST(a_problem_is_new_once)
{
    ck_assert(tb_outage_is_new(&outage, "no route"));
    ck_assert(!tb_outage_is_new(&outage, "no route"));
    ck_assert(tb_outage_is_new(&outage, "refused"));
    tb_outage_set_problem(&outage, "refused");
    ck_assert_str_eq(problem(), "refused");
    ck_assert(tb_outage_end(&outage));
    ck_assert(!tb_outage_end(&outage));
    ck_assert(!tb_outage_is_new(&outage, "refused")); /* it still lasts */
    tb_outage_set_problem(&outage, "");
    ck_assert(tb_outage_is_new(&outage, "refused"));
}
END_TEST

START_TEST(one_outage_is_reported_a_few_times_at_most)
{
    char text[40];

    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "problem %d", i);
        ck_assert_int_eq(tb_outage_is_new(&outage, text), i < TB_OUTAGE_REPORTS_MAX);
    }
    ck_assert(tb_outage_end(&outage));
    ck_assert(tb_outage_is_new(&outage, "problem 50"));
}
END_TEST

/* What tb_outage_update writes for these errors; NULL: it works again. */
static const char *reports_of(const char *const *errors, size_t count)
{
    static const struct tb_outage_words words = {"log.failing", "log.running", "the log fails",
                                                 "the log works"};
    static char text[4096];
    int ends[2], stderr_fd = dup(STDERR_FILENO);
    ssize_t len;

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    for (size_t i = 0; i < count; i++) {
        struct tb_error err = {0};

        if (errors[i])
            (void)tb_error_set(&err, TB_UNAVAILABLE, "%s", errors[i]);
        tb_outage_update(&outage, &words, &err);
    }
    (void)dup2(stderr_fd, STDERR_FILENO);
    close(stderr_fd);
    close(ends[1]);
    len = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

START_TEST(an_update_reports_the_problem_and_its_end_once)
{
    static const char *const errors[] = {NULL, "no route", "no route", NULL, NULL};
    const char *text = reports_of(errors, 2), *at;

    ck_assert_str_eq(problem(), "no route");
    at = strstr(text, "the log fails: no route");
    ck_assert_msg(at != NULL, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "log.failing"));
    text = reports_of(errors + 2, 3);
    ck_assert_str_eq(problem(), "");
    ck_assert_ptr_null(strstr(text, "the log fails"));
    at = strstr(text, "the log works again");
    ck_assert_msg(at != NULL, "%s", text);
    ck_assert_ptr_null(strstr(at + 1, "the log works again"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("daemon/outage");
    TCase *tc = tcase_create("outage");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_problem_is_new_once);
    tcase_add_test(tc, one_outage_is_reported_a_few_times_at_most);
    tcase_add_test(tc, an_update_reports_the_problem_and_its_end_once);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
