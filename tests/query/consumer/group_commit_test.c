/* Goal: in a consumer group, with a view that keeps no offsets, the view ends as the fold of the
 * log; each dead letter is in its topic before its offset is committed; and a consumer that holds
 * partitions polls all the time, whatever fails.
 * Method: two consumers share a fake log and a view in memory; partitions move between them, calls
 * fail, and consumers die or come back late. */
#include "query/consumer/consumer.h"
#include "query/doubles/group_log.h"
#include "query/doubles/history.h"
#include "query/doubles/mem_view.h"
#include <stdio.h>
#include <stdlib.h>

static struct fixture {
    struct fake_clock clock;
    struct fake_random fake;
    struct group_log log;
    struct fake_dlt letters[GROUP_MEMBERS];
    struct mem_view mem;
    struct history history;
    struct tb_arena arena; /* of poison */
    struct tb_consumer *consumers[GROUP_MEMBERS];
    bool *dead[TEST_PARTITIONS]; /* by offset: what must become a dead letter */
    size_t opens, open_fails;
    struct tb_error last; /* told */
    size_t troubles, failures, parked;
} f;

static bool is_kept(int32_t partition, int64_t offset)
{
    for (int m = 0; m < GROUP_MEMBERS; m++) {
        if (fake_dlt_has(&f.letters[m], partition, offset))
            return true;
    }
    return false;
}

static void committing(int32_t partition, int64_t before, int64_t next)
{
    for (int64_t at = before; at < next && f.dead[partition]; at++) {
        if (f.dead[partition][at])
            ck_assert_msg(is_kept(partition, at), "letter %d-%lld is missing", (int)partition,
                          (long long)at);
    }
}

static void on_outage(void *ctx, const struct tb_error *err)
{
    (void)ctx;
    f.last = *err;
    f.troubles += err->code != TB_OK;
}

static void failed(void *ctx, const struct tb_error *err)
{
    (void)ctx, (void)err;
    f.failures++;
}

static void on_parked(void *ctx, const struct tb_plan_dead_letter *surplus)
{
    (void)ctx, (void)surplus;
    f.parked++;
}

static enum tb_code on_open(void *ctx, struct tb_log_reader **ret_reader, struct tb_error *err)
{
    f.opens++;
    if (f.opens <= f.open_fails)
        return tb_error_set(err, TB_NOT_FOUND, "topic order-events is not there");
    *ret_reader = ctx;
    return TB_OK;
}

static void start(int m)
{
    struct tb_consumer_options options = {
        .view = &f.mem.view,
        .clock = &f.clock.clock,
        .random = &f.fake.random,
        .partitions = TEST_PARTITIONS,
        .rules = {.currency = "EUR"},
        .dead_letter_keep_ms = -1,
        .dead_letters = &f.letters[m].writer,
        .topic = "order-events",
        .group = "tillbox-central",
        .open = on_open,
        .on_outage = on_outage,
        .on_failure = failed,
        .on_parked = on_parked,
        .ctx = &f.log.members[m].reader,
    };
    struct tb_error err = {0};

    ck_ok(tb_consumer_new(&options, &f.consumers[m], &err));
}

static void setup(void)
{
    memset(&f, 0, sizeof f);
    fake_clock_init(&f.clock, HISTORY_START_MS);
    fake_random_init(&f.fake, test_seed(77));
    group_log_init(&f.log, &f.fake);
    f.log.committing = committing;
    mem_view_init_guarded(&f.mem);
    for (int m = 0; m < GROUP_MEMBERS; m++) {
        fake_dlt_init(&f.letters[m], &f.fake);
        start(m);
    }
}

static void teardown(void)
{
    for (int m = 0; m < GROUP_MEMBERS; m++) {
        tb_consumer_free(f.consumers[m]);
        fake_dlt_release(&f.letters[m]);
    }
    group_log_release(&f.log);
    mem_view_release(&f.mem);
    history_release(&f.history);
    tb_arena_release(&f.arena);
    for (int p = 0; p < TEST_PARTITIONS; p++)
        free(f.dead[p]);
}

