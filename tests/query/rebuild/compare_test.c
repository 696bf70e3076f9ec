/* Promise: a difference between two views is listed with all that GET /rebuild shows of it.
 * Method: two readers that return what the test gives them; the text is compared byte for byte. */
#include "query/rebuild/compare.h"
#include "support/support.h"
#include <stdio.h>

struct fake_reader {
    struct tb_view_reader reader; /* first: the operations cast it back */
    const struct tb_order *orders;
    size_t order_count;
    const char *other_column; /* of every order */
    struct tb_stats_row totals[2];
    size_t total_count;
};

static enum tb_code fake_scan(struct tb_view_reader *base, const char *start, int limit,
                              tb_scanned_order_fn *each, void *ctx, struct tb_error *err)
{
    const struct fake_reader *fake = (struct fake_reader *)base;

    (void)err;
    for (size_t i = 0; i < fake->order_count && limit > 0; i++) {
        if (strcmp(fake->orders[i].order_id, start) >= 0) {
            each(ctx, &fake->orders[i], fake->other_column);
            limit--;
        }
    }
    return TB_OK;
}

static enum tb_code fake_stats(struct tb_view_reader *base, const struct tb_stats_filter *filter,
                               struct tb_arena *arena, struct tb_stats *ret_stats,
                               struct tb_error *err)
{
    struct fake_reader *fake = (struct fake_reader *)base;

    (void)filter, (void)arena, (void)err;
    *ret_stats = (struct tb_stats){.totals = fake->totals, .total_count = fake->total_count};
    return TB_OK;
}

static const struct tb_view_reader_ops ops = {.scan = fake_scan, .stats = fake_stats};

#define ONE "018f0000-0000-7000-8000-000000000001"
#define TWO "018f0000-0000-7000-8000-000000000002"

static const struct tb_order one = {
    .order_id = ONE, .version = 2, .currency = "EUR", .total_minor = 5};
static const struct tb_order two = {
    .order_id = TWO, .version = 3, .status = TB_SHIPPED, .currency = "USD", .total_minor = 9};

/* The hash of an order as the list shows it. */
static const char *hash_of(const struct tb_order *order)
{
    static char hashes[2][65];
    char *hash = hashes[order == &two];

    tb_order_hash(order, hash);
    return hash;
}

/* The list of what both readers differ in. */
static struct tb_compare *compare(struct fake_reader *served, struct fake_reader *rebuilt)
{
    struct tb_error err = {0};
    struct tb_compare *compare = NULL;

    ck_ok(tb_compare_new(&served->reader, &rebuilt->reader, NULL, NULL, &compare, &err));
    while (!compare->done)
        ck_ok(tb_compare_step(compare, &err));
    return compare;
}

START_TEST(all_of_a_difference_is_listed)
{
    struct fake_reader served = {.reader.ops = &ops,
                                 .orders = &one,
                                 .order_count = 1,
                                 .totals = {{.currency = "EUR", .orders = 1, .total_minor = 5}},
                                 .total_count = 1};
    struct fake_reader rebuilt = {
        .reader.ops = &ops,
        .orders = &two,
        .order_count = 1,
        .totals =
            {{.currency = "EUR", .orders = 1, .returns = 2, .cancelled = 3, .total_minor = 4},
             {.currency = "USD", .orders = 1, .total_minor = 9}},
        .total_count = 2};
    struct tb_compare *result = compare(&served, &rebuilt);
    char expected[1500];

    snprintf(expected, sizeof expected,
             "{\"difference\":\"total\",\"currency\":\"EUR\","
             "\"served\":{\"orders\":1,\"returns\":0,\"cancelled\":0,\"totalMinor\":5},"
             "\"rebuilt\":{\"orders\":1,\"returns\":2,\"cancelled\":3,\"totalMinor\":4}},"
             "{\"difference\":\"total\",\"currency\":\"USD\","
             "\"rebuilt\":{\"orders\":1,\"returns\":0,\"cancelled\":0,\"totalMinor\":9}},"
             "{\"difference\":\"missing\",\"orderId\":\"" ONE "\",\"served\":{\"version\":2,"
             "\"status\":\"PLACED\",\"totalMinor\":5,\"currency\":\"EUR\",\"hash\":\"%s\"}},"
             "{\"difference\":\"extra\",\"orderId\":\"" TWO "\",\"rebuilt\":{\"version\":3,"
             "\"status\":\"SHIPPED\",\"totalMinor\":9,\"currency\":\"USD\",\"hash\":\"%s\"}}",
             hash_of(&one), hash_of(&two));
    ck_assert_pstr_eq(tb_buf_str(&result->listed).ptr, expected);
    ck_assert_int_eq(result->difference_count, 4);
    tb_compare_free(result);
}
END_TEST

START_TEST(both_sides_of_a_difference_are_listed)
{
    struct tb_order changed = one;
    struct fake_reader served = {.reader.ops = &ops, .orders = &one, .order_count = 1};
    struct fake_reader rebuilt = {.reader.ops = &ops, .orders = &changed, .order_count = 1};
    struct tb_compare *result = compare(&served, &rebuilt);

    ck_assert_int_eq(result->difference_count, 0);
    ck_assert_uint_eq(result->listed.len, 0);
    tb_compare_free(result);
    changed.status = TB_CANCELLED;
    result = compare(&served, &rebuilt);
    ck_assert_int_eq(result->difference_count, 1);
    ck_assert_ptr_nonnull(strstr(tb_buf_str(&result->listed).ptr,
                                 "{\"difference\":\"different\",\"orderId\":\"" ONE
                                 "\",\"served\":{\"version\":2,\"status\":\"PLACED\","));
    ck_assert_ptr_nonnull(strstr(tb_buf_str(&result->listed).ptr,
                                 "},\"rebuilt\":{\"version\":2,\"status\":\"CANCELLED\","));
    tb_compare_free(result);
}
END_TEST

/* The content is the same, but lists of the served view find the order by another source. */
START_TEST(what_lists_find_an_order_by_is_compared)
{
    struct fake_reader served = {
        .reader.ops = &ops, .orders = &one, .order_count = 1, .other_column = "source"};
    struct fake_reader rebuilt = {.reader.ops = &ops, .orders = &one, .order_count = 1};
    struct tb_compare *result = compare(&served, &rebuilt);

    ck_assert_int_eq(result->difference_count, 1);
    ck_assert_ptr_nonnull(
        strstr(tb_buf_str(&result->listed).ptr, "\",\"columnDiffers\":\"source\"},\"rebuilt\":{"));
    tb_compare_free(result);
    result = compare(&rebuilt, &served);
    ck_assert_int_eq(result->difference_count, 1);
    tb_compare_free(result);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/rebuild/compare");
    TCase *tc = tcase_create("compare");

    tcase_add_test(tc, all_of_a_difference_is_listed);
    tcase_add_test(tc, both_sides_of_a_difference_are_listed);
    tcase_add_test(tc, what_lists_find_an_order_by_is_compared);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
