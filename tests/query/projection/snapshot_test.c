/* Snapshots and identities. Whatever a log has of a store that was restored, of events that were
 * lost or came late: once its last store has sent its snapshots, the view has what that store has,
 * and the sums of the days are those of its orders. */
#include "query/doubles/history.h"
#include "query/doubles/mem_view.h"
#include "query/projection/plan.h"
#include <stdio.h>
#include <stdlib.h>

#define OTHER_EPOCH "fedcba9876543210"
#define DAYS_MAX 200

static struct mem_view mem;
static struct tb_plan plan;
static struct tb_arena arena;
static struct fake_random fake;
static struct history history;
static int64_t next_offset;
static bool *is_counted; /* of each record of the history: its deltas are in `days` */

/* The sums of a day, as the deltas add up or as the orders say. */
struct day {
    char id[80];
    int64_t orders, returns, cancelled, total_minor;
};
static struct day days[DAYS_MAX];
static size_t day_count;

static void setup(void)
{
    mem_view_init_guarded(&mem);
    plan = (struct tb_plan){0};
    arena = (struct tb_arena){0};
    history = (struct history){0};
    day_count = 0;
    next_offset = 0;
    is_counted = NULL;
    fake_random_init(&fake, 7);
}

static void teardown(void)
{
    tb_plan_release(&plan);
    mem_view_release(&mem);
    tb_arena_release(&arena);
    history_release(&history);
    free(is_counted);
}

static enum tb_code load(void *ctx, const char *order_id, struct tb_arena *into,
                         struct tb_planned_order *ret_order, struct tb_error *err)
{
    struct tb_view *view = ctx;

    return view->ops->load(view, order_id, into, ret_order, err);
}

static void plan_records(const struct tb_record *records, size_t count)
{
    static const struct tb_plan_rules rules = {.currency = "EUR"};
    struct tb_log_batch batch = {.records = records, .count = count};
    struct tb_error err = {0};

    tb_plan_clear(&plan);
    ck_ok(tb_plan_batch(&plan, &batch, &rules, load, &mem.view, &err));
}

static void commit_plan(void)
{
    struct tb_error err = {0};

    ck_ok(mem.view.ops->commit(&mem.view, &plan, &err));
}

static struct day *day_of(const struct tb_order *order, struct day *list, size_t *count)
{
    char id[80];
    size_t at = 0;

    snprintf(id, sizeof id, "%.*s/%s/%s", (int)order->node.len, order->node.ptr,
             order->business_date, order->currency);
    while (at < *count && strcmp(list[at].id, id) != 0)
        at++;
    ck_assert_uint_lt(at, DAYS_MAX);
    if (at == *count) {
        list[at] = (struct day){0};
        memcpy(list[(*count)++].id, id, sizeof id);
    }
    return &list[at];
}

/* As a stored day does it: what a record changes is added once, whenever the record comes again.
 */
static void add_deltas(void)
{
    for (size_t i = 0; i < plan.sales_delta_count; i++) {
        const struct tb_plan_sales_delta *delta = &plan.sales_deltas[i];
        struct day *day = day_of(delta->day, days, &day_count);

        if (is_counted && is_counted[delta->offset])
            continue;
        day->orders += delta->orders;
        day->returns += delta->returns;
        day->cancelled += delta->cancelled;
        day->total_minor += delta->total_minor;
    }
    for (size_t i = 0; is_counted && i < plan.sales_delta_count; i++)
        is_counted[plan.sales_deltas[i].offset] = true;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct day *)a)->id, ((const struct day *)b)->id);
}

static void check_days(void)
{
    struct day expected[DAYS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < history.order_count; i++) {
        const struct tb_order *order = &history.orders[i].order;
        struct day *day = day_of(order, expected, &count);
        bool cancelled = order->status == TB_CANCELLED;

        day->orders += order->kind == TB_SALE;
        day->returns += order->kind == TB_RETURN;
        day->cancelled += cancelled;
        day->total_minor += cancelled ? 0 : order->total_minor;
    }
    for (size_t i = 0; i < day_count;) { /* days that have nothing any more */
        if (days[i].orders || days[i].returns || days[i].cancelled || days[i].total_minor)
            i++;
        else
            days[i] = days[--day_count];
    }
    qsort(days, day_count, sizeof *days, by_id);
    qsort(expected, count, sizeof *expected, by_id);
    ck_assert_uint_eq(day_count, count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_str_eq(days[i].id, expected[i].id);
        ck_assert_int_eq(days[i].orders, expected[i].orders);
        ck_assert_int_eq(days[i].returns, expected[i].returns);
        ck_assert_int_eq(days[i].cancelled, expected[i].cancelled);
        ck_assert_int_eq(days[i].total_minor, expected[i].total_minor);
    }
}