/* source: as ce_source; NULL: none. */
static void add_record_of(const char *source, struct tb_str value)
{
    static char keys[2000][8];
    static int made;
    struct tb_record record = {.value = value, .timestamp_ms = HISTORY_START_MS};
    struct tb_header *headers = tb_arena_array(&f.arena, 1, sizeof *headers);

    headers[0] = (struct tb_header){TB_STR("ce_source"), tb_str_of(source)};
    record.headers = headers;
    record.header_count = source != NULL;

    snprintf(keys[made % 2000], sizeof keys[0], "p%d", made % 2000);
    record.key = tb_str_of(keys[made++ % 2000]);
    group_log_add(&f.log, &record);
}

static void add_poison_of(const char *source)
{
    add_record_of(source, TB_STR("{"));
}

static void add_poison(void)
{
    add_poison_of(NULL);
}

/* What of a partition must die: poison, and what follows an event that is lost. */
static bool must_die(const struct tb_record *record)
{
    struct tb_str version = tb_record_header(record, "ce_orderversion");

    if (!version.ptr)
        return true;
    for (size_t i = 0; i < f.history.order_count; i++) {
        const struct history_order *order = &f.history.orders[i];

        if (tb_str_eq(record->key, tb_str_of(order->order.order_id)))
            return order->lost > 0 && strtoll(version.ptr, NULL, 10) > order->lost;
    }
    return true;
}

static void fill(const struct history_options *options, size_t poison)
{
    history_make(&f.history, &f.fake, options);
    for (size_t i = 0; i < f.history.record_count; i++) {
        group_log_add(&f.log, &f.history.records[i]);
        if (poison > 0 && fake_random_below(&f.fake, 20) == 0) {
            add_poison();
            poison--;
        }
    }
    for (; poison > 0; poison--)
        add_poison();
    for (int p = 0; p < TEST_PARTITIONS; p++) {
        f.dead[p] = calloc(f.log.counts[p] + 1, sizeof *f.dead[p]);
        for (size_t i = 0; i < f.log.counts[p]; i++)
            f.dead[p][i] = must_die(&f.log.records[p][i]);
    }
}

static void step(int m)
{
    int64_t pause_ms = tb_consumer_step(f.consumers[m], 0);

    fake_clock_advance(&f.clock, 1 + (pause_ms > 0 ? pause_ms : 0));
}

static bool all_committed(void)
{
    for (int p = 0; p < TEST_PARTITIONS; p++) {
        if (f.log.counts[p] > 0 && f.log.committed[p] != (int64_t)f.log.counts[p])
            return false;
    }
    return true;
}

static void drain(int m)
{
    for (int steps = 0; !all_committed(); steps++) {
        ck_assert_int_lt(steps, 5000);
        step(m);
    }
}

static void check_letters(void)
{
    for (int p = 0; p < TEST_PARTITIONS; p++) {
        for (size_t i = 0; i < f.log.counts[p]; i++)
            ck_assert_int_eq(is_kept(p, (int64_t)i), f.dead[p][i]);
    }
}

/* Killed, or stopped for a flood, and started again. */
static void restart(int m)
{
    tb_consumer_free(f.consumers[m]);
    group_log_restart(&f.log, m);
    f.letters[m].waiting_count = 0; /* the new process has a new writer */
    start(m);
}

/* While the view is unreachable the reader is paused and still polled, so it stays in the group.
 */
START_TEST(an_unreachable_view_pauses_the_reader)
{
    struct group_member *member = &f.log.members[0];
    size_t polls;

    fill(&(struct history_options){60, 0, 0}, 0);
    f.mem.down = true;
    step(0);
    for (int i = 0; i < 200; i++) {
        polls = member->polls;
        (void)tb_consumer_step(f.consumers[0], 1000);
        fake_clock_advance(&f.clock, 100);
        ck_assert_uint_gt(member->polls, polls); /* every step is a sign of life */
    }
    ck_assert(member->paused);
    ck_assert(tb_consumer_stats(f.consumers[0])->failing);
    ck_assert_uint_eq(f.troubles, 1);
    ck_assert_uint_gt(f.failures, 3); /* it was tried again */
    f.mem.down = false;
    drain(0);
    step(0);
    ck_assert(!member->paused);
    ck_assert_int_eq(f.last.code, TB_OK);
    mem_view_check(&f.mem, &f.history);
}
END_TEST

