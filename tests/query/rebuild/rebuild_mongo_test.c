/* Promise: any central can rebuild the common view while all centrals go on writing and reading
 * it. No event is missing in the new view, and no read returns anything older than a read before.
 * One rebuild runs at a time; if its process ends, another central continues it, and no writer is
 * stopped for good.
 * Method: two centrals take turns at random, with a MongoDB-compatible server. */
#include "query/mongo/centrals.h"
#include "query/mongo/fleet/fleet.h"
#include "query/mongo/mongo_feed.h"
#include "query/mongo/view/view.h"
#include <stdio.h>
#include <stdlib.h>

#define ORDERS 25
/* Longer than a job or a write barrier may go without a beat. */
#define GONE_MS 20000

static struct centrals c;
static const struct tb_rebuild_job plain, accepting = {.accept = true},
                                          rolling_back = {.rollback = true};

static void begin(uint64_t seed)
{
    centrals_init(&c, seed, &(struct history_options){ORDERS, 20, 10});
}

static void setup(void)
{
    begin(test_seed(7));
}

static void teardown(void)
{
    centrals_release(&c);
}

static void add_all(void)
{
    while (centrals_add(&c))
        ;
}

static void check_same(const char *a, const char *b)
{
    char *one = mongo_db_dump(&c.db, a), *other = mongo_db_dump(&c.db, b);

    ck_assert_str_eq(one, other);
    free(one);
    free(other);
}

START_TEST(rebuilt_is_what_was_served)
{
    add_all();
    centrals_read_on(&c);
    ck_assert_int_eq(central_rebuild(&c.list[0], &plain), TB_REBUILD_DONE);
    ck_assert_int_eq(centrals_served(&c), 2);
    ck_assert_int_eq(central_progress(&c.list[0])->difference_count, 0);
    ck_assert_int_gt(central_progress(&c.list[0])->served_orders, 0);
    check_same("orders", "orders_2");
    centrals_check(&c);
}
END_TEST

/* How far the nodes' events have not arrived without a gap, as GET /nodes says. */
static int64_t missing(void)
{
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_node_report_list list;
    struct tb_error err = {0};
    int64_t count = 0;

    ck_ok(tb_mongo_list_nodes(c.db.mongo, c.clock.wall_ms, &arena, &list, &err));
    ck_assert_uint_gt(list.count, 0);
    for (size_t i = 0; i < list.count; i++) {
        for (size_t e = 0; e < list.nodes[i].epoch_count; e++)
            count +=
                list.nodes[i].epochs[e].last_sequence - list.nodes[i].epochs[e].complete_through;
    }
    return count;
}

static void check_totals(const char *name)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    struct tb_mongo_served served;
    struct tb_error err = {0};

    ck_ok(tb_mongo_client_acquire(c.db.mongo, &client, &err));
    ck_ok(tb_mongo_read_served(&client, &served, &err));
    ck_assert_str_eq(served.collections.totals, name);
    centrals_check(&c); /* the sums, too, wherever they come from */
}

/* A view that an earlier build has begun has no totals, and its days no statuses: sums come from
 * elsewhere. A rebuild makes both, and a rollback serves the old view as it was. */
START_TEST(a_view_without_totals_gets_them)
{
    add_all();
    centrals_read_on(&c);
    mongo_db_command(&c.db, "{\"update\":\"meta\",\"updates\":[{\"q\":{\"_id\":\"served\"},"
                            "\"u\":{\"$unset\":{\"sales_totals\":1}}}]}");
    mongo_db_command(&c.db, "{\"update\":\"sales_by_day\",\"updates\":[{\"q\":{},"
                            "\"u\":{\"$unset\":{\"statuses\":1}},\"multi\":true}]}");
    mongo_db_command(&c.db, "{\"drop\":\"sales_totals\"}");
    check_totals("");
    ck_assert_int_eq(central_rebuild(&c.list[0], &plain), TB_REBUILD_DONE);
    check_totals("sales_totals_2");
    ck_assert_int_gt(mongo_db_count(&c.db, "sales_totals_2", "{\"statuses\":true}"), 0);
    ck_assert_int_eq(central_rebuild(&c.list[0], &rolling_back), TB_REBUILD_ROLLED_BACK);
    check_totals("");
    ck_assert_int_eq(mongo_db_count(&c.db, "sales_totals", "{}"), 0);
}
END_TEST

/* What the served view says of a node's events has holes, which no event fills any more: that is a
 * difference, a rebuild makes it anew, and a rollback brings back what the old view said. */