/* Reads the log from `at` on, in batches of random size, and steps back now and then: the batch
 * was committed, but not its offset. */
static void feed(size_t at)
{
    while (at < history.record_count) {
        size_t count = 1 + fake_random_below(&fake, 40);

        if (count > history.record_count - at)
            count = history.record_count - at;
        plan_records(history.records + at, count);
        add_deltas();
        commit_plan();
        at += count;
        if (fake_random_below(&fake, 5) == 0) {
            size_t back = fake_random_below(&fake, 80);

            at = back > at ? 0 : at - back;
        }
    }
}

START_TEST(after_a_restore_the_view_is_the_store)
{
    fake_random_init(&fake, test_seed(0x5e5e) + (uint64_t)_i);
    history_make_restored(&history, &fake,
                          &(struct history_options){1 + fake_random_below(&fake, 60),
                                                    _i % 3 == 0 ? 20 : 0, _i % 2 ? 5 : 0},
                          1 + _i % 3);
    is_counted = calloc(history.record_count, sizeof *is_counted);
    feed(0);
    mem_view_check(&mem, &history);
    ck_assert_uint_eq(mem.row_count, history.order_count);
    check_days();

    feed(fake_random_below(&fake, history.record_count));
    mem_view_check(&mem, &history);
    check_days();
}
END_TEST

/* The rest: single orders. */

static struct tb_order order;

/* Plans and commits one event, and says what it became. */
static enum tb_event_result send(const struct tb_event *event, const char *epoch)
{
    struct tb_record record;
    int result = 0;

    history_record_of_epoch(&arena, event, epoch, next_offset + 1, &record);
    record.offset = next_offset++;
    plan_records(&record, 1);
    commit_plan();
    add_deltas();
    while (plan.results[result] == 0)
        result++;
    return (enum tb_event_result)result;
}

static void place(void)
{
    struct tb_event event;

    history_place(&arena, &fake, HISTORY_START_MS, &event);
    order = event.order;
    ck_assert_int_eq(send(&event, HISTORY_EPOCH), TB_APPLIED);
}

/* The next event of the order; `order` becomes what it is after it. */
static struct tb_event next_change(void)
{
    struct tb_event event = {
        .type = TB_EVENT_ADDRESS_CHANGED,
        .version = order.version + 1,
        .occurred_at_ms = order.updated_at_ms + 1,
        .address = {TB_STR("Ring 1"), {0}, TB_STR("Bonn"), {0}, TB_STR("DE")}};

    memcpy(event.order_id, order.order_id, TB_UUID_SIZE);
    history_uuid(&fake, event.event_id);
    tb_event_apply(&event, &order);
    return event;
}

static void change(void)
{
    struct tb_event event = next_change();

    ck_assert_int_eq(send(&event, HISTORY_EPOCH), TB_APPLIED);
}

static enum tb_event_result send_snapshot(const struct tb_order *of, const char *epoch,
                                          const char *earlier)
{
    struct tb_str epochs[] = {tb_str_of(earlier)};
    struct tb_event event = {.type = TB_EVENT_SNAPSHOT,
                             .order = *of,
                             .version = of->version,
                             .earlier_epochs = epochs,
                             .earlier_epoch_count = earlier ? 1 : 0};

    memcpy(event.order_id, of->order_id, TB_UUID_SIZE);
    history_uuid(&fake, event.event_id);
    return send(&event, epoch);
}

static void check_view(const struct tb_order *expected)
{
    struct mem_row *row = mem_view_row(&mem, expected->order_id);

    ck_assert_ptr_nonnull(row);
    ck_assert_int_eq(row->version, expected->version);
    ck_assert_str_eq(row->doc, history_encode(&arena, expected).ptr);
}

