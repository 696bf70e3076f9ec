/* Asking the SQLite view: every filter, pages that stay stable, sums, and the indexes used. */
#include "base/sqlite/db.h"
#include "query/doubles/history.h"
#include "query/sqlite/view_sqlite_priv.h"
#include <stdio.h>
#include <stdlib.h>

#define ORDERS 250

static const struct tb_plan_rules rules = {.currency = "EUR"};
static struct fixture {
    char dir[128], path[160];
    struct tb_view *view;
    struct tb_view_reader *reader;
    struct tb_plan plan;
    struct tb_arena arena;
    struct fake_random fake;
    struct tb_order orders[ORDERS * 4]; /* what the view must hold */
    size_t order_count;
    int64_t next_offset;
} f;

static enum tb_code load(void *ctx, const char *order_id, struct tb_arena *into,
                         struct tb_planned_order *ret_order, struct tb_error *err)
{
    (void)ctx;
    return f.view->ops->load(f.view, order_id, into, ret_order, err);
}

static void feed(struct tb_record *records, size_t count)
{
    struct tb_log_batch batch = {.records = records, .count = count};
    struct tb_error err = {0};

    for (size_t i = 0; i < count; i++)
        records[i].offset = f.next_offset++;
    tb_plan_clear(&f.plan);
    ck_ok(tb_plan_batch(&f.plan, &batch, &rules, load, NULL, &err));
    ck_assert_uint_eq(f.plan.dead_letter_count, 0);
    ck_ok(f.view->ops->commit(f.view, &f.plan, &err));
    ck_ok(f.view->ops->flush(f.view, &err));
}

/* Several orders of one millisecond, so that the id has to decide. */
static int64_t random_time(void)
{
    return HISTORY_START_MS + (int64_t)fake_random_below(&f.fake, 60) * 3600000;
}

static void add_order(void)
{
    struct tb_record record;
    struct tb_event event;

    history_place(&f.arena, &f.fake, random_time(), &event);
    history_record(&f.arena, &event, 1, &record);
    feed(&record, 1);
    f.orders[f.order_count++] = event.order;
}

/* A third of the orders is shipped or cancelled. */
static void finish_some(void)
{
    for (size_t i = 0; i < f.order_count; i++) {
        struct tb_order *order = &f.orders[i];
        struct tb_event event = {.version = 2, .occurred_at_ms = order->updated_at_ms + 1};
        struct tb_record record;
        uint64_t dice = fake_random_below(&f.fake, 6);

        if (dice > 1)
            continue;
        event.type = dice == 0 ? TB_EVENT_SHIPPED : TB_EVENT_CANCELLED;
        history_uuid(&f.fake, event.event_id);
        memcpy(event.order_id, order->order_id, TB_UUID_SIZE);
        history_record(&f.arena, &event, 2, &record);
        feed(&record, 1);
        order->status = dice == 0 ? TB_SHIPPED : TB_CANCELLED;
        order->version = 2;
        order->updated_at_ms = event.occurred_at_ms;
        memcpy(order->last_event_id, event.event_id, TB_UUID_SIZE);
    }
}

static void setup(void)
{
    struct tb_error err = {0};

    memset(&f, 0, sizeof f);
    tmpdir_make(f.dir);
    snprintf(f.path, sizeof f.path, "%s/view.db", f.dir);
    fake_random_init(&f.fake, 17);
    ck_ok(tb_view_sqlite_open(f.path, &f.view, &err));
    ck_ok(tb_view_sqlite_reader(f.path, &f.reader, &err));
}

static void teardown(void)
{
    f.reader->ops->free(f.reader);
    f.view->ops->free(f.view);
    tb_plan_release(&f.plan);
    tb_arena_release(&f.arena);
    tmpdir_remove(f.dir);
}

static void fill(void)
{
    fake_random_init(&f.fake, test_seed(0x11ad) + 1);
    for (int i = 0; i < ORDERS; i++)
        add_order();
    finish_some();
}

