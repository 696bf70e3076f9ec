/* The parts of the relay:
 *
 *   relay.c   its state, and the rounds
 *   send.c    appends rows and takes the acknowledgements
 *   parked.c  the orders that it does not send any more
 *   unpark.c  sends them again
 *   delivered.c  notes where the log has acknowledged records
 *   resend.c  sends again what the log has lost
 *   snapshots.c  sends whole orders
 *
 * Thread:  the owner's, except for atomic fields.
 * Errors:  go to tb_relay_fail. */
#pragma once
#include "base/thread/mailbox.h"
#include "base/time/backoff.h"
#include "bridge/relay/record.h"
#include "bridge/relay/relay.h"
#include "bridge/relay/window.h"

/* Refused events are rare, and each has a cause of its own. So many mean that something is wrong
 * with all orders: then the relay stops with an alarm instead of parking every order. */
#define TB_RELAY_PARKED_MAX 1000

/* Orders that are sent as snapshots between two pauses. */
#define TB_RELAY_SNAPSHOT_PAGE 200

/* The page of snapshots that is being sent. All of it is acknowledged, or all of it is sent again.
 */
struct tb_relay_snapshots {
    struct tb_outbox_snapshots left; /* not acknowledged */
    int64_t page_end;                /* the number after the last order of the page */
    size_t outstanding;
    bool resend;                       /* an outcome is unknown */
    bool alone;                        /* the log refused a page: its orders are sent one by one */
    struct tb_parked_order last_order; /* of the page, in case that the log refuses it */
};

/* A parked order that is being sent again: nothing else is, until it is done or refused. */
struct tb_relay_unpark {
    struct tb_parked_order order; /* order_id "": none. snapshot: it is sent first */
    int64_t row;                  /* of the order's events, those before it are acknowledged */
    bool outstanding;
    bool requested;      /* some orders of relay->parked have `unpark` set */
    int64_t trial_at_us; /* not before: whether the log takes more by now */
};

/* The last record that the log acknowledged in a partition. */
struct tb_relay_delivered {
    bool known, dirty; /* dirty: not posted yet */
    int64_t offset;
    int64_t row;                 /* of the event; 0: it has event_id */
    char event_id[TB_UUID_SIZE]; /* "": the event of the row */
};

/* Records of the node's own log that are read at a time, and at most sent without an answer. */
#define TB_RELAY_RESEND_PAGE 200

/* The resend that is under way. `batch` is read from the node's own log; records before `page` are
 * done, those before `at` are appended. */
struct tb_relay_resend {
    struct tb_resend state;    /* id 0: none */
    struct tb_log_reader *log; /* owned; NULL: not open */
    struct tb_log_batch batch;
    size_t page, at;
    size_t outstanding;
    int64_t page_sent, page_row;
    bool failed; /* the page is sent again */
    bool alone;  /* the log refused a page: records are sent one by one, and no rows meanwhile */
    int64_t round;
    int64_t next_us;           /* no page before; monotonic */
    char epoch[TB_EPOCH_SIZE]; /* the last one that was looked up */
    int64_t epoch_first;
    char event_ids[TB_RELAY_RESEND_PAGE][TB_UUID_SIZE];
};

struct tb_relay {
    struct tb_relay_options options;
    char *source;              /* the value of ce_source; owned */
    struct tb_mailbox mailbox; /* for wake-ups only */
    _Atomic bool stopping, offline;
    _Atomic bool reload_parked; /* somebody asked for orders to be sent again */
    _Atomic bool reload_resend; /* somebody asked for a resend */
    _Atomic bool went_back;     /* the log, in a partition */
    /* The next round will read the outbox anyway, so tb_relay_wake need not wake the owner. */
    _Atomic bool wake_pending;
    _Atomic int state;
    _Atomic int64_t since_ms;
    struct tb_counter sent;