START_TEST(sequences_are_made_anew)
{
    int64_t before;

    add_all();
    centrals_read_on(&c);
    before = missing();
    mongo_db_command(&c.db, "{\"delete\":\"sequences\",\"deletes\":[{\"q\":{\"kind\":\"chunk\"},"
                            "\"limit\":0}]}");
    mongo_db_command(&c.db, "{\"update\":\"sequences\",\"updates\":[{\"q\":{\"kind\":\"epoch\"},"
                            "\"u\":{\"$set\":{\"completeThrough\":{\"$numberLong\":\"0\"}}},"
                            "\"multi\":true}]}");
    ck_assert_int_gt(missing(), before);
    ck_assert_int_eq(central_rebuild(&c.list[0], &plain), TB_REBUILD_FAILED);
    ck_assert_int_gt(missing(), before);
    ck_assert_ptr_nonnull(strstr(central_progress(&c.list[0])->differences,
                                 "{\"difference\":\"sequences\",\"node\":"));
    ck_assert_int_eq(central_rebuild(&c.list[0], &accepting), TB_REBUILD_DONE);
    ck_assert_int_eq(missing(), before);
    ck_assert_int_eq(central_rebuild(&c.list[0], &rolling_back), TB_REBUILD_ROLLED_BACK);
    ck_assert_int_gt(missing(), before);
    ck_assert_int_eq(central_rebuild(&c.list[0], &accepting), TB_REBUILD_DONE);
    ck_assert_int_eq(missing(), before);
    ck_assert_int_eq(mongo_db_count(&c.db, "sequences_2", "{}"), 0);
    ck_assert_int_eq(central_rebuild(&c.list[0], &plain), TB_REBUILD_DONE);
    ck_assert_int_eq(missing(), before);
}
END_TEST

/* More pages of days than one, and only the last day has sales. */
static void add_days(void)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf text = {0};

    tb_buf_adds(&text, "{\"insert\":\"sales_by_day\",\"documents\":[");
    for (int i = 0; i <= 1200; i++)
        tb_buf_addf(&text,
                    "%s{\"_id\":\"till/%04d-01-01/EUR\",\"orders\":%d,\"returns\":0,"
                    "\"cancelled\":0,\"totalMinor\":0}",
                    i > 0 ? "," : "", 1000 + i, i == 1200);
    tb_buf_adds(&text, "]}");
    tb_buf_addc(&text, '\0');
    mongo_db_command(&c.db, text.data);
}

/* The sums of a day that a view has wrong are a difference, wherever the day stands in the scan; a
 * day without sales is as good as none. The rebuilt view has the right ones. */
START_TEST(sales_of_days_are_compared)
{
    static const char *const changes[] = {
        "{\"update\":\"sales_by_day\",\"updates\":[{\"q\":{},\"u\":{\"$inc\":{\"orders\":1}}}]}",
        "{\"delete\":\"sales_by_day\",\"deletes\":[{\"q\":{},\"limit\":1}]}",
        "{\"insert\":\"sales_by_day\",\"documents\":[{\"_id\":\"till0/2020-01-01/EUR\","
        "\"orders\":2,\"returns\":0,\"cancelled\":0,\"totalMinor\":5}]}",
        "{\"insert\":\"sales_by_day\",\"documents\":[{\"_id\":\"till0/2020-01-01/EUR\","
        "\"orders\":0,\"returns\":0,\"cancelled\":0,\"totalMinor\":0}]}",
    };
    bool differs = _i != 3;

    add_all();
    centrals_read_on(&c);
    if (_i < 4)
        mongo_db_command(&c.db, changes[_i]);
    else
        add_days();
    ck_assert_int_eq(central_rebuild(&c.list[0], &plain),
                     differs ? TB_REBUILD_FAILED : TB_REBUILD_DONE);
    ck_assert_int_eq(strstr(central_progress(&c.list[0])->differences,
                            "{\"difference\":\"sales\",\"day\":\"till") != NULL,
                     differs);
    if (differs)
        ck_assert_int_eq(central_rebuild(&c.list[0], &accepting), TB_REBUILD_DONE);
    ck_assert_int_eq(central_rebuild(&c.list[0], &plain), TB_REBUILD_DONE);
}
END_TEST

static size_t count_retired(void)
{
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_node_report_list list;
    struct tb_error err = {0};
    size_t count = 0;

    ck_ok(tb_mongo_list_nodes(c.db.mongo, c.clock.wall_ms, &arena, &list, &err));
    for (size_t i = 0; i < list.count; i++)
        count += list.nodes[i].state == TB_NODE_RETIRED;
    return count;
}

