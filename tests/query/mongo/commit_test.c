/* Commits of a few records to the MongoDB view: which documents each writes, which orders are
 * refused, and what a refusal leaves behind. */
#include "query/mongo/fleet/fleet.h"
#include "query/mongo/mongo_feed.h"
#include "query/mongo/view/view.h"
#include <stdio.h>
#include <stdlib.h>

static struct mongo_fixture f;

static void setup(void)
{
    mongo_fixture_open(&f, 50, 11);
}

static void teardown(void)
{
    mongo_fixture_close(&f);
}

/* The next plan of an order gets the epoch, sequence and time of its last event from the view. */
START_TEST(an_order_is_loaded_as_it_was_written)
{
    struct tb_error err = {0};
    struct tb_planned_order loaded = {0};
    struct tb_event event;
    struct tb_record record;

    history_place(&f.arena, &f.fake, HISTORY_START_MS, &event);
    history_record(&f.arena, &event, 42, &record);
    mongo_plan(f.view, &f.plan, 0, &record, 1, false);
    mongo_commit(f.view, &f.plan);
    ck_ok(f.view->ops->load(f.view, event.order_id, &f.arena, &loaded, &err));
    ck_assert(loaded.exists && !loaded.stub && !loaded.changed);
    ck_assert_str_eq(loaded.epoch, HISTORY_EPOCH);
    ck_assert_int_eq(loaded.sequence, 42);
    ck_assert_int_eq(loaded.received_at_ms, record.timestamp_ms);
    ck_assert(tb_str_eq(history_encode(&f.arena, &loaded.order),
                        history_encode(&f.arena, &event.order)));
    char *dump = mongo_db_dump(&f.db, "orders");
    static const char *const typed[] = {
        "\"version\" : { \"$numberLong\"", "\"totalMinor\" : { \"$numberLong\"",
        "\"placedAt\" : { \"$date\"",      "\"receivedAt\" : { \"$date\"",
        "\"businessDate\" : \"2026-",      "\"updatedAt\" : { \"$date\""};
    for (size_t i = 0; i < sizeof typed / sizeof *typed; i++)
        ck_assert_msg(strstr(dump, typed[i]), "%s is not in %s", typed[i], dump);
    free(dump);
}
END_TEST

/* An order of which only the version is known is stored, but no reader gets it. */
START_TEST(a_stub_is_kept_and_not_served)
{
    struct tb_error err = {0};
    struct tb_planned_order loaded = {0};
    char order_id[TB_UUID_SIZE], value[200];
    struct tb_header headers[] = {{TB_STR("ce_type"), TB_STR("OrderPlaced.v9")}};
    struct tb_record record = {.headers = headers, .header_count = 1};

    history_uuid(&f.fake, order_id);
    snprintf(value, sizeof value, "{\"orderId\":\"%s\",\"version\":1}", order_id);
    record.value = tb_str_of(value);
    mongo_plan(f.view, &f.plan, 0, &record, 1, true);
    mongo_commit(f.view, &f.plan);
    mongo_check_order(f.reader, order_id, 0, (struct tb_str){0});
    ck_ok(f.view->ops->load(f.view, order_id, &f.arena, &loaded, &err));
    ck_assert(loaded.exists && loaded.stub);
    ck_assert_int_eq(loaded.order.version, 1);
}
END_TEST

static void place(int64_t at_ms, int64_t offset, struct tb_event *ret_event,
                  struct tb_record *ret_record)
{
    history_place(&f.arena, &f.fake, at_ms, ret_event);
    history_record(&f.arena, ret_event, offset + 1, ret_record);
    ret_record->offset = offset;
}

/* One order can never be written: commit names it, writes the other orders, and no day counts it.
 * If the same plan is committed later and the order can be written, it is counted once. */
