/* The reader of the MongoDB view. With the same orders, every filter, page and sum equals that of
 * the SQLite view, so a user who changes the edition sees no difference. */
#include "query/mongo/mongo_feed.h"
#include "query/mongo/mongo_server.h"
#include "query/sqlite/view_sqlite.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ORDERS 200

static struct fixture {
    struct mongo_db db;
    char dir[128];
    struct tb_view *view, *local;
    struct tb_view_reader *reader, *local_reader;
    struct tb_plan plan;
    struct tb_arena arena;
    struct fake_random fake;
    struct history history;
} f;

static void setup(void)
{
    struct tb_error err = {0};
    char path[160];

    memset(&f, 0, sizeof f);
    fake_random_init(&f.fake, test_seed(0x4ead));
    mongo_db_open(&f.db, 500);
    tmpdir_make(f.dir);
    snprintf(path, sizeof path, "%s/view.db", f.dir);
    ck_ok(tb_view_sqlite_open(path, &f.local, &err));
    ck_ok(tb_view_sqlite_reader(path, &f.local_reader, &err));
    ck_ok(tb_view_mongo_open(f.db.mongo, &f.view, &err));
    ck_ok(tb_view_mongo_open_reader(f.db.mongo, &f.reader, &err));
}

static void teardown(void)
{
    f.reader->ops->free(f.reader);
    f.view->ops->free(f.view);
    f.local_reader->ops->free(f.local_reader);
    f.local->ops->free(f.local);
    mongo_db_close(&f.db);
    tb_plan_release(&f.plan);
    tb_arena_release(&f.arena);
    history_release(&f.history);
    tmpdir_remove(f.dir);
}

/* Commits the same plan to both views. */
static void feed(const struct tb_record *records, size_t count)
{
    mongo_plan(f.view, &f.plan, 0, records, count, true);
    mongo_commit(f.view, &f.plan);
    mongo_commit(f.local, &f.plan);
}

static void fill(void)
{
    char order_id[TB_UUID_SIZE], value[200];
    struct tb_header headers[] = {{TB_STR("ce_type"), TB_STR("OrderPlaced.v9")}};
    struct tb_record stub = {.headers = headers, .header_count = 1, .offset = 1000000};

    history_make(&f.history, &f.fake, &(struct history_options){ORDERS, 10, 0});
    /* Several orders of one millisecond, so that the id decides their order. */
    for (size_t at = 0; at < f.history.record_count; at += 1000)
        feed(f.history.records + at,
             f.history.record_count - at < 1000 ? f.history.record_count - at : 1000);
    history_uuid(&f.fake, order_id);
    snprintf(value, sizeof value, "{\"orderId\":\"%s\",\"version\":1}", order_id);
    stub.value = tb_str_of(value);
    feed(&stub, 1);
    for (int i = 0; i < 20; i++) {
        struct tb_event event;
        struct tb_record record;

        history_place(&f.arena, &f.fake, HISTORY_START_MS + i / 7 * 977000, &event);
        history_record(&f.arena, &event, 900000 + i, &record);
        record.offset = 1000001 + i;
        feed(&record, 1);
    }
}

struct page {
    struct tb_buf text;
    int64_t last_at_ms;
    char last_id[TB_UUID_SIZE];
};

static bool take(void *ctx, struct tb_str order_id, int64_t placed_at_ms, struct tb_str doc)
{
    struct page *page = ctx;

    tb_buf_addf(&page->text, "%.*s %" PRId64 " ", (int)order_id.len, order_id.ptr, placed_at_ms);
    tb_buf_add_str(&page->text, doc);
    tb_buf_addc(&page->text, '\n');
    page->last_at_ms = placed_at_ms;
    memcpy(page->last_id, order_id.ptr, TB_UUID_SIZE - 1);
    page->last_id[TB_UUID_SIZE - 1] = '\0';
    return true;
}

static void list_all(struct tb_view_reader *reader, struct tb_list_filter filter,
                     struct page *ret_page)
{
    struct tb_error err = {0};
    bool more = true;

    *ret_page = (struct page){0};
    tb_buf_adds(&ret_page->text, "");
    while (more) {
        ck_ok(reader->ops->list(reader, &filter, take, ret_page, &more, &err));
        tb_buf_adds(&ret_page->text, more ? "more\n" : "end\n");
        filter.has_after = true;
        filter.after_placed_at_ms = ret_page->last_at_ms;
        memcpy(filter.after_order_id, ret_page->last_id, TB_UUID_SIZE);
    }
}

