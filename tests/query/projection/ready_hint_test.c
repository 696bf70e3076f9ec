/* A published hint is decoded again, no other record passes for one, and a log that takes nothing
 * delays nobody. */
#include "query/projection/ready_hint.h"
#include "support/support.h"
#include <stdio.h>
#include <stdlib.h>

#define ONE "01a207ab-6d5e-71ec-b6c1-58b7ea3e8654"
#define WINDOW 3

/* A log writer that takes at most WINDOW records without an acknowledgement. */
static struct fake_writer {
    struct tb_log_writer writer;
    struct tb_record last;
    char key[64], value[200];
    size_t appended, waiting;
    bool silent, down;
} box;

static enum tb_code append(struct tb_log_writer *writer, const struct tb_record *record,
                           int64_t tag, struct tb_error *err)
{
    (void)writer, (void)tag;
    if (box.waiting == WINDOW)
        return tb_error_set(err, TB_BUSY, "full");
    if (box.down)
        return tb_error_set(err, TB_UNAVAILABLE, "down");
    snprintf(box.key, sizeof box.key, "%.*s", (int)record->key.len, record->key.ptr);
    snprintf(box.value, sizeof box.value, "%.*s", (int)record->value.len, record->value.ptr);
    box.last = (struct tb_record){.key = tb_str_of(box.key), .value = tb_str_of(box.value)};
    box.appended++;
    box.waiting++;
    return TB_OK;
}

static enum tb_code poll(struct tb_log_writer *writer, int64_t wait_ms,
                         struct tb_log_ack *ret_acks, size_t max, size_t *ret_count,
                         struct tb_error *err)
{
    (void)writer, (void)ret_acks, (void)err;
    ck_assert_int_eq(wait_ms, 0); /* publishing must not wait */
    ck_assert_uint_ge(max, WINDOW);
    *ret_count = box.silent ? 0 : box.waiting;
    box.waiting = box.silent ? box.waiting : 0;
    return TB_OK;
}

static const struct tb_log_writer_ops ops = {.append = append, .poll = poll};
static struct fake_clock now;
static struct tb_ready_publisher teller;

static void setup(void)
{
    memset(&box, 0, sizeof box);
    box.writer.ops = &ops;
    fake_clock_init(&now, INT64_C(1795425003660));
    teller = (struct tb_ready_publisher){.writer = &box.writer, .clock = &now.clock};
}

static void teardown(void)
{
    tb_ready_publisher_release(&teller);
}

/* Makes a plan with count orders, each changed now. */
static void tell(size_t count)
{
    struct tb_planned_order planned[10] = {0};
    struct tb_planned_order *orders[10];
    struct tb_plan plan = {.orders = orders, .order_count = count};

    for (size_t i = 0; i < count; i++) {
        orders[i] = &planned[i];
        memcpy(planned[i].order.order_id, ONE, TB_UUID_SIZE);
        planned[i].order.version = (int64_t)i + 1;
        planned[i].changed = true;
        planned[i].received_at_ms = now.wall_ms;
    }
    tb_ready_publish(&teller, &plan);
}

START_TEST(a_published_hint_can_be_decoded)
{
    char order_id[TB_UUID_SIZE];
    int64_t version = 0, replaced = -1;

    tell(2);
    ck_assert_uint_eq(box.appended, 2);
    ck_assert_str_eq(box.key, ONE);
    ck_assert_str_eq(box.value, "{\"orderId\":\"" ONE "\",\"version\":2}");
    ck_assert(tb_ready_decode(&box.last, order_id, &version, &replaced));
    ck_assert_str_eq(order_id, ONE);
    ck_assert_int_eq(version, 2);
    ck_assert_int_eq(replaced, 0);
}
END_TEST

START_TEST(a_hint_tells_that_a_snapshot_has_replaced_the_order)
{
    struct tb_planned_order planned = {.order = {.order_id = ONE, .version = 3},
                                       .changed = true,
                                       .lineage = {.replaced = 2},
                                       .received_at_ms = now.wall_ms};
    struct tb_planned_order *orders[] = {&planned};
    char order_id[TB_UUID_SIZE];
    int64_t version = 0, replaced = -1;

    tb_ready_publish(&teller, &(struct tb_plan){.orders = orders, .order_count = 1});
    ck_assert(tb_ready_decode(&box.last, order_id, &version, &replaced));
    ck_assert_int_eq(version, 3);
    ck_assert_int_eq(replaced, 2);
}
END_TEST

START_TEST(only_recent_changes_are_published)
{
    struct tb_planned_order planned[] = {
        {.order = {.order_id = ONE, .version = 3}, .received_at_ms = now.wall_ms},
        {.order = {.order_id = ONE, .version = 3},
         .changed = true,
         .received_at_ms = now.wall_ms - TB_READY_MAX_AGE_MS - 1}};
    struct tb_planned_order *orders[] = {&planned[0], &planned[1]};

    tb_ready_publish(&teller, &(struct tb_plan){.orders = orders, .order_count = 2});
    ck_assert_uint_eq(box.appended, 0);
}
END_TEST

START_TEST(a_full_log_does_not_block)
{
    box.silent = true;
    tell(10);
    ck_assert_uint_eq(box.appended, WINDOW); /* the rest is not published */
    tell(10);
    ck_assert_uint_eq(box.appended, WINDOW);
    box.silent = false;
    tb_ready_collect_acks(&teller);
    tell(2);
    ck_assert_uint_eq(box.appended, WINDOW + 2);
    box.down = true;
    tell(2);
}
END_TEST

static const char *const strange[] = {
    "",
    "{",
    "null",
    "[\"" ONE "\",1]",
    "{\"orderId\":\"" ONE "\"}",
    "{\"version\":1}",
    "{\"orderId\":\"" ONE "\",\"version\":0}",
    "{\"orderId\":\"" ONE "\",\"version\":-1}",
    "{\"orderId\":\"" ONE "\",\"version\":1.5}",
    "{\"orderId\":\"" ONE "\",\"version\":\"1\"}",
    "{\"orderId\":\"somebody\",\"version\":1}",
    "{\"orderId\":7,\"version\":1}",
    "{\"orderId\":\"" ONE "\",\"version\":1}}",
};

START_TEST(other_records_are_no_hints)
{
    const struct tb_record record = {.value = tb_str_of(strange[_i])};
    const struct tb_record none = {0};
    char order_id[TB_UUID_SIZE];
    int64_t version = 0, replaced = -1;

    ck_assert(!tb_ready_decode(&record, order_id, &version, &replaced));
    ck_assert(!tb_ready_decode(&none, order_id, &version, &replaced));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/ready");
    TCase *tc = tcase_create("ready");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_published_hint_can_be_decoded);
    tcase_add_test(tc, a_hint_tells_that_a_snapshot_has_replaced_the_order);
    tcase_add_test(tc, only_recent_changes_are_published);
    tcase_add_test(tc, a_full_log_does_not_block);
    tcase_add_loop_test(tc, other_records_are_no_hints, 0,
                        (int)(sizeof strange / sizeof *strange));
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