START_TEST(a_refused_order_is_named_and_not_counted)
{
    struct tb_error err = {0};
    struct tb_event events[20];
    struct tb_record records[20];

    for (int i = 0; i < 20; i++) {
        place(HISTORY_START_MS, i, &events[i], &records[i]);
        events[i].order.node = TB_STR("till1");
        memcpy(events[i].order.currency, "EUR", 4);
        if (i == 7) { /* longer than all others */
            char *text = tb_arena_alloc(&f.arena, 201);

            memset(text, 'x', 200);
            events[i].order.customer_id = tb_str_of(text);
            for (size_t l = 0; l < events[i].order.line_count; l++)
                events[i].order.lines[l].name = tb_str_of(text);
        }
        history_record(&f.arena, &events[i], i + 1, &records[i]);
        records[i].offset = i;
    }
    mongo_plan(f.view, &f.plan, 0, records, 20, true);
    f.db.mongo->document_max = 1000;
    for (int attempt = 0; attempt < 3; attempt++) {
        ck_assert_int_eq(f.view->ops->commit(f.view, &f.plan, &err), TB_INVALID);
        ck_assert_str_eq(f.plan.orders[f.view->refused_index]->order.order_id, events[7].order_id);
        ck_assert_int_eq(mongo_db_count(&f.db, "orders", "{}"), 19);
        ck_assert_int_eq(mongo_db_count(&f.db, "sales_by_day", "{\"parts.undone\":7}"), 1);
    }
    f.db.mongo->document_max = TB_MONGO_DOCUMENT_MAX;
    mongo_commit(f.view, &f.plan);
    mongo_commit(f.view, &f.plan);
    ck_assert_int_eq(mongo_db_count(&f.db, "orders", "{}"), 20);
    int64_t sales = 0, returns = 0, total = 0;
    for (int i = 0; i < 20; i++) {
        sales += events[i].order.kind == TB_SALE;
        returns += events[i].order.kind == TB_RETURN;
        total += events[i].order.total_minor;
    }
    char filter[200];
    snprintf(filter, sizeof filter, "{\"orders\":%lld,\"returns\":%lld,\"totalMinor\":%lld}",
             (long long)sales, (long long)returns, (long long)total);
    ck_assert_int_eq(mongo_db_count(&f.db, "sales_by_day", filter), 1);
}
END_TEST

/* Somebody has made a unique index. The order that it refuses is named with the index and is not
 * counted, all others are written; without the index the same plan is committed whole. */
START_TEST(a_foreign_unique_index_is_named)
{
    struct tb_error err = {0};
    struct tb_event events[4];
    struct tb_record records[4];

    mongo_db_command(&f.db,
                     "{\"createIndexes\":\"orders\",\"indexes\":[{\"key\":{\"customerId\":1},"
                     "\"name\":\"one order each\",\"unique\":true}]}");
    for (int i = 0; i < 4; i++) {
        place(HISTORY_START_MS, i, &events[i], &records[i]);
        events[i].order.customer_id = i == 0 || i == 2 ? TB_STR("C-1")
                                      : i == 1         ? TB_STR("C-2")
                                                       : TB_STR("C-3");
        history_record(&f.arena, &events[i], i + 1, &records[i]);
        records[i].offset = i;
    }
    mongo_plan(f.view, &f.plan, 0, records, 1, true);
    mongo_commit(f.view, &f.plan);
    for (int attempt = 0; attempt < 2; attempt++) {
        mongo_plan(f.view, &f.plan, 0, records, 4, true);
        ck_assert_int_eq(f.view->ops->commit(f.view, &f.plan, &err), TB_INVALID);
        ck_assert_str_eq(f.plan.orders[f.view->refused_index]->order.order_id, events[2].order_id);
        ck_assert_msg(strstr(err.text, "unique index one order each of orders"), "%s", err.text);
        ck_assert_int_eq(mongo_db_count(&f.db, "orders", "{}"), 3);
        ck_assert_int_eq(mongo_db_count(&f.db, "sales_by_day", "{\"parts.undone\":2}"), 1);
        ck_assert_int_eq(mongo_db_count(&f.db, "positions", "{\"next\":{\"$gt\":1}}"), 0);
    }
    mongo_db_command(&f.db, "{\"dropIndexes\":\"orders\",\"index\":\"one order each\"}");
    mongo_commit(f.view, &f.plan);
    ck_assert_int_eq(mongo_db_count(&f.db, "orders", "{}"), 4);
    ck_assert_int_eq(mongo_db_count(&f.db, "sales_by_day", "{\"parts.undone\":2}"), 0);
}
END_TEST