/* What a list returned, in its order. */
struct page {
    char ids[ORDERS * 4][TB_UUID_SIZE];
    size_t count;
    int64_t last_at_ms;
};
static struct page all;

static const struct tb_order *known(struct tb_str order_id)
{
    for (size_t i = 0; i < f.order_count; i++) {
        if (tb_str_eq(order_id, tb_str_of(f.orders[i].order_id)))
            return &f.orders[i];
    }
    return NULL;
}

static void take(void *ctx, struct tb_str order_id, int64_t placed_at_ms, struct tb_str doc)
{
    struct page *page = ctx;
    const struct tb_order *order = known(order_id);

    ck_assert_ptr_nonnull(order);
    ck_assert_int_eq(order->placed_at_ms, placed_at_ms);
    ck_assert(tb_str_eq(doc, history_encode(&f.arena, order)));
    memcpy(page->ids[page->count++], order->order_id, TB_UUID_SIZE);
    page->last_at_ms = placed_at_ms;
}

/* Every page of a list, one behind the other; between is called between pages. */
static void list_all(struct tb_list_filter filter, void (*between)(void))
{
    struct tb_error err = {0};
    bool more = true;

    all.count = 0;
    while (more) {
        size_t before = all.count;

        ck_ok(f.reader->ops->list(f.reader, &filter, take, &all, &more, &err));
        ck_assert_uint_le(all.count - before, (size_t)filter.limit);
        ck_assert(!more || all.count - before == (size_t)filter.limit);
        if (!more)
            break;
        filter.has_after = true;
        filter.after_placed_at_ms = all.last_at_ms;
        memcpy(filter.after_order_id, all.ids[all.count - 1], TB_UUID_SIZE);
        if (between)
            between();
    }
}

static bool matches(const struct tb_order *order, const struct tb_list_filter *filter)
{
    return (!filter->customer_id.ptr || tb_str_eq(filter->customer_id, order->customer_id)) &&
           (!filter->node.ptr || tb_str_eq(filter->node, order->node)) &&
           (!filter->source.ptr || tb_str_eq(filter->source, order->source)) &&
           (!filter->business_date.ptr ||
            tb_str_eq(filter->business_date, tb_str_of(order->business_date))) &&
           (!filter->has_status || filter->status == order->status) &&
           (!filter->has_from || order->placed_at_ms >= filter->from_ms) &&
           (!filter->has_to || order->placed_at_ms < filter->to_ms);
}

static int newest_first(const void *a, const void *b)
{
    const struct tb_order *x = *(const struct tb_order *const *)a;
    const struct tb_order *y = *(const struct tb_order *const *)b;

    if (x->placed_at_ms != y->placed_at_ms)
        return x->placed_at_ms < y->placed_at_ms ? 1 : -1;
    return -strcmp(x->order_id, y->order_id);
}

static size_t expected_list(const struct tb_list_filter *filter,
                            const struct tb_order *ret_list[ORDERS * 4])
{
    size_t n = 0;

    for (size_t i = 0; i < f.order_count; i++) {
        if (matches(&f.orders[i], filter))
            ret_list[n++] = &f.orders[i];
    }
    qsort(ret_list, n, sizeof *ret_list, newest_first);
    return n;
}

/* Each of the filters is there or not; what it asks for is an order's own, or nobody's. */
static struct tb_list_filter random_filter(unsigned mask)
{
    const struct tb_order *like = &f.orders[fake_random_below(&f.fake, f.order_count)];
    struct tb_list_filter filter = {.limit = 1 + (int)fake_random_below(&f.fake, 40)};

    if (mask & 1)
        filter.customer_id = like->customer_id.ptr ? like->customer_id : TB_STR("nobody");
    if (mask & 2)
        filter.node = like->node;
    if (mask & 4)
        filter.source = like->source;
    if (mask & 8)
        filter.business_date = tb_str_of(like->business_date);
    if (mask & 16) {
        filter.has_status = true;
        filter.status = like->status;
    }
    if (mask & 32) {
        filter.has_from = true;
        filter.from_ms = random_time();
    }
    if (mask & 64) {
        filter.has_to = true;
        filter.to_ms = random_time();
    }
    return filter;
}

