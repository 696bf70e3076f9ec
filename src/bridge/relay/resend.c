#include "base/thread/process.h"
#include "bridge/relay/relay_priv.h"
#include <stdio.h>
#include <stdlib.h>

#define PAGE_MAX TB_RELAY_RESEND_PAGE
#define SECOND_US INT64_C(1000000)
/* The node's own log may get its last rows later than Kafka. */
#define END_WAIT_US INT64_C(100000)
/* Tags below 0 are of resends: a round, and the place in its batch. */
#define TAGS_PER_ROUND INT64_C(1024)
_Static_assert(PAGE_MAX < TAGS_PER_ROUND, "a tag for each record of a batch");

bool tb_relay_is_resending(const struct tb_relay *relay)
{
    return relay->resend.state.id != 0 && !relay->resend.state.held;
}

/* True: the row must wait, because the log may lack earlier events of its order. */
bool tb_relay_must_hold(const struct tb_relay *relay, const struct tb_outbox_row *row)
{
    return row->version > 1 && tb_relay_is_resending(relay);
}

static void post(struct tb_relay *relay, enum tb_resend_event event, bool snapshots)
{
    const struct tb_relay_options *options = &relay->options;

    options->resend->on_resend(options->resend->ctx, options->cursor_name, &relay->resend.state,
                               event, snapshots);
}

static void close_log(struct tb_relay *relay)
{
    struct tb_relay_resend *resend = &relay->resend;

    tb_log_reader_free(resend->log);
    resend->log = NULL;
    resend->batch = (struct tb_log_batch){0};
    resend->at = resend->page = 0;
    resend->alone = resend->failed = false;
    resend->outstanding = 0;
    resend->page_sent = resend->page_row = 0;
    resend->round++;
}

void tb_relay_resend_release(struct tb_relay *relay)
{
    close_log(relay);
}

/* Which row of the outbox the record was. 0: none of this store's events. */
static int64_t row_of(struct tb_relay *relay, const struct tb_record *record)
{
    struct tb_relay_resend *resend = &relay->resend;
    struct tb_str epoch = tb_record_header(record, "ce_epoch");
    struct tb_str sequence = tb_record_header(record, "ce_sequence");
    struct tb_error ignored = {0};
    int64_t number = 0;

    if (!tb_str_eq(tb_record_header(record, "ce_source"), tb_str_of(relay->source)) ||
        epoch.len >= sizeof resend->epoch || sequence.len != (size_t)TB_SEQUENCE_DIGITS)
        return 0;
    for (size_t i = 0; i < sequence.len; i++) {
        if (sequence.ptr[i] < '0' || sequence.ptr[i] > '9' || number > INT64_MAX / 20)
            return 0;
        number = 10 * number + (sequence.ptr[i] - '0');
    }
    if (!tb_str_eq(epoch, tb_str_of(resend->epoch))) {
        if (tb_outbox_epoch_first(relay->options.outbox, epoch, &resend->epoch_first, &ignored) !=
            TB_OK)
            return 0;
        snprintf(resend->epoch, sizeof resend->epoch, "%.*s", (int)epoch.len, epoch.ptr);
    }
    return resend->epoch_first + number - 1;
}

/* Does the node's own log lack events that are to be sent? It does if it begins behind the first
 * of them: retention has removed records, or the log was made anew and begins with snapshots. */
static enum tb_code lacks_events(struct tb_relay *relay, int64_t begin, bool *ret_lacks,
                                 struct tb_error *err)
{
    struct tb_log_reader *log = relay->resend.log;
    struct tb_log_batch batch = {0};
    int64_t row;

    TB_TRY(log->ops->poll(log, 1, 0, &batch, err));
    row = batch.count > 0 ? row_of(relay, &batch.records[0]) : 0;
    *ret_lacks = row == 0 || row > relay->resend.state.after_row + 1;
    return log->ops->seek(log, 0, begin, err);
}

/* Begins with the log's first record. A log that was made anew, or lost records to retention,
 * since the resend began may lack events too. */
static enum tb_code begin_log(struct tb_relay *relay, int64_t begin, struct tb_error *err)
{
    const struct tb_relay_options *options = &relay->options;
    struct tb_resend *state = &relay->resend.state;
    int64_t last = 0;
    bool lacks = false;

    if (state->through_row < 0)
        state->through_row = relay->cursor;
    if (state->since_ms == 0)
        TB_TRY(lacks_events(relay, begin, &lacks, err));
    if (lacks)
        TB_TRY(tb_outbox_last_number(options->outbox, &last, err));
    state->next = begin;
    if (last > 0)
        relay->snapshots.left = (struct tb_outbox_snapshots){1, last};
    post(relay, TB_RESEND_MOVED, last > 0);
    return TB_OK;
}

/* Opens the node's own log where the resend stands. */
static enum tb_code open_log(struct tb_relay *relay, struct tb_error *err)
{
    const struct tb_relay_options *options = &relay->options;
    struct tb_relay_resend *resend = &relay->resend;
    struct tb_resend *state = &resend->state;
    struct tb_log_range range = {0};

