#include "query/view_conformance.h"
#include "query/doubles/history.h"
#include <stdio.h>
#include <stdlib.h>

#define ORDERS 250

static const struct tb_plan_rules rules = {.currency = "EUR"};
static struct fixture {
    struct tb_view *view;
    struct tb_view_reader *reader;
    struct tb_plan plan;
    struct tb_arena arena;
    struct fake_random fake;
    struct tb_order orders[ORDERS * 4]; /* what the view must hold */
    size_t order_count;
    int64_t next_offset[TEST_PARTITIONS];
} f;

static enum tb_code load(void *ctx, const char *order_id, struct tb_arena *into,
                         struct tb_planned_order *ret_order, struct tb_error *err)
{
    (void)ctx;
    return f.view->ops->load(f.view, order_id, into, ret_order, err);
}

static void commit(const struct tb_plan *plan)
{
    struct tb_error err = {0};

    ck_ok(f.view->ops->commit(f.view, plan, &err));
}

/* Gives the records the partition's next offsets, and plans them. */
static void make_plan(struct tb_plan *plan, int32_t partition, struct tb_record *records,
                      size_t count)
{
    struct tb_log_batch batch = {.partition = partition, .records = records, .count = count};
    struct tb_error err = {0};

    for (size_t i = 0; i < count; i++) {
        records[i].partition = partition;
        records[i].offset = f.next_offset[partition]++;
    }
    tb_plan_clear(plan);
    ck_ok(tb_plan_batch(plan, &batch, &rules, load, NULL, &err));
    plan->planned_at_ms = HISTORY_START_MS;
}

static void feed(struct tb_record *records, size_t count)
{
    make_plan(&f.plan, 0, records, count);
    ck_assert_uint_eq(f.plan.dead_letter_count, 0);
    commit(&f.plan);
}

/* Several orders of one millisecond, so that the id has to decide. */
static int64_t random_time(void)
{
    return HISTORY_START_MS + (int64_t)fake_random_below(&f.fake, 60) * 3600000;
}

static void add_order(void)
{
    static const char *const nodes[] = {"till1", "till2", "till3"};
    struct tb_record record;
    struct tb_event event;

    history_place(&f.arena, &f.fake, random_time(), &event);
    event.order.node = tb_str_of(nodes[fake_random_below(&f.fake, 3)]);
    history_record(&f.arena, &event, 1, &record);
    feed(&record, 1);
    f.orders[f.order_count++] = event.order;
}

