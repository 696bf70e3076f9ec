#include "query/mongo/centrals.h"
#include "query/mongo/mongo_feed.h"
#include "query/mongo/view/view.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define STEPS_MAX 200000

static void free_nothing(struct tb_log_reader *reader)
{
    (void)reader;
}

static struct one_central *central_of(struct tb_log_reader *reader)
{
    return (struct one_central *)(void *)((char *)reader - offsetof(struct one_central, log) -
                                          offsetof(struct fake_log, reader));
}

static struct tb_log_reader_ops fake; /* of a fake log */
/* The same, but the ends of the log are those of the last poll, as with Kafka, and free does
 * nothing: the log is used again. */
static struct tb_log_reader_ops ops;

static void see_ends(struct one_central *one)
{
    for (int32_t p = 0; p < TEST_PARTITIONS; p++)
        one->seen_end[p] = (int64_t)one->log.counts[p];
}

/* An event arrives, and the centrals apply it at once. */
static void go_on_elsewhere(struct centrals *all)
{
    (void)centrals_add(all);
    for (int turn = 0; turn < CENTRALS * TEST_PARTITIONS; turn++) {
        struct one_central *one = &all->list[turn % CENTRALS];

        if (one->mongo)
            (void)tb_consumer_step(one->consumer, 0);
    }
}

static enum tb_code poll_and_see(struct tb_log_reader *reader, size_t max, int64_t wait_ms,
                                 struct tb_log_batch *ret_batch, struct tb_error *err)
{
    struct one_central *one = central_of(reader);

    see_ends(one);
    TB_TRY(fake.poll(reader, max, wait_ms, ret_batch, err));
    if (one->all->busy && fake_random_below(&one->all->fake, 3) == 0)
        go_on_elsewhere(one->all);
    return TB_OK;
}

static enum tb_code range_as_seen(struct tb_log_reader *reader, int32_t partition,
                                  struct tb_log_range *ret_range, struct tb_error *err)
{
    TB_TRY(fake.range(reader, partition, ret_range, err));
    ret_range->end = central_of(reader)->seen_end[partition];
    return TB_OK;
}

static enum tb_code open_reader(void *ctx, struct tb_log_reader **ret_reader, struct tb_error *err)
{
    struct one_central *one = ctx;

    (void)err;
    fake_log_reopen(&one->log);
    see_ends(one);
    *ret_reader = &one->log.reader;
    return TB_OK;
}

static enum tb_code ends(void *ctx, struct tb_log_range *ret_ranges, struct tb_error *err)
{
    struct one_central *one = ctx;

    for (int32_t p = 0; p < TEST_PARTITIONS; p++)
        TB_TRY(fake.range(&one->log.reader, p, &ret_ranges[p], err));
    return TB_OK;
}

static enum tb_code committed(void *ctx, int64_t *ret_next, struct tb_error *err)
{
    struct one_central *one = ctx;

    (void)err;
    memcpy(ret_next, one->all->log.committed, sizeof one->all->log.committed);
    return TB_OK;
}

void centrals_init(struct centrals *all, uint64_t seed, const struct history_options *options)
{
    memset(all, 0, sizeof *all);
    fake_clock_init(&all->clock, HISTORY_START_MS);
    fake_random_init(&all->fake, seed);
    history_make(&all->history, &all->fake, options);
    group_log_init(&all->log, &all->fake);
    all->log.batch_max = 5;
    mongo_db_open(&all->db, 100);
    all->seen = calloc(options->orders + 1, sizeof *all->seen);
    ck_assert_ptr_nonnull(all->seen);
    for (int i = 0; i < CENTRALS; i++) {
        struct one_central *one = &all->list[i];

        one->all = all;
        snprintf(one->name, sizeof one->name, "hq%d", i + 1);
        fake_log_init(&one->log, &all->fake);
        fake = ops = *one->log.reader.ops;
        ops.poll = poll_and_see;
        ops.range = range_as_seen;
        ops.free = free_nothing;
        one->log.reader.ops = &ops;
        one->log.batch_max = 20;
        central_start(one);
    }
    for (int32_t p = 0; p < TEST_PARTITIONS; p++)
        group_log_assign(&all->log, p, p % CENTRALS);
}

void centrals_release(struct centrals *all)
{
    for (int i = 0; i < CENTRALS; i++) {
        central_stop(&all->list[i]);
        fake_log_release(&all->list[i].log);
    }
    mongo_db_close(&all->db);
    group_log_release(&all->log);
    history_release(&all->history);
    free(all->seen);
}

bool centrals_add(struct centrals *all)
{
    struct tb_record record;

    if (all->added == all->history.record_count)
        return false;
    record = all->history.records[all->added++];
    record.timestamp_ms = all->clock.wall_ms;
    group_log_add(&all->log, &record);
    for (int i = 0; i < CENTRALS; i++)
        fake_log_add(&all->list[i].log, &record);
    if (all->markers && fake_random_below(&all->fake, 2))
        centrals_add_marker(all, tb_log_partition(record.key, TEST_PARTITIONS));
    return true;
}

void centrals_add_marker(struct centrals *all, int32_t partition)
{
    group_log_add_marker(&all->log, partition);
    for (int i = 0; i < CENTRALS; i++)
        fake_log_add_marker(&all->list[i].log, partition);
}

