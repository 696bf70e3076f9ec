/* Promise: a view that is rebuilt from the log equals the served one, row by row and with all dead
 * letters, while new events arrive, and no reader sees an older state than before. Differences
 * are listed and prevent the swap. The previous view can be served again. Method: random histories
 * with lost events, repetitions and unreadable records; the log, the serving consumer, the rebuild
 * and a reader take turns at random. */
#include "query/rebuild/rebuild_world.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SEEDS 12

static struct world w;

static void begin(uint64_t seed, size_t orders)
{
    world_init(&w, seed, &(struct history_options){orders, 20, 10});
    ck_assert(world_start(&w));
}

static void setup(void)
{
    begin(test_seed(7), 60);
}

static void teardown(void)
{
    world_release(&w);
}

static void add_strange(void)
{
    static const struct tb_header unknown[] = {{TB_STR("ce_type"), TB_STR("OrderWrapped.v1")}};
    char key[32];
    struct tb_record record = {.value = TB_STR("{\"no\":")};

    snprintf(key, sizeof key, "k%d", (int)fake_random_below(&w.fake, 50));
    record.key = tb_str_of(key);
    record.key = tb_arena_copy(&w.history.arena, record.key);
    if (fake_random_below(&w.fake, 2)) {
        record.value = TB_STR("{\"orderId\":\"x\",\"version\":1}");
        record.headers = unknown;
        record.header_count = 1;
    }
    world_add_record(&w, &record);
}

static void add_all(void)
{
    while (world_add(&w)) {
        if (fake_random_below(&w.fake, 10) == 0)
            add_strange();
    }
}

static void check_same(int64_t a, int64_t b, bool letters)
{
    char *one = world_dump(&w, a, letters), *other = world_dump(&w, b, letters);

    ck_assert_str_eq(one, other);
    free(one);
    free(other);
}

static bool exists(int64_t generation)
{
    char path[TB_VIEW_PATH_SIZE];

    tb_generations_path(w.dir, generation, path);
    return access(path, F_OK) == 0;
}

/* No event arrives during the rebuild: both views have the same rows. */
START_TEST(rebuilt_is_what_was_served)
{
    begin(test_seed((uint64_t)_i + 1), 60);
    add_all();
    world_read_on(&w);
    ck_assert_int_eq(world_rebuild(&w, false, false), TB_REBUILD_DONE);
    ck_assert_int_eq(world_served(&w), 2);
    ck_assert_int_eq(w.moves, 1);
    ck_assert_int_eq(world_progress(&w)->difference_count, 0);
    ck_assert(world_progress(&w)->compared);
    ck_assert_int_gt(world_progress(&w)->served_orders, 0);
    check_same(1, 2, true);
    world_release(&w);
}
END_TEST

/* The same for a node whose store was restored: the rebuild takes the snapshots over, too. */
START_TEST(a_restored_node_is_rebuilt)
{
    begin(test_seed((uint64_t)_i + 500), 40);
    history_release(&w.history);
    history_make_restored(&w.history, &w.fake, &(struct history_options){40, 10, 5}, 1 + _i % 3);
    while (world_add(&w))
        ;
    world_read_on(&w);
    for (size_t i = 0; i < w.history.order_count; i++)
        world_look(&w, i);
    ck_assert_int_eq(world_rebuild(&w, false, false), TB_REBUILD_DONE);
    ck_assert_int_eq(world_progress(&w)->difference_count, 0);
    check_same(1, 2, /* letters= */ false);
    for (size_t i = 0; i < w.history.order_count; i++)
        world_look(&w, i);
    world_release(&w);
}
END_TEST

/* Each turn at random: the log gets a record, or the consumer, the rebuild or a reader does a
 * step. */