    TB_TRY(options->resend->open_log(options->resend->ctx, &resend->log, err));
    TB_TRY(resend->log->ops->range(resend->log, 0, &range, err));
    if (state->through_row >= 0 && state->next >= range.begin && state->next <= range.end)
        return resend->log->ops->seek(resend->log, 0, state->next, err);
    return begin_log(relay, range.begin, err);
}

void tb_relay_begin_resend(struct tb_relay *relay, const char *reason, int64_t after_row,
                           bool held)
{
    struct tb_relay_resend *resend = &relay->resend;
    bool under_way = resend->state.id != 0;
    uint64_t id = 0;

    tb_random_fill(relay->options.random, &id, sizeof id);
    close_log(relay);
    atomic_store(&relay->reload_resend, false); /* what is stored is older */
    resend->state = (struct tb_resend){.id = 1 + (int64_t)(id >> 2),
                                       .at_ms = tb_clock_wall_ms(relay->options.clock),
                                       .held = held,
                                       .after_row = under_way ? 0 : after_row,
                                       .through_row = -1,
                                       .next = -1};
    snprintf(resend->state.reason, sizeof resend->state.reason, "%s", reason);
    tb_relay_forget_delivered(relay);
    tb_relay_window_unacknowledge(&relay->window);
    post(relay, TB_RESEND_BEGUN, false);
}

static void end(struct tb_relay *relay)
{
    struct tb_relay_resend *resend = &relay->resend;

    close_log(relay);
    post(relay, TB_RESEND_ENDED, false);
    resend->state = (struct tb_resend){0};
    tb_relay_window_release(&relay->window);
    relay->more = true;
}

/* The whole page is acknowledged, or it is sent again. */
static void end_page(struct tb_relay *relay)
{
    struct tb_relay_resend *resend = &relay->resend;

    resend->page_sent = resend->failed ? 0 : resend->page_sent;
    if (resend->failed) {
        resend->at = resend->page;
        resend->failed = false;
        return;
    }
    if (resend->at > resend->page) {
        resend->state.next = resend->batch.records[resend->at - 1].offset + 1;
        resend->state.sent += resend->page_sent;
        if (resend->page_row > resend->state.done_row)
            resend->state.done_row = resend->page_row;
        post(relay, TB_RESEND_MOVED, false);
    }
    resend->page = resend->at;
    resend->page_sent = 0;
}

static bool is_wanted(struct tb_relay *relay, const struct tb_record *record, int64_t *ret_row)
{
    const struct tb_resend *state = &relay->resend.state;
    int64_t row = row_of(relay, record);

    *ret_row = row;
    return row > state->after_row && row <= state->through_row &&
           record->timestamp_ms >= state->since_ms &&
           !tb_record_header(record, "tillbox-mended").ptr &&
           !tb_relay_is_parked(relay, tb_record_header(record, "ce_subject"), row);
}

/* The log once had the record, so its limit was lowered. Of its order it gets no more until that
 * is mended: then all of it, as it is. */
static enum tb_code refuse(struct tb_relay *relay, const struct tb_record *record, int64_t row,
                           struct tb_error *err)
{
    struct tb_str id = tb_record_header(record, "ce_subject");
    struct tb_parked_order order = {
        .row = row, .bytes = (int64_t)record->value.len, .snapshot = true};
    char reason[sizeof err->text];

    snprintf(reason, sizeof reason, "%s", err->text);
    snprintf(order.order_id, sizeof order.order_id, "%.*s", (int)id.len, id.ptr);
    if (!relay->options.park)
        return TB_INVALID;
    return tb_relay_park(relay, &order, reason, err);
}

/* TB_BUSY: not now. */
static enum tb_code append(struct tb_relay *relay, const struct tb_record *record, int64_t row,
                           struct tb_error *err)
{
    struct tb_relay_resend *resend = &relay->resend;
    struct tb_log_writer *writer = relay->options.writer;
    struct tb_str id = tb_record_header(record, "ce_id");
    enum tb_code code = writer->ops->append(
        writer, record, -(resend->round * TAGS_PER_ROUND + (int64_t)resend->at + 1), err);

    if (code == TB_INVALID)
        return refuse(relay, record, row, err);
    TB_TRY(code);
    snprintf(resend->event_ids[resend->at], TB_UUID_SIZE, "%.*s", (int)id.len, id.ptr);
    resend->outstanding++;
    resend->page_sent++;
    return TB_OK;
}

static enum tb_code send_page(struct tb_relay *relay, int64_t max, struct tb_error *err)
{
    struct tb_relay_resend *resend = &relay->resend;

    while (resend->at < resend->batch.count && resend->page_sent < max) {
        const struct tb_record *record = &resend->batch.records[resend->at];
        int64_t row = 0;

        if (is_wanted(relay, record, &row)) {
            enum tb_code code = append(relay, record, row, err);

            if (code == TB_BUSY)
                break;
            TB_TRY(code);
        }
        if (row > resend->page_row && row <= resend->state.through_row)
            resend->page_row = row;
        resend->at++;
        tb_give_way();
    }
    return TB_OK;
}