static void start_consumer(struct one_central *one)
{
    struct centrals *all = one->all;
    int member = (int)(one - all->list);
    struct tb_consumer_options options = {
        .reader = &all->log.members[member].reader,
        .view = one->view,
        .clock = &all->clock.clock,
        .random = &all->fake.random,
        .rules = {.currency = "EUR"},
        .partitions = TEST_PARTITIONS,
        .dead_letter_keep_ms = -1,
    };
    struct tb_error err = {0};

    group_log_restart(&all->log, member);
    ck_ok(tb_consumer_new(&options, &one->consumer, &err));
}

static void hold_given_up(void *ctx, int64_t held_ms, const char *why)
{
    struct centrals *all = ((struct one_central *)ctx)->all;

    ck_assert_str_ne(why, "");
    all->held_in_vain_ms += held_ms;
    if (held_ms > all->longest_hold_ms)
        all->longest_hold_ms = held_ms;
}

static void start_rebuild(struct one_central *one)
{
    struct centrals *all = one->all;
    struct tb_rebuild_mongo_options views = {
        .mongo = one->mongo,
        .owner = one->name,
        .build = "1",
        .partitions = TEST_PARTITIONS,
        .clock = &all->clock.clock,
        .random = &all->fake.random,
        .open_reader = open_reader,
        .ends = ends,
        .committed = committed,
        .ctx = one,
    };
    struct tb_rebuild_options options = {
        .backend = &tb_rebuild_mongo_backend,
        .clock = &all->clock.clock,
        .random = &all->fake.random,
        .rules = {.currency = "EUR"},
        .topic = "order-events",
        .partitions = TEST_PARTITIONS,
        .hold_given_up = hold_given_up,
        .ctx = one,
    };
    struct tb_error err = {0};

    ck_ok(tb_rebuild_mongo_new(&views, &one->views, &err));
    options.backend_ctx = one->views;
    ck_ok(tb_rebuild_new(&options, &one->rebuild, &err));
}

void central_start(struct one_central *one)
{
    struct tb_error err = {0};

    one->mongo = mongo_db_again(&one->all->db, 100);
    one->mongo->clock = &one->all->clock.clock;
    ck_ok(tb_view_mongo_open(one->mongo, &one->view, &err));
    ck_ok(tb_view_mongo_open_reader(one->mongo, &one->reader, &err));
    start_consumer(one);
    start_rebuild(one);
}

void central_stop(struct one_central *one)
{
    if (!one->mongo)
        return;
    tb_rebuild_free(one->rebuild);
    tb_rebuild_mongo_free(one->views);
    tb_consumer_free(one->consumer);
    one->reader->ops->free(one->reader);
    one->view->ops->free(one->view);
    tb_mongo_free(one->mongo);
    one->mongo = NULL;
}

static void look(struct one_central *one, size_t order)
{
    struct centrals *all = one->all;
    struct tb_str id = tb_str_of(all->history.orders[order].order.order_id);
    TB_CLEANUP(tb_buf_release) struct tb_buf doc = {0};
    struct tb_error err = {0};
    int64_t version = 0;
    enum tb_code code = one->reader->ops->get(one->reader, id, &doc, &version, &err);

    ck_assert_msg(code == TB_OK || code == TB_NOT_FOUND, "%s", err.text);
    ck_assert_int_ge(version, all->seen[order]);
    all->seen[order] = version;
}

void centrals_turn(struct centrals *all)
{
    struct one_central *one = &all->list[fake_random_below(&all->fake, CENTRALS)];

    fake_clock_advance(&all->clock, (int64_t)fake_random_below(&all->fake, 30));
    if (!one->mongo)
        return;
    switch (fake_random_below(&all->fake, 5)) {
    case 0:
    case 1:
        (void)tb_consumer_step(one->consumer, 0);
        break;
    case 2:
        look(one, fake_random_below(&all->fake, all->history.order_count));
        break;
    default:
        (void)tb_rebuild_step(one->rebuild);
    }
}

static bool drained(const struct centrals *all)
{
    for (int32_t p = 0; p < TEST_PARTITIONS; p++) {
        if (all->log.counts[p] > 0 && all->log.committed[p] != (int64_t)all->log.counts[p])
            return false;
    }
    return true;
}

void centrals_read_on(struct centrals *all)
{
    for (int steps = 0; !drained(all); steps++) {
        ck_assert_int_lt(steps, STEPS_MAX);
        centrals_turn(all);
    }
}

struct tb_rebuild_progress *central_progress(struct one_central *one)
{
    static struct tb_rebuild_progress progress;

    tb_rebuild_get_progress(one->rebuild, &progress);
    return &progress;
}

enum tb_rebuild_state central_finish(struct one_central *one)
{
    for (int steps = 0; steps < STEPS_MAX; steps++) {
        enum tb_rebuild_state state = central_progress(one)->state;

        if (state != TB_REBUILD_NONE && !tb_rebuild_is_running(state))
            return state;
        centrals_turn(one->all);
    }
    ck_abort_msg("the rebuild does not end: %s", central_progress(one)->problem);
    return TB_REBUILD_NONE;
}

enum tb_rebuild_state central_rebuild(struct one_central *one, const struct tb_rebuild_job *job)
{
    struct tb_error err = {0};

    ck_ok(tb_rebuild_start(one->rebuild, job, &err));
    return central_finish(one);
}

void centrals_check(struct centrals *all)
{
    for (int i = 0; i < CENTRALS; i++) {
        if (all->list[i].mongo)
            mongo_check_history(all->list[i].reader, &all->history);
    }
}

int64_t centrals_served(struct centrals *all)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    struct tb_mongo_served served;
    struct tb_error err = {0};

    ck_ok(tb_mongo_client_acquire(all->db.mongo, &client, &err));
    ck_ok(tb_mongo_read_served(&client, &served, &err));
    return served.collections.generation;
}