/* If another reader gets the partition of a waiting batch, the batch is abandoned. */
START_TEST(a_revoked_batch_is_abandoned)
{
    fill(&(struct history_options){60, 0, 0}, 0);
    f.mem.down = true;
    for (int i = 0; i < 5; i++)
        step(0);
    for (int p = 0; p < TEST_PARTITIONS; p++)
        group_log_assign(&f.log, p, 1);
    step(0); /* sees it */
    f.mem.down = false;
    fake_clock_advance(&f.clock, 10000);
    step(0);
    ck_assert_uint_eq(f.mem.row_count, 0);
    ck_assert(!tb_consumer_stats(f.consumers[0])->failing); /* nothing left that fails */
    drain(1);
    mem_view_check(&f.mem, &f.history);
}
END_TEST

/* A view that is to be written up to an offset of each partition, and that is another one at every
 * third commit. */
static struct {
    struct tb_view_ops ops;
    const struct tb_view_ops *mem;
    int64_t until[TEST_PARTITIONS];
    int commits;
} moving;

static enum tb_code moving_until(struct tb_view *view, int32_t partition, int64_t *ret_until,
                                 struct tb_error *err)
{
    (void)view, (void)err;
    *ret_until = moving.until[partition];
    return TB_OK;
}

static enum tb_code moving_commit(struct tb_view *view, const struct tb_plan *plan,
                                  struct tb_error *err)
{
    ck_assert_int_le(plan->next_offset, moving.until[plan->partition]);
    if (++moving.commits % 3 == 0)
        return tb_error_set(err, TB_CONFLICT, "another view");
    return moving.mem->commit(view, plan, err);
}

static bool all_at_until(void)
{
    for (int p = 0; p < TEST_PARTITIONS; p++) {
        if (moving.until[p] > 0 && f.log.committed[p] != moving.until[p])
            return false;
    }
    return true;
}

/* Each partition is read up to the limit of plan_limit and no further, and no outage is reported.
 * After TB_CONFLICT the batch is planned again. */
START_TEST(plan_limit_defers_records)
{
    fill(&(struct history_options){60, 10, 10}, 3);
    f.log.batch_max = 20;
    moving.mem = f.mem.view.ops;
    moving.ops = *f.mem.view.ops;
    moving.ops.plan_limit = moving_until;
    moving.ops.commit = moving_commit;
    f.mem.view.ops = &moving.ops;
    for (int p = 0; p < TEST_PARTITIONS; p++)
        moving.until[p] = p == 0 ? 0 : (int64_t)f.log.counts[p] * p / TEST_PARTITIONS;
    for (int steps = 0; !all_at_until(); steps++) {
        ck_assert_int_lt(steps, 1000);
        step(0);
    }
    for (int i = 0; i < 20; i++)
        step(0);
    ck_assert(all_at_until());
    ck_assert_int_eq(f.log.committed[0], -1);
    ck_assert_uint_eq(f.failures, 0);
    ck_assert(!tb_consumer_stats(f.consumers[0])->failing);
    for (int p = 0; p < TEST_PARTITIONS; p++)
        moving.until[p] = INT64_MAX;
    drain(0);
    mem_view_check(&f.mem, &f.history);
    check_letters();
}
END_TEST

/* A consumer is frozen, loses its partitions, and goes on: its writes and commits change nothing.
 */
START_TEST(a_late_plan_of_an_earlier_owner_changes_nothing)
{
    fill(&(struct history_options){80, 0, 0}, 0);
    f.log.batch_max = 20;
    f.mem.down = true;
    for (int i = 0; i < 3; i++)
        step(0); /* it has a batch in hand */
    f.mem.down = false;
    for (int p = 0; p < TEST_PARTITIONS; p++)
        group_log_assign(&f.log, p, 1); /* unseen by 0, which sleeps */
    drain(1);
    fake_clock_advance(&f.clock, 60000);
    step(0);
    step(0);
    ck_assert(all_committed());
    mem_view_check(&f.mem, &f.history);
}
END_TEST

/* A view that asks who reads a partition. */
static struct {
    struct tb_view_ops ops;
    const struct tb_view_ops *mem;
    bool steal; /* what is owned is another's by then */
    int owns[TEST_PARTITIONS], commits[TEST_PARTITIONS];
} owning;