static void take_turns(void)
{
    struct tb_rebuild_job job = {0};
    struct tb_error err = {0};
    bool more = true;

    ck_ok(tb_rebuild_start(w.rebuild, &job, &err));
    for (int turn = 0; more || tb_rebuild_is_running(world_progress(&w)->state); turn++) {
        ck_assert_int_lt(turn, 100000);
        switch (fake_random_below(&w.fake, 4)) {
        case 0:
            if (fake_random_below(&w.fake, 10) == 0 && more)
                add_strange();
            more = more && world_add(&w);
            break;
        case 1:
            (void)tb_consumer_step(w.consumer, 0);
            break;
        case 2:
            (void)tb_rebuild_step(w.rebuild);
            break;
        default:
            world_look(&w, fake_random_below(&w.fake, w.history.order_count));
        }
    }
}

/* The view that was swapped in while events arrived equals one that is rebuilt from the whole log.
 */
START_TEST(events_arrive_during_a_rebuild)
{
    uint64_t seed = test_seed((uint64_t)_i + 1000);
    char *moved;

    begin(seed, 40);
    for (size_t i = 0; i < w.history.record_count / 3; i++)
        world_add(&w);
    take_turns();
    ck_assert_int_eq(world_progress(&w)->state, TB_REBUILD_DONE);
    world_read_on(&w);
    for (size_t i = 0; i < w.history.order_count; i++)
        world_look(&w, i);
    moved = world_dump(&w, 2, /* letters= */ false);
    ck_assert_int_eq(world_rebuild(&w, false, false), TB_REBUILD_DONE);
    char *again = world_dump(&w, 3, false);
    ck_assert_str_eq(moved, again);
    free(moved);
    free(again);
    world_release(&w);
}
END_TEST

static bool is(const struct tb_json *object, const char *key, const char *text)
{
    return tb_str_eq(tb_json_string(tb_json_get(object, key)), tb_str_of(text));
}

/* The list of differences, parsed by find; freed by its next call and by unlist. */
static struct tb_json *listed;
static void unlist(void)
{
    tb_json_free(listed);
    listed = NULL;
}

static const struct tb_json *find(const char *kind)
{
    const struct tb_rebuild_progress *progress = world_progress(&w);
    struct tb_error err = {0};

    unlist();
    ck_ok(tb_json_parse(tb_str_of(progress->differences), TB_JSON_DEPTH_MAX, &listed, &err));
    ck_assert_int_eq((int64_t)tb_json_count(listed), progress->difference_count);
    for (const struct tb_json *one = tb_json_first(listed); one; one = tb_json_next(one)) {
        if (is(one, "difference", kind))
            return one;
    }
    ck_abort_msg("no difference of kind %s: %s", kind, progress->differences);
    return NULL;
}