static enum tb_code step(struct tb_relay *relay, int64_t now_us, struct tb_error *err)
{
    struct tb_relay_resend *resend = &relay->resend;
    int64_t rate = relay->options.resend->rate, max = rate / 10 < PAGE_MAX ? rate / 10 : PAGE_MAX;

    int64_t in_log = 0; /* the node's own log has the rows up to this one */

    if (resend->alone && relay->window.outstanding > 0)
        return TB_OK;
    if (resend->alone)
        max = 1;
    if (!resend->log)
        TB_TRY(open_log(relay, err));
    if (tb_relay_has_snapshots(relay))
        return TB_OK; /* first */
    if (resend->at == resend->batch.count) {
        resend->batch = (struct tb_log_batch){0};
        resend->at = resend->page = 0;
        resend->alone = false;
        TB_TRY(tb_outbox_cursor(relay->options.outbox, TB_CURSOR_INPROC, &in_log, err));
        TB_TRY(resend->log->ops->poll(resend->log, PAGE_MAX, 0, &resend->batch, err));
        if (resend->batch.count == 0) {
            if (in_log >= resend->state.through_row)
                end(relay);
            resend->next_us = now_us + END_WAIT_US;
            return TB_OK;
        }
    }
    TB_TRY(send_page(relay, max > 0 ? max : 1, err));
    resend->next_us = now_us + resend->page_sent * SECOND_US / rate;
    if (resend->outstanding == 0)
        end_page(relay);
    return TB_OK;
}

enum tb_code tb_relay_load_resend(struct tb_relay *relay, struct tb_error *err)
{
    const struct tb_relay_options *options = &relay->options;
    struct tb_resend found = {0};

    if (!options->resend || !atomic_exchange(&relay->reload_resend, false))
        return TB_OK;
    if (tb_outbox_read_resend(options->outbox, options->cursor_name, &found, err) != TB_OK) {
        atomic_store(&relay->reload_resend, true);
        return err->code;
    }
    if (found.id == 0 || found.id == relay->resend.state.id)
        return TB_OK;
    close_log(relay);
    relay->resend.state = found;
    return TB_OK;
}

void tb_relay_resend_step(struct tb_relay *relay, int64_t now_us)
{
    struct tb_relay_resend *resend = &relay->resend;
    struct tb_error err = {0};
    enum tb_code code;

    if (!relay->options.resend || !relay->loaded || resend->outstanding > 0 ||
        relay->snapshots.outstanding > 0 || tb_relay_is_unparking(relay))
        return;
    code = tb_relay_load_resend(relay, &err);
    if (code == TB_OK && tb_relay_is_resending(relay) && now_us >= resend->next_us)
        code = step(relay, now_us, &err);
    if (code == TB_OK)
        return;
    close_log(relay);
    tb_relay_fail(relay, &err);
}

int64_t tb_relay_resend_due_us(const struct tb_relay *relay)
{
    bool waits = relay->resend.outstanding > 0 || tb_relay_has_snapshots(relay);

    return tb_relay_is_resending(relay) && !waits ? relay->resend.next_us : INT64_MAX;
}

bool tb_relay_take_resend_ack(struct tb_relay *relay, const struct tb_log_ack *ack)
{
    struct tb_relay_resend *resend = &relay->resend;
    int64_t round = (-ack->tag - 1) / TAGS_PER_ROUND;
    size_t i = (size_t)((-ack->tag - 1) % TAGS_PER_ROUND);
    struct tb_error err = {0};

    if (ack->tag >= 0)
        return false;
    if (round != resend->round || resend->outstanding == 0)
        return true; /* of a resend that has begun again since */
    resend->outstanding--;
    if (ack->code == TB_OK) {
        tb_relay_note_delivered(relay, ack, resend->event_ids[i]);
        tb_counter_add(&relay->sent, 1);
    } else if (ack->code == TB_INVALID && resend->alone) {
        int64_t row = row_of(relay, &resend->batch.records[i]);

        resend->failed = refuse(relay, &resend->batch.records[i], row, &err) != TB_OK;
        if (resend->failed)
            tb_relay_fail(relay, &err);
    } else if (ack->code == TB_INVALID || ack->retry_alone) {
        resend->failed = resend->alone = true;
    } else {
        resend->failed = true;
        tb_error_set(&err, ack->code, "the log answered '%s' for an event that is sent again",
                     tb_code_name(ack->code));
        tb_relay_fail(relay, &err);
    }
    if (resend->outstanding == 0)
        end_page(relay);
    return true;
}

void tb_relay_fail_resend(struct tb_relay *relay)
{
    if (relay->resend.outstanding == 0)
        return;
    relay->resend.outstanding = 0;
    relay->resend.failed = true;
    end_page(relay);
}