/* A third of the orders is shipped or cancelled. */
static void finish_some(void)
{
    for (size_t i = 0; i < f.order_count; i++) {
        struct tb_order *order = &f.orders[i];
        struct tb_event event = {
            .version = 2, .occurred_at_ms = order->updated_at_ms + 1, .order.node = order->node};
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

static bool take(void *ctx, struct tb_str order_id, int64_t placed_at_ms, struct tb_str doc)
{
    struct page *page = ctx;
    const struct tb_order *order = known(order_id);

    ck_assert_ptr_nonnull(order);
    ck_assert_int_eq(order->placed_at_ms, placed_at_ms);
    ck_assert(tb_str_eq(doc, history_encode(&f.arena, order)));
    memcpy(page->ids[page->count++], order->order_id, TB_UUID_SIZE);
    page->last_at_ms = placed_at_ms;
    return true;
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

static void every_filter_lists_what_matches_newest_first(void)
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

static void some_arrive(void)
{
    for (int i = 0; i < 3 && f.order_count < ORDERS * 4; i++)
        add_order();
}

/* Who turns pages while orders arrive sees each order that was there exactly once, in order. */
static void pages_stay_stable_while_orders_arrive(void)
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

static bool take_two(void *ctx, struct tb_str order_id, int64_t placed_at_ms, struct tb_str doc)
{
    struct page *page = ctx;

    return page->count < 2 && take(page, order_id, placed_at_ms, doc);
}

/* Who takes no more of a page may go on behind what was taken last. */
static void a_page_ends_where_its_reader_wants(void)
{
    struct tb_list_filter filter = {.limit = 5};
    struct tb_error err = {0};
    bool more = true;

    for (int i = 0; i < 7; i++)
        add_order();
    all.count = 0;
    ck_ok(f.reader->ops->list(f.reader, &filter, take_two, &all, &more, &err));
    ck_assert(more);
    ck_assert_uint_eq(all.count, 2);
    filter.limit = 10;
    filter.has_after = true;
    filter.after_placed_at_ms = all.last_at_ms;
    memcpy(filter.after_order_id, all.ids[1], TB_UUID_SIZE);
    ck_ok(f.reader->ops->list(f.reader, &filter, take, &all, &more, &err));
    ck_assert(!more);
    ck_assert_uint_eq(all.count, 7);
}

/* A limit that is met exactly is the end; the position behind the last order lists nothing. */
static void the_last_page_knows_that_it_is_the_last(void)
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

/* Who moves the end of the range while turning pages gets what lies in front of both. */
static void a_cursor_behind_the_end_of_the_range_does_not_widen_it(void)
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

static bool is_selected(const struct tb_order *order, const struct tb_stats_filter *filter)
{
    return (!filter->has_from || order->placed_at_ms >= filter->from_ms) &&
           (!filter->has_to || order->placed_at_ms < filter->to_ms) &&
           strcmp(order->business_date, filter->from_date) >= 0 &&
           (!filter->to_date[0] || strcmp(order->business_date, filter->to_date) < 0);
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

            if (!is_selected(order, filter) || strcmp(order->currency, rows[i].currency) != 0 ||
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
        ck_assert(rows[i].total_minor == sum.total_minor);
        counted += rows[i].orders + rows[i].returns;
    }
    for (size_t n = 0; n < f.order_count; n++)
        there += is_selected(&f.orders[n], filter);
    ck_assert_int_eq(counted, there);
}

static void stats_are_the_sums_of_the_orders(void)
{
    struct tb_error err = {0};

    fill();
    for (unsigned round = 0; round < 256; round++) {
        struct tb_stats_filter filter = {
            .group_by = (enum tb_group_by)(round % 4),
            .has_from = (round & 4) != 0,
            .has_to = (round & 8) != 0,
            .from_ms = random_time(),
            .to_ms = random_time(),
        };
        struct tb_stats stats = {0};

        if (round & 16)
            tb_business_date(random_time(), 0, filter.from_date);
        if (round & 32)
            tb_business_date(random_time(), 0, filter.to_date);
        ck_ok(f.reader->ops->stats(f.reader, &filter, &f.arena, &stats, &err));
        check_rows(stats.totals, stats.total_count, TB_GROUP_NONE, &filter);
        if (filter.group_by == TB_GROUP_NONE)
            ck_assert_uint_eq(stats.group_count, 0);
        else
            check_rows(stats.groups, stats.group_count, filter.group_by, &filter);
    }
}

/* More groups than the table starts with. */
static void stats_have_room_for_many_days(void)
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

/* 1,024 orders of the largest total just fit into 64 bits; with more of them the sum is exact,
 * too.
 */
static void a_sum_beyond_64_bits_is_exact(void)
{
    struct tb_line lines[] = {{TB_STR("A"), {0}, 1000000000, 9007199},
                              {TB_STR("B"), {0}, 254740991, 1}};
    struct tb_record *records = calloc(1100, sizeof *records);
    struct tb_error err = {0};
    struct tb_stats stats = {0};

    for (int i = 0; i < 1100; i++) {
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
    ck_assert(stats.totals[0].total_minor == 1024 * TB_TOTAL_MAX);
    feed(records + 1024, 1100 - 1024);
    ck_ok(f.reader->ops->stats(f.reader, &(struct tb_stats_filter){0}, &f.arena, &stats, &err));
    ck_assert(stats.totals[0].total_minor == (tb_sum)1100 * TB_TOTAL_MAX);
    ck_assert_int_eq(stats.totals[0].orders, 1100);
    free(records);
}

/* The order as the reader hands it out; version 0: it has none. */
static int64_t read_version(const char *order_id, struct tb_str expected_doc)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf doc = {0};
    struct tb_error err = {0};
    int64_t version = 0;
    enum tb_code code = f.reader->ops->get(f.reader, tb_str_of(order_id), &doc, &version, &err);

    if (code == TB_NOT_FOUND)
        return 0;
    ck_assert_int_eq(code, TB_OK);
    if (expected_doc.ptr)
        ck_assert(tb_str_eq(tb_buf_str(&doc), expected_doc));
    return version;
}

static int64_t next_offset(int32_t partition)
{
    struct tb_error err = {0};
    int64_t next = -2, shown = -2;

    ck_ok(f.view->ops->offset(f.view, partition, &next, &err));
    ck_ok(f.reader->ops->offset(f.reader, partition, &shown, &err));
    ck_assert_int_eq(next, shown);
    return next;
}

static int64_t open_dead_letters(void)
{
    struct tb_error err = {0};
    int64_t open = -1;

    ck_ok(f.reader->ops->count_dead_letters(f.reader, &open, &err));
    return open;
}

/* The next event of the order: its address changes. */
static struct tb_record change_of(const struct tb_order *order, int64_t version,
                                  struct tb_event *ret_event)
{
    struct tb_record record;

    *ret_event = (struct tb_event){
        .type = TB_EVENT_ADDRESS_CHANGED,
        .version = version,
        .occurred_at_ms = order->updated_at_ms + version,
        .address = {.line1 = TB_STR("Ring 1"), .city = TB_STR("Bonn"), .country = TB_STR("DE")},
        .order.node = order->node,
    };
    history_uuid(&f.fake, ret_event->event_id);
    memcpy(ret_event->order_id, order->order_id, TB_UUID_SIZE);
    history_record(&f.arena, ret_event, version, &record);
    return record;
}

static void get_shows_what_was_committed(void)
{
    struct tb_error err = {0};
    struct tb_planned_order loaded = {0};
    struct tb_order *order = f.orders;

    ck_assert_int_eq(read_version("019ab0c1-0000-7000-8000-000000000001", (struct tb_str){0}), 0);
    ck_ok(f.view->ops->load(f.view, "019ab0c1-0000-7000-8000-000000000001", &f.arena, &loaded,
                            &err));
    ck_assert(!loaded.exists && loaded.order.version == 0);
    add_order();
    ck_assert_int_eq(read_version(order->order_id, history_encode(&f.arena, order)), 1);
    for (int64_t version = 2; version <= 4; version++) {
        struct tb_event event;
        struct tb_record record = change_of(order, version, &event);

        feed(&record, 1);
        tb_event_apply(&event, order);
        ck_assert_int_eq(read_version(order->order_id, history_encode(&f.arena, order)), version);
        ck_ok(f.view->ops->load(f.view, order->order_id, &f.arena, &loaded, &err));
        ck_assert(loaded.exists && !loaded.stub);
        ck_assert(
            tb_str_eq(history_encode(&f.arena, &loaded.order), history_encode(&f.arena, order)));
        ck_assert_str_eq(loaded.epoch, HISTORY_EPOCH);
        ck_assert_int_eq(loaded.sequence, version);
    }
}

static void versions_are_those_of_get(void)
{
    enum { COUNT = 60 };
    static char ids[COUNT][TB_UUID_SIZE];
    int64_t versions[COUNT] = {0};
    struct tb_error err = {0};

    if (!f.reader->ops->versions)
        return;
    for (int i = 0; i < COUNT / 2; i++)
        add_order();
    finish_some();
    for (int i = 0; i < COUNT; i++) {
        if (i % 2)
            history_uuid(&f.fake, ids[i]);
        else
            memcpy(ids[i], f.orders[i / 2].order_id, TB_UUID_SIZE);
    }
    ck_ok(f.reader->ops->versions(f.reader, (const char(*)[TB_UUID_SIZE])ids, COUNT, versions,
                                  &err));
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(versions[i], read_version(ids[i], (struct tb_str){0}));
}

/* A plan that comes again after an unknown outcome, and one that was made before another changed
 * the order: what the view has in that version or a later one stays. */
static void a_plan_that_comes_late_changes_nothing(void)
{
    struct tb_plan late = {0};
    struct tb_order *order = f.orders;
    struct tb_record records[2], again;
    struct tb_event event;
    struct tb_str doc;

    history_place(&f.arena, &f.fake, random_time(), &event);
    history_record(&f.arena, &event, 1, &records[0]);
    *order = event.order;
    records[1] = change_of(order, 2, &event);
    again = records[0];
    make_plan(&late, 1, &again, 1); /* the same event in another partition */
    feed(records, 2);
    tb_event_apply(&event, order);
    doc = history_encode(&f.arena, order);
    ck_assert_int_eq(read_version(order->order_id, doc), 2);
    commit(&f.plan);
    ck_assert_int_eq(read_version(order->order_id, doc), 2);
    commit(&late);
    ck_assert_int_eq(read_version(order->order_id, doc), 2);
    if (f.view->ops->offset) {
        ck_assert_int_eq(next_offset(0), 2);
        ck_assert_int_eq(next_offset(1), 1);
    }
    tb_plan_release(&late);
}

/* A duplicate does nothing; an event behind a missing one becomes a dead letter, once. */
static void a_gap_is_a_dead_letter(void)
{
    struct tb_order *order = f.orders;
    struct tb_record record;
    struct tb_event event;
    struct tb_str doc;

    add_order();
    doc = history_encode(&f.arena, order);
    record = change_of(order, 3, &event);
    make_plan(&f.plan, 0, &record, 1);
    ck_assert_uint_eq(f.plan.results[TB_GAP], 1);
    for (int times = 0; times < 2; times++) {
        commit(&f.plan);
        ck_assert_int_eq(read_version(order->order_id, doc), 1);
        if (f.reader->ops->count_dead_letters)
            ck_assert_int_eq(open_dead_letters(), 1);
        if (f.view->ops->offset)
            ck_assert_int_eq(next_offset(0), 2);
    }
    record = change_of(order, 2, &event);
    feed(&record, 1);
    tb_event_apply(&event, order);
    doc = history_encode(&f.arena, order);
    make_plan(&f.plan, 0, &record, 1);
    ck_assert_uint_eq(f.plan.results[TB_DUPLICATE], 1);
    commit(&f.plan);
    ck_assert_int_eq(read_version(order->order_id, doc), 2);
}

static void count_one(void *ctx, const struct tb_order *order, const char *other_column)
{
    (void)order, (void)other_column;
    ++*(size_t *)ctx;
}

/* An event of unknown type places an order: its version moves on, and nothing else is known. */
static void a_stub_is_invisible(void)
{
    const struct tb_list_filter any = {.limit = 10};
    char order_id[TB_UUID_SIZE];
    struct tb_header headers[] = {{TB_STR("ce_type"), TB_STR("OrderTeleported.v1")}};
    struct tb_error err = {0};
    struct tb_planned_order loaded = {0};
    struct tb_stats stats = {0};
    size_t count = 0;
    bool more = true;

    history_uuid(&f.fake, order_id);
    for (int64_t version = 1; version <= 3; version++) {
        TB_CLEANUP(tb_buf_release) struct tb_buf value = {0};
        struct tb_record record = {.headers = headers, .header_count = 1};

        tb_buf_addf(&value, "{\"orderId\":\"%s\",\"version\":%d}", order_id, (int)version);
        record.value = tb_buf_str(&value);
        feed(&record, 1);
        ck_ok(f.view->ops->load(f.view, order_id, &f.arena, &loaded, &err));
        ck_assert(loaded.exists && loaded.stub);
        ck_assert_int_eq(loaded.order.version, version);
    }
    ck_assert_int_eq(read_version(order_id, (struct tb_str){0}), 0);
    all.count = 0;
    ck_ok(f.reader->ops->list(f.reader, &any, take, &all, &more, &err));
    ck_assert(all.count == 0 && !more);
    ck_ok(f.reader->ops->scan(f.reader, "", 10, count_one, &count, &err));
    ck_assert_uint_eq(count, 0);
    ck_ok(f.reader->ops->stats(f.reader, &(struct tb_stats_filter){0}, &f.arena, &stats, &err));
    ck_assert_uint_eq(stats.total_count, 0);
}

static void offsets_are_kept_for_each_partition(void)
{
    struct tb_event event;
    struct tb_record record;

    if (!f.view->ops->offset)
        return;
    for (int32_t p = 0; p < TEST_PARTITIONS; p++)
        ck_assert_int_eq(next_offset(p), -1);
    for (int32_t p = 0; p < TEST_PARTITIONS; p++) {
        f.next_offset[p] = 100 * p;
        history_place(&f.arena, &f.fake, random_time(), &event);
        history_record(&f.arena, &event, 1, &record);
        make_plan(&f.plan, p, &record, 1);
        commit(&f.plan);
        for (int32_t q = 0; q < TEST_PARTITIONS; q++)
            ck_assert_int_eq(next_offset(q), q > p ? -1 : 100 * q + 1);
    }
}

/* Orders in any interleaving, with repetitions and lost events, in batches of any size. */
static void a_history_ends_as_its_fold(void)
{
    struct history history;

    history_make(&history, &f.fake, &(struct history_options){80, 15, 10});
    for (size_t at = 0, count; at < history.record_count; at += count) {
        count = 1 + fake_random_below(&f.fake, 40);
        if (count > history.record_count - at)
            count = history.record_count - at;
        make_plan(&f.plan, 0, history.records + at, count);
        commit(&f.plan);
    }
    for (size_t i = 0; i < history.order_count; i++) {
        const struct history_order *order = &history.orders[i];
        int64_t version = history_reachable(order);

        ck_assert_int_eq(read_version(order->order.order_id, order->docs[version]), version);
    }
    history_release(&history);
}

/* A store is restored again and again, events are lost or late: at last the view has what the last
 * store has, in lists and sums, too. Reading parts of the log again changes nothing. */
static void a_restored_history_ends_as_its_store(void)
{
    const struct tb_list_filter any = {.limit = ORDERS};
    struct history history;
    struct tb_error err = {0};
    struct tb_stats stats = {0};

    history_make_restored(&history, &f.fake, &(struct history_options){60, 10, 3}, 2);
    for (size_t at = 0, count; at < history.record_count; at += count) {
        count = 1 + fake_random_below(&f.fake, 40);
        if (count > history.record_count - at)
            count = history.record_count - at;
        for (int times = fake_random_below(&f.fake, 4) == 0 ? 2 : 1; times > 0; times--) {
            f.next_offset[0] = (int64_t)at;
            make_plan(&f.plan, 0, history.records + at, count);
            commit(&f.plan);
        }
    }
    for (size_t i = 0; i < history.order_count; i++) {
        const struct history_order *order = &history.orders[i];

        ck_assert_int_eq(read_version(order->order.order_id, order->docs[order->versions]),
                         order->versions);
        f.orders[f.order_count++] = order->order;
    }
    list_all(any, NULL);
    ck_assert_uint_eq(all.count, history.order_count);
    ck_ok(f.reader->ops->stats(f.reader, &(struct tb_stats_filter){.group_by = TB_GROUP_DAY},
                               &f.arena, &stats, &err));
    check_rows(stats.groups, stats.group_count, TB_GROUP_DAY, &(struct tb_stats_filter){0});
    history_release(&history);
}

/* The record of a snapshot of the order, from the epoch after HISTORY_EPOCH. */
static struct tb_record snapshot_of(const struct tb_order *order)
{
    static const struct tb_str earlier[] = {{HISTORY_EPOCH, sizeof HISTORY_EPOCH - 1}};
    struct tb_event event = {.type = TB_EVENT_SNAPSHOT,
                             .version = order->version,
                             .occurred_at_ms = order->updated_at_ms,
                             .order = *order,
                             .earlier_epochs = earlier,
                             .earlier_epoch_count = 1};
    struct tb_record record;

    history_uuid(&f.fake, event.event_id);
    memcpy(event.order_id, order->order_id, TB_UUID_SIZE);
    history_record_of_epoch(&f.arena, &event, "fedcba9876543210", 1, &record);
    return record;
}

/* A plan of the lost history, made before the snapshot, is committed after it. */
static void a_late_plan_does_not_undo_a_snapshot(void)
{
    struct tb_planned_order loaded = {0};
    struct tb_order *order = f.orders;
    struct tb_plan late = {0};
    struct tb_record lost, snapshot;
    struct tb_error err = {0};
    struct tb_event event;
    struct tb_str doc;

    add_order();
    doc = history_encode(&f.arena, order);
    lost = change_of(order, 2, &event);
    make_plan(&late, 1, &lost, 1);
    snapshot = snapshot_of(order);
    feed(&snapshot, 1);
    commit(&late);
    ck_assert_int_eq(read_version(order->order_id, doc), 1);
    ck_ok(f.view->ops->load(f.view, order->order_id, &f.arena, &loaded, &err));
    ck_assert_int_eq(loaded.lineage.replaced, 1);
    ck_assert_str_eq(loaded.lineage.earlier_epochs, HISTORY_EPOCH);
    ck_assert_uint_eq(loaded.lineage.event_count, 1);
    ck_assert_str_eq(loaded.epoch, "fedcba9876543210");
    tb_plan_release(&late);
}

/* What waited for a missing version waits no longer, and what contradicts the snapshot stays. */
static void a_snapshot_overtakes_dead_letters(void)
{
    struct tb_order *order = f.orders;
    struct tb_record records[3], snapshot;
    struct tb_event event;

    add_order();
    history_place(&f.arena, &f.fake, random_time(), &event); /* another event of version 1 */
    memcpy(event.order_id, order->order_id, TB_UUID_SIZE);
    memcpy(event.order.order_id, order->order_id, TB_UUID_SIZE);
    history_record(&f.arena, &event, 1, &records[0]);
    for (int64_t version = 3; version <= 4; version++)
        records[version - 2] = change_of(order, version, &event);
    make_plan(&f.plan, 0, records, 3);
    ck_assert_uint_eq(f.plan.results[TB_GAP], 2);
    ck_assert_uint_eq(f.plan.results[TB_CONFLICTED], 1);
    commit(&f.plan);
    if (f.reader->ops->count_dead_letters)
        ck_assert_int_eq(open_dead_letters(), 3);
    order->version = 3;
    snapshot = snapshot_of(order);
    for (int times = 0; times < 2; times++) {
        f.next_offset[0] = 4;
        feed(&snapshot, 1);
        ck_assert_int_eq(read_version(order->order_id, history_encode(&f.arena, order)), 3);
        if (f.view->ops->redrivable) /* it stores them, and does not only count them */
            ck_assert_int_eq(open_dead_letters(), 2); /* the conflict, and version 4 */
    }
}

static void a_snapshot_makes_a_stub_visible(void)
{
    struct tb_header headers[] = {{TB_STR("ce_type"), TB_STR("OrderTeleported.v1")},
                                  {TB_STR("ce_epoch"), TB_STR(HISTORY_EPOCH)}};
    TB_CLEANUP(tb_buf_release) struct tb_buf value = {0};
    struct tb_record record = {.headers = headers, .header_count = 2}, snapshot;
    struct tb_planned_order loaded = {0};
    struct tb_order *order = f.orders;
    struct tb_error err = {0};
    struct tb_stats stats = {0};
    struct tb_event event;

    history_place(&f.arena, &f.fake, random_time(), &event);
    *order = event.order;
    f.order_count = 1;
    tb_buf_addf(&value, "{\"orderId\":\"%s\",\"version\":1}", order->order_id);
    record.value = tb_buf_str(&value);
    feed(&record, 1);
    ck_ok(f.view->ops->load(f.view, order->order_id, &f.arena, &loaded, &err));
    ck_assert(loaded.stub);
    ck_assert_str_eq(loaded.epoch, HISTORY_EPOCH);
    snapshot = snapshot_of(order);
    feed(&snapshot, 1);
    ck_assert_int_eq(read_version(order->order_id, history_encode(&f.arena, order)), 1);
    list_all((struct tb_list_filter){.limit = 10, .node = order->node}, NULL);
    ck_assert_uint_eq(all.count, 1);
    ck_ok(f.reader->ops->stats(f.reader, &(struct tb_stats_filter){0}, &f.arena, &stats, &err));
    check_rows(stats.totals, stats.total_count, TB_GROUP_NONE, &(struct tb_stats_filter){0});
}

static int by_id(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void take_scanned(void *ctx, const struct tb_order *order, const char *other_column)
{
    struct page *page = ctx;
    const struct tb_order *expected = known(tb_str_of(order->order_id));

    ck_assert_ptr_nonnull(expected);
    ck_assert_ptr_null(other_column);
    ck_assert(tb_str_eq(history_encode(&f.arena, order), history_encode(&f.arena, expected)));
    memcpy(page->ids[page->count++], order->order_id, TB_UUID_SIZE);
}

/* Every order once, by its id, in pages of any size. */
static void a_scan_goes_through_all_orders(void)
{
    static char ids[ORDERS][TB_UUID_SIZE];
    char start[TB_UUID_SIZE] = "";
    struct tb_error err = {0};

    fill();
    for (size_t i = 0; i < f.order_count; i++)
        memcpy(ids[i], f.orders[i].order_id, TB_UUID_SIZE);
    qsort(ids, f.order_count, sizeof *ids, by_id);
    all.count = 0;
    for (size_t at = 0; at < f.order_count;) {
        int limit = 1 + (int)fake_random_below(&f.fake, 50);

        all.count = at;
        ck_ok(f.reader->ops->scan(f.reader, start, limit, take_scanned, &all, &err));
        ck_assert(all.count - at == (size_t)limit || all.count == f.order_count);
        at = all.count - (all.count < f.order_count); /* the last one begins the next page */
        memcpy(start, all.ids[all.count - 1], TB_UUID_SIZE);
        if (limit == 1 && all.count < f.order_count)
            memcpy(start, ids[++at], TB_UUID_SIZE);
    }
    ck_assert_uint_eq(all.count, f.order_count);
    ck_assert_mem_eq(all.ids, ids, f.order_count * sizeof *ids);
}

#define CASE(name)                                                                                \
    {                                                                                             \
#name, name                                                                               \
    }
const struct view_case view_cases[] = {
    CASE(get_shows_what_was_committed),
    CASE(versions_are_those_of_get),
    CASE(a_plan_that_comes_late_changes_nothing),
    CASE(a_gap_is_a_dead_letter),
    CASE(a_stub_is_invisible),
    CASE(offsets_are_kept_for_each_partition),
    CASE(a_history_ends_as_its_fold),
    CASE(a_restored_history_ends_as_its_store),
    CASE(a_late_plan_does_not_undo_a_snapshot),
    CASE(a_snapshot_overtakes_dead_letters),
    CASE(a_snapshot_makes_a_stub_visible),
    CASE(a_scan_goes_through_all_orders),
    CASE(every_filter_lists_what_matches_newest_first),
    CASE(pages_stay_stable_while_orders_arrive),
    CASE(a_page_ends_where_its_reader_wants),
    CASE(the_last_page_knows_that_it_is_the_last),
    CASE(a_cursor_behind_the_end_of_the_range_does_not_widen_it),
    CASE(stats_are_the_sums_of_the_orders),
    CASE(stats_have_room_for_many_days),
    CASE(a_sum_beyond_64_bits_is_exact),
};
const int view_case_count = sizeof view_cases / sizeof *view_cases;

void view_case_run(int index, struct tb_view *view, struct tb_view_reader *reader)
{
    printf("%s\n", view_cases[index].name);
    memset(&f, 0, sizeof f);
    f.view = view;
    f.reader = reader;
    fake_random_init(&f.fake, 17);
    view_cases[index].run();
    tb_plan_release(&f.plan);
    tb_arena_release(&f.arena);
}