static enum tb_code owning_own(struct tb_view *view, int32_t partition, struct tb_error *err)
{
    (void)view, (void)err;
    owning.owns[partition]++;
    for (int p = 0; p < TEST_PARTITIONS && owning.steal; p++)
        group_log_assign(&f.log, p, 1);
    return TB_OK;
}

static enum tb_code owning_commit(struct tb_view *view, const struct tb_plan *plan,
                                  struct tb_error *err)
{
    ck_assert_int_gt(owning.owns[plan->partition], 0);
    owning.commits[plan->partition]++;
    return owning.mem->commit(view, plan, err);
}

static void start_owning(void)
{
    memset(&owning, 0, sizeof owning);
    owning.mem = f.mem.view.ops;
    owning.ops = *f.mem.view.ops;
    owning.ops.acquire_fence = owning_own;
    owning.ops.commit = owning_commit;
    f.mem.view.ops = &owning.ops;
}

/* The fence is acquired before the first plan of each assignment, and at no other time. */
START_TEST(the_fence_is_acquired_once_for_each_assignment)
{
    fill(&(struct history_options){80, 0, 0}, 0);
    f.log.batch_max = 10;
    start_owning();
    for (int turn = 0; turn < 3; turn++) {
        for (int p = 0; p < TEST_PARTITIONS; p++)
            group_log_assign(&f.log, p, turn % 2);
        step(1 - turn % 2); /* gives them up */
        for (int i = 0; i < 2 * TEST_PARTITIONS && !all_committed(); i++)
            step(turn % 2);
    }
    drain(0);
    for (int p = 0; p < TEST_PARTITIONS; p++) {
        ck_assert_int_gt(owning.commits[p], owning.owns[p]);
        ck_assert_int_le(owning.owns[p], 3);
    }
    mem_view_check(&f.mem, &f.history);
}
END_TEST

/* A consumer is frozen before it acquires the fence, and loses the partition. It then acquires the
 * fence last, but writes nothing, because the group does not confirm the partition. */
START_TEST(an_unconfirmed_partition_is_not_written)
{
    fill(&(struct history_options){80, 0, 0}, 0);
    start_owning();
    owning.steal = true;
    step(0);
    owning.steal = false;
    for (int i = 0; i < 3; i++)
        step(0);
    for (int p = 0; p < TEST_PARTITIONS; p++)
        ck_assert_int_eq(owning.commits[p], 0);
    ck_assert_uint_eq(f.failures, 0); /* not an error of the view */
    drain(1);
    mem_view_check(&f.mem, &f.history);
}
END_TEST

START_TEST(dead_letters_are_acknowledged_before_the_offset)
{
    fill(&(struct history_options){40, 30, 0}, 5);
    f.letters[0].mood = FAKE_DLT_SILENT;
    for (int i = 0; i < 100; i++)
        step(0);
    ck_assert(!all_committed());
    ck_assert(tb_consumer_stats(f.consumers[0])->failing);
    f.letters[0].mood = FAKE_DLT_FAILS;
    for (int i = 0; i < 20; i++)
        step(0);
    ck_assert(!all_committed());
    f.letters[0].mood = FAKE_DLT_ACKNOWLEDGES;
    drain(0);
    mem_view_check(&f.mem, &f.history);
    check_letters();
}
END_TEST

/* If the topic refuses the whole record, it is sent without its value, with its origin. */
START_TEST(a_refused_dead_letter_is_sent_without_its_value)
{
    fill(&(struct history_options){5, 0, 0}, 5);
    f.letters[0].mood = FAKE_DLT_REFUSES;
    drain(0);
    check_letters();
    for (size_t i = 0; i < f.letters[0].kept_count; i++)
        ck_assert(!f.letters[0].kept[i].has_value);
}
END_TEST

/* A history of which nothing becomes a dead letter; records may be added behind it. */
static void fill_sound(size_t orders)
{
    fill(&(struct history_options){orders, 0, 0}, 0);
    for (int p = 0; p < TEST_PARTITIONS; p++) {
        free(f.dead[p]);
        f.dead[p] = NULL;
    }
}

static size_t count_kept(const char *reason)
{
    size_t count = 0;

    for (size_t i = 0; i < f.letters[0].kept_count; i++)
        count += strcmp(f.letters[0].kept[i].reason, reason) == 0;
    return count;
}