/* A change of an order can be refused by such an index, too. The order stays as it was. */
START_TEST(a_foreign_unique_index_refuses_a_change)
{
    struct tb_error err = {0};
    struct tb_event event;
    struct tb_record record;
    char filter[120];

    place(HISTORY_START_MS, 0, &event, &record);
    mongo_plan(f.view, &f.plan, 0, &record, 1, true);
    mongo_commit(f.view, &f.plan);
    mongo_db_command(&f.db, "{\"createIndexes\":\"orders\",\"indexes\":[{\"key\":{\"version\":1},"
                            "\"name\":\"by_version\",\"unique\":true}]}");
    mongo_db_command(&f.db, "{\"insert\":\"orders\",\"documents\":[{\"_id\":\"foreign\","
                            "\"version\":{\"$numberLong\":\"2\"}}]}");
    f.plan.orders[0]->exists = true;
    f.plan.orders[0]->order.version = 2;
    ck_assert_int_eq(f.view->ops->commit(f.view, &f.plan, &err), TB_INVALID);
    ck_assert_msg(strstr(err.text, "unique index by_version"), "%s", err.text);
    snprintf(filter, sizeof filter, "{\"_id\":\"%s\",\"version\":1}", event.order_id);
    ck_assert_int_eq(mongo_db_count(&f.db, "orders", filter), 1);
}
END_TEST

/* Elsewhere such an index is no order's fault: nothing that it refuses counts as written. */
START_TEST(a_foreign_unique_index_elsewhere_is_an_outage)
{
    struct tb_error err = {0};
    struct tb_record records[2];

    for (int i = 0; i < 2; i++)
        records[i] = (struct tb_record){.offset = i, .value = TB_STR("no order")};
    mongo_db_command(&f.db,
                     "{\"createIndexes\":\"dead_letters\",\"indexes\":[{\"key\":{\"partition\":1},"
                     "\"name\":\"one_each\",\"unique\":true}]}");
    mongo_plan(f.view, &f.plan, 0, records, 2, true);
    ck_assert_int_eq(f.view->ops->commit(f.view, &f.plan, &err), TB_UNAVAILABLE);
    ck_assert_msg(strstr(err.text, "unique index one_each"), "%s", err.text);
    mongo_db_command(&f.db, "{\"dropIndexes\":\"dead_letters\",\"index\":\"one_each\"}");
    mongo_commit(f.view, &f.plan);
    ck_assert_int_eq(mongo_db_count(&f.db, "dead_letters", "{}"), 2);
}
END_TEST

/* The current reader of the partition takes a refused order out of its day. If an earlier reader
 * commits the same plan late, it neither adds the order again nor takes out written ones. */
START_TEST(an_earlier_reader_does_not_change_a_day)
{
    struct tb_view *late = NULL;
    struct tb_error err = {0};
    struct tb_event event;
    struct tb_record record;

    place(HISTORY_START_MS, 0, &event, &record);
    ck_ok(tb_view_mongo_open(f.db.mongo, &late, &err));
    ck_ok(late->ops->acquire_fence(late, 0, &err));
    ck_ok(f.view->ops->acquire_fence(f.view, 0, &err));
    mongo_plan(f.view, &f.plan, 0, &record, 1, true);
    f.db.mongo->document_max = 100;
    ck_assert_int_eq(f.view->ops->commit(f.view, &f.plan, &err), TB_INVALID);
    ck_assert_int_eq(late->ops->commit(late, &f.plan, &err), TB_BUSY);
    ck_assert_int_eq(mongo_db_count(&f.db, "sales_by_day", "{\"orders\":0,\"returns\":0}"), 1);
    mongo_check_rollups(f.reader);
    f.db.mongo->document_max = TB_MONGO_DOCUMENT_MAX;
    mongo_commit(f.view, &f.plan);
    mongo_check_rollups(f.reader);
    ck_assert_int_eq(late->ops->commit(late, &f.plan, &err), TB_BUSY);
    ck_assert_int_eq(mongo_db_count(&f.db, "sales_by_day", "{\"orders\":0,\"returns\":0}"), 0);
    ck_ok(late->ops->acquire_fence(late, 0, &err)); /* the partition is assigned to it again */
    ck_ok(late->ops->commit(late, &f.plan, &err));
    ck_assert_int_eq(f.view->ops->commit(f.view, &f.plan, &err), TB_BUSY);
    late->ops->free(late);
}
END_TEST

/* The sum of a day that leaves 64 bits is stored as a decimal, and read back: the second commit
 * changes nothing. */
