#include "store/fixture.h"
#include <inttypes.h>
#include <stdio.h>

static const char *const cursor_names[] = {TB_CURSOR_INPROC, TB_CURSOR_KAFKA};

static int64_t disk_free(void *ctx)
{
    return ((struct fixture *)ctx)->disk_free;
}

static void committed(void *ctx)
{
    ((struct fixture *)ctx)->committed++;
}

static void lost(void *ctx, const char *epoch, int64_t sequence, int64_t number)
{
    struct fixture *f = ctx;

    ck_assert_str_eq(epoch, tb_store_epoch(f->store));
    f->losses++;
    f->lost_sequence = sequence;
    f->lost_number = number;
}

void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    fault_vfs_install();
    tmpdir_make(f->dir);
    snprintf(f->path, sizeof f->path, "%s/store.db", f->dir);
    fake_clock_init(&f->clock, FIXTURE_WALL_MS);
    tb_checkpoints_init(&f->checkpoints, "store.db", &f->clock.clock, NULL, NULL);
    fake_random_init(&f->random, 7);
    f->disk_free = INT64_MAX;
    f->outbox_keep_ms = FIXTURE_DAY_MS;
}

void fixture_release(struct fixture *f)
{
    fixture_close(f);
    tb_checkpoints_release(&f->checkpoints);
    fault_vfs_uninstall();
    tmpdir_remove(f->dir);
}

enum tb_code fixture_try_open(struct fixture *f, struct tb_error *err)
{
    const struct tb_store_options options = {.path = f->path,
                                             .node = "till1",
                                             .folder = &f->folder,
                                             .clock = &f->clock.clock,
                                             .random = &f->random.random,
                                             .checkpoints = &f->checkpoints,
                                             .event_max_bytes = f->event_max_bytes};

    TB_TRY(tb_store_open(&options, &f->store, err));
    const struct tb_writer_options writer_options = {.store = f->store,
                                                     .clock = &f->clock.clock,
                                                     .disk_reserve_bytes = 1000,
                                                     .disk_free = disk_free,
                                                     .disk_ctx = f,
                                                     .outbox_keep_ms = f->outbox_keep_ms,
                                                     .idempotency_keep_ms = FIXTURE_DAY_MS,
                                                     .cursor_names = cursor_names,
                                                     .cursor_count = f->connected ? 2 : 1,
                                                     .lost = lost,
                                                     .lost_ctx = f,
                                                     .committed = committed,
                                                     .committed_ctx = f};
    return tb_writer_new(&writer_options, &f->writer, err);
}

void fixture_open(struct fixture *f)
{
    struct tb_error err = {0};

    ck_ok(fixture_try_open(f, &err));
}

void fixture_close(struct fixture *f)
{
    tb_writer_free(f->writer);
    f->writer = NULL;
    f->store = NULL;
}

void fixture_reopen(struct fixture *f)
{
    fixture_close(f);
    if (fault_vfs_power_is_off())
        fault_vfs_reboot();
    fault_vfs_heal();
    fixture_open(f);
}

static void request_done(struct tb_job *job)
{
    ((struct request *)job)->done++;
}

static void request_init(struct request *r, enum tb_command_type type, const char *order_id,
                         const char *key, unsigned body)
{
    memset(r, 0, sizeof *r);
    r->job.type = TB_JOB_COMMAND;
    r->job.done = request_done;
    r->job.arena = &r->arena;
    r->job.command.type = type;
    if (order_id)
        snprintf(r->job.command.order_id, TB_UUID_SIZE, "%s", order_id);
    if (key) {
        snprintf(r->key, sizeof r->key, "%s", key);
        r->job.idempotency_key = tb_str_of(r->key);
    }
    memcpy(r->job.fingerprint, &body, sizeof body);
    for (int i = 0; i < 3; i++)
        r->lines[i] = (struct tb_line){.sku = TB_STR("TEA-1"),
                                       .name = TB_STR("Green tea"),
                                       .quantity = i + 1,
                                       .unit_price_minor = 350 + body};
}

void request_place(struct request *r, const char *order_id, const char *key, unsigned body)
{
    struct tb_command *command = &r->job.command;

    request_init(r, TB_CMD_PLACE, order_id, key, body);
    memcpy(command->currency, "EUR", 4);
    command->source = TB_STR("POS");
    command->customer_id = TB_STR("C-1001");
    command->lines = r->lines;
    command->line_count = 3;
    ck_assert(tb_lines_total(r->lines, 3, &command->total_minor));
}

