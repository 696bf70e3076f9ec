/* Every heartbeat of the log is saved in its order, whatever fails meanwhile. A record that is no
 * heartbeat delays nothing, and a reader that waits is still polled. */
#include "query/doubles/group_log.h"
#include "query/fleet/heartbeat_feed.h"
#include <stdio.h>
#include <stdlib.h>

#define NODES 5
#define BEATS 60

static struct fixture {
    struct fake_clock clock;
    struct fake_random fake;
    struct group_log log;
    struct tb_heartbeat_feed feed;
    char keys[NODES][16];
    char values[NODES * BEATS][256];
    bool down;
    size_t down_left; /* so many further calls of note fail */
    int64_t noted[NODES];
    size_t troubles, recoveries;
    bool sender_time; /* the topic keeps the time of the sender's clock, which is two hours behind
                       */
    int64_t last_at_ms;
    bool last_seen;
} f;

static enum tb_code note(void *ctx, const struct tb_heartbeat_record *list, size_t count,
                         struct tb_error *err)
{
    (void)ctx;
    if (f.down_left > 0 || f.down) {
        f.down_left -= f.down_left > 0;
        return tb_error_set(err, TB_UNAVAILABLE, "away");
    }
    for (size_t i = 0; i < count; i++) {
        int node = list[i].heartbeat.node[4] - '0';

        /* Heartbeats are saved in order; a repeated one was saved before. */
        ck_assert_int_le(list[i].heartbeat.last_sequence, f.noted[node] + 1);
        if (list[i].heartbeat.last_sequence > f.noted[node])
            f.noted[node] = list[i].heartbeat.last_sequence;
        f.last_at_ms = list[i].heartbeat.arrived_at_ms;
        f.last_seen = list[i].heartbeat.arrival_seen;
        if (f.sender_time)
            continue;
        ck_assert_int_eq(f.last_at_ms, 1000 + list[i].offset);
        ck_assert(f.last_seen);
    }
    return TB_OK;
}

static void on_outage(void *ctx, const struct tb_error *err)
{
    (void)ctx;
    f.troubles += err->code != TB_OK;
    f.recoveries += err->code == TB_OK;
    ck_assert_uint_le(f.troubles - f.recoveries, 1);
}

static void rises(int32_t partition, int64_t before, int64_t next)
{
    (void)partition;
    ck_assert_int_ge(next, before);
}

static void setup(void)
{
    memset(&f, 0, sizeof f);
    fake_clock_init(&f.clock, 1000000);
    fake_random_init(&f.fake, test_seed(5));
    group_log_init(&f.log, &f.fake);
    f.log.committing = rises;
    tb_heartbeat_feed_init(&f.feed,
                           &(struct tb_heartbeat_feed_options){.reader = &f.log.members[0].reader,
                                                               .clock = &f.clock.clock,
                                                               .random = &f.fake.random,
                                                               .save = note,
                                                               .on_outage = on_outage});
}

static void teardown(void)
{
    group_log_release(&f.log);
}

static void add(const char *key, const char *value)
{
    struct tb_record record = {.key = tb_str_of(key), .value = tb_str_of(value)};
    int32_t p = tb_log_partition(record.key, TEST_PARTITIONS);

    record.timestamp_ms =
        f.sender_time ? f.clock.wall_ms - 7200000 : 1000 + (int64_t)f.log.counts[p];
    record.sender_time = f.sender_time;
    group_log_add(&f.log, &record);
}

static void fill(void)
{
    for (int i = 0; i < NODES * BEATS; i++) {
        int node = i % NODES;

        snprintf(f.keys[node], sizeof f.keys[node], "till%d", node);
        snprintf(f.values[i], sizeof f.values[i],
                 "{\"node\":\"till%d\",\"epoch\":\"0123456789abcdef\",\"lastSequence\":%d,"
                 "\"deliveredSequence\":0,\"pending\":0,\"clockMs\":5,\"version\":\"0.1.0\"}",
                 node, i / NODES + 1);
        add(f.keys[node], f.values[i]);
    }
}

static bool all_committed(void)
{
    for (int p = 0; p < TEST_PARTITIONS; p++) {
        if (f.log.counts[p] > 0 && f.log.committed[p] != (int64_t)f.log.counts[p])
            return false;
    }
    return true;
}

static void step(void)
{
    int64_t pause_ms = tb_heartbeat_feed_step(&f.feed, 1000);

    ck_assert_int_ge(pause_ms, 0);
    fake_clock_advance(&f.clock, 20 + pause_ms);
}

static void drain(void)
{
    for (int steps = 0; !all_committed() || f.feed.failing; steps++) {
        ck_assert_int_lt(steps, 5000);
        step();
    }
    for (int node = 0; node < NODES; node++)
        ck_assert_int_eq(f.noted[node], BEATS);
}

