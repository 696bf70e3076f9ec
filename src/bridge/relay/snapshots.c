#include "base/thread/process.h"
#include "bridge/relay/relay_priv.h"
#include <stdio.h>

enum tb_code tb_relay_append_snapshot(struct tb_relay *relay, struct tb_outbox_row *order,
                                      struct tb_error *err)
{
    char id[TB_UUID_SIZE];

    tb_uuid_new(&relay->ids, id);
    order->event_id = tb_str_of(id);
    order->occurred_at_ms = tb_clock_wall_ms(relay->options.clock);
    return tb_relay_append_record(relay, order, order->row, err);
}

/* The log will never take the order. All of its later events are kept back with it, and status
 * pages count it. */
static enum tb_code refuse(struct tb_relay *relay, const char *reason, struct tb_error *err)
{
    if (!relay->options.park)
        return err->code;
    return tb_relay_park(relay, &relay->snapshots.last_order, reason, err);
}

/* TB_BUSY: no more can be appended now. */
static enum tb_code take_order(struct tb_relay *relay, struct tb_outbox_row *order,
                               struct tb_error *err)
{
    struct tb_relay_snapshots *snapshots = &relay->snapshots;
    char reason[sizeof err->text];
    enum tb_code code = TB_OK;
    bool parked = tb_relay_is_parked(relay, order->order_id, INT64_MAX);

    snapshots->last_order = (struct tb_parked_order){.number = order->row,
                                                     .row = relay->cursor + 1,
                                                     .bytes = (int64_t)order->payload.len,
                                                     .snapshot = true};
    snprintf(snapshots->last_order.order_id, TB_UUID_SIZE, "%.*s", (int)order->order_id.len,
             order->order_id.ptr);
    if (!parked)
        code = tb_relay_append_snapshot(relay, order, err);
    snapshots->outstanding += code == TB_OK && !parked;
    if (code == TB_INVALID) {
        memcpy(reason, err->text, sizeof reason);
        code = refuse(relay, reason, err);
    }
    if (code == TB_OK)
        snapshots->page_end = order->row + 1;
    return code;
}

/* The page is acknowledged, or it is sent again. */
static void end_page(struct tb_relay *relay)
{
    struct tb_relay_snapshots *snapshots = &relay->snapshots;

    if (!snapshots->resend) {
        snapshots->left.next = snapshots->page_end;
        relay->options.on_snapshots(relay->options.ctx, relay->options.cursor_name,
                                    snapshots->left.next);
    }
    snapshots->resend = false;
    relay->more = true;
    /* Orders come first: each page makes the log sync, and commits of the store wait for that. */
    relay->next_look_us =
        tb_clock_mono_us(relay->options.clock) + TB_RELAY_LINGER_MAX_MS * INT64_C(1000);
}

bool tb_relay_has_snapshots(const struct tb_relay *relay)
{
    return relay->snapshots.left.next <= relay->snapshots.left.last;
}

enum tb_code tb_relay_append_snapshots(struct tb_relay *relay, struct tb_error *err)
{
    struct tb_relay_snapshots *snapshots = &relay->snapshots;
    int64_t max = snapshots->alone ? 1 : TB_RELAY_SNAPSHOT_PAGE, count = 0;
    struct tb_outbox_row order;
    bool more = true;

    /* An answer does not say whether it is about a row or an order. */
    if (snapshots->outstanding > 0 || relay->window.outstanding > 0)
        return TB_OK;
    atomic_store(&relay->wake_pending, false);
    relay->more = true;
    snapshots->page_end = snapshots->left.next;
    TB_TRY(tb_outbox_read_orders(relay->options.outbox, &snapshots->left, max, err));
    for (;; count++) {
        TB_TRY(tb_outbox_next(relay->options.outbox, &order, &more, err));
        if (!more)
            break;
        enum tb_code code = take_order(relay, &order, err);

        if (code == TB_BUSY)
            break;
        TB_TRY(code);
        tb_give_way();
    }
    if (!more && count < max)
        snapshots->page_end = snapshots->left.last + 1;
    relay->log_full = more && snapshots->outstanding == 0;
    if (snapshots->outstanding == 0 && !relay->log_full)
        end_page(relay);
    return TB_OK;
}

bool tb_relay_take_snapshot_ack(struct tb_relay *relay, const struct tb_log_ack *ack)
{
    struct tb_relay_snapshots *snapshots = &relay->snapshots;
    struct tb_error err = {0};

    if (snapshots->outstanding == 0)
        return false;
    snapshots->outstanding--;
    if (ack->code == TB_INVALID && snapshots->alone) {
        tb_error_set(&err, TB_INVALID, "the log refuses the snapshot of an order");
        if (refuse(relay, "", &err) != TB_OK) {
            snapshots->resend = true;
            tb_relay_fail(relay, &err);
        }
    } else if (ack->code != TB_OK) {
        snapshots->resend = true;
        snapshots->alone |= ack->retry_alone || ack->code == TB_INVALID;
        tb_error_set(&err, ack->code, "the log answered '%s' for a snapshot",
                     tb_code_name(ack->code));
        if (!snapshots->alone)
            tb_relay_fail(relay, &err);
    }
    if (snapshots->outstanding == 0)
        end_page(relay);
    return true;
}

void tb_relay_fail_snapshots(struct tb_relay *relay)
{
    if (relay->snapshots.outstanding == 0)
        return;
    relay->snapshots.outstanding = 0;
    relay->snapshots.resend = true;
    end_page(relay);
}
