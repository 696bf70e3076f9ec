/* Promise: the orders of a store are read in the order of their ids from any id on, each as it is
 * now, with the delivery of its last event. Method: a few dozen orders, some of them changed. */
#include "store/fixture.h"
#include "store/order_reader.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORDERS 40

static struct fixture f;
static struct tb_order_reader *reader;
static char ids[ORDERS][TB_UUID_SIZE]; /* sorted */

static int by_id(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void setup(void)
{
    struct tb_error err = {0};

    fixture_init(&f);
    fixture_open(&f);
    for (int i = 0; i < ORDERS; i++)
        fixture_place(&f, ids[i]);
    ck_ok(tb_order_reader_open(f.path, &reader, &err));
}

static void teardown(void)
{
    tb_order_reader_free(reader);
    fixture_release(&f);
}

static struct seen {
    size_t count, delivered, parked;
    char ids[ORDERS][TB_UUID_SIZE];
    int64_t versions[ORDERS];
    enum tb_order_status statuses[ORDERS];
} seen;

static void see(void *ctx, const struct tb_stored_order *stored)
{
    (void)ctx;
    ck_assert_uint_lt(seen.count, ORDERS);
    memcpy(seen.ids[seen.count], stored->order.order_id, TB_UUID_SIZE);
    seen.versions[seen.count] = stored->order.version;
    seen.statuses[seen.count] = stored->order.status;
    ck_assert_uint_gt(stored->order.line_count, 0);
    seen.count++;
    seen.delivered += stored->delivered;
    seen.parked += stored->parked.ptr != NULL;
    if (stored->parked.ptr)
        ck_assert(tb_str_eq(stored->parked, TB_STR("too large")));
}

static void scan(const char *start, int limit)
{
    struct tb_error err = {0};

    seen = (struct seen){0};
    ck_ok(tb_order_reader_scan(reader, TB_CURSOR_KAFKA, start, limit, see, NULL, &err));
}

START_TEST(orders_come_by_id_from_anywhere_on)
{
    qsort(ids, ORDERS, sizeof ids[0], by_id);
    scan("", 1000);
    ck_assert_uint_eq(seen.count, ORDERS);
    for (size_t i = 0; i < ORDERS; i++)
        ck_assert_str_eq(seen.ids[i], ids[i]);
    scan(ids[7], 5);
    ck_assert_uint_eq(seen.count, 5);
    ck_assert_str_eq(seen.ids[0], ids[7]);
    ck_assert_str_eq(seen.ids[4], ids[11]);
    scan("zzz", 5);
    ck_assert_uint_eq(seen.count, 0);
}
END_TEST

/* Every scan sees the store as it was at its beginning, even while the writer commits. */
START_TEST(an_order_is_as_it_is_now)
{
    struct request r;

    request_change(&r, TB_CMD_SHIP, ids[3], NULL, 1);
    fixture_run(&f, &r);
    ck_assert_int_eq(r.job.answer.status, 200);
    request_release(&r);
    scan(ids[3], 1);
    ck_assert_int_eq(seen.versions[0], 2);
    ck_assert_int_eq(seen.statuses[0], TB_SHIPPED);
}
END_TEST

START_TEST(the_delivery_of_the_last_event_is_reported)
{
    scan("", 1000);
    ck_assert_uint_eq(seen.delivered, 0);
    ck_assert(fixture_park(&f, ids[5], 6, "too large", FIXTURE_WALL_MS));
    tb_writer_post_cursor(f.writer, TB_CURSOR_KAFKA, 10, FIXTURE_WALL_MS);
    fake_clock_advance(&f.clock, 1000);
    tb_writer_step(f.writer);
    scan("", 1000);
    ck_assert_uint_eq(seen.delivered, 10);
    ck_assert_uint_eq(seen.parked, 1);
    tb_writer_post_cursor(f.writer, TB_CURSOR_INPROC, 30, FIXTURE_WALL_MS); /* another's */
    fake_clock_advance(&f.clock, 1000);
    tb_writer_step(f.writer);
    scan("", 1000);
    ck_assert_uint_eq(seen.delivered, 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store/order_reader");
    TCase *tc = tcase_create("scan");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, orders_come_by_id_from_anywhere_on);
    tcase_add_test(tc, an_order_is_as_it_is_now);
    tcase_add_test(tc, the_delivery_of_the_last_event_is_reported);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
