#include "bridge/relay/fixture.h"
#include <stdio.h>
#include <stdlib.h>

struct fixture f;
struct tb_outbox_reader *outbox;
struct tb_relay *relay;
int64_t rows, cursor;
int problems, recoveries;
enum tb_code last_problem;
struct relay_row row_of[ROWS_MAX];
struct relay_script script;
struct relay_parked_order parked[PARKED_MAX];
int parked_count, park_refusals;
bool parks, unparks;

bool is_parked(int64_t row)
{
    for (int i = 0; i < parked_count; i++)
        if (strcmp(parked[i].key, row_of[row].key) == 0)
            return row >= parked[i].row;
    return false;
}

bool happens(unsigned chance)
{
    return fake_random_below(&script.random, 1000) < chance;
}

/* Nothing of an order overtakes what was refused of it. */
static bool follows_refused(int64_t row)
{
    for (size_t i = 0; i < script.pending_count; i++) {
        int64_t before = script.pending[i];

        if (!script.stored[i] && strcmp(row_of[before].key, row_of[row].key) == 0)
            return true;
    }
    return false;
}

static enum tb_code script_append(struct tb_log_writer *writer, const struct tb_record *record,
                                  int64_t tag, struct tb_error *err)
{
    (void)writer;
    script.appends++;
    ck_assert_int_ge(tag, 1);
    ck_assert_int_le(tag, rows);
    ck_assert(tb_str_eq(record->key, tb_str_of(row_of[tag].key)));
    if (script.pending_count == TB_LOG_BATCH_MAX || happens(script.busy))
        return tb_error_set(err, TB_BUSY, "full");
    if (happens(script.refuse))
        return tb_error_set(err, TB_UNAVAILABLE, "refused");
    if ((tag == script.invalid_row && !script.answer_invalid) ||
        (row_of[tag].refused && (script.refuses_at_append || row_of[tag].at_append)))
        return tb_error_set(err, TB_INVALID, "never");
    script.alone = script.pending_count == 0;
    bool lost = row_of[tag].refused || (parks && follows_refused(tag)) || happens(script.lose) ||
                tag == script.invalid_row || tag == script.lose_row;
    if (!lost) {
        ck_assert_uint_lt(script.written_count, WRITTEN_MAX);
        script.written[script.written_count++] = tag;
    }
    script.stored[script.pending_count] = !lost;
    script.pending[script.pending_count++] = tag;
    return TB_OK;
}

static enum tb_code script_poll(struct tb_log_writer *writer, int64_t wait_ms,
                                struct tb_log_ack *ret_acks, size_t max, size_t *ret_count,
                                struct tb_error *err)
{
    size_t n = 0;

    (void)writer;
    (void)wait_ms;
    script.polls++;
    fake_clock_advance(&f.clock, script.poll_takes_ms);
    if (happens(script.poll_fails)) {
        script.pending_count = 0;
        return tb_error_set(err, TB_UNAVAILABLE, "the log is gone");
    }
    while (n < max && script.pending_count > 0 && !happens(script.hold_back)) {
        size_t i = script.hold_back ? fake_random_below(&script.random, script.pending_count) : 0;
        int64_t row = script.pending[i];
        if (row == script.silent_row)
            break;
        bool ok = script.stored[i] && !happens(script.unknown);
        enum tb_code no = row == script.invalid_row ? TB_INVALID : TB_UNKNOWN;

        row_of[row].acknowledged |= ok;
        if (row_of[row].refused && script.alone)
            no = TB_INVALID;
        ret_acks[n++] = (struct tb_log_ack){.tag = row,
                                            .code = ok ? TB_OK : no,
                                            .retry_alone = row_of[row].refused && !script.alone};
        script.pending_count--;
        for (; i < script.pending_count; i++) {
            script.pending[i] = script.pending[i + 1];
            script.stored[i] = script.stored[i + 1];
        }
    }
    *ret_count = n;
    return TB_OK;
}

static const struct tb_log_writer_ops script_ops = {
    .append = script_append, .poll = script_poll, .free = NULL};

void script_calm(void)
{
    script.busy = script.refuse = script.lose = script.unknown = 0;
    script.hold_back = script.poll_fails = 0;
    script.invalid_row = script.lose_row = script.silent_row = 0;
}

static void on_cursor(void *ctx, const char *name, int64_t row, int64_t at_ms)
{
    (void)ctx;
    ck_assert_str_eq(name, TB_CURSOR_INPROC);
    ck_assert_int_eq(at_ms, f.clock.wall_ms);
    ck_assert_int_gt(row, cursor);
    for (int64_t r = cursor + 1; r <= row; r++)
        ck_assert_msg(row_of[r].acknowledged || is_parked(r), "the cursor passed row %d", (int)r);
    cursor = row;
}

static bool park(void *ctx, const char *name, const struct tb_parked_order *order,
                 const char *reason)
{
    (void)ctx;
    ck_assert_str_eq(name, TB_CURSOR_INPROC);
    int64_t row = order->row;
    ck_assert_str_eq(order->order_id, row_of[row].key);
    ck_assert_msg(row_of[row].refused, "row %d is parked", (int)row);
    ck_assert(unparks || !is_parked(row));
    if (park_refusals > 0) {
        park_refusals--;
        return false;
    }
    while (!tb_writer_post_parked(f.writer, name, order, reason, f.clock.wall_ms)) {
        fake_clock_advance(&f.clock, 100);
        (void)tb_writer_step(f.writer);
    }
    ck_assert_int_lt(parked_count, PARKED_MAX);
    int at = 0;
    while (at < parked_count && strcmp(parked[at].key, order->order_id) != 0)
        at++;
    struct relay_parked_order *seen = &parked[at];
    parked_count += at == parked_count;
    memcpy(seen->key, order->order_id, TB_UUID_SIZE);
    seen->row = row;
    snprintf(seen->reason, sizeof seen->reason, "%s", reason);
    return true;
}