/* A decision of people follows from no log: the new view has it, and the old one again. */
START_TEST(a_retired_node_stays_retired)
{
    const struct tb_node_retirement retired = {c.clock.wall_ms, "a person"};
    struct tb_error err = {0};

    add_all();
    centrals_read_on(&c);
    ck_ok(tb_mongo_retire_node(c.db.mongo, "till1", &retired, &err));
    ck_assert_uint_eq(count_retired(), 1);
    ck_assert_int_eq(central_rebuild(&c.list[0], &plain), TB_REBUILD_DONE);
    ck_assert_uint_eq(count_retired(), 1);
    ck_assert_int_eq(central_rebuild(&c.list[0], &rolling_back), TB_REBUILD_ROLLED_BACK);
    ck_assert_uint_eq(count_retired(), 1);
}
END_TEST

/* Runs a rebuild to its end while events arrive. */
static void rebuild_busily(struct one_central *one)
{
    struct tb_error err = {0};

    ck_ok(tb_rebuild_start(one->rebuild, &plain, &err));
    c.busy = true;
    ck_assert_int_eq(central_finish(one), TB_REBUILD_DONE);
    c.busy = false;
}

/* One generation after the other is served, rebuilt by one central and the other. */
START_TEST(events_go_on_coming)
{
    centrals_init(&c, test_seed((uint64_t)_i + 100),
                  &(struct history_options){3 * ORDERS, 20, 10});
    for (int i = 0; i < 20; i++)
        centrals_add(&c);
    rebuild_busily(&c.list[0]);
    rebuild_busily(&c.list[1]);
    add_all();
    centrals_read_on(&c);
    ck_assert_int_eq(centrals_served(&c), 3);
    centrals_check(&c);
    ck_assert_int_eq(central_rebuild(&c.list[0], &plain), TB_REBUILD_DONE);
    centrals_release(&c);
}
END_TEST

/* A central that has read `served`, and is slow, writes the old view long after the swap: the new
 * view has what it writes. */
START_TEST(a_slow_writer_loses_nothing)
{
    struct tb_mongo_collections first;
    struct tb_view *slow = NULL;
    struct tb_plan plan = {0};
    struct tb_error err = {0};
    size_t at;

    for (int i = 0; i < 30; i++)
        centrals_add(&c);
    centrals_read_on(&c);
    add_all();
    tb_mongo_collections_of(1, &first);
    ck_ok(tb_view_mongo_open_at(c.db.mongo, &first, &slow, &err));
    at = c.log.committed[1] < 0 ? 0 : (size_t)c.log.committed[1];
    mongo_plan(slow, &plan, 1, c.log.records[1] + at, c.log.counts[1] - at, true);
    ck_assert_int_eq(central_rebuild(&c.list[0], &plain), TB_REBUILD_DONE);
    mongo_commit(slow, &plan);
    c.log.committed[1] = (int64_t)c.log.counts[1]; /* and commits its offset to the group */
    group_log_assign(&c.log, 1, 0);
    centrals_read_on(&c);
    centrals_check(&c);
    tb_plan_release(&plan);
    slow->ops->free(slow);
}
END_TEST

/* A plan for the previous view is not committed to the new one: it is made again. */
START_TEST(a_plan_is_for_one_view)
{
    struct tb_plan plan = {0};
    struct tb_error err = {0};
    struct tb_view *view = NULL;
    int64_t until = 0;

    add_all();
    centrals_read_on(&c);
    ck_ok(tb_view_mongo_open(c.db.mongo, &view, &err));
    ck_ok(view->ops->plan_limit(view, 0, &until, &err));
    ck_assert_int_eq(until, INT64_MAX);
    mongo_plan(view, &plan, 0, c.log.records[0], c.log.counts[0], true);
    ck_assert_int_eq(central_rebuild(&c.list[0], &plain), TB_REBUILD_DONE);
    ck_assert_int_eq(view->ops->commit(view, &plan, &err), TB_CONFLICT);
    ck_ok(view->ops->plan_limit(view, 0, &until, &err));
    mongo_plan(view, &plan, 0, c.log.records[0], c.log.counts[0], true);
    mongo_commit(view, &plan);
    tb_plan_release(&plan);
    view->ops->free(view);
}
END_TEST

/* Both centrals show the same result. */
static void check_shown(struct one_central *at, struct one_central *by)
{
    struct tb_rebuild_progress *shown = central_progress(at);

    while (shown->state != TB_REBUILD_FAILED) {
        centrals_turn(&c);
        shown = central_progress(at);
    }
    ck_assert_str_eq(shown->owner, by->name);
    ck_assert_int_eq(shown->difference_count, 1);
    ck_assert_str_eq(shown->differences, central_progress(by)->differences);
}