    struct tb_relay_snapshots snapshots;
    struct tb_relay_unpark unpark;
    struct tb_relay_resend resend;
    struct tb_relay_delivered delivered[TB_LOG_PARTITIONS_MAX];
    bool any_delivered_dirty, holds_delivered;
    struct tb_uuid_gen ids;

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
    int64_t last_bytes;                /* the size of its event */
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
/* Parks the order, unless it is parked already. There must be room. */
void tb_relay_add_parked(struct tb_relay *relay, const struct tb_parked_order *order);
struct tb_parked_order *tb_relay_find_parked(struct tb_relay *relay, struct tb_str order_id);
void tb_relay_remove_parked(struct tb_relay *relay, struct tb_str order_id);

/* unpark.c */
/* Sends the next event of a parked order, if one is to be sent again. *ret_busy: one is, so send
 * nothing else. */
TB_CHECKED enum tb_code tb_relay_send_parked(struct tb_relay *relay, bool *ret_busy,
                                             struct tb_error *err);
/* True: an answer is awaited before the next event of the parked order can be sent. */
bool tb_relay_is_unparking(const struct tb_relay *relay);
/* False: no event of a parked order awaits an acknowledgement. */
bool tb_relay_take_unpark_ack(struct tb_relay *relay, const struct tb_log_ack *ack);
/* No more answers will arrive. */
void tb_relay_fail_unpark(struct tb_relay *relay);

/* delivered.c */
/* ack: TB_OK. event_id NULL: the tag is the event's row. */
void tb_relay_note_delivered(struct tb_relay *relay, const struct tb_log_ack *ack,
                             const char *event_id);
/* Posts what is new. Call it after the cursor has moved. */
void tb_relay_post_delivered(struct tb_relay *relay);
void tb_relay_forget_delivered(struct tb_relay *relay);

/* resend.c */
TB_CHECKED enum tb_code tb_relay_load_resend(struct tb_relay *relay, struct tb_error *err);
/* Sends the next page, if it is time for it. */
void tb_relay_resend_step(struct tb_relay *relay, int64_t now_us);
int64_t tb_relay_resend_due_us(const struct tb_relay *relay); /* INT64_MAX: nothing is due */
bool tb_relay_must_hold(const struct tb_relay *relay, const struct tb_outbox_row *row);
/* False: the acknowledgement is of no resend. */
bool tb_relay_take_resend_ack(struct tb_relay *relay, const struct tb_log_ack *ack);
/* No more answers will arrive. */
void tb_relay_fail_resend(struct tb_relay *relay);
void tb_relay_resend_release(struct tb_relay *relay);

/* snapshots.c */
bool tb_relay_has_snapshots(const struct tb_relay *relay);
TB_CHECKED enum tb_code tb_relay_append_snapshots(struct tb_relay *relay, struct tb_error *err);
/* False: no snapshot awaits an acknowledgement. */
bool tb_relay_take_snapshot_ack(struct tb_relay *relay, const struct tb_log_ack *ack);
/* No more answers will arrive. */
void tb_relay_fail_snapshots(struct tb_relay *relay);
/* Appends the order, as tb_outbox_read_orders has returned it. */
TB_CHECKED enum tb_code tb_relay_append_snapshot(struct tb_relay *relay,
                                                 struct tb_outbox_row *order,
                                                 struct tb_error *err);

/* Parks the order: the log has refused it. */
TB_CHECKED enum tb_code tb_relay_park(struct tb_relay *relay, const struct tb_parked_order *order,
                                      const char *reason, struct tb_error *err);
TB_CHECKED enum tb_code tb_relay_append_record(struct tb_relay *relay,
                                               const struct tb_outbox_row *row, int64_t tag,
                                               struct tb_error *err);
/* Appends rows until the outbox ends or the window or the log is full. */
void tb_relay_fill(struct tb_relay *relay);
/* Appends the records of append_queue, or fails them if nothing may be sent now. */
void tb_relay_serve_append_queue(struct tb_relay *relay, int64_t now_us);
/* True: at least one row was acknowledged or parked. */
bool tb_relay_poll_acks(struct tb_relay *relay, int64_t wait_ms);
/* True: nothing can be appended before another acknowledgement. */
bool tb_relay_is_blocked(const struct tb_relay *relay);