/* The log has all of the order. */
static bool unparked(void *ctx, const char *name, const char *order_id)
{
    (void)ctx;
    ck_assert_str_eq(name, TB_CURSOR_INPROC);
    for (int i = 0; i < parked_count; i++) {
        if (strcmp(parked[i].key, order_id) == 0)
            parked[i--] = parked[--parked_count];
    }
    while (!tb_writer_post_unparked(f.writer, name, order_id)) {
        fake_clock_advance(&f.clock, 100);
        (void)tb_writer_step(f.writer);
    }
    return true;
}

static void on_problem(void *ctx, const struct tb_error *err)
{
    (void)ctx;
    last_problem = err->code;
    if (err->code == TB_OK)
        recoveries++;
    else
        problems++;
}

void open_relay(struct tb_log_writer *writer, bool offline)
{
    const struct tb_relay_options options = {.node = "till1",
                                             .cursor_name = TB_CURSOR_INPROC,
                                             .outbox = outbox,
                                             .writer = writer,
                                             .clock = &f.clock.clock,
                                             .random = &f.random.random,
                                             .start_offline = offline,
                                             .ack_wait_ms = parks ? 5 : 0,
                                             .park = parks ? park : NULL,
                                             .unparked = unparks ? unparked : NULL,
                                             .on_cursor = on_cursor,
                                             .on_problem = on_problem};
    struct tb_error err = {0};

    ck_ok(tb_relay_new(&options, &relay, &err));
}

static void open_all(void)
{
    struct tb_error err = {0};

    fixture_open(&f);
    ck_ok(tb_outbox_reader_open(f.path, &outbox, &err));
    script.base.ops = &script_ops;
    fake_random_init(&script.random, 1);
    open_relay(&script.base, false);
}

/* Most tests need no faulty file system, which is slow with many rows. */
void relay_setup(void)
{
    fixture_init(&f);
    fault_vfs_uninstall();
    open_all();
}

void relay_setup_with_faults(void)
{
    fixture_init(&f);
    open_all();
}

void relay_teardown(void)
{
    tb_relay_free(relay);
    tb_outbox_reader_free(outbox);
    fixture_release(&f);
}

void commit_requests(struct request *requests, int count)
{
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(tb_writer_post(f.writer, &requests[i].job), TB_OK);
    while (requests[count - 1].done == 0)
        (void)tb_writer_step(f.writer);
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(requests[i].job.answer.status / 100, 2);
        rows++;
        ck_assert_int_lt(rows, ROWS_MAX);
        memcpy(row_of[rows].key, requests[i].job.command.order_id, TB_UUID_SIZE);
        row_of[rows].version = requests[i].job.answer.version;
        request_release(&requests[i]);
    }
}

void add_rows(int count)
{
    static int orders;
    static struct request requests[100];

    while (count > 0) {
        int n = count < 100 ? count : 100;

        for (int i = 0; i < n; i++) {
            int few = orders < 6 ? orders : 6;
            bool place = few == 0 || fake_random_below(&f.random, 6) == 0;
            int order =
                place ? orders++ : orders - 1 - (int)fake_random_below(&f.random, (uint64_t)few);
            char id[TB_UUID_SIZE];

            snprintf(id, sizeof id, "01890000-0000-7000-8000-%012d", order);
            if (place)
                request_place(&requests[i], id, NULL, 1);
            else
                request_change(&requests[i], TB_CMD_ADDRESS, id, NULL, 1);
        }
        commit_requests(requests, n);
        count -= n;
    }
}

int64_t step(void)
{
    int64_t wait_ms = tb_relay_step(relay);

    ck_assert_int_ge(wait_ms, 0);
    ck_assert_int_le(wait_ms, 5000);
    if (wait_ms > 0)
        fake_clock_advance(&f.clock,
                           happens(100) ? (int64_t)fake_random_below(&script.random, 3) : wait_ms);
    return wait_ms;
}

void drain(void)
{
    for (int i = 0; cursor < rows; i++) {
        ck_assert_int_lt(i, 20000);
        step();
    }
}

void check_all_in_order(void)
{
    int64_t *next = calloc(ROWS_MAX, sizeof *next); /* by the row that placed the order */

    ck_assert_ptr_nonnull(next);
    for (size_t i = 0; i < script.written_count; i++) {
        int64_t row = script.written[i], first = 1;

        ck_assert_msg(!is_parked(row), "row %d is in the log", (int)row);
        while (strcmp(row_of[first].key, row_of[row].key) != 0)
            first++;
        if (row_of[row].version == next[first] + 1)
            next[first]++;
    }
    for (int64_t row = 1; row <= rows; row++) {
        int64_t first = 1;

        if (is_parked(row))
            continue;
        while (strcmp(row_of[first].key, row_of[row].key) != 0)
            first++;
        ck_assert_int_ge(next[first], row_of[row].version);
    }
    free(next);
}

void relay_log_open(struct relay_log *on, const struct tb_clock *clock)
{
    struct tb_error err = {0};
    char path[160];

    snprintf(path, sizeof path, "%s/log.db", f.dir);
    ck_ok(tb_log_inproc_open(path, clock, &on->log, &err));
    ck_ok(tb_log_inproc_writer(on->log, &on->writer, &err));
    ck_ok(tb_log_inproc_reader(on->log, "view", &on->reader, &err));
}

void relay_log_close(struct relay_log *on)
{
    on->reader->ops->free(on->reader);
    on->writer->ops->free(on->writer);
    tb_log_inproc_free(on->log);
}