static int64_t random_time(void)
{
    return HISTORY_START_MS + (int64_t)fake_random_below(&f.fake, 60) * 3600000;
}

static struct tb_list_filter random_filter(unsigned mask)
{
    size_t at = (size_t)fake_random_below(&f.fake, f.history.order_count);
    const struct tb_order *order = &f.history.orders[at].order;
    struct tb_list_filter filter = {.limit = 1 + (int)fake_random_below(&f.fake, 40)};

    if (mask & 1)
        filter.customer_id = order->customer_id.ptr ? order->customer_id : TB_STR("nobody");
    if (mask & 2)
        filter.node = order->node;
    if (mask & 4)
        filter.source = order->source;
    if (mask & 8)
        filter.business_date = tb_str_of(order->business_date);
    filter.has_status = (mask & 16) != 0;
    filter.status = order->status;
    filter.has_from = (mask & 32) != 0;
    filter.from_ms = random_time();
    filter.has_to = (mask & 64) != 0;
    filter.to_ms = random_time();
    return filter;
}

START_TEST(lists_are_those_of_the_sqlite_view)
{
    size_t found = 0;

    fill();
    for (unsigned mask = 0; mask < 128; mask++) {
        struct tb_list_filter filter = random_filter(mask);
        struct page here, there;

        list_all(f.reader, filter, &here);
        list_all(f.local_reader, filter, &there);
        ck_assert_msg(strcmp(here.text.data, there.text.data) == 0,
                      "mask %u:\n%.600s\nis not\n%.600s", mask, here.text.data, there.text.data);
        found += here.text.len > 10;
        tb_buf_release(&here.text);
        tb_buf_release(&there.text);
    }
    ck_assert_uint_gt(found, 40);
}
END_TEST

struct scanned {
    size_t count;
    char last_id[TB_UUID_SIZE];
};

/* The orders that are read have the content of the events. */
static void scan_one(void *ctx, const struct tb_order *order, const char *other_column)
{
    struct scanned *scanned = ctx;
    char hash[65], expected[65];

    ck_assert_ptr_null(other_column);
    ck_assert_int_gt(strcmp(order->order_id, scanned->last_id), 0);
    memcpy(scanned->last_id, order->order_id, TB_UUID_SIZE);
    scanned->count++;
    tb_order_hash(order, hash);
    for (size_t i = 0; i < f.history.order_count; i++) {
        const struct history_order *made = &f.history.orders[i];

        if (strcmp(made->order.order_id, order->order_id) != 0)
            continue;
        tb_order_hash(&made->states[history_reachable(made)], expected);
        ck_assert_str_eq(hash, expected);
    }
}

START_TEST(scan_reads_all_orders_by_id)
{
    struct scanned scanned = {0};
    struct tb_error err = {0};
    size_t pages = 0, before;
    char start[TB_UUID_SIZE + 1];

    fill();
    start[0] = '\0';
    do {
        before = scanned.count;
        ck_ok(f.reader->ops->scan(f.reader, start, 37, scan_one, &scanned, &err));
        snprintf(start, sizeof start, "%s ", scanned.last_id); /* just behind it */
        pages++;
    } while (scanned.count == before + 37);
    ck_assert_uint_gt(pages, 3);
    for (size_t i = 0; i < f.history.order_count; i++)
        scanned.count -= history_reachable(&f.history.orders[i]) > 0;
    ck_assert_uint_eq(scanned.count, 20); /* those that fill adds; no stub */
}
END_TEST

START_TEST(versions_are_those_of_the_orders)
{
    char ids[400][TB_UUID_SIZE];
    int64_t versions[400];
    struct tb_error err = {0};
    size_t count = 0;

    fill();
    for (; count < f.history.order_count && count < 399; count++)
        memcpy(ids[count], f.history.orders[count].order.order_id, TB_UUID_SIZE);
    memcpy(ids[count++], "01a207ab-6d5e-71ec-b6c1-58b7ea3e8654", TB_UUID_SIZE);
    memset(versions, 0xff, sizeof versions);
    ck_ok(f.reader->ops->versions(f.reader, (const char(*)[TB_UUID_SIZE])ids, count, versions,
                                  &err));
    for (size_t i = 0; i + 1 < count; i++)
        ck_assert_int_eq(versions[i], history_reachable(&f.history.orders[i]));
    ck_assert_int_eq(versions[count - 1], 0);
}
END_TEST

