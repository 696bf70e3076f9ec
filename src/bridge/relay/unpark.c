#include "bridge/relay/relay_priv.h"

/* Somebody may have raised the log's limit: from time to time the smallest parked order is tried.
 * If the log takes it, all are sent again. */
#define TRIAL_US INT64_C(3600000000)

/* In `unpark`: after a trial, not because somebody asked. */
#define UNASKED (-1)

static bool is_active(const struct tb_relay *relay)
{
    return relay->unpark.order.order_id[0] != '\0';
}

bool tb_relay_is_unparking(const struct tb_relay *relay)
{
    return relay->unpark.outstanding ||
           (is_active(relay) && relay->window.outstanding + relay->resend.outstanding > 0);
}

/* Takes over which orders somebody asked for. Only that: the store may not know yet of orders that
 * were parked just now. */
static enum tb_code read_requests(struct tb_relay *relay, struct tb_error *err)
{
    struct tb_parked_details found = {0};
    const char *name = relay->options.cursor_name;
    enum tb_code code;

    for (;;) {
        code =
            tb_outbox_next_parked(relay->options.outbox, name, found.order.order_id, &found, err);
        if (code != TB_OK)
            break;
        struct tb_parked_order *parked =
            tb_relay_find_parked(relay, tb_str_of(found.order.order_id));

        if (parked && found.order.unpark > 0) {
            parked->unpark = found.order.unpark;
            relay->unpark.requested = true;
        }
    }
    if (code != TB_NOT_FOUND)
        return code;
    *err = (struct tb_error){0};
    return TB_OK;
}

static const struct tb_parked_order *choose(struct tb_relay *relay)
{
    int64_t now_us = tb_clock_mono_us(relay->options.clock);
    const struct tb_parked_order *smallest = NULL;
    bool waits = false;

    if (!relay->unpark.requested && now_us < relay->unpark.trial_at_us)
        return NULL;
    for (size_t i = 0; i < relay->parked_count; i++) {
        const struct tb_parked_order *order = &relay->parked[i];

        /* The cursor went back to before the order was parked: its rows come again. */
        if (!order->snapshot && order->row > relay->last) {
            waits |= order->unpark != 0;
            continue;
        }
        if (order->unpark)
            return order;
        if (!smallest || order->bytes < smallest->bytes)
            smallest = order;
    }
    relay->unpark.requested = waits;
    if (now_us < relay->unpark.trial_at_us)
        return NULL;
    relay->unpark.trial_at_us = now_us + TRIAL_US;
    return smallest;
}

static enum tb_code begin(struct tb_relay *relay, struct tb_error *err)
{
    const struct tb_parked_order *order;

    if (!relay->options.unparked || tb_relay_has_snapshots(relay) || relay->resend.alone)
        return TB_OK;
    if (atomic_exchange(&relay->reload_parked, false)) {
        enum tb_code code = read_requests(relay, err);

        if (code != TB_OK) {
            atomic_store(&relay->reload_parked, true);
            return code;
        }
    }
    order = choose(relay);
    if (order) {
        relay->unpark.order = *order;
        relay->unpark.row = order->row;
        relay->more = true;
    }
    return TB_OK;
}

static void end(struct tb_relay *relay)
{
    relay->unpark.order = (struct tb_parked_order){0};
    relay->more = true;
}

/* The log refuses the order as before. It stays parked from the row that was refused. */
static enum tb_code refuse(struct tb_relay *relay, const char *reason, struct tb_error *err)
{
    const struct tb_relay_options *options = &relay->options;
    struct tb_relay_unpark *unpark = &relay->unpark;
    struct tb_parked_order *parked =
        tb_relay_find_parked(relay, tb_str_of(unpark->order.order_id));

    TB_ASSERT(parked);
    unpark->order.row = unpark->row;
    if (unpark->order.unpark > 0 &&
        !options->park(options->ctx, options->cursor_name, &unpark->order, reason))
        return tb_error_set(err, TB_UNAVAILABLE, "an order is refused: waiting to store that");
    parked->unpark = 0;
    parked->row = unpark->row;
    parked->snapshot = unpark->order.snapshot;
    end(relay);
    return TB_OK;
}