START_TEST(every_filter_lists_what_matches_newest_first)
{
    static const struct tb_order *expected[ORDERS * 4];

    fill();
    for (unsigned round = 0; round < 3 * 128; round++) {
        struct tb_list_filter filter = random_filter(round % 128);
        size_t count = expected_list(&filter, expected);

        list_all(filter, NULL);
        ck_assert_uint_eq(all.count, count);
        for (size_t i = 0; i < count; i++)
            ck_assert_str_eq(all.ids[i], expected[i]->order_id);
        tb_arena_clear(&f.plan.arena);
    }
}
END_TEST

static void some_arrive(void)
{
    for (int i = 0; i < 3 && f.order_count < ORDERS * 4; i++)
        add_order();
}

/* Who turns pages while orders arrive sees each order that was there exactly once, in order. */
START_TEST(pages_stay_stable_while_orders_arrive)
{
    size_t before, seen_before = 0;

    fill();
    before = f.order_count;
    list_all((struct tb_list_filter){.limit = 7}, some_arrive);
    ck_assert_uint_gt(f.order_count, before);
    for (size_t i = 0; i < all.count; i++) {
        const struct tb_order *order = known(tb_str_of(all.ids[i]));

        seen_before += (size_t)(order - f.orders) < before;
        if (i > 0) {
            const struct tb_order *last = known(tb_str_of(all.ids[i - 1]));

            ck_assert_int_lt(newest_first(&last, &order), 0);
        }
    }
    ck_assert_uint_eq(seen_before, before);
}
END_TEST

/* A limit that is met exactly is the end; the position behind the last order lists nothing. */
START_TEST(the_last_page_knows_that_it_is_the_last)
{
    struct tb_list_filter filter = {.limit = ORDERS};
    struct tb_error err = {0};
    bool more = true;

    for (int i = 0; i < 10; i++)
        add_order();
    filter.limit = 10;
    all.count = 0;
    ck_ok(f.reader->ops->list(f.reader, &filter, take, &all, &more, &err));
    ck_assert(!more);
    ck_assert_uint_eq(all.count, 10);
    filter.has_after = true;
    filter.after_placed_at_ms = all.last_at_ms;
    memcpy(filter.after_order_id, all.ids[9], TB_UUID_SIZE);
    ck_ok(f.reader->ops->list(f.reader, &filter, take, &all, &more, &err));
    ck_assert(!more);
    ck_assert_uint_eq(all.count, 10);
}
END_TEST

/* Who moves the end of the range while turning pages gets what lies in front of both. */
START_TEST(a_cursor_behind_the_end_of_the_range_does_not_widen_it)
{
    static const struct tb_order *expected[ORDERS * 4];
    struct tb_list_filter filter = {.limit = 10};
    size_t count;

    fill();
    for (int i = 0; i < 100; i++) {
        filter.has_to = true;
        filter.to_ms = random_time();
        filter.has_after = false;
        count = expected_list(&filter, expected);
        filter.has_after = true;
        filter.after_placed_at_ms =
            filter.to_ms + (int64_t)fake_random_below(&f.fake, 2) * 3600000;
        memcpy(filter.after_order_id, "ffffffff-ffff-7fff-8fff-ffffffffffff", TB_UUID_SIZE);
        list_all(filter, NULL);
        ck_assert_uint_eq(all.count, count);
    }
}
END_TEST

static const char *key_of(const struct tb_order *order, enum tb_group_by group_by)
{
    switch (group_by) {
    case TB_GROUP_DAY:
        return order->business_date;
    case TB_GROUP_NODE:
        return order->node.ptr;
    case TB_GROUP_STATUS:
        return tb_order_status_name(order->status);
    case TB_GROUP_NONE:
        break;
    }
    return "";
}

