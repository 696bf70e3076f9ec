#include "edge/till.h"
#include "query/sqlite/view_sqlite.h"
#include <stdio.h>
#include <sys/stat.h>

#define TOPIC "order-events"
#define GROUP "view"
#define CATCH_UP_STEPS_MAX 1000
#define REBUILD_STEPS_MAX 100000

static void on_cursor(void *ctx, const char *cursor_name, int64_t row, int64_t at_ms)
{
    struct till *till = ctx;

    tb_refill_on_cursor(&till->refill, row);
    tb_writer_post_cursor(till->f.writer, cursor_name, row, at_ms);
}

static void on_snapshots(void *ctx, const char *cursor_name, int64_t next)
{
    struct till *till = ctx;

    tb_refill_on_snapshots(&till->refill, next);
    tb_writer_post_snapshots(till->f.writer, cursor_name, next);
}

static void on_durable(void *ctx, int32_t partition, int64_t next)
{
    struct till *till = ctx;

    ck_assert_int_eq(partition, 0);
    tb_log_inproc_allow_removal(till->log, next);
}

static void open_relay(struct till *till)
{
    struct tb_error err = {0};

    ck_ok(tb_outbox_reader_open(till->f.path, &till->outbox, &err));
    ck_ok(tb_refill_init(&till->refill, till->outbox, till->log, &err));
    ck_ok(tb_log_inproc_writer(till->log, &till->log_writer, &err));
    const struct tb_relay_options options = {.node = "till1",
                                             .cursor_name = TB_CURSOR_INPROC,
                                             .outbox = till->outbox,
                                             .writer = till->log_writer,
                                             .clock = &till->f.clock.clock,
                                             .random = &till->f.random.random,
                                             .on_cursor = on_cursor,
                                             .on_snapshots = on_snapshots,
                                             .ctx = till};
    ck_ok(tb_relay_new(&options, &till->relay, &err));
}

static void open_view(struct till *till)
{
    struct tb_error err = {0};

    ck_ok(tb_log_inproc_reader(till->log, GROUP, &till->log_reader, &err));
    ck_ok(tb_view_sqlite_reader(till->view_path, &till->reader, &err));
    const struct tb_consumer_options options = {.reader = till->log_reader,
                                                .view = till->view,
                                                .clock = &till->f.clock.clock,
                                                .random = &till->f.random.random,
                                                .rules = {.currency = "EUR"},
                                                .dead_letter_keep_ms = TILL_DEAD_LETTERS_KEEP_MS,
                                                .uptime = &till->uptime,
                                                .topic = TOPIC,
                                                .on_durable = on_durable,
                                                .ctx = till};
    ck_ok(tb_consumer_new(&options, &till->consumer, &err));
}

static enum tb_code open_visitor(void *ctx, struct tb_log_reader **ret_reader,
                                 struct tb_error *err)
{
    return tb_log_inproc_reader(((struct till *)ctx)->log, NULL, ret_reader, err);
}

/* The test has one thread, so nothing else runs meanwhile. */
static enum tb_code call_in_consumer(void *ctx,
                                     enum tb_code (*call)(void *arg, struct tb_error *err),
                                     void *arg, struct tb_error *err)
{
    (void)ctx;
    return call(arg, err);
}

static void on_moved(void *ctx, struct tb_view *view)
{
    struct till *till = ctx;

    tb_consumer_switch_view(till->consumer, view);
    till->view = view;
}

static bool has_room(void *ctx)
{
    (void)ctx;
    return true;
}

