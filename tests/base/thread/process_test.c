/* Promise: a daemon can open as many files as its hard limit allows, and knows how many. */
#include "base/thread/process.h"
#include "support/support.h"
#include <sys/resource.h>

static void limit_to(rlim_t soft, rlim_t hard)
{
    const struct rlimit limit = {soft, hard};

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static rlim_t soft_limit(void)
{
    struct rlimit limit;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    return limit.rlim_cur;
}

START_TEST(the_limit_rises_as_far_as_the_hard_limit)
{
    limit_to(100, 900);
    ck_assert_int_eq(tb_process_raise_file_limit(500), 500);
    ck_assert_uint_eq(soft_limit(), 500);
    ck_assert_int_eq(tb_process_raise_file_limit(200), 500); /* never fewer */
    ck_assert_uint_eq(soft_limit(), 500);
    ck_assert_int_eq(tb_process_raise_file_limit(901), 900);
    ck_assert_uint_eq(soft_limit(), 900);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("process");
    TCase *tc = tcase_create("files");

    tcase_add_test(tc, the_limit_rises_as_far_as_the_hard_limit); /* in a process of its own */
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