void request_change(struct request *r, enum tb_command_type type, const char *order_id,
                    const char *key, unsigned body)
{
    struct tb_command *command = &r->job.command;

    request_init(r, type, order_id, key, body);
    if (type == TB_CMD_LINES) {
        command->lines = r->lines;
        command->line_count = 2;
    } else if (type == TB_CMD_ADDRESS) {
        command->has_address = true;
        command->address = (struct tb_address){
            .line1 = TB_STR("1 High Street"), .city = TB_STR("Leeds"), .country = TB_STR("GB")};
    }
}

void request_release(struct request *r)
{
    tb_answer_release(&r->job.answer);
    tb_arena_release(&r->arena);
}

void fixture_run(struct fixture *f, struct request *r)
{
    ck_assert_int_eq(tb_writer_post(f->writer, &r->job), TB_OK);
    tb_writer_step(f->writer);
    ck_assert_int_eq(r->done, 1);
}

void fixture_place(struct fixture *f, char ret_id[TB_UUID_SIZE])
{
    struct request r;

    request_place(&r, NULL, NULL, 1);
    fixture_run(f, &r);
    ck_assert_int_eq(r.job.answer.status, 201);
    if (ret_id)
        memcpy(ret_id, r.job.answer.order_id, TB_UUID_SIZE);
    request_release(&r);
}

bool fixture_park(struct fixture *f, const char *order_id, int64_t row, const char *reason,
                  int64_t at_ms)
{
    struct tb_parked_order order = {.row = row};

    snprintf(order.order_id, sizeof order.order_id, "%s", order_id);
    return tb_writer_post_parked(f->writer, TB_CURSOR_KAFKA, &order, reason, at_ms);
}

int64_t fixture_query_file(const char *path, const char *sql)
{
    struct tb_error err = {0};
    struct tb_db *db = NULL;
    int64_t value = 0;

    ck_ok(tb_db_open(path, TB_DB_READER, 0, &db, &err));
    ck_ok(tb_db_query_int64(db, sql, &value, &err));
    tb_db_close(db);
    return value;
}

int64_t fixture_query(struct fixture *f, const char *sql)
{
    return fixture_query_file(f->path, sql);
}

void fixture_check_consistent(struct fixture *f)
{
    /* Each counts what must not be there. */
    static const char *const faults[] = {
        "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
        "SELECT count(*) FROM pragma_foreign_key_check",
        /* numbers from 1, without a gap; the receipt says the same */
        "SELECT coalesce(max(number), 0) - count(*) FROM orders",
        "SELECT count(*) FROM orders WHERE json_extract(doc, '$.orderNumber') <>"
        " printf('till1-%06d', number)",
        /* rows without a gap, and the counter beside them */
        "SELECT coalesce(max(row) - min(row) + 1, 0) - count(*) FROM outbox",
        "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0) -"
        " coalesce((SELECT max(row) FROM outbox), 0)",
        /* an order's newest event is the outbox row it names, with its version */
        "SELECT count(*) FROM orders o WHERE last_row >= (SELECT min(row) FROM outbox) AND"
        " NOT EXISTS(SELECT 1 FROM outbox WHERE row = o.last_row AND order_id = o.order_id"
        " AND version = o.version)",
        /* no event of an order that is not there, none newer than it */
        "SELECT count(*) FROM outbox e LEFT JOIN orders o USING(order_id)"
        " WHERE o.version IS NULL OR e.version > o.version",
        /* versions without a gap, in the order of the rows */
        "SELECT count(*) FROM (SELECT version, row_number() OVER (PARTITION BY order_id"
        " ORDER BY row) + min(version) OVER (PARTITION BY order_id) - 1 AS due FROM outbox)"
        " WHERE version <> due",
        "SELECT count(*) FROM outbox e JOIN orders o USING(order_id) WHERE e.version = 1 AND"
        " o.version = 1 AND e.payload <> o.doc",
        "SELECT count(*) FROM orders WHERE json_extract(doc, '$.version') <> version OR"
        " json_extract(doc, '$.status') <> status OR"
        " json_extract(doc, '$.totalMinor') <> total_minor",
        "SELECT count(*) FROM cursors WHERE row > (SELECT max(row) FROM outbox)",
        "SELECT count(*) <> 1 FROM meta",
        "SELECT count(*) < 1 FROM epochs",
    };
    struct tb_error err = {0};
    struct tb_db *db = NULL;

    ck_ok(tb_db_open(f->path, TB_DB_READER, 0, &db, &err));
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        int64_t count = -1;

        ck_ok(tb_db_query_int64(db, faults[i], &count, &err));
        ck_assert_msg(count == 0, "%" PRId64 " by: %s", count, faults[i]);
    }
    tb_db_close(db);
}
