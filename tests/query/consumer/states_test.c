/* Walks every move of the consumer's drawn states (consumer_priv.h). A log reader and a view that
 * fail on request note the state in which each of their functions is called; every move that is
 * not drawn must abort. */
#include "query/consumer/consumer_priv.h"
#include "support/support.h"
#include <signal.h>
#include <stdio.h>

static const char *const names[] = {"OPENING",  "POSITIONING", "READING",  "APPLYING",
                                    "DEFERRED", "PAUSED",      "RETRYING", "STOPPED"};

#define RECORDS_MAX 201

static struct {
    struct fake_clock clock;
    struct fake_random random;
    struct tb_consumer *consumer;
    struct tb_log_reader reader;
    struct tb_view view;
    struct tb_log_writer dlt;
    char trace[1000];
    /* What fails now. */
    bool no_open, no_seek, no_offsets, no_pause, lost;
    enum tb_code commit_code;
    int64_t limit;
    /* What the next poll hands out. */
    struct tb_record records[RECORDS_MAX];
    size_t record_count;
    size_t acks;
    size_t outages;
} f;

static void note(const char *what)
{
    size_t len = strlen(f.trace);

    snprintf(f.trace + len, sizeof f.trace - len, "%s%s:%s", len > 0 ? " " : "", what,
             f.consumer ? names[f.consumer->state] : "");
}

static enum tb_code fails(bool failing, struct tb_error *err)
{
    return failing ? tb_error_set(err, TB_UNAVAILABLE, "injected") : TB_OK;
}

static enum tb_code reader_poll(struct tb_log_reader *reader, size_t max, int64_t wait_ms,
                                struct tb_log_batch *ret_batch, struct tb_error *err)
{
    (void)reader;
    (void)wait_ms;
    (void)err;
    note(max > 0 ? "poll" : "keep-alive");
    *ret_batch = (struct tb_log_batch){.assignment = 1};
    if (max == 0)
        return TB_OK;
    ret_batch->records = f.records;
    ret_batch->count = f.record_count;
    f.record_count = 0;
    return TB_OK;
}

static enum tb_code reader_seek(struct tb_log_reader *reader, int32_t partition, int64_t offset,
                                struct tb_error *err)
{
    (void)reader;
    (void)partition;
    (void)offset;
    note("seek");
    return fails(f.no_seek, err);
}

static enum tb_code reader_commit(struct tb_log_reader *reader, int32_t partition, int64_t next,
                                  struct tb_error *err)
{
    (void)reader;
    (void)partition;
    (void)next;
    note("offset");
    return fails(f.no_offsets, err);
}

static enum tb_code reader_range(struct tb_log_reader *reader, int32_t partition,
                                 struct tb_log_range *ret_range, struct tb_error *err)
{
    (void)reader;
    (void)partition;
    (void)err;
    *ret_range = (struct tb_log_range){0};
    return TB_OK;
}

static enum tb_code reader_pause(struct tb_log_reader *reader, bool paused, struct tb_error *err)
{
    (void)reader;
    note(paused ? "pause" : "resume");
    return fails(f.no_pause, err);
}

static bool reader_is_assigned(struct tb_log_reader *reader, int32_t partition)
{
    (void)reader;
    (void)partition;
    return !f.lost;
}

static enum tb_code view_load(struct tb_view *view, const char *order_id, struct tb_arena *arena,
                              struct tb_planned_order *ret_order, struct tb_error *err)
{
    (void)view;
    (void)order_id;
    (void)arena;
    (void)err;
    *ret_order = (struct tb_planned_order){0};
    return TB_OK;
}

static enum tb_code view_commit(struct tb_view *view, const struct tb_plan *plan,
                                struct tb_error *err)
{
    (void)view;
    (void)plan;
    note("commit");
    return f.commit_code == TB_OK ? TB_OK : tb_error_set(err, f.commit_code, "injected");
}

static enum tb_code view_offset(struct tb_view *view, int32_t partition, int64_t *ret_next,
                                struct tb_error *err)
{
    (void)view;
    (void)partition;
    (void)err;
    *ret_next = -1;
    return TB_OK;
}

static enum tb_code view_plan_limit(struct tb_view *view, int32_t partition, int64_t *ret_limit,
                                    struct tb_error *err)
{
    (void)view;
    (void)partition;
    (void)err;
    *ret_limit = f.limit;
    return TB_OK;
}