START_TEST(a_sum_beyond_64_bits_is_exact)
{
    struct tb_event event;
    struct tb_record record;
    char insert[700], sum[TB_SUM_SIZE], wanted[100];

    do
        place(HISTORY_START_MS, 5, &event, &record);
    while (event.order.kind != TB_SALE || event.order.total_minor == 0);
    snprintf(insert, sizeof insert,
             "{\"insert\":\"sales_by_day\",\"documents\":[{\"_id\":\"%s/%s/%s\",\"changes\":"
             "{\"$numberLong\":\"1\"},\"parts\":[{\"partition\":{\"$numberLong\":\"1\"},"
             "\"through\":{\"$numberLong\":\"1\"},\"totalMinor\":"
             "{\"$numberLong\":\"9223372036854775807\"}}]}]}",
             event.order.node.ptr, event.order.business_date, event.order.currency);
    mongo_db_command(&f.db, insert);
    tb_sum_format((tb_sum)INT64_MAX + event.order.total_minor, sum);
    snprintf(wanted, sizeof wanted, "{\"totalMinor\":{\"$numberDecimal\":\"%s\"}}", sum);
    for (int i = 0; i < 2; i++) {
        mongo_plan(f.view, &f.plan, 0, &record, 1, true);
        mongo_commit(f.view, &f.plan);
        ck_assert_int_eq(mongo_db_count(&f.db, "sales_by_day", wanted), 1);
    }
    ck_assert_int_eq(mongo_db_count(&f.db, "orders", "{}"), 1);
}
END_TEST

/* Orders that arrive after the end of their day are late and raise its revision; others do not. */
START_TEST(late_orders_raise_the_revision)
{
    struct tb_event events[3];
    struct tb_record records[3];

    for (int i = 0; i < 3; i++) {
        place(HISTORY_START_MS, i, &events[i], &records[i]);
        events[i].order.node = TB_STR("till1");
        memcpy(events[i].order.currency, "EUR", 4);
        history_record(&f.arena, &events[i], i + 1, &records[i]);
        records[i].offset = i;
    }
    records[2].timestamp_ms += INT64_C(2) * 86400 * 1000;
    mongo_plan(f.view, &f.plan, 0, records, 2, true);
    mongo_commit(f.view, &f.plan);
    ck_assert_int_eq(mongo_db_count(&f.db, "sales_by_day", "{\"revision\":1,\"lateOrders\":0}"),
                     1);
    mongo_plan(f.view, &f.plan, 0, records, 3, true);
    mongo_commit(f.view, &f.plan);
    ck_assert_int_eq(mongo_db_count(&f.db, "sales_by_day", "{\"revision\":2,\"lateOrders\":1}"),
                     1);
}
END_TEST

static void tell_day(const char *date, int64_t ends_at_ms, int64_t offset)
{
    struct tb_heartbeat_record told = {.heartbeat = {.node = "till1",
                                                     .epoch = HISTORY_EPOCH,
                                                     .version = "0.1.0",
                                                     .last_sequence = offset,
                                                     .clock_ms = HISTORY_START_MS,
                                                     .day_ends_at_ms = ends_at_ms},
                                       .offset = offset};
    struct tb_error err = {0};

    memcpy(told.heartbeat.business_date, date, TB_DATE_SIZE);
    ck_ok(tb_mongo_save_heartbeats(f.db.mongo, &told, 1, NULL, NULL, &err));
}

/* An order of a till in Los Angeles, whose day ends there. Our own day is Tokyo's. */
static void place_in_los_angeles(int i, int64_t placed_at_ms, int64_t arrived_at_ms)
{
    struct tb_event event;
    struct tb_record record;

    place(placed_at_ms, i, &event, &record);
    event.order.node = TB_STR("till1");
    memcpy(event.order.currency, "EUR", 4);
    memcpy(event.order.business_date, "2025-12-31", TB_DATE_SIZE);
    history_record(&f.arena, &event, i + 1, &record);
    record.offset = i;
    record.timestamp_ms = arrived_at_ms;
    mongo_plan(f.view, &f.plan, 0, &record, 1, true);
    mongo_commit(f.view, &f.plan);
}

static void check_late(int revision, int late_orders)
{
    char wanted[100];

    snprintf(wanted, sizeof wanted, "{\"revision\":%d,\"lateOrders\":%d}", revision, late_orders);
    ck_assert_msg(mongo_db_count(&f.db, "sales_by_day", wanted) == 1, "not %s: %s", wanted,
                  mongo_db_dump(&f.db, "sales_by_day"));
}