static uint64_t result(enum tb_event_result which)
{
    return tb_counter_get(&tb_consumer_stats(f.consumers[0])->events[which]);
}

/* A release that cannot read its events must not make the whole topic dead letters. Then the
 * events of several tills cannot be read. */
START_TEST(nodes_that_fail_alike_stop_reading)
{
    static const char *const sources[] = {"/nodes/till5", "/nodes/till6", "/nodes/till7"};
    struct group_member *member = &f.log.members[0];
    size_t polls;

    f.mem.knows_nodes = true;
    for (int i = 0; i < 600; i++)
        add_poison_of(sources[i % 3]);
    for (int i = 0; i < 50; i++)
        step(0);
    ck_assert(tb_consumer_stats(f.consumers[0])->stopped);
    ck_assert(tb_consumer_stats(f.consumers[0])->failing);
    ck_assert_uint_le(f.letters[0].kept_count, 2 * TB_DEAD_LETTERS_PER_MINUTE);
    ck_assert_ptr_nonnull(strstr(f.last.text, "dead letters of several nodes within a minute"));
    polls = member->polls;
    fake_clock_advance(&f.clock, 3600000); /* time alone mends nothing */
    for (int i = 0; i < 50; i++)
        step(0);
    ck_assert_uint_le(f.letters[0].kept_count, 2 * TB_DEAD_LETTERS_PER_MINUTE);
    ck_assert_uint_gt(member->polls, polls + 40); /* it keeps its partitions */
    ck_assert(!all_committed());
    restart(0); /* somebody has looked at it */
    f.mem.knows_nodes = false;
    drain(0);
    ck_assert_uint_eq(f.letters[0].kept_count, 600); /* each is a dead letter, parked or not */
}
END_TEST

/* Two tills, or made-up names, do not stop the others' events. */
START_TEST(a_few_bad_senders_do_not_stop_reading)
{
    char source[32];

    f.mem.knows_nodes = _i == 0;
    fill_sound(100);
    for (int i = 0; i < 1000; i++) {
        snprintf(source, sizeof source, "/nodes/till%d", _i == 0 ? 5 + i % 2 : 5 + i % 300);
        add_poison_of(tb_arena_copy(&f.arena, tb_str_of(source)).ptr);
    }
    drain(0);
    ck_assert(!tb_consumer_stats(f.consumers[0])->stopped);
    mem_view_check(&f.mem, &f.history);
    ck_assert_uint_eq(f.letters[0].kept_count, 1000);
    if (_i == 0)
        ck_assert_uint_eq(result(TB_DEAD_LETTERED), 2 * TB_DEAD_LETTERS_PER_MINUTE);
}
END_TEST

/* A till sends what nobody can read: its later records wait, and those of the others do not. */
START_TEST(a_bad_sender_is_parked)
{
    fill_sound(100);
    for (int i = 0; i < 150; i++)
        add_poison_of("/nodes/till9");
    drain(0);
    mem_view_check(&f.mem, &f.history);
    ck_assert_uint_eq(count_kept("tillbox.decode"), TB_DEAD_LETTERS_PER_MINUTE);
    ck_assert_uint_eq(count_kept(TB_REASON_PARKED), 50);
    ck_assert_uint_eq(result(TB_PARKED), 50);
    ck_assert(!tb_consumer_stats(f.consumers[0])->failing);
    fake_clock_advance(&f.clock, 61000); /* then its records are judged again */
    for (int i = 0; i < 10; i++)
        add_poison_of("/nodes/till9");
    drain(0);
    ck_assert_uint_eq(count_kept("tillbox.decode"), TB_DEAD_LETTERS_PER_MINUTE + 10);
    ck_assert_uint_eq(f.parked, 1);
}
END_TEST

/* Nothing can be sent again of a record without a value, so its dead letter does not promise it.
 */
START_TEST(a_parked_record_without_a_value)
{
    for (int i = 0; i < TB_DEAD_LETTERS_PER_MINUTE; i++)
        add_poison_of("/nodes/till9");
    drain(0);
    add_record_of("/nodes/till9", (struct tb_str){0});
    drain(0);
    ck_assert_uint_eq(count_kept(TB_REASON_PARKED), 1);
    ck_assert(strstr(f.letters[0].kept[f.letters[0].kept_count - 1].detail, "drop it") != NULL);
}
END_TEST