/* Each kind of difference is found and named, and the served view stays. */
START_TEST(differences_prevent_the_swap)
{
    const char *first = w.history.orders[0].order.order_id;
    const struct tb_json *difference, *served;
    int64_t sum[2];
    char sql[300];

    w.history.orders[0].lost = 0;
    add_all();
    world_read_on(&w);
    snprintf(sql, sizeof sql,
             "UPDATE orders SET doc = replace(doc, '\"source\":', '\"source\":\"X\",\"was\":')"
             " WHERE order_id = '%s';",
             first);
    world_tamper(&w, sql);
    world_tamper(&w, "INSERT INTO orders SELECT id + 100000,"
                     " 'ffffffff-ffff-7fff-bfff-ffffffffffff', version, placed_at, business_date,"
                     " node, status, source, currency, kind, total_minor + 1, customer_id, epoch,"
                     " sequence, received_at, replace(doc, order_id,"
                     " 'ffffffff-ffff-7fff-bfff-ffffffffffff'), 0, NULL, NULL FROM orders WHERE"
                     " currency = 'EUR' LIMIT 1");
    world_tamper(&w, "DELETE FROM orders WHERE order_id = (SELECT max(order_id) FROM orders WHERE"
                     " order_id < 'ffffffff' AND currency = 'EUR')");
    ck_assert_int_eq(world_rebuild(&w, false, false), TB_REBUILD_FAILED);
    ck_assert_int_eq(world_served(&w), 1);
    ck_assert(!exists(2));
    difference = find("different");
    ck_assert(is(difference, "orderId", first));
    served = tb_json_get(difference, "served");
    ck_assert(tb_json_string(tb_json_get(served, "hash")).len == 64);
    ck_assert(!tb_str_eq(tb_json_string(tb_json_get(served, "hash")),
                         tb_json_string(tb_json_get(tb_json_get(difference, "rebuilt"), "hash"))));
    ck_assert(is(served, "currency", w.history.orders[0].order.currency));
    difference = find("missing");
    ck_assert(is(difference, "orderId", "ffffffff-ffff-7fff-bfff-ffffffffffff"));
    ck_assert_ptr_nonnull(tb_json_get(difference, "served"));
    ck_assert_ptr_null(tb_json_get(difference, "rebuilt"));
    difference = find("extra");
    ck_assert_ptr_null(tb_json_get(difference, "served"));
    ck_assert_ptr_nonnull(tb_json_get(difference, "rebuilt"));
    difference = find("total");
    ck_assert(is(difference, "currency", "EUR"));
    ck_assert(tb_json_int(tb_json_get(tb_json_get(difference, "served"), "totalMinor"), &sum[0]));
    ck_assert(tb_json_int(tb_json_get(tb_json_get(difference, "rebuilt"), "totalMinor"), &sum[1]));
    ck_assert_int_ne(sum[0], sum[1]);
    unlist();
    ck_assert_int_eq(world_progress(&w)->difference_count, 4);
    ck_assert_ptr_nonnull(strstr(world_progress(&w)->problem, "4 differences"));

    memset(w.seen, 0,
           w.history.order_count * sizeof *w.seen); /* versions may fall: rows were changed */
    ck_assert_int_eq(world_rebuild(&w, /* accept= */ true, false), TB_REBUILD_DONE);
    ck_assert_int_eq(world_served(&w), 2);
    ck_assert_int_eq(world_progress(&w)->difference_count, 4);
}
END_TEST

/* The old view stays until the next rebuild, or for a week. A rollback fills it with the events
 * that it does not have yet, and serves it. */
START_TEST(the_old_view_can_be_served_again)
{
    struct tb_rebuild_job rollback = {.rollback = true};
    struct tb_error err = {0};

    ck_assert_int_eq(tb_rebuild_start(w.rebuild, &rollback, &err), TB_CONFLICT);
    for (int i = 0; i < 50; i++)
        world_add(&w);
    world_read_on(&w);
    ck_assert_int_eq(world_rebuild(&w, false, false), TB_REBUILD_DONE);
    add_all();
    world_read_on(&w);
    for (size_t i = 0; i < w.history.order_count; i++)
        world_look(&w, i);
    ck_assert_int_eq(world_rebuild(&w, false, /* rollback= */ true), TB_REBUILD_ROLLED_BACK);
    ck_assert_int_eq(world_served(&w), 1);
    world_read_on(&w);
    for (size_t i = 0; i < w.history.order_count; i++)
        world_look(&w, i);
    check_same(1, 2, true);
    ck_assert_int_eq(world_rebuild(&w, false, false), TB_REBUILD_DONE);
    ck_assert_int_eq(world_served(&w), 3);
    ck_assert(!exists(2));
    ck_assert(exists(1));
    fake_clock_advance(&w.clock, TB_REBUILD_KEEP_MS - 1000);
    w.clock.wall_ms += 100 * TB_REBUILD_KEEP_MS; /* a clock that is set makes nothing older */
    (void)tb_rebuild_step(w.rebuild);
    ck_assert(exists(1));
    fake_clock_advance(&w.clock, 3600 * 1000);
    (void)tb_rebuild_step(w.rebuild);
    ck_assert(!exists(1));
    ck_assert_int_eq(tb_rebuild_start(w.rebuild, &rollback, &err), TB_CONFLICT);
}
END_TEST

/* The log has removed events that the old view does not have: the rollback fails, and the served
 * view stays. */