/* A day ends when the node has told that it does, wherever the central stands. */
START_TEST(a_day_ends_by_the_clock_of_its_node)
{
    const int64_t end_ms = HISTORY_START_MS + 8 * INT64_C(3600000);
    struct tb_error err = {0};

    ck_ok(tb_zone_set("Asia/Tokyo", &err));
    /* Nothing is told yet: the date of the order shows that the node has another day than we. */
    place_in_los_angeles(0, HISTORY_START_MS, HISTORY_START_MS + 1000);
    check_late(1, 0);
    place_in_los_angeles(1, HISTORY_START_MS, HISTORY_START_MS + 86400000);
    check_late(2, 1);
    tell_day("2025-12-31", end_ms, 1);
    place_in_los_angeles(2, end_ms - 2, end_ms - 1);
    check_late(2, 1);
    place_in_los_angeles(3, end_ms - 2, end_ms);
    check_late(3, 2);
    /* Its day starts later now: what it said of earlier days stays. */
    tell_day("2026-01-02", end_ms + 2 * 86400000 + 5 * 3600000, 2);
    place_in_los_angeles(4, end_ms - 2, end_ms - 1);
    check_late(3, 2);
    place_in_los_angeles(5, end_ms - 2, end_ms);
    check_late(4, 3);
}
END_TEST

START_TEST(dead_letters_are_stored_once_and_expire)
{
    struct tb_error err = {0};
    struct tb_header headers[] = {{TB_STR("ce_type"), TB_STR("OrderPlaced.v2")},
                                  {TB_STR("bytes"), {"\xff\x00\x01", 3}},
                                  {TB_STR("none"), {NULL, 0}}};
    struct tb_record records[5];
    int64_t open = -1, removed = -1;

    for (int i = 0; i < 5; i++)
        records[i] = (struct tb_record){
            .offset = i, .value = {"\xfe\x00not JSON", 10}, .headers = headers, .header_count = 3};
    for (int again = 0; again < 2; again++) {
        mongo_plan(f.view, &f.plan, 4, records, 5, true);
        f.plan.planned_at_ms += again;
        mongo_commit(f.view, &f.plan);
        ck_ok(f.reader->ops->count_dead_letters(f.reader, &open, &err));
        ck_assert_int_eq(open, 5);
    }
    ck_assert_int_eq(mongo_db_count(&f.db, "dead_letters",
                                    "{\"_id\":\"order-events-4-3\",\"reason\":\"tillbox.decode\","
                                    "\"partition\":4,\"offset\":3,\"attempts\":1}"),
                     1);
    ck_ok(f.view->ops->expire_dead_letters(f.view, HISTORY_START_MS, 100, &removed, &err));
    ck_assert_int_eq(removed, 0);
    ck_ok(f.view->ops->expire_dead_letters(f.view, HISTORY_START_MS + 1, 3, &removed, &err));
    ck_assert_int_eq(removed, 3);
    ck_ok(f.view->ops->expire_dead_letters(f.view, HISTORY_START_MS + 1, 3, &removed, &err));
    ck_assert_int_eq(removed, 2);
}
END_TEST

START_TEST(preparing_again_changes_nothing)
{
    struct tb_error err = {0};
    char warning[240];
    char *before = mongo_db_dump(&f.db, "meta"), *after;

    ck_ok(tb_mongo_prepare(f.db.mongo, warning, &err));
    after = mongo_db_dump(&f.db, "meta");
    ck_assert_str_eq(before, after);
    ck_assert_ptr_nonnull(strstr(before, "{ \"_id\" : \"served\" }{ \"orders\" : \"orders\" }"
                                         "{ \"sales_by_day\" : \"sales_by_day\" }"));
    if (mongo_server_is_ours())
        ck_assert_ptr_nonnull(strstr(warning, "standalone"));
    free(before);
    free(after);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("view_mongo_commit");
    TCase *tc = tcase_create("commits");
    int status;

    mongo_server_begin();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, an_order_is_loaded_as_it_was_written);
    tcase_add_test(tc, a_stub_is_kept_and_not_served);
    tcase_add_test(tc, a_refused_order_is_named_and_not_counted);
    tcase_add_test(tc, a_foreign_unique_index_is_named);
    tcase_add_test(tc, a_foreign_unique_index_refuses_a_change);
    tcase_add_test(tc, a_foreign_unique_index_elsewhere_is_an_outage);
    tcase_add_test(tc, an_earlier_reader_does_not_change_a_day);
    tcase_add_test(tc, a_sum_beyond_64_bits_is_exact);
    tcase_add_test(tc, late_orders_raise_the_revision);
    tcase_add_test(tc, a_day_ends_by_the_clock_of_its_node);
    tcase_add_test(tc, dead_letters_are_stored_once_and_expire);
    tcase_add_test(tc, preparing_again_changes_nothing);
    suite_add_tcase(suite, tc);
    status = test_main(suite);
    mongo_server_end();
    return status;
}