/* Every row against a sum of its own over the orders, and every order in some row. */
static void check_rows(const struct tb_stats_row *rows, size_t count, enum tb_group_by group_by,
                       const struct tb_stats_filter *filter)
{
    int64_t counted = 0, there = 0;

    for (size_t i = 0; i < count; i++) {
        struct tb_stats_row sum = {0};

        ck_assert(i == 0 || strcmp(rows[i - 1].key, rows[i].key) < 0 ||
                  (strcmp(rows[i - 1].key, rows[i].key) == 0 &&
                   strcmp(rows[i - 1].currency, rows[i].currency) < 0));
        for (size_t n = 0; n < f.order_count; n++) {
            const struct tb_order *order = &f.orders[n];

            if ((filter->has_from && order->placed_at_ms < filter->from_ms) ||
                (filter->has_to && order->placed_at_ms >= filter->to_ms) ||
                strcmp(order->currency, rows[i].currency) != 0 ||
                strcmp(key_of(order, group_by), rows[i].key) != 0)
                continue;
            sum.orders += order->kind == TB_SALE;
            sum.returns += order->kind == TB_RETURN;
            sum.cancelled += order->status == TB_CANCELLED;
            sum.total_minor += order->status == TB_CANCELLED ? 0 : order->total_minor;
        }
        ck_assert_int_eq(rows[i].orders, sum.orders);
        ck_assert_int_eq(rows[i].returns, sum.returns);
        ck_assert_int_eq(rows[i].cancelled, sum.cancelled);
        ck_assert_int_eq(rows[i].total_minor, sum.total_minor);
        counted += rows[i].orders + rows[i].returns;
    }
    for (size_t n = 0; n < f.order_count; n++)
        there += (!filter->has_from || f.orders[n].placed_at_ms >= filter->from_ms) &&
                 (!filter->has_to || f.orders[n].placed_at_ms < filter->to_ms);
    ck_assert_int_eq(counted, there);
}

START_TEST(stats_are_the_sums_of_the_orders)
{
    struct tb_error err = {0};

    fill();
    for (unsigned round = 0; round < 64; round++) {
        struct tb_stats_filter filter = {
            .group_by = (enum tb_group_by)(round % 4),
            .has_from = (round & 4) != 0,
            .has_to = (round & 8) != 0,
            .from_ms = random_time(),
            .to_ms = random_time(),
        };
        struct tb_stats stats = {0};

        ck_ok(f.reader->ops->stats(f.reader, &filter, &f.arena, &stats, &err));
        check_rows(stats.totals, stats.total_count, TB_GROUP_NONE, &filter);
        if (filter.group_by == TB_GROUP_NONE)
            ck_assert_uint_eq(stats.group_count, 0);
        else
            check_rows(stats.groups, stats.group_count, filter.group_by, &filter);
    }
}
END_TEST

/* More groups than the table starts with. */
START_TEST(stats_have_room_for_many_days)
{
    struct tb_stats_filter filter = {.group_by = TB_GROUP_DAY};
    struct tb_error err = {0};
    struct tb_stats stats = {0};

    for (int i = 0; i < 400; i++) {
        struct tb_record record;
        struct tb_event event;

        history_place(&f.arena, &f.fake, HISTORY_START_MS + i * INT64_C(86400000), &event);
        history_record(&f.arena, &event, 1, &record);
        feed(&record, 1);
        f.orders[f.order_count++] = event.order;
    }
    ck_ok(f.reader->ops->stats(f.reader, &filter, &f.arena, &stats, &err));
    ck_assert_uint_eq(stats.group_count, 400);
    check_rows(stats.groups, stats.group_count, TB_GROUP_DAY, &filter);
    check_rows(stats.totals, stats.total_count, TB_GROUP_NONE, &filter);
}
END_TEST