START_TEST(differences_prevent_the_swap)
{
    char command[300];

    add_all();
    centrals_read_on(&c);
    snprintf(command, sizeof command,
             "{\"update\":\"orders\",\"updates\":[{\"q\":{\"_id\":\"%s\"},"
             "\"u\":{\"$set\":{\"source\":\"ELSEWHERE\"}}}]}",
             c.history.orders[0].order.order_id);
    mongo_db_command(&c.db, command);
    ck_assert_int_eq(central_rebuild(&c.list[0], &plain), TB_REBUILD_FAILED);
    ck_assert_int_eq(centrals_served(&c), 1);
    ck_assert_int_eq(central_progress(&c.list[0])->difference_count, 1);
    ck_assert_ptr_nonnull(
        strstr(central_progress(&c.list[0])->differences, c.history.orders[0].order.order_id));
    ck_assert_int_eq(mongo_db_count(&c.db, "orders_2", "{}"), 0);
    check_shown(&c.list[1], &c.list[0]);
    ck_assert_int_eq(central_rebuild(&c.list[1], &accepting), TB_REBUILD_DONE);
    ck_assert_int_eq(central_progress(&c.list[1])->difference_count, 1);
    centrals_check(&c);
}
END_TEST

START_TEST(the_old_view_can_be_served_again)
{
    struct tb_error err = {0};

    ck_assert_int_eq(tb_rebuild_start(c.list[0].rebuild, &rolling_back, &err), TB_CONFLICT);
    for (int i = 0; i < 30; i++)
        centrals_add(&c);
    centrals_read_on(&c);
    ck_assert_int_eq(central_rebuild(&c.list[0], &plain), TB_REBUILD_DONE);
    add_all();
    centrals_read_on(&c);
    ck_assert_int_eq(central_rebuild(&c.list[0], &rolling_back), TB_REBUILD_ROLLED_BACK);
    ck_assert_int_eq(centrals_served(&c), 1);
    centrals_check(&c);
    check_same("orders", "orders_2");
    mongo_db_command(&c.db, "{\"insert\":\"orders_2024\",\"documents\":[{\"_id\":1}]}");
    fake_clock_advance(&c.clock, TB_REBUILD_KEEP_MS + 3600 * 1000);
    for (int i = 0; i < 4; i++)
        (void)tb_rebuild_step(c.list[0].rebuild);
    ck_assert_int_eq(mongo_db_count(&c.db, "orders_2", "{}"), 0);
    ck_assert_int_eq(mongo_db_count(&c.db, "orders_2024", "{}"),
                     1); /* not a collection of the view */
    ck_assert_int_eq(tb_rebuild_start(c.list[0].rebuild, &rolling_back, &err), TB_CONFLICT);
}
END_TEST

/* Dead letters are common to all generations: one that was dropped stays dropped, and one that
 * only the rebuild finds appears when its view is served, not before. */
START_TEST(dead_letters_are_common_to_all_views)
{
    struct tb_error err = {0};
    int64_t letters;

    add_all();
    centrals_read_on(&c);
    letters = mongo_db_count(&c.db, "dead_letters", "{}");
    ck_assert_int_gt(letters, 1);
    mongo_db_command(&c.db, "{\"delete\":\"dead_letters\",\"deletes\":[{\"q\":{},\"limit\":1}]}");
    mongo_db_command(&c.db, "{\"update\":\"dead_letters\",\"updates\":[{\"q\":{},"
                            "\"u\":{\"$set\":{\"status\":\"dropped\"}}}]}");
    ck_ok(tb_rebuild_start(c.list[0].rebuild, &plain, &err));
    while (central_progress(&c.list[0])->state < TB_REBUILD_SWAPPING) {
        ck_assert_int_eq(mongo_db_count(&c.db, "dead_letters", "{}"), letters - 1);
        centrals_turn(&c);
    }
    ck_assert_int_eq(central_finish(&c.list[0]), TB_REBUILD_DONE);
    ck_assert_int_eq(mongo_db_count(&c.db, "dead_letters", "{}"), letters);
    ck_assert_int_eq(mongo_db_count(&c.db, "dead_letters", "{\"status\":\"dropped\"}"), 1);
    ck_assert_int_eq(mongo_db_count(&c.db, "dead_letters_2", "{}"), letters);
}
END_TEST

