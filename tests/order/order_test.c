/* Promise: names are parsed back, a total is exact or refused, and equal orders have equal hashes.
 */
#include "order/samples.h"

START_TEST(names_are_read_back)
{
    enum tb_order_kind kind;
    enum tb_order_status status;

    for (int i = 0; i < 2; i++) {
        ck_assert(
            tb_order_kind_parse(tb_str_of(tb_order_kind_name((enum tb_order_kind)i)), &kind));
        ck_assert_int_eq(kind, i);
    }
    for (int i = 0; i < 3; i++) {
        ck_assert(tb_order_status_parse(tb_str_of(tb_order_status_name((enum tb_order_status)i)),
                                        &status));
        ck_assert_int_eq(status, i);
    }
    ck_assert(!tb_order_kind_parse(TB_STR("sale"), &kind));
    ck_assert(!tb_order_kind_parse(TB_STR("SAL"), &kind));
    ck_assert(!tb_order_kind_parse((struct tb_str){NULL, 0}, &kind));
    ck_assert(!tb_order_status_parse(TB_STR("PLACED "), &status));
}
END_TEST

/* Totals are compared with sums in 128 bits, for lines near every limit. */
START_TEST(totals_are_exact_or_refused)
{
    static const int64_t edges[] = {0, 1, 999, 1000000000, 9007199, INT32_MAX};
    struct fake_random random;
    int refused = 0;

    fake_random_init(&random, test_seed(1));
    for (int round = 0; round < 20000; round++) {
        struct tb_line lines[40] = {0};
        size_t count = 1 + fake_random_below(&random, 40);
        __int128 sum = 0;
        int64_t total = -7;

        for (size_t i = 0; i < count; i++) {
            lines[i].quantity = edges[fake_random_below(&random, 6)];
            lines[i].unit_price_minor = edges[fake_random_below(&random, 6)];
            if (fake_random_below(&random, 2))
                lines[i].quantity = -lines[i].quantity;
            sum += (__int128)lines[i].quantity * lines[i].unit_price_minor;
        }
        bool fits = sum >= -(__int128)TB_TOTAL_MAX && sum <= (__int128)TB_TOTAL_MAX;
        /* The sum may pass the bounds on its way and come back: still exact. */
        ck_assert_int_eq(tb_lines_total(lines, count, &total), fits);
        ck_assert(fits ? (__int128)total == sum : total == -7);
        refused += !fits;
    }
    ck_assert_int_gt(refused, 100);
}
END_TEST

START_TEST(totals_at_the_very_edge)
{
    struct tb_line line = {.quantity = 1, .unit_price_minor = TB_TOTAL_MAX};
    struct tb_line overflow[2] = {{.quantity = INT64_MAX, .unit_price_minor = 1},
                                  {.quantity = INT64_MAX, .unit_price_minor = 2}};
    int64_t total = 0;

    ck_assert(tb_lines_total(&line, 1, &total));
    ck_assert_int_eq(total, TB_TOTAL_MAX);
    line.quantity = -1;
    ck_assert(tb_lines_total(&line, 1, &total));
    ck_assert_int_eq(total, -TB_TOTAL_MAX);
    line.unit_price_minor++;
    ck_assert(!tb_lines_total(&line, 1, &total));
    ck_assert(!tb_lines_total(overflow, 1, &total));
    ck_assert(!tb_lines_total(overflow, 2, &total));
    /* Out of 64 bits and back again. */
    struct tb_line there_and_back[] = {{.quantity = INT64_MAX, .unit_price_minor = 2},
                                       {.quantity = -INT64_MAX, .unit_price_minor = 2},
                                       {.quantity = 1, .unit_price_minor = 5}};
    ck_assert(tb_lines_total(there_and_back, 3, &total));
    ck_assert_int_eq(total, 5);
    ck_assert(tb_lines_total(NULL, 0, &total));
    ck_assert_int_eq(total, 0);
}
END_TEST

/* Two copies of an order agree on the hash whoever told them last, and on nothing else. */
START_TEST(hash_covers_all_but_the_last_event)
{
    struct tb_arena arena = {0};
    struct fake_random random;
    struct tb_order order, other;
    char hash[65], again[65];

    fake_random_init(&random, test_seed(2));
    for (int round = 0; round < 200; round++) {
        sample_order(&random, &arena, &order);
        other = order;
        tb_order_hash(&order, hash);
        ck_assert_uint_eq(strlen(hash), 64);
        other.updated_at_ms++;
        sample_uuid(&random, other.last_event_id);
        tb_order_hash(&other, again);
        ck_assert_str_eq(hash, again);

        switch (round % 8) {
        case 0:
            other.version++;
            break;
        case 1:
            other.status = (other.status + 1) % 3;
            break;
        case 2:
            other.total_minor++;
            break;
        case 3:
            other.customer_id = TB_STR("somebody else");
            break;
        case 4:
            other.has_address = !other.has_address;
            other.address = (struct tb_address){
                .line1 = TB_STR("1"), .city = TB_STR("2"), .country = TB_STR("DE")};
            break;
        case 5:
            other.lines = tb_arena_alloc(&arena, sizeof *other.lines * other.line_count);
            memcpy(other.lines, order.lines, sizeof *other.lines * other.line_count);
            other.lines[other.line_count - 1].quantity++;
            break;
        case 6:
            other.placed_at_ms++;
            break;
        case 7:
            other.node = TB_STR("till2");
            break;
        }
        tb_order_hash(&other, again);
        ck_assert_str_ne(hash, again);
        tb_arena_clear(&arena);
    }
    tb_arena_release(&arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("order");
    TCase *tc = tcase_create("order");

    tcase_add_test(tc, names_are_read_back);
    tcase_add_test(tc, totals_are_exact_or_refused);
    tcase_add_test(tc, totals_at_the_very_edge);
    tcase_add_test(tc, hash_covers_all_but_the_last_event);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
