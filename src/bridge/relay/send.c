#include "base/thread/process.h"
#include "bridge/relay/relay_priv.h"

static enum tb_code load_cursor(struct tb_relay *relay, struct tb_error *err)
{
    if (relay->loaded)
        return TB_OK;
    TB_TRY(
        tb_outbox_cursor(relay->options.outbox, relay->options.cursor_name, &relay->cursor, err));
    if (relay->options.park || relay->options.unparked)
        TB_TRY(tb_outbox_list_parked(relay->options.outbox, relay->options.cursor_name,
                                     relay->parked, TB_RELAY_PARKED_MAX, &relay->parked_count,
                                     err));
    if (relay->options.on_snapshots)
        TB_TRY(tb_outbox_read_snapshots(relay->options.outbox, relay->options.cursor_name,
                                        &relay->snapshots.left, err));
    TB_TRY(tb_relay_load_resend(relay, err));
    relay->last = relay->cursor;
    relay->loaded = true;
    return TB_OK;
}

/* True: the row that was sent last must be answered before the next one is sent. */
static bool is_alone(const struct tb_relay *relay)
{
    return relay->last <= relay->alone_until && relay->window.outstanding > 0;
}

static void send_alone(struct tb_relay *relay, int64_t row)
{
    if (relay->alone_until < row)
        relay->alone_until = row;
}

enum tb_code tb_relay_park(struct tb_relay *relay, const struct tb_parked_order *order,
                           const char *reason, struct tb_error *err)
{
    const struct tb_relay_options *options = &relay->options;

    if (relay->parked_count == TB_RELAY_PARKED_MAX)
        return tb_error_set(err, TB_INVALID,
                            "outbox row %lld is refused, and so were events of %d orders before: "
                            "no more are parked",
                            (long long)order->row, TB_RELAY_PARKED_MAX);
    if (!options->park(options->ctx, options->cursor_name, order, reason))
        return tb_error_set(err, TB_UNAVAILABLE,
                            "outbox row %lld is refused: waiting to store that",
                            (long long)order->row);
    tb_relay_add_parked(relay, order);
    return TB_OK;
}

static void copy_order(char ret_order_id[TB_UUID_SIZE], const struct tb_outbox_row *row)
{
    TB_ASSERT(row->order_id.len < TB_UUID_SIZE);
    memcpy(ret_order_id, row->order_id.ptr, row->order_id.len);
    ret_order_id[row->order_id.len] = '\0';
}

enum tb_code tb_relay_append_record(struct tb_relay *relay, const struct tb_outbox_row *row,
                                    int64_t tag, struct tb_error *err)
{
    struct tb_log_writer *writer = relay->options.writer;

    tb_relay_record_build(&relay->built, tb_str_of(relay->source), row);
    return writer->ops->append(writer, &relay->built.record, tag, err);
}

static enum tb_code append_row(struct tb_relay *relay, const struct tb_outbox_row *row,
                               struct tb_error *err)
{
    TB_TRY(tb_relay_append_record(relay, row, row->row, err));
    tb_relay_window_add(&relay->window, row->row, true);
    relay->last = row->row;
    relay->last_bytes = (int64_t)row->payload.len;
    copy_order(relay->last_order, row);
    return TB_OK;
}

static void skip_row(struct tb_relay *relay, const struct tb_outbox_row *row)
{
    tb_relay_window_add(&relay->window, row->row, false);
    relay->last = row->row;
}

/* append refused the row. Parks its order as soon as all rows before it are answered; until then
 * TB_BUSY. */
static enum tb_code refuse_row(struct tb_relay *relay, const struct tb_outbox_row *row,
                               struct tb_error *err)
{
    struct tb_parked_order order = {.row = row->row, .bytes = (int64_t)row->payload.len};
    char reason[sizeof err->text];

    if (!relay->options.park)
        return err->code;
    send_alone(relay, row->row);
    if (relay->window.outstanding > 0) {
        relay->log_full = true;
        return TB_BUSY;
    }
    memcpy(reason, err->text, sizeof reason);
    copy_order(order.order_id, row);
    TB_TRY(tb_relay_park(relay, &order, reason, err));
    skip_row(relay, row);
    return TB_OK;
}

/* TB_BUSY: no more rows can be appended now. */
static enum tb_code take_row(struct tb_relay *relay, const struct tb_outbox_row *row,
                             struct tb_error *err)
{
    enum tb_code code;

    if (is_alone(relay))
        return TB_BUSY;
    if (tb_relay_is_parked(relay, row->order_id, row->row)) {
        skip_row(relay, row);
        return TB_OK;
    }
    if (tb_relay_must_hold(relay, row)) {
        tb_relay_window_add_held(&relay->window, row->row);
        relay->last = row->row;
        return TB_OK;
    }
    code = append_row(relay, row, err);
    relay->log_full = code == TB_BUSY;
    return code == TB_INVALID ? refuse_row(relay, row, err) : code;
}

static enum tb_code append_rows(struct tb_relay *relay, struct tb_error *err)
{
    size_t room = tb_relay_window_room(&relay->window), taken = 0;
    struct tb_outbox_row row;
    bool more = true;