static void open_rebuild(struct till *till)
{
    const struct tb_rebuild_sqlite_options views = {.folder = till->f.dir,
                                                    .uptime = &till->uptime,
                                                    .build = "1",
                                                    .clock = &till->f.clock.clock,
                                                    .serving = till->view,
                                                    .origin = &till->origin,
                                                    .readers = {till->reader},
                                                    .reader_count = 1,
                                                    .open_reader = open_visitor,
                                                    .call_in_consumer = call_in_consumer,
                                                    .moved = on_moved,
                                                    .has_room = has_room,
                                                    .ctx = till};
    struct tb_error err = {0};

    ck_ok(tb_rebuild_sqlite_new(&views, &till->views, &err));
    const struct tb_rebuild_options options = {.backend = &tb_rebuild_sqlite_backend,
                                               .backend_ctx = till->views,
                                               .clock = &till->f.clock.clock,
                                               .random = &till->f.random.random,
                                               .rules = {.currency = "EUR"},
                                               .topic = TOPIC,
                                               .partitions = 1};
    ck_ok(tb_rebuild_new(&options, &till->rebuild, &err));
}

enum tb_code till_open_derived(struct till *till, struct tb_derived *ret_derived,
                               struct tb_error *err)
{
    const struct tb_derived_options options = {.folder = till->f.dir,
                                               .node = "till1",
                                               .store = till->f.store,
                                               .clock = &till->f.clock.clock,
                                               .random = &till->f.random.random,
                                               .gives_up_reading = till->gives_up_reading};

    return tb_derived_open(&options, ret_derived, err);
}

void till_start(struct till *till)
{
    struct tb_derived derived = {0};
    struct tb_error err = {0};

    fixture_open(&till->f);
    ck_ok(till_open_derived(till, &derived, &err));
    ck_ok(tb_store_bind(till->f.store, "", &err));
    till->log = derived.log;
    till->view = derived.view;
    till->origin = derived.origin;
    snprintf(till->view_path, sizeof till->view_path, "%s", derived.view_path);
    till->uptime = tb_store_uptime(till->f.store);
    tb_log_inproc_set_retention(till->log, TILL_LOG_KEEP_MS, till->uptime);
    till->row = till->f.store->last_row;
    open_relay(till);
    open_view(till);
    open_rebuild(till);
}

void till_prepare(struct till *till)
{
    *till = (struct till){.kafka_is_reached = true};
    fixture_init(&till->f);
    fault_vfs_uninstall(); /* this test needs no faults, and its files are large */
    till->f.connected = true;
    snprintf(till->log_path, sizeof till->log_path, "%s/log.db", till->f.dir);
}

void till_open(struct till *till)
{
    till_prepare(till);
    till_start(till);
}

void till_stop(struct till *till)
{
    tb_rebuild_free(till->rebuild);
    tb_rebuild_sqlite_free(till->views);
    tb_consumer_free(till->consumer);
    tb_view_reader_free(till->reader);
    tb_view_free(till->view);
    tb_log_reader_free(till->log_reader);
    tb_relay_free(till->relay);
    tb_log_writer_free(till->log_writer);
    tb_outbox_reader_free(till->outbox);
    fixture_close(&till->f);
    tb_log_inproc_free(till->log);
}

void till_close(struct till *till)
{
    till_stop(till);
    fixture_release(&till->f);
}

static void run(struct till *till, struct request *requests, int count)
{
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(tb_writer_post(till->f.writer, &requests[i].job), TB_OK);
    while (requests[count - 1].done == 0)
        (void)tb_writer_step(till->f.writer);
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(requests[i].job.answer.status / 100, 2);
    till->row += count;
}

void till_sell(struct till *till, int orders)
{
    static struct request placed[TB_WRITER_BATCH_MAX], changed[TB_WRITER_BATCH_MAX];
    char key[32];
    int changes = 0;

    for (int i = 0; i < orders; i++) {
        snprintf(key, sizeof key, "key-%lld", (long long)till->row + i);
        request_place(&placed[i], NULL, key, 1);
    }
    run(till, placed, orders);
    for (int i = 0; i < orders; i += 10)
        request_change(&changed[changes++], TB_CMD_ADDRESS, placed[i].job.answer.order_id, NULL,
                       1);
    run(till, changed, changes);
    for (int i = 0; i < orders; i++)
        request_release(&placed[i]);
    for (int i = 0; i < changes; i++)
        request_release(&changed[i]);
}