START_TEST(a_rollback_fails_if_the_log_lacks_events)
{
    for (int i = 0; i < 50; i++)
        world_add(&w);
    world_read_on(&w);
    ck_assert_int_eq(world_rebuild(&w, false, false), TB_REBUILD_DONE);
    add_all();
    world_read_on(&w);
    for (int p = 0; p < TEST_PARTITIONS; p++)
        w.rebuild_log.begin[p] = (int64_t)w.rebuild_log.counts[p] - 1;
    ck_assert_int_eq(world_rebuild(&w, false, /* rollback= */ true), TB_REBUILD_FAILED);
    ck_assert_ptr_nonnull(strstr(world_progress(&w)->problem, "out of range"));
    ck_assert_int_eq(world_served(&w), 2);
    ck_assert(exists(1));
}
END_TEST

/* The log does not say which dead letters were dropped and when each was written: that is copied.
 */
START_TEST(dead_letters_keep_status_and_time)
{
    struct tb_rebuild_generations views;
    struct tb_error err = {0};
    struct tb_dead_letter letter;
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_view_reader *reader = w.reader;
    struct tb_dead_letter_position place = {0};
    int64_t died_at_ms;

    add_strange();
    add_strange();
    add_all();
    fake_clock_advance(&w.clock, 5000);
    world_read_on(&w);
    while (reader->ops->get_dead_letter(reader, place, &arena, &letter, &err) != TB_OK)
        place = place.offset < 500
                    ? (struct tb_dead_letter_position){place.partition, place.offset + 1}
                    : (struct tb_dead_letter_position){place.partition + 1, 0};
    died_at_ms = letter.dead_at_ms;
    fake_clock_advance(&w.clock, 5000);
    ck_ok(w.view->ops->drop_dead_letter(w.view, place, w.clock.wall_ms, &err));
    fake_clock_advance(&w.clock, 5000);
    ck_assert_int_eq(world_rebuild(&w, false, false), TB_REBUILD_DONE);
    ck_ok(reader->ops->get_dead_letter(reader, place, &arena, &letter, &err));
    ck_assert_int_eq(letter.status, TB_DEAD_LETTER_DROPPED);
    ck_assert_int_eq(letter.dead_at_ms, died_at_ms);
    check_same(1, 2, true);
    tb_rebuild_get_generations(w.rebuild, &views);
    ck_assert_int_eq(views.previous, 1);
    ck_assert_int_eq(views.previous_until_ms, w.clock.wall_ms + TB_REBUILD_KEEP_MS);
}
END_TEST

/* The log has removed old records: their orders are listed as missing. If that is accepted, the
 * new view still has the dead letters of removed records. */
START_TEST(orders_that_the_log_has_removed_are_listed)
{
    struct tb_error err = {0};
    struct tb_view_reader *reader = w.reader;
    int64_t before = 0, after = 0;

    add_strange();
    add_all();
    world_read_on(&w);
    ck_ok(reader->ops->count_dead_letters(reader, &before, &err));
    for (int p = 0; p < TEST_PARTITIONS; p++)
        w.rebuild_log.begin[p] = (int64_t)w.rebuild_log.counts[p] * 3 / 4;
    ck_assert_int_eq(world_rebuild(&w, false, false), TB_REBUILD_FAILED);
    (void)find("missing");
    unlist();
    ck_assert_int_eq(world_served(&w), 1);
    memset(w.seen, 0, w.history.order_count * sizeof *w.seen);
    for (int p = 0; p < TEST_PARTITIONS; p++) /* removes the same records from it */
        w.live_log.begin[p] = w.rebuild_log.begin[p];
    struct tb_rebuild_job job = {.accept = true};
    ck_ok(tb_rebuild_start(w.rebuild, &job, &err));
    while (tb_rebuild_is_running(world_progress(&w)->state))
        (void)tb_rebuild_step(w.rebuild);
    ck_assert_int_eq(world_progress(&w)->state, TB_REBUILD_DONE);
    ck_ok(reader->ops->count_dead_letters(reader, &after, &err));
    ck_assert_int_ge(after, before);
}
END_TEST