/* The log has all of it. Its later rows, if any, are behind the last row that was appended. */
static enum tb_code complete(struct tb_relay *relay, struct tb_error *err)
{
    const struct tb_relay_options *options = &relay->options;
    struct tb_relay_unpark *unpark = &relay->unpark;

    if (!options->unparked(options->ctx, options->cursor_name, unpark->order.order_id))
        return tb_error_set(err, TB_UNAVAILABLE, "an order is unparked: waiting to store that");
    if (unpark->order.unpark == 0) { /* the trial has succeeded */
        for (size_t i = 0; i < relay->parked_count; i++)
            relay->parked[i].unpark = relay->parked[i].unpark ? relay->parked[i].unpark : UNASKED;
        unpark->requested = true;
    }
    tb_relay_remove_parked(relay, tb_str_of(unpark->order.order_id));
    if (options->resend) /* they were delivered behind later rows */
        options->resend->on_unchecked(options->resend->ctx, options->cursor_name);
    end(relay);
    return TB_OK;
}

static enum tb_code append(struct tb_relay *relay, struct tb_outbox_row *row, struct tb_error *err)
{
    char reason[sizeof err->text];
    enum tb_code code;

    if (relay->unpark.order.snapshot)
        code = tb_relay_append_snapshot(relay, row, err);
    else
        code = tb_relay_append_record(relay, row, row->row, err);
    relay->log_full = code == TB_BUSY;
    relay->unpark.outstanding = code == TB_OK;
    if (!relay->unpark.order.snapshot)
        relay->unpark.row = row->row;
    if (code == TB_INVALID) {
        memcpy(reason, err->text, sizeof reason);
        return refuse(relay, reason, err);
    }
    return code == TB_BUSY ? TB_OK : code;
}

/* Sends the next row of the order, alone: the answer must be about this row. */
static enum tb_code send_next(struct tb_relay *relay, struct tb_error *err)
{
    struct tb_relay_unpark *unpark = &relay->unpark;
    struct tb_outbox_reader *outbox = relay->options.outbox;
    const struct tb_outbox_snapshots whole = {unpark->order.number, unpark->order.number};
    struct tb_outbox_row row;
    bool more = false;

    if (tb_relay_is_unparking(relay))
        return TB_OK;
    atomic_store(&relay->wake_pending, false);
    relay->more = true;
    if (unpark->order.snapshot)
        TB_TRY(tb_outbox_read_orders(outbox, &whole, 1, err));
    else
        TB_TRY(tb_outbox_read_order_row(outbox, unpark->order.order_id, unpark->row, relay->last,
                                        err));
    TB_TRY(tb_outbox_next(outbox, &row, &more, err));
    return more ? append(relay, &row, err) : complete(relay, err);
}

enum tb_code tb_relay_send_parked(struct tb_relay *relay, bool *ret_busy, struct tb_error *err)
{
    if (!is_active(relay))
        TB_TRY(begin(relay, err));
    *ret_busy = is_active(relay);
    return *ret_busy ? send_next(relay, err) : TB_OK;
}

bool tb_relay_take_unpark_ack(struct tb_relay *relay, const struct tb_log_ack *ack)
{
    struct tb_relay_unpark *unpark = &relay->unpark;
    struct tb_error err = {0};

    if (!unpark->outstanding)
        return false;
    unpark->outstanding = false;
    relay->more = true;
    if (ack->code == TB_OK) {
        tb_counter_add(&relay->sent, 1);
        if (!unpark->order.snapshot) {
            tb_relay_note_delivered(relay, ack, NULL);
            unpark->row++;
        }
        unpark->order.snapshot = false;
        return true;
    }
    if (ack->code == TB_INVALID) {
        if (refuse(relay, "", &err) != TB_OK)
            tb_relay_fail(relay, &err);
        return true;
    }
    tb_error_set(&err, ack->code, "the log answered '%s' for a parked order",
                 tb_code_name(ack->code));
    tb_relay_fail(relay, &err);
    return true;
}

void tb_relay_fail_unpark(struct tb_relay *relay)
{
    relay->unpark.outstanding = false;
}