    /* This read may miss rows that are committed from here on, so wake-ups count again. */
    atomic_store(&relay->wake_pending, false);
    relay->more = true;
    TB_TRY(tb_outbox_read_after(relay->options.outbox, relay->last, (int64_t)room, err));
    for (;;) {
        enum tb_code code;

        TB_TRY(tb_outbox_next(relay->options.outbox, &row, &more, err));
        if (!more)
            break;
        code = take_row(relay, &row, err);
        if (code == TB_BUSY)
            return TB_OK;
        TB_TRY(code);
        taken++;
        tb_give_way();
    }
    relay->more = taken == room;
    return TB_OK;
}

static enum tb_code append(struct tb_relay *relay, struct tb_error *err)
{
    bool unparking = false;

    TB_TRY(tb_relay_send_parked(relay, &unparking, err));
    if (unparking)
        return TB_OK;
    return tb_relay_has_snapshots(relay) ? tb_relay_append_snapshots(relay, err)
                                         : append_rows(relay, err);
}

void tb_relay_fill(struct tb_relay *relay)
{
    struct tb_error err = {0};
    enum tb_code code;

    if (tb_relay_window_room(&relay->window) == 0 || relay->window.resend || is_alone(relay) ||
        relay->resend.alone)
        return;
    code = load_cursor(relay, &err);
    if (code == TB_OK) {
        code = append(relay, &err);
        tb_outbox_end_read(relay->options.outbox);
    }
    if (code != TB_OK)
        tb_relay_fail(relay, &err);
}

void tb_relay_serve_append_queue(struct tb_relay *relay, int64_t now_us)
{
    struct tb_append_queue *append_queue = relay->options.append_queue;
    bool offline = tb_relay_state(relay) == TB_RELAY_OFFLINE;
    struct tb_error why = {0};

    if (!append_queue)
        return;
    if (offline || relay->failed || now_us < relay->retry_at_us) {
        tb_error_set(&why, TB_UNAVAILABLE,
                     offline ? "the link is held offline" : "the log does not take records now");
        tb_append_queue_fail_waiting(append_queue, &why);
    } else if (!tb_relay_is_blocked(relay)) {
        tb_append_queue_drain(append_queue, relay->options.writer);
    }
}

/* The log refused a row that was sent alone. True: its order is parked. */
static bool refuse_alone(struct tb_relay *relay, int64_t row)
{
    struct tb_parked_order order = {.row = row, .bytes = relay->last_bytes};
    struct tb_error err = {0};

    memcpy(order.order_id, relay->last_order, sizeof order.order_id);
    bool parked = tb_relay_park(relay, &order, "", &err) == TB_OK;

    tb_relay_window_on_ack(&relay->window, row, parked);
    if (!parked)
        tb_relay_fail(relay, &err);
    return parked;
}

/* True: a row was acknowledged or parked. */
static bool take_ack(struct tb_relay *relay, const struct tb_log_ack *ack)
{
    struct tb_error err = {0};
    bool refused = ack->retry_alone || ack->code == TB_INVALID;

    if (tb_relay_take_resend_ack(relay, ack))
        return ack->code == TB_OK;
    if (tb_relay_take_snapshot_ack(relay, ack) || tb_relay_take_unpark_ack(relay, ack))
        return ack->code == TB_OK;
    if (refused && relay->options.park) {
        if (ack->code == TB_INVALID && is_alone(relay) && ack->tag == relay->last)
            return refuse_alone(relay, ack->tag);
        if (tb_relay_window_on_ack(&relay->window, ack->tag, false))
            send_alone(relay, ack->tag);
        return false;
    }
    if (!tb_relay_window_on_ack(&relay->window, ack->tag, ack->code == TB_OK))
        return false;
    if (ack->code == TB_OK) {
        tb_relay_note_delivered(relay, ack, NULL);
        tb_counter_add(&relay->sent, 1);
        return true;
    }
    tb_error_set(&err, ack->code, "the log answered '%s' for outbox row %lld",
                 tb_code_name(ack->code), (long long)ack->tag);
    tb_relay_fail(relay, &err);
    return false;
}

static bool is_of_append_queue(struct tb_relay *relay, const struct tb_log_ack *ack)
{
    return relay->options.append_queue && tb_append_queue_on_ack(relay->options.append_queue, ack);
}

bool tb_relay_poll_acks(struct tb_relay *relay, int64_t wait_ms)
{
    struct tb_log_writer *writer = relay->options.writer;
    struct tb_error err = {0};
    bool any = false;
    size_t n;

    do {
        n = 0;
        if (writer->ops->poll(writer, wait_ms, relay->acks, TB_LOG_BATCH_MAX, &n, &err) != TB_OK) {
            tb_relay_fail(relay, &err);
            tb_relay_window_fail_all(&relay->window);
            tb_relay_fail_snapshots(relay);
            tb_relay_fail_unpark(relay);
            tb_relay_fail_resend(relay);
            if (relay->options.append_queue)
                tb_append_queue_fail_sent(relay->options.append_queue);
            return any;
        }
        for (size_t i = 0; i < n; i++) {
            if (!is_of_append_queue(relay, &relay->acks[i]))
                any |= take_ack(relay, &relay->acks[i]);
        }
        wait_ms = 0;
    } while (n == TB_LOG_BATCH_MAX);
    return any;
}

bool tb_relay_is_blocked(const struct tb_relay *relay)
{
    return relay->log_full || relay->window.resend || is_alone(relay) ||
           relay->snapshots.outstanding > 0 || tb_relay_is_unparking(relay) ||
           relay->resend.alone || tb_relay_window_room(&relay->window) == 0;
}