START_TEST(every_heartbeat_is_saved)
{
    fill();
    f.log.batch_max = 7;
    drain();
    ck_assert_uint_eq(f.troubles, 0);
    ck_assert_uint_eq(f.feed.invalid_count, 0);
}
END_TEST

static const char *const strange[] = {"", "{", "[]", "{\"node\":\"till1\"}", "null"};

START_TEST(other_records_are_skipped)
{
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
        add("till1", strange[i]);
    fill();
    drain();
    ck_assert_uint_eq(f.feed.invalid_count, sizeof strange / sizeof *strange);
    ck_assert_uint_eq(f.troubles, 0);
}
END_TEST

START_TEST(a_failed_save_is_retried_and_the_reader_polled)
{
    struct group_member *member = &f.log.members[0];

    fill();
    f.down = true;
    for (int i = 0; i < 100; i++)
        step();
    ck_assert_uint_gt(member->polls, 50); /* between one try and the next */
    ck_assert(member->paused);
    ck_assert_uint_eq(f.troubles, 1);
    f.down = false;
    drain();
    ck_assert(!member->paused);
    ck_assert_uint_eq(f.recoveries, 1);
}
END_TEST

/* Another reads on where the log was told, and notes some once more. What is committed only rises,
 * also when a partition comes back to whoever could not note what it had of it. */
START_TEST(no_heartbeat_is_lost_despite_faults)
{
    fake_random_init(&f.fake, test_seed((uint64_t)_i));
    fill();
    f.log.batch_max = 9;
    for (int i = 0; i < 300; i++) {
        switch (fake_random_below(&f.fake, 12)) {
        case 0:
            f.down_left = fake_random_below(&f.fake, 4);
            break;
        case 1:
            f.log.down = !f.log.down;
            break;
        case 2:
            group_log_assign(&f.log, (int32_t)fake_random_below(&f.fake, TEST_PARTITIONS),
                             (int)fake_random_below(&f.fake, 2));
            break;
        default:
            step();
        }
    }
    f.log.down = false;
    f.down_left = 0;
    for (int p = 0; p < TEST_PARTITIONS; p++)
        group_log_assign(&f.log, p, 0);
    drain();
}
END_TEST

static void beat_now(void)
{
    static char values[32][256];
    static int count;

    snprintf(values[count], sizeof values[count],
             "{\"node\":\"till1\",\"epoch\":\"0123456789abcdef\",\"lastSequence\":0,"
             "\"deliveredSequence\":0,\"pending\":0,\"clockMs\":5,\"version\":\"0.1.0\"}");
    add("till1", values[count++]);
}

/* Reads all, and requires what is known of the last one's arrival. */
static void check_last(bool seen)
{
    int64_t from_ms = f.clock.wall_ms;

    f.last_at_ms = -1;
    for (int steps = 0; steps < 50 && (f.last_at_ms < 0 || !all_committed() || f.feed.failing);
         steps++)
        step();
    ck_assert(f.last_seen == seen);
    ck_assert_int_ge(f.last_at_ms, from_ms); /* by our clock */
    ck_assert_int_le(f.last_at_ms, f.clock.wall_ms);
}

/* The sender's time says nothing of when a heartbeat arrived. Ours does if we were waiting for it,
 * and not if it was waiting for us. */
START_TEST(only_what_was_seen_arriving_judges_a_clock)
{
    f.sender_time = true;
    for (int i = 0; i < 10; i++)
        beat_now();
    check_last(false); /* a backlog */
    beat_now();
    check_last(true);
    fake_clock_advance(&f.clock, 3600000); /* we were stopped */
    beat_now();
    check_last(false);
    beat_now();
    check_last(true);
    f.log.down = true; /* for us */
    step();
    beat_now();
    f.log.down = false;
    check_last(false);
    beat_now();
    check_last(true);
    f.down = true; /* nothing can be saved; it was seen all the same */
    beat_now();
    step();
    f.down = false;
    fake_clock_advance(&f.clock, 60000);
    f.last_at_ms = -1;
    for (int steps = 0; steps < 50 && f.last_at_ms < 0; steps++)
        step();
    ck_assert(f.last_seen);
    ck_assert_int_le(f.last_at_ms, f.clock.wall_ms - 60000);
    beat_now();
    check_last(false);
    for (int member = 1; member >= 0; member--) { /* another central had the partition */
        for (int p = 0; p < TEST_PARTITIONS; p++)
            group_log_assign(&f.log, p, member);
        step();
    }
    beat_now();
    check_last(false);
    beat_now();
    check_last(true);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/node_feed");
    TCase *tc = tcase_create("feed");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_heartbeat_is_saved);
    tcase_add_test(tc, other_records_are_skipped);
    tcase_add_test(tc, a_failed_save_is_retried_and_the_reader_polled);
    tcase_add_loop_test(tc, no_heartbeat_is_lost_despite_faults, 0, 20);
    tcase_add_test(tc, only_what_was_seen_arriving_judges_a_clock);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