static void check_conflict(void)
{
    ck_assert_uint_eq(plan.dead_letter_count, 1);
    ck_assert_str_eq(plan.dead_letters[0].reason, "tillbox.conflict");
    ck_assert(!plan.orders[0]->changed);
}

START_TEST(a_snapshot_needs_no_earlier_event)
{
    struct tb_event event;

    history_place(&arena, &fake, HISTORY_START_MS, &event);
    order = event.order;
    (void)next_change();
    (void)next_change();
    ck_assert_int_eq(send_snapshot(&order, HISTORY_EPOCH, NULL), TB_REPLACED);
    check_view(&order);
    ck_assert_int_eq(send(&event, HISTORY_EPOCH), TB_DUPLICATE);
    change();
    check_view(&order);
}
END_TEST

START_TEST(a_snapshot_closes_a_gap_and_a_later_event_goes_on)
{
    struct tb_event event;

    place();
    (void)next_change();
    event = next_change();
    ck_assert_int_eq(send(&event, HISTORY_EPOCH), TB_GAP);
    ck_assert_int_eq(send_snapshot(&order, HISTORY_EPOCH, NULL), TB_REPLACED);
    ck_assert_uint_eq(plan.snapshot_count, 1);
    ck_assert_str_eq(plan.snapshots[0].order_id, order.order_id);
    ck_assert_int_eq(plan.snapshots[0].version, 3);
    ck_assert_int_eq(mem_view_row(&mem, order.order_id)->lineage.replaced, 0);
    ck_assert_int_eq(send(&event, HISTORY_EPOCH), TB_DUPLICATE);
    change();
    check_view(&order);
}
END_TEST

/* Within an epoch an old snapshot is a duplicate, and so is one that says what the view has. */
START_TEST(a_snapshot_that_says_nothing_new_is_a_duplicate)
{
    struct tb_order early;

    place();
    change();
    early = order;
    change();
    ck_assert_int_eq(send_snapshot(&early, HISTORY_EPOCH, NULL), TB_DUPLICATE);
    ck_assert_int_eq(plan.snapshots[0].version, 2);
    ck_assert_int_eq(send_snapshot(&order, HISTORY_EPOCH, NULL), TB_DUPLICATE);
    ck_assert(!plan.orders[0]->changed);
    check_view(&order);
}
END_TEST

/* At the same version and with the same last event, the store is right. */
START_TEST(a_snapshot_mends_a_wrong_order)
{
    place();
    change();
    order.total_minor = 100;
    order.lines[0] = (struct tb_line){order.lines[0].sku, {0}, 1, 100};
    order.kind = TB_SALE;
    order.line_count = 1;
    ck_assert_int_eq(send_snapshot(&order, HISTORY_EPOCH, NULL), TB_REPLACED);
    check_view(&order);
    change();
    check_view(&order);
}
END_TEST

/* The store has version 2 again; what the view has of version 3 was lost. */
START_TEST(a_restored_store_wins_over_a_higher_version)
{
    struct tb_order backup;
    struct tb_event lost, later_lost;

    place();
    change();
    backup = order;
    lost = next_change();
    ck_assert_int_eq(send(&lost, HISTORY_EPOCH), TB_APPLIED);
    later_lost = next_change();
    order = backup;
    ck_assert_int_eq(send_snapshot(&order, OTHER_EPOCH, HISTORY_EPOCH), TB_REPLACED);
    check_view(&order);
    ck_assert_int_eq(mem_view_row(&mem, order.order_id)->lineage.replaced, 1);
    ck_assert_int_eq(send(&lost, HISTORY_EPOCH), TB_DUPLICATE); /* it has been here */
    ck_assert_int_eq(send(&later_lost, HISTORY_EPOCH), TB_CONFLICTED);
    check_conflict();
    check_view(&order);

    struct tb_event own = next_change();
    ck_assert_int_eq(send(&own, OTHER_EPOCH), TB_APPLIED);
    check_view(&order);
    ck_assert_int_eq(send(&lost, HISTORY_EPOCH), TB_DUPLICATE);
    ck_assert_int_eq(send_snapshot(&backup, OTHER_EPOCH, HISTORY_EPOCH), TB_DUPLICATE);
    check_view(&order);
}
END_TEST