/* An older program did not know an event type and only counted its events. The rebuild of a newer
 * one lists the difference, and applies these events once that is accepted. */
START_TEST(types_that_were_unknown_are_applied)
{
    static const struct tb_header newer[] = {{TB_STR("ce_type"), TB_STR("OrderPlaced.v9")}};
    size_t changed = 0;

    w.history.orders[0].lost = 0;
    while (world_add(&w))
        continue;
    for (int p = 0; p < TEST_PARTITIONS; p++) { /* to the older program the type is unknown */
        for (size_t i = 0; i < w.live_log.counts[p]; i++) {
            struct tb_record *record = &w.live_log.records[p][i];

            if (!tb_str_eq(record->key, tb_str_of(w.history.orders[0].order.order_id)))
                continue;
            struct tb_str type = tb_record_header(record, "ce_type");
            if (!tb_str_eq(type, TB_STR("OrderPlaced.v2")))
                continue;
            record->headers = newer;
            record->header_count = 1;
            changed++;
        }
    }
    ck_assert_uint_gt(changed, 0);
    world_read_on(&w);
    world_look(&w, 0);
    ck_assert_int_eq(w.seen[0], 0);
    ck_assert_int_eq(world_rebuild(&w, false, false), TB_REBUILD_FAILED);
    ck_assert(is(find("extra"), "orderId", w.history.orders[0].order.order_id));
    unlist();
    ck_assert_int_eq(world_rebuild(&w, true, false), TB_REBUILD_DONE);
    world_look(&w, 0);
    ck_assert_int_gt(w.seen[0], 0);
}
END_TEST

START_TEST(a_full_disk_fails_the_rebuild)
{
    add_all();
    world_read_on(&w);
    w.has_room = false;
    ck_assert_int_eq(world_rebuild(&w, false, false), TB_REBUILD_FAILED);
    ck_assert(!exists(2));
    w.has_room = true;
    ck_assert_int_eq(world_rebuild(&w, false, false), TB_REBUILD_DONE);
}
END_TEST

/* Reads of the log fail for a while: the rebuild shows the error and continues afterwards. */
START_TEST(a_transient_error_is_retried)
{
    struct tb_rebuild_job job = {0};
    struct tb_error err = {0};

    add_all();
    world_read_on(&w);
    ck_ok(tb_rebuild_start(w.rebuild, &job, &err));
    for (int i = 0; i < 5; i++)
        (void)tb_rebuild_step(w.rebuild);
    w.rebuild_log.down = true;
    ck_assert_int_gt(tb_rebuild_step(w.rebuild), 0);
    ck_assert_str_eq(world_progress(&w)->problem, "injected");
    w.rebuild_log.down = false;
    ck_assert_int_eq(world_finish(&w), TB_REBUILD_DONE);
    ck_assert_str_eq(world_progress(&w)->problem, "");
}
END_TEST

/* The process ends after any number of steps: the next one serves the same view and continues. */
START_TEST(a_process_that_ends_resumes)
{
    int64_t resumed_at = 0;

    add_all();
    world_read_on(&w);
    for (int steps = 1;; steps += 1 + steps / 2) {
        struct tb_rebuild_job job = {0};
        struct tb_error err = {0};
        int64_t served = world_served(&w);
        bool running;

        ck_ok(tb_rebuild_start(w.rebuild, &job, &err));
        for (int i = 0; i < steps * 3; i++)
            (void)tb_rebuild_step(w.rebuild);
        running = tb_rebuild_is_running(world_progress(&w)->state);
        world_stop(&w);
        ck_assert(world_start(&w));
        for (size_t i = 0; i < w.history.order_count; i++)
            world_look(&w, i);
        if (!running) {
            ck_assert_int_eq(world_served(&w), served + 1);
            break;
        }
        ck_assert_int_eq(world_served(&w), served);
        (void)tb_rebuild_step(w.rebuild);
        ck_assert(tb_rebuild_is_running(world_progress(&w)->state));
        (void)tb_rebuild_step(w.rebuild);
        resumed_at = world_progress(&w)->events;
        ck_assert_int_eq(world_finish(&w), TB_REBUILD_DONE);
        check_same(served, served + 1, true);
    }
    ck_assert_int_gt(resumed_at, 20); /* it continued, and did not begin anew */
}
END_TEST