static void check_rows(const struct tb_stats_row *a, size_t a_count, const struct tb_stats_row *b,
                       size_t b_count)
{
    ck_assert_uint_eq(a_count, b_count);
    for (size_t i = 0; i < a_count; i++) {
        ck_assert_str_eq(a[i].key, b[i].key);
        ck_assert_str_eq(a[i].currency, b[i].currency);
        ck_assert_int_eq(a[i].orders, b[i].orders);
        ck_assert_int_eq(a[i].returns, b[i].returns);
        ck_assert_int_eq(a[i].cancelled, b[i].cancelled);
        ck_assert(a[i].total_minor == b[i].total_minor);
    }
}

START_TEST(stats_are_those_of_the_sqlite_view)
{
    struct tb_error err = {0};
    size_t found = 0;

    fill();
    for (int round = 0; round < 40; round++) {
        struct tb_stats_filter filter = {.has_from = round & 4,
                                         .has_to = round & 8,
                                         .from_ms = random_time(),
                                         .to_ms = random_time(),
                                         .group_by = (enum tb_group_by)(round % 4)};
        struct tb_stats here = {0}, there = {0};

        ck_ok(f.reader->ops->stats(f.reader, &filter, &f.arena, &here, &err));
        ck_ok(f.local_reader->ops->stats(f.local_reader, &filter, &f.arena, &there, &err));
        check_rows(here.totals, here.total_count, there.totals, there.total_count);
        check_rows(here.groups, here.group_count, there.groups, there.group_count);
        found += here.total_count;
    }
    ck_assert_uint_gt(found, 40);
}
END_TEST

/* Orders with the greatest allowed totals, as many as fit into 64 bits, and more. */
START_TEST(sums_are_exact)
{
    struct tb_stats_filter filter = {.has_from = true}; /* orders, not days, are added up */
    struct tb_stats stats = {0};
    struct tb_error err = {0};
    struct tb_buf insert = {0};
    int count = _i == 0 ? 1024 : 1100;

    tb_buf_adds(&insert, "{\"insert\":\"orders\",\"documents\":[");
    for (int i = 0; i < count; i++)
        tb_buf_addf(&insert,
                    "%s{\"_id\":\"%d\",\"placedAt\":{\"$date\":{\"$numberLong\":\"1\"}},"
                    "\"businessDate\":\"1970-01-01\","
                    "\"currency\":\"EUR\",\"kind\":\"RETURN\",\"status\":\"PLACED\","
                    "\"totalMinor\":{\"$numberLong\":\"-9007199254740991\"}}",
                    i ? "," : "", i);
    tb_buf_adds(&insert, "]}");
    mongo_db_command(&f.db, insert.data);
    tb_buf_release(&insert);
    ck_ok(f.reader->ops->stats(f.reader, &filter, &f.arena, &stats, &err));
    ck_assert(stats.totals[0].total_minor == (tb_sum)INT64_C(-9007199254740991) * count);
    ck_assert_int_eq(stats.totals[0].returns, count);
}
END_TEST

/* When meta names other collections, a reader uses them from its next call on. */
START_TEST(readers_use_the_collections_of_meta)
{
    struct tb_error err = {0};
    struct tb_buf doc = {0};
    const char *order_id;
    int64_t version;

    fill();
    order_id = f.history.orders[0].order.order_id;
    if (history_reachable(&f.history.orders[0]) == 0)
        order_id = f.history.orders[1].order.order_id;
    ck_ok(f.reader->ops->get(f.reader, tb_str_of(order_id), &doc, &version, &err));
    mongo_db_command(&f.db, "{\"update\":\"meta\",\"updates\":[{\"q\":{\"_id\":\"served\"},"
                            "\"u\":{\"$set\":{\"orders\":\"orders_2\"}}}]}");
    ck_assert_int_eq(f.reader->ops->get(f.reader, tb_str_of(order_id), &doc, &version, &err),
                     TB_NOT_FOUND);
    tb_buf_release(&doc);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("view_mongo_read");
    TCase *tc = tcase_create("reading");
    int status;

    mongo_server_begin();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, scan_reads_all_orders_by_id);
    tcase_add_test(tc, versions_are_those_of_the_orders);
    tcase_add_test(tc, lists_are_those_of_the_sqlite_view);
    tcase_add_test(tc, stats_are_those_of_the_sqlite_view);
    tcase_add_loop_test(tc, sums_are_exact, 0, 2);
    tcase_add_test(tc, readers_use_the_collections_of_meta);
    suite_add_tcase(suite, tc);
    status = test_main(suite);
    mongo_server_end();
    return status;
}
