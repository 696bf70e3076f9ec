/* Promise: the page is Prometheus text 0.0.4, and its numbers agree with each other even while
 * other threads count. */
#include "base/diag/metrics.h"
#include "support/support.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 4
#define OBSERVATIONS 20000

START_TEST(head_escapes_the_help)
{
    struct tb_buf out = {0};

    tb_metric_head(&out, "tillbox_x", "gauge", "a\\b\nc \"d\"");
    ck_assert_str_eq(out.data, "# HELP tillbox_x a\\\\b\\nc \"d\"\n# TYPE tillbox_x gauge\n");
    tb_buf_release(&out);
}
END_TEST

START_TEST(samples_are_exact)
{
    struct tb_buf out = {0};

    tb_metric_int(&out, "a_total", "", 0);
    tb_metric_int(&out, "a_total", "{b=\"c\",d=\"e\"}", INT64_MIN);
    tb_metric_seconds_from_ms(&out, "t", "", 1763886042007);
    tb_metric_seconds_from_ms(&out, "t", "{v=\"w\"}", -1);
    tb_metric_seconds_from_ms(&out, "t", "", INT64_MIN);
    ck_assert_str_eq(out.data, "a_total 0\n"
                               "a_total{b=\"c\",d=\"e\"} -9223372036854775808\n"
                               "t 1763886042.007\n"
                               "t{v=\"w\"} -0.001\n"
                               "t -9223372036854775.808\n");
    tb_buf_release(&out);
}
END_TEST

START_TEST(histogram_buckets_are_cumulative_and_inclusive)
{
    static const struct tb_histogram_spec spec = {
        .count = 3, .bounds = {100, 2500, 1000000}, .scale = 1e-6};
    static const int64_t values[] = {0, 0, 100, 101, 2500, 2501, 1000001};
    struct tb_histogram histogram = {.spec = &spec};
    struct tb_buf out = {0};

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        tb_histogram_observe(&histogram, values[i]);
    tb_metric_histogram(&out, "h_seconds", "How long.", &histogram);
    ck_assert_str_eq(out.data, "# HELP h_seconds How long.\n"
                               "# TYPE h_seconds histogram\n"
                               "h_seconds_bucket{le=\"0.0001\"} 3\n"
                               "h_seconds_bucket{le=\"0.0025\"} 5\n"
                               "h_seconds_bucket{le=\"1\"} 6\n"
                               "h_seconds_bucket{le=\"+Inf\"} 7\n"
                               "h_seconds_sum 1.005203\n"
                               "h_seconds_count 7\n");
    tb_buf_release(&out);
}
END_TEST

/* The two bounds that all histograms use: 0.1 ms to 30 s, and 1 to 1,024. */
START_TEST(standard_bounds_rise_and_are_written_plainly)
{
    const struct tb_histogram_spec *specs[] = {&tb_histogram_time, &tb_histogram_size};
    static const char *const first[] = {"le=\"0.0001\"", "le=\"1\""};
    static const char *const last[] = {"le=\"30\"", "le=\"1024\""};

    for (int i = 0; i < 2; i++) {
        struct tb_histogram histogram = {.spec = specs[i]};
        struct tb_buf out = {0};

        ck_assert_uint_le(specs[i]->count, TB_HISTOGRAM_BUCKETS_MAX);
        for (size_t j = 1; j < specs[i]->count; j++)
            ck_assert_int_gt(specs[i]->bounds[j], specs[i]->bounds[j - 1]);
        tb_metric_histogram(&out, "h", "x", &histogram);
        ck_assert_ptr_nonnull(strstr(out.data, first[i]));
        ck_assert_ptr_nonnull(strstr(out.data, last[i]));
        tb_buf_release(&out);
    }
}
END_TEST

static struct tb_histogram shared = {.spec = &tb_histogram_size};

static void *observe(void *arg)
{
    (void)arg;
    for (int i = 0; i < OBSERVATIONS; i++)
        tb_histogram_observe(&shared, i % 2000);
    return NULL;
}

static unsigned long long sample(const char *page, const char *name)
{
    const char *at = strstr(page, name);

    ck_assert_ptr_nonnull(at);
    return strtoull(at + strlen(name), NULL, 10);
}

START_TEST(count_is_the_last_bucket_while_others_observe)
{
    pthread_t threads[THREADS];
    unsigned long long count = 0;

    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, observe, NULL), 0);
    while (count < OBSERVATIONS) {
        struct tb_buf out = {0};

        tb_metric_histogram(&out, "h", "x", &shared);
        count = sample(out.data, "h_count ");
        ck_assert_uint_eq(sample(out.data, "le=\"+Inf\"} "), count);
        ck_assert_uint_le(sample(out.data, "le=\"1024\"} "), count);
        tb_buf_release(&out);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);

    struct tb_buf out = {0};
    tb_metric_histogram(&out, "h", "x", &shared);
    ck_assert_uint_eq(sample(out.data, "h_count "), THREADS * OBSERVATIONS);
    ck_assert_uint_eq(sample(out.data, "h_sum "), THREADS * (OBSERVATIONS / 2000) * 1999000ull);
    tb_buf_release(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics");
    TCase *tc = tcase_create("metrics");

    tcase_add_test(tc, head_escapes_the_help);
    tcase_add_test(tc, samples_are_exact);
    tcase_add_test(tc, histogram_buckets_are_cumulative_and_inclusive);
    tcase_add_test(tc, standard_bounds_rise_and_are_written_plainly);
    tcase_add_test(tc, count_is_the_last_bucket_while_others_observe);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