/* The next process shows how the last job ended, and continues a rollback. */
START_TEST(an_end_and_a_rollback_outlive_the_process)
{
    struct tb_rebuild_job rollback = {.rollback = true};
    struct tb_error err = {0};
    int64_t events;

    for (int i = 0; i < 40; i++)
        world_add(&w);
    world_read_on(&w);
    ck_assert_int_eq(world_rebuild(&w, false, false), TB_REBUILD_DONE);
    events = world_progress(&w)->events;
    add_all();
    world_read_on(&w);
    world_stop(&w);
    ck_assert(world_start(&w));
    (void)tb_rebuild_step(w.rebuild);
    ck_assert_int_eq(world_progress(&w)->state, TB_REBUILD_DONE);
    ck_assert_int_eq(world_progress(&w)->events, events);
    ck_assert(world_progress(&w)->compared);

    ck_ok(tb_rebuild_start(w.rebuild, &rollback, &err));
    for (int i = 0; i < 3; i++)
        (void)tb_rebuild_step(w.rebuild);
    ck_assert(tb_rebuild_is_running(world_progress(&w)->state));
    world_stop(&w);
    ck_assert(world_start(&w));
    (void)tb_rebuild_step(w.rebuild);
    ck_assert(tb_rebuild_is_running(world_progress(&w)->state));
    ck_assert_int_eq(world_finish(&w), TB_REBUILD_ROLLED_BACK);
    ck_assert_int_eq(world_served(&w), 1);
}
END_TEST

/* The process is killed as soon as the request is answered: the next one has the job, says so from
 * its first answer on, refuses another, and does what was requested. */
START_TEST(a_requested_job_outlives_the_process)
{
    const struct tb_rebuild_job accept = {.accept = true}, rollback = {.rollback = true};
    struct tb_error err = {0};

    w.history.orders[0].lost = 0;
    add_all();
    world_read_on(&w);
    world_tamper(&w,
                 "UPDATE orders SET doc = replace(doc, '\"source\":', '\"source\":\"X\",\"was\":')"
                 " WHERE order_id = (SELECT min(order_id) FROM orders)");
    for (int i = 0; i < 2; i++) {
        ck_ok(tb_rebuild_start(w.rebuild, i == 0 ? &accept : &rollback, &err));
        world_stop(&w);
        ck_assert(world_start(&w));
        ck_assert_int_eq(world_progress(&w)->state, TB_REBUILD_BUILDING);
        ck_assert_int_eq(world_progress(&w)->job.accept, i == 0);
        ck_assert_int_eq(tb_rebuild_start(w.rebuild, &accept, &err), TB_CONFLICT);
        err = (struct tb_error){0};
        ck_assert_int_eq(world_finish(&w), i == 0 ? TB_REBUILD_DONE : TB_REBUILD_ROLLED_BACK);
        ck_assert_int_eq(world_served(&w), i == 0 ? 2 : 1);
    }
    world_stop(&w);
    ck_assert(world_start(&w));
    ck_assert_int_eq(world_progress(&w)->state, TB_REBUILD_ROLLED_BACK);
}
END_TEST

/* At whatever moment it is cancelled, and if the process is killed as soon as that is answered, it
 * ends: nothing of it remains, the view that was served goes on, and the next rebuild is whole. */