START_TEST(one_at_a_time)
{
    struct tb_error err = {0};

    add_all();
    ck_ok(tb_rebuild_start(c.list[0].rebuild, &plain, &err));
    ck_assert_int_eq(tb_rebuild_start(c.list[1].rebuild, &plain, &err), TB_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.text, "hq1"));
    ck_assert_int_eq(central_progress(&c.list[1])->state, TB_REBUILD_BUILDING);
    ck_assert_int_eq(central_finish(&c.list[0]), TB_REBUILD_DONE);
    while (central_progress(&c.list[1])->state != TB_REBUILD_DONE)
        centrals_turn(&c);
    ck_assert_str_eq(central_progress(&c.list[1])->owner, "hq1");
    ck_assert_int_eq(central_rebuild(&c.list[1], &plain), TB_REBUILD_DONE);
}
END_TEST

/* Wherever its process ends, behind the write barrier or not, the other central continues the job,
 * and applies the events that arrive meanwhile. */
START_TEST(another_central_continues_the_job)
{
    struct tb_error err = {0};

    begin(test_seed((uint64_t)_i + 200));
    for (int i = 0; i < 60; i++)
        centrals_add(&c);
    ck_ok(tb_rebuild_start(c.list[0].rebuild, &plain, &err));
    for (uint64_t turns = fake_random_below(&c.fake, 700); turns > 0; turns--)
        centrals_turn(&c);
    central_stop(&c.list[0]);
    for (int32_t p = 0; p < TEST_PARTITIONS; p++)
        group_log_assign(&c.log, p, 1);
    add_all();
    centrals_turn(&c);
    fake_clock_advance(&c.clock, GONE_MS);
    centrals_read_on(&c);
    fake_clock_advance(&c.clock, GONE_MS);
    ck_assert_int_eq(central_finish(&c.list[1]), TB_REBUILD_DONE);
    ck_assert_int_eq(centrals_served(&c), 2);
    centrals_check(&c);
    centrals_release(&c);
}
END_TEST

/* A central that has just begun does not say that no rebuild is under way before it has asked the
 * database. */
START_TEST(a_new_central_does_not_know_at_first)
{
    struct tb_rebuild_progress *shown = calloc(1, sizeof *shown);
    struct tb_error err = {0};

    ck_assert_ptr_nonnull(shown);
    add_all();
    ck_ok(tb_rebuild_start(c.list[0].rebuild, &plain, &err));
    ck_assert(tb_rebuild_get_progress(c.list[0].rebuild, shown)); /* it was claimed here */
    for (int i = 0; i < 2; i++) {
        central_stop(&c.list[i]);
        central_start(&c.list[i]);
        ck_assert(!tb_rebuild_get_progress(c.list[i].rebuild, shown));
        (void)tb_rebuild_step(c.list[i].rebuild);
        ck_assert(tb_rebuild_get_progress(c.list[i].rebuild, shown));
        ck_assert_int_eq(shown->state, TB_REBUILD_BUILDING);
        ck_assert_str_eq(shown->owner, "hq1");
    }
    free(shown);
}
END_TEST

/* A marker of a transaction has an offset, but no reader returns it: views do not get to the end
 * of a partition that ends with one. That does not keep the rebuild from its end. */
START_TEST(markers_are_not_waited_for)
{
    centrals_init(&c, test_seed((uint64_t)_i + 500),
                  &(struct history_options){3 * ORDERS, 20, 10});
    c.markers = true;
    for (int32_t p = 0; p < TEST_PARTITIONS; p++)
        centrals_add_marker(&c, p);
    if (_i == 0) /* nothing but markers */
        ck_assert_int_eq(central_rebuild(&c.list[0], &plain), TB_REBUILD_DONE);
    for (int i = 0; i < 20; i++)
        centrals_add(&c);
    rebuild_busily(&c.list[0]);
    rebuild_busily(&c.list[1]);
    ck_assert_int_eq(central_rebuild(&c.list[0], &rolling_back), TB_REBUILD_ROLLED_BACK);
    add_all();
    for (int32_t p = 0; p < TEST_PARTITIONS; p++)
        centrals_add_marker(&c, p);
    ck_assert_int_eq(central_rebuild(&c.list[1], &plain), TB_REBUILD_DONE);
    ck_assert_int_eq(c.held_in_vain_ms, 0);
    centrals_read_on(&c);
    centrals_check(&c);
    centrals_release(&c);
}
END_TEST

static bool is_held(void)
{
    return mongo_db_count(&c.db, "meta", "{\"_id\":\"served\",\"hold\":{\"$exists\":true}}") > 0;
}

