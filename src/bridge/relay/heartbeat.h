/* Heartbeats: what a node tells the centre of itself, in the topic node-status.
 *
 * One every 30 s while the way is open, and one at once when it opens: last and delivered
 * sequence, what is pending and since when, and the node's clock, from the outbox at that moment.
 *
 * Thread:  one owner, the one that owns the writer and the outbox reader.
 * Memory:  borrows what its options point to.
 * Errors:  none leaves it: what could not be sent is sent again soon, with newer figures.
 * Units:   milliseconds. */
#pragma once
#include "bridge/log/log.h"
#include "store/outbox.h"

#define TB_HEARTBEAT_MS 30000
/* The centre should not wait half a minute because a leader moved. */
#define TB_HEARTBEAT_RETRY_MS 5000

struct tb_heartbeat_sender {
    const char *node, *version, *cursor_name;
    struct tb_outbox_reader *outbox;
    struct tb_log_writer *writer;
    const struct tb_clock *clock;
    /* Zero at first. */
    bool connected, outstanding;
    int64_t due_ms; /* monotonic */
    uint64_t sent;  /* acknowledged; the tag of the next */
    struct tb_buf value;
};
/* One round; returns milliseconds until the next at the latest. */
int64_t tb_heartbeat_sender_step(struct tb_heartbeat_sender *sender, bool connected);
void tb_heartbeat_sender_release(struct tb_heartbeat_sender *sender);