START_TEST(a_cancelled_job_leaves_nothing)
{
    const struct tb_rebuild_job plain = {0}, rollback = {.rollback = true};
    struct tb_rebuild_generations views;
    bool killed = _i % 2, cancelled = true;

    begin(test_seed((uint64_t)_i + 2000), 40);
    add_all();
    world_read_on(&w);
    if (_i >= 2) /* there is an old view, which must stay */
        ck_assert_int_eq(world_rebuild(&w, false, false), TB_REBUILD_DONE);
    for (int steps = 0; cancelled; steps += 1 + steps / 2) {
        int64_t served = world_served(&w);
        struct tb_error err = {0};

        ck_ok(tb_rebuild_start(w.rebuild, _i >= 4 ? &rollback : &plain, &err));
        for (int i = 0; i < steps; i++)
            (void)tb_rebuild_step(w.rebuild);
        cancelled = tb_rebuild_cancel(w.rebuild, &err) == TB_OK;
        if (!cancelled) {
            ck_assert_int_eq(err.code, TB_CONFLICT);
            ck_assert_int_ne(world_served(&w), served);
            break;
        }
        ck_assert(world_progress(&w)->cancelling);
        if (killed) {
            world_stop(&w);
            ck_assert(world_start(&w));
            ck_assert(world_progress(&w)->cancelling);
        }
        (void)tb_rebuild_step(w.rebuild);
        (void)tb_rebuild_step(w.rebuild);
        ck_assert_int_eq(world_progress(&w)->state, TB_REBUILD_CANCELLED);
        ck_assert(!world_progress(&w)->cancelling);
        ck_assert_int_eq(world_served(&w), served);
        tb_rebuild_get_generations(w.rebuild, &views);
        ck_assert(_i < 4 || views.previous == 1);
        for (int64_t g = 1; g < 5; g++)
            ck_assert_int_eq(exists(g), g == served || g == views.previous);
        world_stop(&w);
        ck_assert(world_start(&w));
        ck_assert_int_eq(world_progress(&w)->state, TB_REBUILD_CANCELLED);
        world_read_on(&w);
    }
    world_release(&w);
}
END_TEST

START_TEST(another_programs_unfinished_view_is_begun_anew)
{
    struct tb_rebuild_job job = {0};
    struct tb_error err = {0};

    add_all();
    world_read_on(&w);
    ck_ok(tb_rebuild_start(w.rebuild, &job, &err));
    for (int i = 0; i < 20; i++)
        (void)tb_rebuild_step(w.rebuild);
    ck_assert_int_gt(world_progress(&w)->events, 20);
    world_stop(&w);
    w.build = "2";
    ck_assert(world_start(&w));
    (void)tb_rebuild_step(w.rebuild);
    (void)tb_rebuild_step(w.rebuild);
    ck_assert_int_lt(world_progress(&w)->events, 40);
    ck_assert_int_eq(world_finish(&w), TB_REBUILD_DONE);
    check_same(1, 2, true);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rebuild");
    TCase *random = tcase_create("random histories"), *tc = tcase_create("promises");

    tcase_add_loop_test(random, rebuilt_is_what_was_served, 0, SEEDS);
    tcase_add_loop_test(random, a_restored_node_is_rebuilt, 0, SEEDS);
    tcase_add_loop_test(random, events_arrive_during_a_rebuild, 0, SEEDS);
    tcase_add_loop_test(random, a_cancelled_job_leaves_nothing, 0, 6);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, differences_prevent_the_swap);
    tcase_add_test(tc, the_old_view_can_be_served_again);
    tcase_add_test(tc, a_rollback_fails_if_the_log_lacks_events);
    tcase_add_test(tc, dead_letters_keep_status_and_time);
    tcase_add_test(tc, orders_that_the_log_has_removed_are_listed);
    tcase_add_test(tc, types_that_were_unknown_are_applied);
    tcase_add_test(tc, a_full_disk_fails_the_rebuild);
    tcase_add_test(tc, a_transient_error_is_retried);
    tcase_add_test(tc, a_process_that_ends_resumes);
    tcase_add_test(tc, an_end_and_a_rollback_outlive_the_process);
    tcase_add_test(tc, a_requested_job_outlives_the_process);
    tcase_add_test(tc, another_programs_unfinished_view_is_begun_anew);
    suite_add_tcase(suite, random);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