/* A central is down, and its partitions are not read: the served view does not get to the end of
 * the log. The others write it nearly all of the time; what stands in the way is told; and the job
 * ends as soon as it can. */
START_TEST(a_hold_in_vain_is_given_up)
{
    struct one_central *one = &c.list[0];
    int64_t begin_ms, held_ms = 0, before_ms;
    struct tb_error err = {0};
    bool told = false;

    for (int i = 0; i < 40; i++)
        centrals_add(&c);
    central_stop(&c.list[1]);
    ck_ok(tb_rebuild_start(one->rebuild, &plain, &err));
    while (central_progress(one)->state < TB_REBUILD_COMPARING)
        centrals_turn(&c);
    begin_ms = tb_clock_mono_ms(&c.clock.clock);
    while (tb_clock_mono_ms(&c.clock.clock) - begin_ms < 300000) {
        before_ms = tb_clock_mono_ms(&c.clock.clock);
        centrals_turn(&c);
        fake_clock_advance(&c.clock, 100);
        if (is_held())
            held_ms += tb_clock_mono_ms(&c.clock.clock) - before_ms;
        told = told || strstr(central_progress(one)->problem, "end of the log");
    }
    ck_assert(told);
    ck_assert_int_gt(c.held_in_vain_ms, 0);
    ck_assert_int_gt(held_ms, 4 * TB_REBUILD_HOLD_MS); /* it was tried again and again */
    ck_assert_int_lt(held_ms, 300000 / 10);
    ck_assert_int_lt(c.longest_hold_ms,
                     TB_REBUILD_HOLD_MS + 2000); /* it is in the middle of a turn */
    ck_assert_int_eq(central_progress(one)->state, TB_REBUILD_COMPARING);
    for (int32_t p = 0; p < TEST_PARTITIONS; p++)
        group_log_assign(&c.log, p, 0);
    while (tb_rebuild_is_running(central_progress(one)->state)) {
        centrals_turn(&c);
        fake_clock_advance(&c.clock, 100);
    }
    ck_assert_int_eq(central_progress(one)->state, TB_REBUILD_DONE);
    ck_assert_str_eq(central_progress(one)->problem, "");
    add_all();
    centrals_read_on(&c);
    centrals_check(&c);
}
END_TEST

/* The process that has set the barrier hangs. */
START_TEST(writers_end_a_hold_themselves)
{
    struct one_central *one = &c.list[0];
    struct tb_error err = {0};
    int64_t began_ms;

    for (int i = 0; i < 40; i++)
        centrals_add(&c);
    ck_ok(tb_rebuild_start(one->rebuild, &plain, &err));
    while (!is_held())
        centrals_turn(&c);
    began_ms = tb_clock_mono_ms(&c.clock.clock);
    add_all();
    while (is_held()) {
        ck_assert_int_le(tb_clock_mono_ms(&c.clock.clock) - began_ms, TB_REBUILD_HOLD_MS + 500);
        (void)tb_consumer_step(c.list[0].consumer, 0);
        (void)tb_consumer_step(c.list[1].consumer, 0);
        fake_clock_advance(&c.clock, 100);
    }
    centrals_read_on(&c);
    ck_assert_int_eq(central_finish(one), TB_REBUILD_DONE);
    centrals_check(&c);
}
END_TEST

/* An order that the served view lacks is missing in its sums, which are known without reading it
 * while the writers wait. */
START_TEST(sums_that_differ_are_listed)
{
    const char *first = c.history.orders[0].order.order_id;
    char command[200], wanted[200];

    c.history.orders[0].lost = 0;
    add_all();
    centrals_read_on(&c);
    snprintf(command, sizeof command,
             "{\"delete\":\"orders\",\"deletes\":[{\"q\":{\"_id\":\"%s\"},\"limit\":1}]}", first);
    mongo_db_command(&c.db, command);
    c.seen[0] = 0;
    ck_assert_int_eq(central_rebuild(&c.list[0], &plain), TB_REBUILD_FAILED);
    ck_assert_int_eq(central_progress(&c.list[0])->difference_count, 2);
    ck_assert_int_eq(central_progress(&c.list[0])->served_orders + 1,
                     central_progress(&c.list[0])->rebuilt_orders);
    ck_assert_int_eq(central_progress(&c.list[0])->rebuilt_orders,
                     mongo_db_count(&c.db, "orders", "{\"stub\":{\"$exists\":false}}") + 1);
    snprintf(wanted, sizeof wanted, "[{\"difference\":\"total\",\"currency\":\"%s\",",
             c.history.orders[0].order.currency);
    ck_assert_ptr_eq(strstr(central_progress(&c.list[0])->differences, wanted),
                     central_progress(&c.list[0])->differences);
    ck_assert_ptr_nonnull(strstr(central_progress(&c.list[0])->differences, first));
}
END_TEST