/* The till sells on before it has sent its snapshot. */
START_TEST(another_event_of_a_version_is_a_conflict_until_the_snapshot)
{
    struct tb_order backup;
    struct tb_event lost, own;

    place();
    backup = order;
    lost = next_change();
    ck_assert_int_eq(send(&lost, HISTORY_EPOCH), TB_APPLIED);
    order = backup;
    own = next_change();
    own.address.line1 = order.address.line1 = TB_STR("Ring 2");
    ck_assert_int_eq(send(&own, OTHER_EPOCH), TB_CONFLICTED);
    check_conflict();
    ck_assert_int_eq(send(&lost, HISTORY_EPOCH), TB_DUPLICATE);
    ck_assert_int_eq(send_snapshot(&order, OTHER_EPOCH, HISTORY_EPOCH), TB_REPLACED);
    check_view(&order);
    ck_assert_int_eq(send(&own, OTHER_EPOCH), TB_DUPLICATE); /* the dead letter, replayed */
}
END_TEST

/* The view has all that the snapshot says, but that the store was restored. */
START_TEST(a_snapshot_without_news_ends_an_epoch)
{
    struct tb_order backup;
    struct tb_event lost, own;

    place();
    backup = order;
    (void)next_change();
    lost = next_change();
    order = backup;
    own = next_change();
    ck_assert_int_eq(send(&own, OTHER_EPOCH), TB_APPLIED);
    ck_assert_int_eq(send_snapshot(&order, OTHER_EPOCH, HISTORY_EPOCH), TB_REPLACED);
    ck_assert_uint_eq(plan.sales_delta_count, 0);
    ck_assert_int_eq(send_snapshot(&order, OTHER_EPOCH, HISTORY_EPOCH), TB_DUPLICATE);
    ck_assert_int_eq(send(&lost, HISTORY_EPOCH), TB_CONFLICTED);
    check_view(&order);
}
END_TEST

/* An event of a lost history that comes before the snapshot makes its epoch the order's; the
 * snapshot's store says that it is an earlier one. */
START_TEST(a_store_says_which_epochs_are_earlier)
{
    struct tb_order backup;

    place();
    backup = order;
    ck_assert_int_eq(send_snapshot(&backup, OTHER_EPOCH, HISTORY_EPOCH), TB_REPLACED);
    /* A third store, of the same backup, wins over that; */
    ck_assert_int_eq(send_snapshot(&backup, "1111111111111111", HISTORY_EPOCH), TB_REPLACED);
    ck_assert_int_eq(send_snapshot(&backup, OTHER_EPOCH, HISTORY_EPOCH), TB_DUPLICATE);
    /* and over this one only a store that knows of it. */
    (void)next_change();
    ck_assert_int_eq(send_snapshot(&order, OTHER_EPOCH, HISTORY_EPOCH), TB_CONFLICTED);
    ck_assert_int_eq(send_snapshot(&order, OTHER_EPOCH, "1111111111111111"), TB_REPLACED);
    check_view(&order);
    ck_assert_int_eq(send_snapshot(&backup, "1111111111111111", HISTORY_EPOCH), TB_DUPLICATE);
    check_view(&order);
}
END_TEST

/* A view of before, which knows no ids, and events without them. */
START_TEST(what_is_not_known_is_no_conflict)
{
    struct tb_event first, other;
    struct tb_order backup;

    place();
    backup = order;
    first = next_change();
    ck_assert_int_eq(send(&first, HISTORY_EPOCH), TB_APPLIED);
    order = backup;
    other = next_change();
    ck_assert_int_eq(send(&other, HISTORY_EPOCH), TB_CONFLICTED);
    memset(other.event_id, 0, sizeof other.event_id);
    ck_assert_int_eq(send(&other, HISTORY_EPOCH), TB_DUPLICATE);
    mem_view_row(&mem, order.order_id)->lineage = (struct tb_lineage){0};
    history_uuid(&fake, other.event_id);
    ck_assert_int_eq(send(&other, HISTORY_EPOCH), TB_DUPLICATE);
}
END_TEST