static enum tb_code dlt_append(struct tb_log_writer *writer, const struct tb_record *record,
                               int64_t tag, struct tb_error *err)
{
    (void)writer;
    (void)record;
    (void)tag;
    (void)err;
    return TB_OK;
}

/* Acknowledges in the order of the tags, which count from 0. */
static enum tb_code dlt_poll(struct tb_log_writer *writer, int64_t wait_ms,
                             struct tb_log_ack *ret_acks, size_t max, size_t *ret_count,
                             struct tb_error *err)
{
    (void)writer;
    (void)wait_ms;
    (void)err;
    for (*ret_count = 0; *ret_count < max; ++*ret_count)
        ret_acks[*ret_count] = (struct tb_log_ack){.tag = (int64_t)f.acks++};
    return TB_OK;
}

static enum tb_code on_open(void *ctx, struct tb_log_reader **ret_reader, struct tb_error *err)
{
    (void)ctx;
    note("open");
    if (f.no_open)
        return fails(true, err);
    *ret_reader = &f.reader;
    return TB_OK;
}

static void on_outage(void *ctx, const struct tb_error *err)
{
    (void)ctx;
    f.outages += err->code != TB_OK;
}

static const struct tb_log_reader_ops single_ops = {
    .poll = reader_poll, .seek = reader_seek, .commit = reader_commit, .range = reader_range};
static const struct tb_log_reader_ops group_ops = {.poll = reader_poll,
                                                   .seek = reader_seek,
                                                   .commit = reader_commit,
                                                   .range = reader_range,
                                                   .pause = reader_pause,
                                                   .is_assigned = reader_is_assigned};
/* A view that keeps offsets, and one that does not. */
static const struct tb_view_ops keeping_ops = {.load = view_load,
                                               .commit = view_commit,
                                               .offset = view_offset,
                                               .plan_limit = view_plan_limit};
static enum tb_code view_knows_node(struct tb_view *view, const char *node, bool *ret_known,
                                    struct tb_error *err)
{
    (void)view, (void)node, (void)err;
    *ret_known = true;
    return TB_OK;
}

static const struct tb_view_ops plain_ops = {.load = view_load,
                                             .commit = view_commit,
                                             .plan_limit = view_plan_limit,
                                             .knows_node = view_knows_node};

static void start(const struct tb_log_reader_ops *reader, const struct tb_view_ops *view)
{
    static const struct tb_log_writer_ops dlt_ops = {.append = dlt_append, .poll = dlt_poll};
    struct tb_consumer_options options = {
        .view = &f.view,
        .clock = &f.clock.clock,
        .random = &f.random.random,
        .rules = {.currency = "EUR"},
        .dead_letter_keep_ms = -1,
        .topic = "order-events",
        .group = "group",
        .partitions = 2,
        .open = on_open,
        .on_outage = on_outage,
    };
    struct tb_error err = {0};

    memset(&f, 0, sizeof f);
    fake_clock_init(&f.clock, 1000000);
    fake_random_init(&f.random, 7);
    f.reader.ops = reader;
    f.view.ops = view;
    f.dlt.ops = &dlt_ops;
    f.limit = INT64_MAX;
    if (reader == &group_ops)
        options.dead_letters = &f.dlt;
    ck_ok(tb_consumer_new(&options, &f.consumer, &err));
}

static void teardown(void)
{
    tb_consumer_free(f.consumer);
}

/* The next poll hands out records without a value, which are dead letters. */
static void offer(size_t count)
{
    for (size_t i = 0; i < count; i++)
        f.records[i] = (struct tb_record){.offset = (int64_t)i, .key = TB_STR("k")};
    f.record_count = count;
}

/* One step: the calls that it makes, each with the state in which it comes, and the state then. */
static void check_step(const char *trace, enum tb_consumer_state state)
{
    f.trace[0] = '\0';
    (void)tb_consumer_step(f.consumer, 0);
    ck_assert_str_eq(f.trace, trace);
    ck_assert_str_eq(names[f.consumer->state], names[state]);
}

static void wait_for_retry(void)
{
    fake_clock_advance(&f.clock, 10000);
}