/* Takes turns until both centrals say that the job was cancelled, and nothing is left of it. */
static void check_cancelled(struct one_central *running)
{
    struct tb_error err = {0};

    for (int turn = 0; central_progress(running)->state != TB_REBUILD_CANCELLED; turn++) {
        ck_assert_int_lt(turn, 10000);
        centrals_turn(&c);
    }
    ck_assert_int_eq(centrals_served(&c), 1);
    ck_assert_int_eq(
        mongo_db_count(&c.db, "meta", "{\"_id\":\"served\",\"hold\":{\"$exists\":true}}"), 0);
    for (int i = 0; i < CENTRALS; i++) {
        while (central_progress(&c.list[i])->state != TB_REBUILD_CANCELLED)
            centrals_turn(&c);
        ck_assert(!central_progress(&c.list[i])->cancelling);
        ck_assert_int_eq(tb_rebuild_cancel(c.list[i].rebuild, &err), TB_CONFLICT);
    }
    ck_assert_int_eq(mongo_db_count(&c.db, "orders_2", "{}"), 0);
    ck_assert_int_eq(mongo_db_count(&c.db, "sales_by_day_2", "{}"), 0);
    ck_assert_int_eq(mongo_db_count(&c.db, "dead_letters_2", "{}"), 0);
}

/* Any central cancels a job, wherever the job is and whichever central runs it; also one whose
 * process has ended meanwhile. The centrals go on writing the view that was served. */
START_TEST(any_central_cancels)
{
    struct one_central *running = &c.list[0], *by = &c.list[_i % CENTRALS];
    bool killed = _i >= 4;
    struct tb_error err = {0};

    begin(test_seed((uint64_t)_i + 400));
    for (int i = 0; i < 60; i++)
        centrals_add(&c);
    ck_ok(tb_rebuild_start(running->rebuild, &plain, &err));
    /* Of the first jobs the other central has not heard yet. */
    for (uint64_t turns = _i < 2 ? 0 : fake_random_below(&c.fake, 400); turns > 0; turns--) {
        if (central_progress(running)->state < TB_REBUILD_SWAPPING)
            centrals_turn(&c);
    }
    ck_ok(tb_rebuild_cancel(by->rebuild, &err));
    ck_assert(tb_rebuild_is_running(central_progress(by)->state));
    ck_assert(central_progress(by)->cancelling);
    if (killed) {
        central_stop(running);
        for (int32_t p = 0; p < TEST_PARTITIONS; p++)
            group_log_assign(&c.log, p, 1);
        centrals_turn(&c);
        fake_clock_advance(&c.clock, GONE_MS);
        while (!tb_rebuild_is_running(central_progress(&c.list[1])->state))
            centrals_turn(&c);
        fake_clock_advance(&c.clock, GONE_MS);
        central_start(running);
        running = &c.list[1];
    }
    check_cancelled(running);
    add_all();
    centrals_read_on(&c);
    centrals_check(&c);
    ck_assert_int_eq(central_rebuild(&c.list[1], &plain), TB_REBUILD_DONE);
    ck_assert_int_gt(centrals_served(&c), 1); /* 2 if the job had not begun to fill that one */
    centrals_release(&c);
}
END_TEST

/* The log is down for a while, again and again. */
START_TEST(outages_are_waited_out)
{
    struct one_central *one = &c.list[0];
    struct tb_error err = {0};
    int64_t told = 0;

    add_all();
    ck_ok(tb_rebuild_start(one->rebuild, &plain, &err));
    for (int turn = 0; tb_rebuild_is_running(central_progress(one)->state); turn++) {
        ck_assert_int_lt(turn, 100000);
        one->log.down = turn < 600 && turn % 60 < 40;
        c.log.down = one->log.down;
        centrals_turn(&c);
        told += strstr(central_progress(one)->problem, "injected") != NULL;
        if (one->log.down)
            fake_clock_advance(&c.clock, 100);
    }
    ck_assert_int_eq(central_progress(one)->state, TB_REBUILD_DONE);
    ck_assert_int_eq(centrals_served(&c), 2); /* not one for each try */
    ck_assert_int_gt(told, 0);
    centrals_read_on(&c);
    centrals_check(&c);
}
END_TEST

