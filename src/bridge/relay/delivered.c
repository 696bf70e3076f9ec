#include "bridge/relay/relay_priv.h"

/* Where the log has acknowledged records: see resend.h. */

void tb_relay_note_delivered(struct tb_relay *relay, const struct tb_log_ack *ack,
                             const char *event_id)
{
    struct tb_relay_delivered *last;

    if (!relay->options.resend || !ack->placed || ack->partition < 0 ||
        ack->partition >= TB_LOG_PARTITIONS_MAX)
        return;
    last = &relay->delivered[ack->partition];
    if (last->known && ack->offset <= last->offset) {
        atomic_store(&relay->went_back, true); /* what stood there before is lost, it seems */
        return;
    }
    *last = (struct tb_relay_delivered){
        .known = true, .dirty = true, .offset = ack->offset, .row = ack->tag > 0 ? ack->tag : 0};
    relay->any_delivered_dirty = true;
    if (event_id)
        memcpy(last->event_id, event_id, sizeof last->event_id);
}

void tb_relay_post_delivered(struct tb_relay *relay)
{
    const struct tb_relay_options *options = &relay->options;
    bool left = false;

    if (!relay->any_delivered_dirty || relay->holds_delivered)
        return;
    for (int32_t p = 0; p < TB_LOG_PARTITIONS_MAX; p++) {
        struct tb_relay_delivered *last = &relay->delivered[p];
        struct tb_delivered delivered = {
            .partition = p, .offset = last->offset, .row = relay->cursor, .event_row = last->row};

        if (!last->dirty)
            continue;
        memcpy(delivered.event_id, last->event_id, sizeof delivered.event_id);
        last->dirty =
            !options->resend->on_delivered(options->resend->ctx, options->cursor_name, &delivered);
        left |= last->dirty;
    }
    relay->any_delivered_dirty = left;
}

void tb_relay_forget_delivered(struct tb_relay *relay)
{
    memset(relay->delivered, 0, sizeof relay->delivered);
    relay->any_delivered_dirty = false;
    atomic_store(&relay->went_back, false);
}

void tb_relay_hold_delivered(struct tb_relay *relay, bool hold)
{
    relay->holds_delivered = hold;
}

bool tb_relay_log_went_back(struct tb_relay *relay)
{
    return atomic_exchange(&relay->went_back, false);
}