START_TEST(a_node_opens_positions_reads_and_applies)
{
    start(&single_ops, &keeping_ops);
    f.no_open = true;
    check_step("open:OPENING", TB_CONSUMER_OPENING);
    f.no_open = false;
    f.no_seek = true;
    check_step("open:OPENING seek:POSITIONING", TB_CONSUMER_POSITIONING);
    f.no_seek = false;
    check_step("seek:POSITIONING seek:POSITIONING poll:READING", TB_CONSUMER_READING);
    offer(2);
    check_step("poll:READING commit:APPLYING offset:APPLYING", TB_CONSUMER_READING);
    ck_assert_uint_eq(f.outages, 1);
}
END_TEST

/* Reading starts again at the offsets of the other view, whether records are left or not. */
START_TEST(a_switched_view_leads_back_to_positioning)
{
    start(&single_ops, &keeping_ops);
    check_step("open:OPENING seek:POSITIONING seek:POSITIONING poll:READING", TB_CONSUMER_READING);
    tb_consumer_switch_view(f.consumer, &f.view);
    check_step("seek:POSITIONING seek:POSITIONING poll:READING", TB_CONSUMER_READING);
    offer(1);
    f.commit_code = TB_UNAVAILABLE;
    check_step("poll:READING commit:APPLYING", TB_CONSUMER_APPLYING);
    tb_consumer_switch_view(f.consumer, &f.view);
    check_step("seek:POSITIONING seek:POSITIONING poll:READING", TB_CONSUMER_READING);
}
END_TEST

/* The next step tries a failed commit again. Offsets go to the log only after that. */
START_TEST(a_failure_stays_in_applying)
{
    start(&single_ops, &plain_ops);
    offer(1);
    f.commit_code = TB_UNAVAILABLE;
    check_step("open:OPENING poll:READING commit:APPLYING", TB_CONSUMER_APPLYING);
    f.commit_code = TB_OK;
    f.no_offsets = true;
    check_step("commit:APPLYING offset:APPLYING", TB_CONSUMER_APPLYING);
    ck_assert(f.consumer->has_offset);
    f.no_offsets = false;
    check_step("offset:APPLYING poll:READING", TB_CONSUMER_READING);
    ck_assert(!f.consumer->has_offset);
}
END_TEST

START_TEST(deferred_records_are_sought_back)
{
    start(&single_ops, &plain_ops);
    offer(1);
    f.limit = 0;
    check_step("open:OPENING poll:READING seek:DEFERRED", TB_CONSUMER_READING);
    offer(1);
    f.no_seek = true; /* and the reader cannot be paused */
    check_step("poll:READING seek:DEFERRED", TB_CONSUMER_APPLYING);
    f.limit = INT64_MAX;
    check_step("commit:APPLYING offset:APPLYING", TB_CONSUMER_READING);
    ck_assert_uint_eq(f.outages, 0); /* deferred records are no outage */
}
END_TEST

/* A reader of a group is polled during every failure. */
START_TEST(a_reader_of_a_group_is_paused_and_retries)
{
    start(&group_ops, &plain_ops);
    offer(1);
    f.commit_code = TB_UNAVAILABLE;
    check_step("open:OPENING poll:READING commit:APPLYING pause:APPLYING", TB_CONSUMER_PAUSED);
    check_step("keep-alive:PAUSED", TB_CONSUMER_PAUSED);
    wait_for_retry();
    check_step("keep-alive:PAUSED commit:RETRYING pause:RETRYING", TB_CONSUMER_PAUSED);
    wait_for_retry();
    f.limit = 0; /* the view was swapped, and defers the copy: the reader cannot go back to it */
    f.commit_code = TB_CONFLICT;
    check_step("keep-alive:PAUSED commit:RETRYING pause:DEFERRED", TB_CONSUMER_PAUSED);
    wait_for_retry();
    f.limit = INT64_MAX;
    f.commit_code = TB_OK;
    f.no_offsets = true; /* the copy is applied; the log does not know it yet */
    check_step("keep-alive:PAUSED commit:RETRYING offset:RETRYING", TB_CONSUMER_RETRYING);
    f.no_offsets = false;
    check_step("keep-alive:RETRYING offset:RETRYING resume:RETRYING poll:READING",
               TB_CONSUMER_READING);
    offer(1);
    f.limit = 0;
    f.no_seek = true;
    check_step("poll:READING seek:DEFERRED pause:DEFERRED", TB_CONSUMER_PAUSED);
    f.lost = true; /* the partition goes to another reader */
    check_step("keep-alive:PAUSED", TB_CONSUMER_PAUSED);
    ck_assert_uint_eq(f.consumer->batch.count, 0);
    wait_for_retry();
    check_step("keep-alive:PAUSED resume:RETRYING poll:READING", TB_CONSUMER_READING);
}
END_TEST