START_TEST(a_snapshot_makes_a_stub_whole)
{
    struct tb_header headers[] = {{TB_STR("ce_type"), TB_STR("OrderPlaced.v9")},
                                  {TB_STR("ce_subject"), {0}},
                                  {TB_STR("ce_orderversion"), TB_STR("1")},
                                  {TB_STR("ce_epoch"), TB_STR(HISTORY_EPOCH)}};
    struct tb_record record = {
        .offset = next_offset++, .value = TB_STR("{}"), .headers = headers, .header_count = 4};
    struct tb_event event;

    history_place(&arena, &fake, HISTORY_START_MS, &event);
    order = event.order;
    headers[1].value = tb_str_of(order.order_id);
    plan_records(&record, 1);
    commit_plan();
    ck_assert_ptr_null(mem_view_row(&mem, order.order_id)->doc);
    ck_assert_int_eq(send_snapshot(&order, HISTORY_EPOCH, NULL), TB_REPLACED);
    check_view(&order);
    ck_assert(plan.sales_deltas[0].placed && plan.sales_delta_count == 1);
}
END_TEST

START_TEST(another_nodes_order_is_a_conflict)
{
    place();
    order.node = TB_STR("elsewhere");
    ck_assert_int_eq(send_snapshot(&order, OTHER_EPOCH, HISTORY_EPOCH), TB_CONFLICTED);
    check_conflict();
}
END_TEST

/* In one batch: an order is placed and cancelled, and then it is another one, on another day and
 * in another currency. Each day gets what it had and has. */
START_TEST(a_snapshot_moves_an_order_to_its_day)
{
    struct tb_event placed, cancelled, snapshot;
    struct tb_record records[3];

    history_place(&arena, &fake, HISTORY_START_MS, &placed);
    cancelled = (struct tb_event){.type = TB_EVENT_CANCELLED, .version = 2};
    memcpy(cancelled.order_id, placed.order_id, TB_UUID_SIZE);
    history_uuid(&fake, cancelled.event_id);
    history_place(&arena, &fake, HISTORY_START_MS + 86400000, &snapshot);
    snapshot.type = TB_EVENT_SNAPSHOT;
    memcpy(snapshot.order_id, placed.order_id, TB_UUID_SIZE);
    memcpy(snapshot.order.order_id, placed.order_id, TB_UUID_SIZE);
    snapshot.order.node = placed.order.node;
    history_record(&arena, &placed, 1, &records[0]);
    history_record(&arena, &cancelled, 2, &records[1]);
    history_record_of_epoch(&arena, &snapshot, OTHER_EPOCH, 1, &records[2]);
    for (int i = 0; i < 3; i++)
        records[i].offset = i;
    plan_records(records, 3);
    add_deltas();
    commit_plan();
    check_view(&snapshot.order);
    history.order_count = 1;
    history.orders = tb_arena_array(&history.arena, 1, sizeof *history.orders);
    history.orders[0].order = snapshot.order;
    ck_assert_uint_eq(plan.sales_delta_count, 4);
    check_days();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/snapshot");
    TCase *tc = tcase_create("snapshots");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, after_a_restore_the_view_is_the_store, 0, 60);
    tcase_add_test(tc, a_snapshot_needs_no_earlier_event);
    tcase_add_test(tc, a_snapshot_closes_a_gap_and_a_later_event_goes_on);
    tcase_add_test(tc, a_snapshot_that_says_nothing_new_is_a_duplicate);
    tcase_add_test(tc, a_snapshot_mends_a_wrong_order);
    tcase_add_test(tc, a_restored_store_wins_over_a_higher_version);
    tcase_add_test(tc, another_event_of_a_version_is_a_conflict_until_the_snapshot);
    tcase_add_test(tc, a_snapshot_without_news_ends_an_epoch);
    tcase_add_test(tc, a_store_says_which_epochs_are_earlier);
    tcase_add_test(tc, what_is_not_known_is_no_conflict);
    tcase_add_test(tc, a_snapshot_makes_a_stub_whole);
    tcase_add_test(tc, another_nodes_order_is_a_conflict);
    tcase_add_test(tc, a_snapshot_moves_an_order_to_its_day);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
