/* The parts of the relay:
 *
 *   relay.c   its state, and the rounds
 *   send.c    appends rows and takes the acknowledgements
 *   parked.c  the orders that it does not send any more
 *
 * Thread:  the owner's, except for atomic fields.
 * Errors:  go to tb_relay_fail.
 * Units:   milliseconds; monotonic microseconds (_us). */
#pragma once
#include "base/thread/mailbox.h"
#include "base/time/backoff.h"
#include "bridge/relay/record.h"
#include "bridge/relay/relay.h"
#include "bridge/relay/window.h"

/* Refused events are rare, and each has a cause of its own. So many mean that something is wrong
 * with all orders: then the relay stops with an alarm instead of parking every order. */
#define TB_RELAY_PARKED_MAX 1000

struct tb_relay {
    struct tb_relay_options options;
    char *source;              /* the value of ce_source; owned */
    struct tb_mailbox mailbox; /* for wake-ups only */
    _Atomic bool stopping, offline;
    /* The next round will read the outbox anyway, so tb_relay_wake need not wake the owner. */
    _Atomic bool wake_pending;
    _Atomic int state;
    _Atomic int64_t since_ms;
    struct tb_counter sent;

    struct tb_relay_window window;
    int64_t cursor, last; /* rows: acknowledged up to, appended up to */
    bool loaded;          /* the cursor was read */
    bool more;            /* the outbox may have rows after `last` */
    bool log_full;        /* the last append was TB_BUSY */
    bool failed;          /* in this round */
    struct tb_backoff backoff;
    int64_t retry_at_us, next_look_us; /* do not read the outbox before these */
    int64_t alone_until;               /* rows up to this one are sent one by one */
    char last_order[TB_UUID_SIZE];     /* of the row appended last */
    int64_t answer_wait_ms;            /* pause before the next poll for acknowledgements */
    enum tb_code reported;             /* code of the problem that was reported last */
    struct tb_relay_record built;
    struct tb_parked_order parked[TB_RELAY_PARKED_MAX]; /* sorted by order id */
    size_t parked_count;
    struct tb_log_ack acks[TB_LOG_BATCH_MAX];
};

/* Reports the error and pauses. Ignored if something failed in this round before. */
void tb_relay_fail(struct tb_relay *relay, const struct tb_error *err);

/* Is the order parked at or before this row? */
bool tb_relay_is_parked(struct tb_relay *relay, struct tb_str order_id, int64_t row);
/* Parks the order from this row on, unless it is parked already. There must be room. */
void tb_relay_add_parked(struct tb_relay *relay, struct tb_str order_id, int64_t row);

/* Appends rows until the outbox ends or the window or the log is full. */
void tb_relay_fill(struct tb_relay *relay);
/* Appends the records of append_queue, or fails them if nothing may be sent now. */
void tb_relay_serve_append_queue(struct tb_relay *relay, int64_t now_us);
/* True: at least one row was acknowledged or parked. */
bool tb_relay_poll_acks(struct tb_relay *relay, int64_t wait_ms);
/* True: nothing can be appended before another acknowledgement. */
bool tb_relay_is_blocked(const struct tb_relay *relay);