/* _i: the dead letters come while the reader is paused. They are of three nodes. */
START_TEST(too_many_dead_letters_stop_for_good)
{
    static const struct tb_header sources[] = {
        {TB_STR("ce_source"), TB_STR("/nodes/till1")},
        {TB_STR("ce_source"), TB_STR("/nodes/till2")},
        {TB_STR("ce_source"), TB_STR("/nodes/till3")},
    };

    start(&group_ops, &plain_ops);
    offer(RECORDS_MAX);
    for (size_t i = 0; i < RECORDS_MAX; i++) {
        f.records[i].headers = &sources[i % 3];
        f.records[i].header_count = 1;
    }
    if (_i) {
        f.commit_code = TB_UNAVAILABLE;
        check_step("open:OPENING poll:READING commit:APPLYING pause:APPLYING", TB_CONSUMER_PAUSED);
        f.commit_code = TB_OK;
        wait_for_retry();
        check_step("keep-alive:PAUSED commit:RETRYING offset:RETRYING", TB_CONSUMER_STOPPED);
    } else {
        check_step("open:OPENING poll:READING commit:APPLYING offset:APPLYING",
                   TB_CONSUMER_STOPPED);
    }
    ck_assert(tb_consumer_stats(f.consumer)->stopped && tb_consumer_stats(f.consumer)->failing);
    f.no_pause = true;
    check_step("pause:STOPPED", TB_CONSUMER_STOPPED);
    f.no_pause = false;
    for (int i = 0; i < 3; i++) {
        wait_for_retry();
        fake_clock_advance(&f.clock, 3600000);
        check_step("pause:STOPPED keep-alive:STOPPED", TB_CONSUMER_STOPPED);
    }
}
END_TEST

static bool is_drawn(int from, int to)
{
    static const char *const drawn[] = {
        "OPENING POSITIONING", "POSITIONING READING",  "READING APPLYING",  "READING POSITIONING",
        "APPLYING READING",    "APPLYING POSITIONING", "APPLYING DEFERRED", "APPLYING PAUSED",
        "APPLYING STOPPED",    "DEFERRED READING",     "DEFERRED APPLYING", "DEFERRED PAUSED",
        "PAUSED RETRYING",     "RETRYING READING",     "RETRYING PAUSED",   "RETRYING DEFERRED",
        "RETRYING STOPPED"};
    char move[40];

    snprintf(move, sizeof move, "%s %s", names[from], names[to]);
    for (size_t i = 0; i < sizeof drawn / sizeof *drawn; i++) {
        if (strcmp(move, drawn[i]) == 0)
            return true;
    }
    return from == to;
}

#define PAIRS (TB_CONSUMER_STATE_COUNT * TB_CONSUMER_STATE_COUNT)

/* The _i-th pair of states: a move that the header does not draw aborts the process. */
START_TEST(every_other_move_aborts)
{
    int from = _i / TB_CONSUMER_STATE_COUNT, to = _i % TB_CONSUMER_STATE_COUNT;

    start(&single_ops, &plain_ops);
    f.consumer->state = (enum tb_consumer_state)from;
    tb_consumer_enter(f.consumer, (enum tb_consumer_state)to);
    ck_assert_int_eq(f.consumer->state, to);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/consumer states");
    TCase *tc = tcase_create("moves"), *all = tcase_create("all pairs");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, a_node_opens_positions_reads_and_applies);
    tcase_add_test(tc, a_switched_view_leads_back_to_positioning);
    tcase_add_test(tc, a_failure_stays_in_applying);
    tcase_add_test(tc, deferred_records_are_sought_back);
    tcase_add_test(tc, a_reader_of_a_group_is_paused_and_retries);
    tcase_add_loop_test(tc, too_many_dead_letters_stop_for_good, 0, 2);
    tcase_add_checked_fixture(all, NULL, teardown);
    for (int i = 0; i < PAIRS; i++) {
        bool drawn = is_drawn(i / TB_CONSUMER_STATE_COUNT, i % TB_CONSUMER_STATE_COUNT);

        tcase_add_loop_test_raise_signal(all, every_other_move_aborts, drawn ? 0 : SIGABRT, i,
                                         i + 1);
    }
    suite_add_tcase(suite, tc);
    suite_add_tcase(suite, all);
    return test_main(suite);
}
