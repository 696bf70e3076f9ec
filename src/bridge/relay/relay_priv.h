/* The relay's own: what it knows (relay.c), and how rows are sent and answered (relay_send.c).
 *
 * Thread:  the owner's, but for what is atomic.
 * Memory:  the relay owns its door and its texts.
 * Errors:  trouble of a round goes to tb_relay_fail.
 * Units:   milliseconds; monotonic microseconds (_us). */
#pragma once
#include "base/thread/mailbox.h"
#include "base/time/backoff.h"
#include "bridge/relay/parked.h"
#include "bridge/relay/record.h"
#include "bridge/relay/relay.h"
#include "bridge/relay/window.h"

struct tb_relay {
    struct tb_relay_options options; /* texts are copied below */
    char *cursor_name, *source;
    struct tb_mailbox mailbox;
    _Atomic bool stopping, offline;
    _Atomic bool
        wake_pending; /* the outbox will be looked at anyway: a wake-up has nothing to add */
    _Atomic int state;
    _Atomic int64_t since_ms;
    struct tb_counter sent;

    struct tb_relay_window window;
    int64_t cursor, last; /* acknowledged up to; appended up to */
    bool loaded;          /* the cursor was read */
    bool more;            /* the last look at the outbox did not see its end */
    bool log_full;        /* the log was full at the last append */
    bool failed;          /* in this round */
    struct tb_backoff backoff;
    int64_t retry_at_us, next_look_us; /* not before these */
    int64_t alone_until;               /* rows up to this are sent one by one */
    char last_order[TB_UUID_SIZE];     /* of the row appended last */
    int64_t answer_wait_ms;            /* until the next look for acknowledgements */
    enum tb_code reported;             /* the trouble that was reported last */
    struct tb_relay_record room;
    struct tb_relay_parked parked;
    struct tb_log_ack acks[TB_LOG_BATCH_MAX];
};

/* Only the first trouble of a round counts. */
void tb_relay_fail(struct tb_relay *relay, const struct tb_error *err);

/* As many rows as the window and the log take. */
void tb_relay_fill(struct tb_relay *relay);
/* Others' records, if they may be appended now. */
void tb_relay_serve_append_queue(struct tb_relay *relay, int64_t now_us);
/* True: something was acknowledged, or is passed by. */
bool tb_relay_poll_acks(struct tb_relay *relay, int64_t wait_ms);
/* Nothing can be sent; only an answer helps. */
bool tb_relay_is_blocked(const struct tb_relay *relay);
