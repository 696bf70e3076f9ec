#include "query/rebuild/rebuild_world.h"
#include "base/sqlite/db.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A rebuild of these histories takes far fewer steps. */
#define STEPS_MAX 200000

static void free_nothing(struct tb_log_reader *reader)
{
    (void)reader;
}

static struct tb_log_reader_ops with_free; /* of a fake log, with a free that does nothing */

static void init_log(struct world *world, struct fake_log *log)
{
    fake_log_init(log, &world->fake);
    with_free = *log->reader.ops;
    with_free.free = free_nothing;
    log->reader.ops = &with_free;
    log->batch_max = 5;
    log->partitions = 1;
}

void world_init(struct world *world, uint64_t seed, const struct history_options *options)
{
    memset(world, 0, sizeof *world);
    tmpdir_make(world->dir);
    fake_clock_init(&world->clock, HISTORY_START_MS);
    fake_random_init(&world->fake, seed);
    history_make(&world->history, &world->fake, options);
    init_log(world, &world->live_log);
    init_log(world, &world->rebuild_log);
    world->build = "1";
    world->has_room = true;
    world->seen = calloc(options->orders + 1, sizeof *world->seen);
    ck_assert_ptr_nonnull(world->seen);
}

void world_release(struct world *world)
{
    world_stop(world);
    fake_log_release(&world->live_log);
    fake_log_release(&world->rebuild_log);
    history_release(&world->history);
    free(world->seen);
    tmpdir_remove(world->dir);
}

void world_add_record(struct world *world, const struct tb_record *record)
{
    struct tb_record stamped = *record;

    stamped.timestamp_ms = world->clock.wall_ms;
    fake_log_add(&world->live_log, &stamped);
    fake_log_add(&world->rebuild_log, &stamped);
    fake_clock_advance(&world->clock, 1000);
}

bool world_add(struct world *world)
{
    if (world->added == world->history.record_count)
        return false;
    world_add_record(world, &world->history.records[world->added++]);
    return true;
}

static enum tb_code open_reader(void *ctx, struct tb_log_reader **ret_reader, struct tb_error *err)
{
    struct world *world = ctx;

    (void)err;
    fake_log_reopen(&world->rebuild_log);
    *ret_reader = &world->rebuild_log.reader;
    return TB_OK;
}

/* There is only one thread, so no batch is under way now. */
static enum tb_code call_in_consumer(void *ctx,
                                     enum tb_code (*call)(void *arg, struct tb_error *err),
                                     void *arg, struct tb_error *err)
{
    (void)ctx;
    return call(arg, err);
}

static void moved(void *ctx, struct tb_view *view)
{
    struct world *world = ctx;

    tb_consumer_switch_view(world->consumer, view);
    world->view = view;
    world->moves++;
}

static bool has_room(void *ctx)
{
    return ((struct world *)ctx)->has_room;
}

static bool start_consumer(struct world *world)
{
    struct tb_consumer_options options = {
        .reader = &world->live_log.reader,
        .view = world->view,
        .clock = &world->clock.clock,
        .random = &world->fake.random,
        .rules = {.currency = "EUR"},
        .dead_letter_keep_ms = -1,
    };
    struct tb_error err = {0};

    fake_log_reopen(&world->live_log);
    return tb_consumer_new(&options, &world->consumer, &err) == TB_OK;
}

static bool start_rebuild(struct world *world)
{
    struct tb_rebuild_sqlite_options sqlite = {
        .uptime = &world->uptime,
        .folder = world->dir,
        .build = world->build,
        .clock = &world->clock.clock,
        .serving = world->view,
        .readers = {world->reader},
        .reader_count = 1,
        .open_reader = open_reader,
        .call_in_consumer = call_in_consumer,
        .moved = moved,
        .has_room = has_room,
        .ctx = world,
    };
    struct tb_rebuild_options options = {
        .backend = &tb_rebuild_sqlite_backend,
        .clock = &world->clock.clock,
        .random = &world->fake.random,
        .rules = {.currency = "EUR"},
        .partitions = 1,
    };
    struct tb_error err = {0};

    if (tb_rebuild_sqlite_new(&sqlite, &world->sqlite, &err) != TB_OK)
        return false;
    options.backend_ctx = world->sqlite;
    return tb_rebuild_new(&options, &world->rebuild, &err) == TB_OK;
}

bool world_start(struct world *world)
{
    struct tb_generations all = {0};
    struct tb_error err = {0};
    char path[TB_VIEW_PATH_SIZE];

    if (tb_generations_read(world->dir, &all, &err) != TB_OK)
        return false;
    tb_generations_path(world->dir, all.served, path);
    if (tb_view_sqlite_open(path, &world->view, &err) != TB_OK ||
        tb_view_sqlite_reader(path, &world->reader, &err) != TB_OK)
        return false;
    return start_consumer(world) && start_rebuild(world);
}

void world_stop(struct world *world)
{
    tb_rebuild_free(world->rebuild);
    tb_rebuild_sqlite_free(world->sqlite);
    tb_consumer_free(world->consumer);
    tb_view_reader_free(world->reader);
    if (world->view)
        world->view->ops->free(world->view);
    world->rebuild = NULL;
    world->sqlite = NULL;
    world->consumer = NULL;
    world->reader = NULL;
    world->view = NULL;
}

