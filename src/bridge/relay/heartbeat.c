#include "bridge/relay/heartbeat.h"
#include "base/time/timefmt.h"
#include "base/values/node_status.h"
#include <stdio.h>

static void write_value(struct tb_heartbeat_sender *sender, const struct tb_outbox_status *status)
{
    struct tb_heartbeat beat = {
        .last_sequence = status->last_sequence,
        .delivered_sequence = status->delivered_sequence,
        .pending = status->pending,
        .oldest_pending_at_ms = status->pending > 0 ? status->oldest_pending_at_ms : 0,
        .clock_ms = tb_clock_wall_ms(sender->clock),
    };

    snprintf(beat.node, sizeof beat.node, "%s", sender->node);
    snprintf(beat.epoch, sizeof beat.epoch, "%s", status->epoch);
    snprintf(beat.version, sizeof beat.version, "%s", sender->version);
    tb_business_date(beat.clock_ms, sender->day_start_minutes, beat.business_date);
    beat.day_ends_at_ms = tb_business_day_end_ms(beat.clock_ms, sender->day_start_minutes);
    tb_buf_clear(&sender->value);
    tb_heartbeat_encode(&sender->value, &beat);
}

static enum tb_code send(struct tb_heartbeat_sender *sender, struct tb_error *err)
{
    static const struct tb_header type = {TB_STR("content-type"), TB_STR("application/json")};
    struct tb_outbox_status status = {0};

    TB_TRY(tb_outbox_read_status(sender->outbox, sender->cursor_name, &status, err));
    TB_TRY(tb_outbox_last_number(sender->outbox, &sender->number, err));
    memcpy(sender->epoch, status.epoch, sizeof sender->epoch);
    sender->sequence = status.last_sequence;
    write_value(sender, &status);
    if (!tb_buf_ok(&sender->value))
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    const struct tb_record record = {.key = tb_str_of(sender->node),
                                     .value = tb_buf_str(&sender->value),
                                     .headers = &type,
                                     .header_count = 1};
    return sender->writer->ops->append(sender->writer, &record, (int64_t)sender->sent, err);
}

static void collect(struct tb_heartbeat_sender *sender, int64_t now_ms)
{
    struct tb_error err = {0};
    struct tb_log_ack ack;
    size_t count = 0;

    if (sender->writer->ops->poll(sender->writer, 0, &ack, 1, &count, &err) != TB_OK) {
        sender->outstanding = false;
        return;
    }
    if (count == 0)
        return;
    sender->outstanding = false;
    if (ack.code == TB_OK)
        sender->sent++;
    else
        sender->due_ms = now_ms + TB_HEARTBEAT_RETRY_MS;
    if (ack.code == TB_OK && sender->on_acknowledged)
        sender->on_acknowledged(sender->ctx, sender->epoch, sender->sequence, sender->number);
}

int64_t tb_heartbeat_sender_step(struct tb_heartbeat_sender *sender, bool connected)
{
    int64_t now_ms = tb_clock_mono_ms(sender->clock);
    struct tb_error err = {0};

    collect(sender, now_ms);
    if (connected && !sender->connected)
        sender->due_ms = now_ms;
    sender->connected = connected;
    if (!connected || sender->outstanding)
        return TB_HEARTBEAT_RETRY_MS;
    if (now_ms >= sender->due_ms) {
        sender->outstanding = send(sender, &err) == TB_OK;
        sender->due_ms = now_ms + (sender->outstanding ? TB_HEARTBEAT_MS : TB_HEARTBEAT_RETRY_MS);
    }
    return sender->due_ms - now_ms;
}

void tb_heartbeat_sender_release(struct tb_heartbeat_sender *sender)
{
    tb_buf_release(&sender->value);
}
