/* Sends heartbeats to the topic node-status. From them the centre knows how many of this node's
 * events it does not have yet.
 *
 * One is sent when the connection opens and then every 30 s: last and delivered sequence, number
 * and age of undelivered events, the node's clock, its business day and when that ends, as they
 * are at that moment. The centre need not know the node's time zone.
 *
 * Thread:  the thread that owns the writer and the outbox reader.
 * Memory:  borrows what its fields point to.
 * Errors:  none is reported: if one cannot be sent, a newer one is sent soon. */
#pragma once
#include "bridge/log/log.h"
#include "store/outbox.h"

#define TB_HEARTBEAT_MS 30000
/* Shorter, because a failure is often over at once, for example when a leader has moved. */
#define TB_HEARTBEAT_RETRY_MS 5000

struct tb_heartbeat_sender {
    const char *node, *version, *cursor_name;
    struct tb_outbox_reader *outbox;
    struct tb_log_writer *writer;
    const struct tb_clock *clock;
    int day_start_minutes; /* when a business day begins, in the process's time zone */
    /* The log has acknowledged a heartbeat that told this position and, read after it, this order
     * number. NULL: nobody wants to know. */
    void (*on_acknowledged)(void *ctx, const char *epoch, int64_t sequence, int64_t number);
    void *ctx;
    /* Zero at first. */
    char epoch[TB_EPOCH_SIZE]; /* what the outstanding heartbeat tells, and the next two */
    int64_t sequence, number;
    bool connected, outstanding;
    int64_t due_ms; /* monotonic */
    uint64_t sent;  /* acknowledged; also the tag of the next append */
    struct tb_buf value;
};
/* One round. Returns the time until the next one at the latest. */
int64_t tb_heartbeat_sender_step(struct tb_heartbeat_sender *sender, bool connected);
void tb_heartbeat_sender_release(struct tb_heartbeat_sender *sender);