bool world_live_drained(struct world *world)
{
    struct tb_error err = {0};

    for (int32_t p = 0; p < TEST_PARTITIONS; p++) {
        int64_t next = -1;

        if (world->view->ops->offset(world->view, p, &next, &err) != TB_OK ||
            (world->live_log.counts[p] > 0 && next != (int64_t)world->live_log.counts[p]))
            return false;
    }
    return true;
}

void world_read_on(struct world *world)
{
    for (int steps = 0; !world_live_drained(world); steps++) {
        ck_assert_int_lt(steps, STEPS_MAX);
        (void)tb_consumer_step(world->consumer, 0);
    }
}

void world_look(struct world *world, size_t order)
{
    struct tb_view_reader *reader = world->reader;
    struct tb_str id = tb_str_of(world->history.orders[order].order.order_id);
    TB_CLEANUP(tb_buf_release) struct tb_buf doc = {0};
    struct tb_error err = {0};
    int64_t version = 0;
    enum tb_code code = reader->ops->get(reader, id, &doc, &version, &err);

    ck_assert_msg(code == TB_OK || code == TB_NOT_FOUND, "%s", err.text);
    ck_assert_int_ge(version, world->seen[order]);
    world->seen[order] = version;
}

struct tb_rebuild_progress *world_progress(struct world *world)
{
    static struct tb_rebuild_progress progress;

    tb_rebuild_get_progress(world->rebuild, &progress);
    return &progress;
}

enum tb_rebuild_state world_finish(struct world *world)
{
    for (int steps = 0; steps < STEPS_MAX; steps++) {
        struct tb_rebuild_progress *progress = world_progress(world);

        if (!tb_rebuild_is_running(progress->state))
            return progress->state;
        ck_assert_int_le(progress->events, progress->total);
        (void)tb_rebuild_step(world->rebuild);
        if (world->consumer)
            (void)tb_consumer_step(world->consumer, 0);
        world_look(world, (size_t)steps % world->history.order_count);
    }
    ck_abort_msg("the rebuild does not end: %s", world_progress(world)->problem);
    return TB_REBUILD_NONE;
}

enum tb_rebuild_state world_rebuild(struct world *world, bool accept, bool rollback)
{
    struct tb_rebuild_job job = {.accept = accept, .rollback = rollback};
    struct tb_error err = {0};

    ck_ok(tb_rebuild_start(world->rebuild, &job, &err));
    ck_assert_int_eq(tb_rebuild_start(world->rebuild, &job, &err), TB_CONFLICT);
    return world_finish(world);
}

static void dump(struct tb_db *db, const char *sql, int columns, struct tb_buf *out)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    struct tb_error err = {0};
    bool row = false;

    ck_ok(tb_stmt_prepare(&stmt, db, sql, &err));
    for (;;) {
        ck_ok(tb_stmt_step(&stmt, &row, &err));
        if (!row)
            return;
        for (int i = 0; i < columns; i++) {
            tb_buf_addc(out, ' ');
            tb_buf_add_str(out, tb_stmt_text(&stmt, i));
        }
        tb_buf_addc(out, '\n');
    }
}

char *world_dump(struct world *world, int64_t generation, bool letters)
{
    struct tb_buf out = {0};
    struct tb_error err = {0};
    struct tb_db *db = NULL;
    char path[TB_VIEW_PATH_SIZE];

    tb_generations_path(world->dir, generation, path);
    ck_ok(tb_db_open(path, TB_DB_READER, 0, &db, &err));
    dump(db,
         "SELECT order_id, version, placed_at, business_date, node, status, source, currency,"
         " kind, total_minor, customer_id, epoch, sequence, received_at, doc, replaced,"
         " earlier_epochs, hex(events) FROM orders ORDER BY order_id",
         18, &out);
    dump(db, "SELECT partition, next FROM offsets ORDER BY partition", 2, &out);
    if (letters)
        dump(db,
             "SELECT partition, \"offset\", last_offset, order_id, version, type, reason, message,"
             " status, attempts, follows, dead_at, changed_at, timestamp, hex(key), hex(headers),"
             " hex(value) FROM dead_letters ORDER BY partition, \"offset\"",
             17, &out);
    tb_db_close(db);
    ck_assert(tb_buf_ok(&out));
    return out.data ? out.data : strdup("");
}

int64_t world_served(struct world *world)
{
    struct tb_rebuild_generations views;

    tb_rebuild_get_generations(world->rebuild, &views);
    return views.served;
}

void world_tamper(struct world *world, const char *sql)
{
    struct tb_error err = {0};
    struct tb_db *db = NULL;
    char path[TB_VIEW_PATH_SIZE];

    tb_generations_path(world->dir, world_served(world), path);
    ck_ok(tb_db_open(path, TB_DB_DERIVED, 0, &db, &err));
    ck_ok(tb_db_exec(db, sql, &err));
    tb_db_close(db);
}
