/* The view in memory keeps the contract of every view, so that what other tests find with it holds
 * for the real ones. _i: the case, for each of its two kinds. */
#include "query/doubles/mem_view.h"
#include "query/view_conformance.h"

static struct mem_view mem;

static void teardown(void)
{
    mem_view_release(&mem);
}

static void run(int index)
{
    mem.late_plans = true;
    view_case_run(index, &mem.view, &mem.reader.reader);
}

START_TEST(a_case_of_every_view)
{
    mem_view_init(&mem);
    run(_i);
}
END_TEST

START_TEST(a_case_of_every_view_without_offsets)
{
    mem_view_init_guarded(&mem);
    run(_i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/doubles/mem_view");
    TCase *tc = tcase_create("contract");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, a_case_of_every_view, 0, view_case_count);
    tcase_add_loop_test(tc, a_case_of_every_view_without_offsets, 0, view_case_count);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