/* The central that runs the job and has read so many events; NULL: none. */
static struct one_central *who_came_to(int64_t events)
{
    for (int i = 0; i < CENTRALS; i++) {
        const struct tb_rebuild_progress *progress = central_progress(&c.list[i]);

        if (progress->owner[0] == '\0' && progress->events >= events)
            return &c.list[i];
    }
    return NULL;
}

/* Each process that runs the job ends, but gets further than the one before. */
START_TEST(a_job_outlives_many_processes)
{
    struct tb_error err = {0};
    int64_t events = 0;

    add_all();
    for (int i = 0; i < CENTRALS; i++)
        c.list[i].log.batch_max = 2;
    ck_ok(tb_rebuild_start(c.list[0].rebuild, &plain, &err));
    for (int i = 0; i < 6; i++) {
        struct one_central *one = NULL;

        for (int turn = 0; !(one = who_came_to(events + 4)); turn++) {
            ck_assert_int_lt(turn, 10000);
            fake_clock_advance(&c.clock, 200);
            centrals_turn(&c);
        }
        events = central_progress(one)->events;
        ck_assert_int_eq(central_progress(one)->state, TB_REBUILD_BUILDING);
        central_stop(one);
        central_start(one);
    }
    while (centrals_served(&c) == 1) {
        ck_assert_int_ne(central_progress(&c.list[0])->state, TB_REBUILD_FAILED);
        fake_clock_advance(&c.clock, 200);
        centrals_turn(&c);
    }
    centrals_read_on(&c);
    centrals_check(&c);
}
END_TEST

/* The write barrier is removed while the swap relies on it: nothing is swapped without one. */
START_TEST(without_its_barrier_nothing_is_swapped)
{
    struct tb_error err = {0};

    begin(test_seed((uint64_t)_i + 300));
    for (int i = 0; i < 60; i++)
        centrals_add(&c);
    ck_ok(tb_rebuild_start(c.list[0].rebuild, &plain, &err));
    for (int turn = 0; tb_rebuild_is_running(central_progress(&c.list[0])->state); turn++) {
        ck_assert_int_lt(turn, 100000);
        if (turn < 1500 && fake_random_below(&c.fake, 40) == 0)
            mongo_db_command(&c.db,
                             "{\"update\":\"meta\",\"updates\":[{\"q\":{\"_id\":\"served\"},"
                             "\"u\":{\"$unset\":{\"hold\":1}}}]}");
        if (fake_random_below(&c.fake, 12) == 0)
            centrals_add(&c);
        centrals_turn(&c);
    }
    ck_assert_int_eq(central_progress(&c.list[0])->state, TB_REBUILD_DONE);
    add_all();
    centrals_read_on(&c);
    centrals_check(&c);
    centrals_release(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rebuild_mongo");
    TCase *tc = tcase_create("promises"), *seeds = tcase_create("seeds");
    int status;

    mongo_server_begin();
    tcase_set_timeout(tc, 60);
    tcase_set_timeout(seeds, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, rebuilt_is_what_was_served);
    tcase_add_test(tc, a_view_without_totals_gets_them);
    tcase_add_test(tc, sequences_are_made_anew);
    tcase_add_loop_test(tc, sales_of_days_are_compared, 0, 5);
    tcase_add_test(tc, a_retired_node_stays_retired);
    tcase_add_test(tc, a_slow_writer_loses_nothing);
    tcase_add_test(tc, a_plan_is_for_one_view);
    tcase_add_test(tc, differences_prevent_the_swap);
    tcase_add_test(tc, the_old_view_can_be_served_again);
    tcase_add_test(tc, dead_letters_are_common_to_all_views);
    tcase_add_test(tc, one_at_a_time);
    tcase_add_test(tc, a_hold_in_vain_is_given_up);
    tcase_add_test(tc, writers_end_a_hold_themselves);
    tcase_add_test(tc, sums_that_differ_are_listed);
    tcase_add_test(tc, a_new_central_does_not_know_at_first);
    tcase_add_test(tc, a_job_outlives_many_processes);
    tcase_add_test(tc, outages_are_waited_out);
    tcase_add_loop_test(seeds, events_go_on_coming, 0, 4);
    tcase_add_loop_test(seeds, any_central_cancels, 0, 6);
    tcase_add_loop_test(seeds, markers_are_not_waited_for, 0, 3);
    tcase_add_loop_test(seeds, another_central_continues_the_job, 0, 8);
    tcase_add_loop_test(seeds, without_its_barrier_nothing_is_swapped, 0, 4);
    suite_add_tcase(suite, tc);
    suite_add_tcase(suite, seeds);
    status = test_main(suite);
    mongo_server_end();
    return status;
}