/* 1,024 orders of the largest total just fit into 64 bits; one more must not come out wrong. */
START_TEST(a_sum_beyond_64_bits_is_an_error)
{
    struct tb_line lines[] = {{TB_STR("A"), {0}, 1000000000, 9007199},
                              {TB_STR("B"), {0}, 254740991, 1}};
    struct tb_record *records = calloc(1025, sizeof *records);
    struct tb_error err = {0};
    struct tb_stats stats = {0};

    for (int i = 0; i < 1025; i++) {
        struct tb_event event;

        history_place(&f.arena, &f.fake, HISTORY_START_MS + i, &event);
        event.order.kind = TB_SALE;
        memcpy(event.order.currency, "EUR", 4);
        event.order.lines = lines;
        event.order.line_count = 2;
        event.order.total_minor = TB_TOTAL_MAX;
        history_record(&f.arena, &event, 1, &records[i]);
    }
    feed(records, 1024);
    ck_ok(f.reader->ops->stats(f.reader, &(struct tb_stats_filter){0}, &f.arena, &stats, &err));
    ck_assert_int_eq(stats.totals[0].total_minor, 1024 * TB_TOTAL_MAX);
    feed(records + 1024, 1);
    ck_assert_int_eq(
        f.reader->ops->stats(f.reader, &(struct tb_stats_filter){0}, &f.arena, &stats, &err),
        TB_INTERNAL);
    ck_assert_int_eq(stats.totals[0].orders, 1024); /* untouched */
    free(records);
}
END_TEST

/* How SQLite means to run a statement, one step a line. */
static void explain(const char *sql, char ret_text[1000])
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    struct tb_error err = {0};
    struct tb_db *db = NULL;
    char explained[2000];
    bool row = false;
    size_t used = 0;

    snprintf(explained, sizeof explained, "EXPLAIN QUERY PLAN %s", sql);
    ck_ok(tb_db_open(f.path, TB_DB_READER, 0, &db, &err));
    ck_ok(tb_stmt_prepare(&stmt, db, explained, &err));
    for (;;) {
        ck_ok(tb_stmt_step(&stmt, &row, &err));
        if (!row)
            break;
        struct tb_str detail = tb_stmt_text(&stmt, 3);
        used +=
            (size_t)snprintf(ret_text + used, 1000 - used, "%.*s\n", (int)detail.len, detail.ptr);
    }
    tb_stmt_finalize(&stmt);
    tb_db_close(db);
}

/* No statement scans or sorts: what they cost grows with the answer, not with the view. */
START_TEST(every_statement_uses_its_index)
{
    static const struct {
        const char *const *sql;
        const char *plan;
    } cases[] = {
        {&tb_view_sqlite_list_sql, "SEARCH orders USING INDEX orders_by_time "
                                   "(placed_at>? AND (placed_at,order_id)<(?,?))\n"},
        {&tb_view_sqlite_list_customer_sql,
         "SEARCH orders USING INDEX orders_by_customer "
         "(customer_id=? AND placed_at>? AND (placed_at,order_id)<(?,?))\n"},
        {&tb_view_sqlite_stats_sql, "SEARCH orders USING COVERING INDEX orders_by_time "
                                    "(placed_at>? AND placed_at<?)\n"},
        {&tb_view_sqlite_get_sql, "SEARCH orders USING INDEX sqlite_autoindex_orders_1 "
                                  "(order_id=?)\n"},
        {&tb_view_sqlite_offset_sql, "SEARCH offsets USING INTEGER PRIMARY KEY (rowid=?)\n"},
    };
    char plan[1000];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        explain(*cases[i].sql, plan);
        ck_assert_str_eq(plan, cases[i].plan);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/view_sqlite_read");
    TCase *tc = tcase_create("read");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_filter_lists_what_matches_newest_first);
    tcase_add_test(tc, pages_stay_stable_while_orders_arrive);
    tcase_add_test(tc, the_last_page_knows_that_it_is_the_last);
    tcase_add_test(tc, a_cursor_behind_the_end_of_the_range_does_not_widen_it);
    tcase_add_test(tc, stats_are_the_sums_of_the_orders);
    tcase_add_test(tc, stats_have_room_for_many_days);
    tcase_add_test(tc, a_sum_beyond_64_bits_is_an_error);
    tcase_add_test(tc, every_statement_uses_its_index);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