/* Also what could be read waits, so that no order has a gap because of it. */
START_TEST(what_a_parked_node_sends_is_not_judged)
{
    for (int i = 0; i < 2 * TB_DEAD_LETTERS_PER_MINUTE; i++)
        add_poison_of("/nodes/till1"); /* the source of all histories */
    drain(0);
    ck_assert_uint_eq(count_kept(TB_REASON_PARKED), TB_DEAD_LETTERS_PER_MINUTE);
    fill_sound(20);
    drain(0);
    ck_assert_uint_eq(count_kept(TB_REASON_PARKED),
                      TB_DEAD_LETTERS_PER_MINUTE + f.history.record_count);
    ck_assert_uint_eq(f.mem.row_count, 0);
}
END_TEST

/* Of records without a node some are kept and the others counted; what can be read is applied. */
START_TEST(records_without_a_node_are_bounded)
{
    fill_sound(100);
    for (int i = 0; i < 2500; i++)
        add_poison();
    drain(0);
    ck_assert(!tb_consumer_stats(f.consumers[0])->stopped);
    mem_view_check(&f.mem, &f.history);
    ck_assert_uint_eq(f.letters[0].kept_count, TB_DEAD_LETTERS_PER_MINUTE);
    ck_assert_uint_eq(result(TB_LEFT_OUT), 2500 - TB_DEAD_LETTERS_PER_MINUTE);
    fake_clock_advance(&f.clock, 61000);
    for (int i = 0; i < 30; i++)
        add_poison();
    drain(0);
    ck_assert_uint_eq(f.letters[0].kept_count, TB_DEAD_LETTERS_PER_MINUTE + 30);
}
END_TEST

/* A second store of a node sends other events of the same versions. That says nothing of how well
 * this program reads events, and must not stop it for the other nodes. */
START_TEST(conflicts_do_not_stop_reading)
{
    size_t count, before[TEST_PARTITIONS];

    fill(&(struct history_options){80, 0, 0}, 0);
    count = f.history.record_count;
    memcpy(before, f.log.counts, sizeof before);
    ck_assert_uint_gt(count, TB_DEAD_LETTERS_PER_MINUTE + 10);
    for (size_t i = 0; i < count; i++) {
        struct tb_record record = f.history.records[i];
        struct tb_header *headers =
            tb_arena_array(&f.history.arena, record.header_count, sizeof *headers);
        char *id = tb_arena_alloc(&f.history.arena, TB_UUID_SIZE);

        history_uuid(&f.fake, id);
        for (size_t h = 0; h < record.header_count; h++) {
            headers[h] = record.headers[h];
            if (tb_str_eq(headers[h].name, TB_STR("ce_id")))
                headers[h].value = tb_str_of(id);
        }
        record.headers = headers;
        group_log_add(&f.log, &record);
    }
    for (int p = 0; p < TEST_PARTITIONS; p++) {
        f.dead[p] = realloc(f.dead[p], (f.log.counts[p] + 1) * sizeof *f.dead[p]);
        ck_assert_ptr_nonnull(f.dead[p]);
        for (size_t i = before[p]; i < f.log.counts[p]; i++)
            f.dead[p][i] = true;
    }
    drain(0);
    check_letters();
    ck_assert(!tb_consumer_stats(f.consumers[0])->stopped);
    ck_assert_uint_eq(f.letters[0].kept_count, count);
    mem_view_check(&f.mem, &f.history);
}
END_TEST

/* The same number of dead letters, spread over a longer time. */
START_TEST(few_dead_letters_a_minute_do_not_stop_reading)
{
    fill(&(struct history_options){0, 0, 0}, 300);
    f.log.batch_max = 5;
    for (int i = 0; i < 3000 && !all_committed(); i++) {
        step(0);
        fake_clock_advance(&f.clock, 4000);
    }
    ck_assert(all_committed());
    ck_assert(!tb_consumer_stats(f.consumers[0])->stopped);
    check_letters();
}
END_TEST