void till_change(struct till *till, const char *order_id)
{
    struct request changed;

    request_change(&changed, TB_CMD_ADDRESS, order_id, NULL, 1);
    run(till, &changed, 1);
    request_release(&changed);
}

void till_corrupt_last(struct till *till)
{
    struct tb_error err = {0};
    struct tb_db *db = NULL;

    ck_ok(tb_db_open(till->f.path, TB_DB_DURABLE, 0, &db, &err));
    ck_ok(tb_db_exec(db,
                     "UPDATE outbox SET payload = substr(payload, 2)"
                     " WHERE row = (SELECT max(row) FROM outbox)",
                     &err));
    tb_db_close(db);
}

static int64_t lag(const struct till *till)
{
    struct tb_log_range range = tb_log_inproc_range(till->log, GROUP);

    return range.end - (range.committed < 0 ? range.begin : range.committed);
}

static bool sends_snapshots(struct till *till)
{
    struct tb_outbox_snapshots left = {0};
    struct tb_error err = {0};

    ck_ok(tb_outbox_read_snapshots(till->outbox, TB_CURSOR_INPROC, &left, &err));
    return left.next <= left.last;
}

void till_recover(struct till *till)
{
    for (int steps = 0; sends_snapshots(till); steps++) {
        ck_assert_int_lt(steps, CATCH_UP_STEPS_MAX);
        (void)tb_relay_step(till->relay);
        (void)tb_consumer_step(till->consumer, 0);
        fake_clock_advance(&till->f.clock, TB_RELAY_IDLE_MS);
        (void)tb_writer_step(till->f.writer);
    }
    till_catch_up(till);
}

void till_catch_up(struct till *till)
{
    int64_t wall_ms = till->f.clock.wall_ms, cursor = 0;
    struct tb_error err = {0};

    if (till->kafka_is_reached)
        tb_writer_post_cursor(till->f.writer, TB_CURSOR_KAFKA, till->row, wall_ms);
    for (int steps = 0; cursor < till->row || lag(till) > 0; steps++) {
        ck_assert_int_lt(steps, CATCH_UP_STEPS_MAX);
        (void)tb_relay_step(till->relay);
        (void)tb_consumer_step(till->consumer, 0);
        fake_clock_advance(&till->f.clock, TB_RELAY_IDLE_MS); /* the cursor is due by then */
        (void)tb_writer_step(till->f.writer);
        ck_ok(tb_outbox_cursor(till->outbox, TB_CURSOR_INPROC, &cursor, &err));
    }
}

void till_pass_hour(struct till *till)
{
    int64_t hour_ms = 60 * INT64_C(60000);

    fake_clock_advance(&till->f.clock, hour_ms);
    while (tb_writer_step(till->f.writer) == 0)
        ;
    (void)tb_consumer_step(till->consumer, 0);
    for (int i = 0; i < 4; i++) { /* a step removes at most 1,000 records of the log */
        fake_clock_advance(&till->f.clock, TB_RELAY_IDLE_MS);
        (void)tb_relay_step(till->relay);
    }
    (void)tb_rebuild_step(till->rebuild);
}

enum tb_rebuild_state till_rebuild(struct till *till)
{
    const struct tb_rebuild_job job = {0};
    struct tb_rebuild_progress figures;
    struct tb_error err = {0};

    ck_ok(tb_rebuild_start(till->rebuild, &job, &err));
    for (int steps = 0; steps < REBUILD_STEPS_MAX; steps++) {
        (void)tb_rebuild_step(till->rebuild);
        tb_rebuild_get_progress(till->rebuild, &figures);
        if (!tb_rebuild_is_running(figures.state))
            return figures.state;
    }
    ck_abort_msg("the rebuild does not end: %s", figures.problem);
    return TB_REBUILD_NONE;
}

int64_t till_file_bytes(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 ? (int64_t)info.st_size : 0;
}
