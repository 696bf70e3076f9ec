#include "bridge/relay/heartbeat.h"
#include "base/values/node_status.h"
#include <stdio.h>

static void write_value(struct tb_heartbeats *beats, const struct tb_outbox_figures *figures)
{
    struct tb_heartbeat beat = {
        .last_sequence = figures->last_sequence,
        .delivered_sequence = figures->delivered_sequence,
        .pending = figures->pending,
        .oldest_pending_at_ms = figures->pending > 0 ? figures->oldest_pending_at_ms : 0,
        .clock_ms = tb_clock_wall_ms(beats->clock),
    };

    snprintf(beat.node, sizeof beat.node, "%s", beats->node);
    snprintf(beat.epoch, sizeof beat.epoch, "%s", figures->epoch);
    snprintf(beat.version, sizeof beat.version, "%s", beats->version);
    tb_buf_clear(&beats->value);
    tb_heartbeat_encode(&beats->value, &beat);
}

static enum tb_code send(struct tb_heartbeats *beats, struct tb_error *err)
{
    static const struct tb_header type = {TB_STR("content-type"), TB_STR("application/json")};
    struct tb_outbox_figures figures = {0};

    TB_TRY(tb_outbox_figures(beats->outbox, beats->cursor_name, &figures, err));
    write_value(beats, &figures);
    if (!tb_buf_ok(&beats->value))
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    const struct tb_record record = {.key = tb_str_of(beats->node),
                                     .value = tb_buf_str(&beats->value),
                                     .headers = &type,
                                     .header_count = 1};
    return beats->writer->ops->append(beats->writer, &record, (int64_t)beats->sent, err);
}

static void collect(struct tb_heartbeats *beats, int64_t now_ms)
{
    struct tb_error err = {0};
    struct tb_log_ack ack;
    size_t count = 0;

    if (beats->writer->ops->poll(beats->writer, 0, &ack, 1, &count, &err) != TB_OK) {
        beats->outstanding = false;
        return;
    }
    if (count == 0)
        return;
    beats->outstanding = false;
    if (ack.code == TB_OK)
        beats->sent++;
    else
        beats->due_ms = now_ms + TB_HEARTBEAT_RETRY_MS;
}

int64_t tb_heartbeats_step(struct tb_heartbeats *beats, bool connected)
{
    int64_t now_ms = tb_clock_mono_ms(beats->clock);
    struct tb_error err = {0};

    collect(beats, now_ms);
    if (connected && !beats->connected)
        beats->due_ms = now_ms;
    beats->connected = connected;
    if (!connected || beats->outstanding)
        return TB_HEARTBEAT_RETRY_MS;
    if (now_ms >= beats->due_ms) {
        beats->outstanding = send(beats, &err) == TB_OK;
        beats->due_ms = now_ms + (beats->outstanding ? TB_HEARTBEAT_MS : TB_HEARTBEAT_RETRY_MS);
    }
    return beats->due_ms - now_ms;
}

void tb_heartbeats_release(struct tb_heartbeats *beats)
{
    tb_buf_release(&beats->value);
}