/* The reader is opened only after `open` succeeds. */
START_TEST(the_group_is_joined_after_everything_is_open)
{
    f.open_fails = 7;
    fill(&(struct history_options){20, 0, 0}, 0);
    for (int i = 0; i < 5; i++)
        step(0);
    ck_assert_uint_eq(f.log.members[0].polls, 0);
    ck_assert_uint_eq(f.troubles, 1);
    ck_assert_ptr_nonnull(strstr(f.last.text, "not there"));
    tb_consumer_stop(f.consumers[0]); /* there is no reader yet to wake */
    drain(0);
    step(0);
    ck_assert_int_eq(f.last.code, TB_OK);
    mem_view_check(&f.mem, &f.history);
}
END_TEST

static void disturb(void)
{
    switch (fake_random_below(&f.fake, 8)) {
    case 0:
        f.mem.down = !f.mem.down;
        break;
    case 1:
        f.mem.fail_at = f.mem.calls + 1 + fake_random_below(&f.fake, 30);
        f.mem.fail_after = fake_random_below(&f.fake, 2) == 0;
        break;
    case 2:
        f.log.down = !f.log.down;
        break;
    case 3:
        restart((int)fake_random_below(&f.fake, GROUP_MEMBERS));
        break;
    default:
        group_log_assign(&f.log, (int32_t)fake_random_below(&f.fake, TEST_PARTITIONS),
                         (int)fake_random_below(&f.fake, GROUP_MEMBERS));
        break;
    }
}

/* Members sleep, die and take over, while log, view and dead-letter topic fail at random. */
START_TEST(the_view_has_every_order_despite_faults)
{
    fake_random_init(&f.fake, test_seed(1000 + (uint64_t)_i));
    fill(&(struct history_options){150, 5, 10}, 10);
    f.log.batch_max = 30;
    for (int m = 0; m < GROUP_MEMBERS; m++)
        f.letters[m].mood = FAKE_DLT_RANDOM;
    for (int i = 0; i < 1500; i++) {
        if (fake_random_below(&f.fake, 6) == 0)
            disturb();
        step((int)fake_random_below(&f.fake, GROUP_MEMBERS)); /* the others sleep */
    }
    f.mem.down = f.log.down = false;
    f.mem.fail_at = 0;
    for (int p = 0; p < TEST_PARTITIONS; p++)
        group_log_assign(&f.log, p, (int)fake_random_below(&f.fake, GROUP_MEMBERS));
    for (int i = 0; i < 20000 && !all_committed(); i++) {
        int m = (int)fake_random_below(&f.fake, GROUP_MEMBERS);

        step(m);
        fake_clock_advance(&f.clock, 50); /* a paused one has waited */
        if (tb_consumer_stats(f.consumers[m])->stopped)
            restart(m);
    }
    ck_assert(all_committed());
    mem_view_check(&f.mem, &f.history);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/consumer_group");
    TCase *tc = tcase_create("group");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, an_unreachable_view_pauses_the_reader);
    tcase_add_test(tc, a_revoked_batch_is_abandoned);
    tcase_add_test(tc, plan_limit_defers_records);
    tcase_add_test(tc, a_late_plan_of_an_earlier_owner_changes_nothing);
    tcase_add_test(tc, the_fence_is_acquired_once_for_each_assignment);
    tcase_add_test(tc, an_unconfirmed_partition_is_not_written);
    tcase_add_test(tc, dead_letters_are_acknowledged_before_the_offset);
    tcase_add_test(tc, a_refused_dead_letter_is_sent_without_its_value);
    tcase_add_test(tc, nodes_that_fail_alike_stop_reading);
    tcase_add_loop_test(tc, a_few_bad_senders_do_not_stop_reading, 0, 2);
    tcase_add_test(tc, a_bad_sender_is_parked);
    tcase_add_test(tc, a_parked_record_without_a_value);
    tcase_add_test(tc, what_a_parked_node_sends_is_not_judged);
    tcase_add_test(tc, records_without_a_node_are_bounded);
    tcase_add_test(tc, conflicts_do_not_stop_reading);
    tcase_add_test(tc, few_dead_letters_a_minute_do_not_stop_reading);
    tcase_add_test(tc, the_group_is_joined_after_everything_is_open);
    tcase_add_loop_test(tc, the_view_has_every_order_despite_faults, 0, 20);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
