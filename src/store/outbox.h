/* Outbox: the events of committed commands, in the order of their commits, for relays to read.
 *
 * Row numbers rise by one with every event and never repeat. For the outside world a row is
 * (node, epoch, sequence): the sequence starts at 1 with each epoch. Several relays read the same
 * outbox, each with a cursor of its own name. A cursor is remembered from the first start with its
 * log configured until the log is forgotten (TB_JOB_FORGET in writer.h), whether that log is
 * configured meanwhile or not. Retention removes a row only when every remembered cursor has
 * passed it.
 *
 * Thread:  a reader belongs to the thread that opened it.
 * Memory:  a row's texts are borrowed until the next row or tb_outbox_end_read.
 * Errors:  as db.h.
 * Units:   Unix milliseconds. */
#pragma once
#include "base/mem/buf.h"
#include "base/values/uuid.h"

/* The cursors of the relay to the in-process log and of the one to Kafka. */
#define TB_CURSOR_INPROC "inproc"
#define TB_CURSOR_KAFKA "kafka"
#define TB_CURSOR_NAME_SIZE 32

struct tb_outbox_row {
    int64_t row; /* position in the outbox, over all epochs */
    char epoch[TB_EPOCH_SIZE];
    int64_t sequence; /* within the epoch, from 1 */
    /* Of a snapshot: the last sequence that the store had given when it was read; else 0. */
    int64_t store_sequence;
    struct tb_str event_id, order_id, type, payload;
    struct tb_str traceparent; /* absent: none */
    struct tb_str customer_id; /* of the order; absent: none, or tb_outbox_include_customers was
                                  not called */
    int64_t version;           /* of the order */
    int64_t occurred_at_ms;
};

struct tb_outbox_reader;
TB_CHECKED enum tb_code tb_outbox_reader_open(const char *store_path,
                                              struct tb_outbox_reader **ret_reader,
                                              struct tb_error *err);
void tb_outbox_reader_free(struct tb_outbox_reader *reader); /* NULL is fine */
/* From now on rows have customer_id; for that each row's order is looked up. */
void tb_outbox_include_customers(struct tb_outbox_reader *reader);
/* Begins to read up to `limit` rows after the row `after`. Then call tb_outbox_next until
 * *ret_more is false, and tb_outbox_end_read (earlier if you stop earlier): while a read is open,
 * the WAL cannot be checkpointed. */
TB_CHECKED enum tb_code tb_outbox_read_after(struct tb_outbox_reader *reader, int64_t after,
                                             int64_t limit, struct tb_error *err);
TB_CHECKED enum tb_code tb_outbox_next(struct tb_outbox_reader *reader,
                                       struct tb_outbox_row *ret_row, bool *ret_more,
                                       struct tb_error *err);
void tb_outbox_end_read(struct tb_outbox_reader *reader);

/* The orders that the relay with a cursor must send as snapshots, before any row after its cursor:
 * by their numbers, from `next` to `last`. next > last: none (any more). */
struct tb_outbox_snapshots {
    int64_t next, last;
};
TB_CHECKED enum tb_code tb_outbox_read_snapshots(struct tb_outbox_reader *reader,
                                                 const char *cursor_name,
                                                 struct tb_outbox_snapshots *ret_snapshots,
                                                 struct tb_error *err);
/* As tb_outbox_read_after, for up to `limit` of these orders. The row of each is the order's
 * number, its payload is the order, and its sequence is 0. */
TB_CHECKED enum tb_code tb_outbox_read_orders(struct tb_outbox_reader *reader,
                                              const struct tb_outbox_snapshots *snapshots,
                                              int64_t limit, struct tb_error *err);
/* The last order number that was given; 0: none. */
TB_CHECKED enum tb_code tb_outbox_last_number(struct tb_outbox_reader *reader, int64_t *ret_number,
                                              struct tb_error *err);
/* The row of the named cursor; 0: it has never moved. */
TB_CHECKED enum tb_code tb_outbox_cursor(struct tb_outbox_reader *reader, const char *name,
                                         int64_t *ret_row, struct tb_error *err);

/* What the log of a remembered cursor has yet to acknowledge. */
struct tb_outbox_cursor {
    char name[TB_CURSOR_NAME_SIZE];
    int64_t pending;
    int64_t oldest_pending_at_ms; /* when it was committed; 0: none pending */
    int64_t oldest_pending_uptime_ms;
    int64_t parked; /* as in struct tb_outbox_status */
};
/* The remembered cursors, those with the most pending events first. There are two in the stores of
 * this version. */
#define TB_OUTBOX_CURSORS_MAX 8
TB_CHECKED enum tb_code
tb_outbox_list_cursors(struct tb_outbox_reader *reader,
                       struct tb_outbox_cursor ret_cursors[TB_OUTBOX_CURSORS_MAX],
                       size_t *ret_count, struct tb_error *err);
/* Says for a person how many events wait for a log that is not configured, and the way out. */
#define TB_OUTBOX_TEXT_SIZE 200
void tb_outbox_unconfigured_text(const struct tb_outbox_cursor *cursor,
                                 char ret_text[TB_OUTBOX_TEXT_SIZE]);

/* The state of the tables at one moment, for one cursor. */
struct tb_outbox_status {
    char epoch[TB_EPOCH_SIZE];
    int64_t last_row, cursor_row; /* over all epochs */
    int64_t newest_row;           /* of those that are kept; 0: none */
    int64_t last_sequence;        /* within the present epoch; 0: none yet */
    int64_t delivered_sequence;   /* within the present epoch; 0: none yet */
    int64_t pending;
    int64_t oldest_pending_at_ms; /* when it was committed; 0: none pending */
    /* The same for this cursor and every remembered log outside this node: events that one of
     * these logs has not acknowledged. */
    int64_t any_pending, any_oldest_pending_at_ms, any_oldest_pending_uptime_ms;
    int64_t last_delivered_at_ms; /* 0: never */
    /* When the oldest event and the oldest idempotency key were written; 0: there is none. */
    int64_t oldest_event_at_ms, oldest_key_at_ms;
    int64_t parked; /* orders that the relay skips, because the log refused one of their events */
    bool forced_offline;
};
TB_CHECKED enum tb_code tb_outbox_read_status(struct tb_outbox_reader *reader,
                                              const char *cursor_name,
                                              struct tb_outbox_status *ret_status,
                                              struct tb_error *err);
/* An order that the relay with a cursor skips, from this row on. */
struct tb_parked_order {
    char order_id[TB_UUID_SIZE];
    int64_t number; /* of the order */
    int64_t row;
    int64_t bytes;  /* of the event that the log refused */
    bool snapshot;  /* the log refused the order as a whole, not an event of it */
    int64_t unpark; /* so many requests to send it again are not answered yet */
};
TB_CHECKED enum tb_code tb_outbox_list_parked(struct tb_outbox_reader *reader,
                                              const char *cursor_name,
                                              struct tb_parked_order *ret_parked, size_t max,
                                              size_t *ret_count, struct tb_error *err);
/* What a person wants to know of a parked order. */
struct tb_parked_details {
    struct tb_parked_order order;
    int64_t at_ms; /* when it was parked */
    char reason[240];
};
/* The first parked order with an id above `after` ("": the first of all). TB_NOT_FOUND: there is
 * none. */
TB_CHECKED enum tb_code tb_outbox_next_parked(struct tb_outbox_reader *reader,
                                              const char *cursor_name, const char *after,
                                              struct tb_parked_details *ret_parked,
                                              struct tb_error *err);
/* As tb_outbox_read_after, for the order's first row from `first` to `last`. */
TB_CHECKED enum tb_code tb_outbox_read_order_row(struct tb_outbox_reader *reader,
                                                 const char *order_id, int64_t first, int64_t last,
                                                 struct tb_error *err);
/* A record of a partition of a cursor's log, as the log has acknowledged it. */
struct tb_delivered {
    int32_t partition;
    bool checked; /* it was found there later; else it is the last one that was acknowledged */
    int64_t offset;
    int64_t row; /* rows up to this one that are in the partition are not behind the offset */
    char event_id[TB_UUID_SIZE];
    int64_t event_row; /* to be stored: with event_id "", the outbox row of the event */
};
#define TB_DELIVERED_MAX 512
/* By partition. */
TB_CHECKED enum tb_code tb_outbox_list_delivered(struct tb_outbox_reader *reader,
                                                 const char *cursor_name,
                                                 struct tb_delivered *ret_delivered, size_t max,
                                                 size_t *ret_count, struct tb_error *err);
/* What is sent to a log again, from the node's own log, because it was lost there or somebody
 * asked for it: rows above after_row up to through_row, of events from since_ms on. */
#define TB_RESEND_REASON_SIZE 200
struct tb_resend {
    int64_t id; /* 0: nothing is */
    char reason[TB_RESEND_REASON_SIZE];
    int64_t at_ms;
    bool held; /* it is not sent before somebody asks for it */
    int64_t since_ms, after_row;
    int64_t through_row;    /* below 0: up to where the cursor stands when it begins */
    int64_t next;           /* offset in the node's own log; below 0: its begin */
    int64_t done_row, sent; /* events up to this row are sent, that many */
};
enum tb_resend_event { TB_RESEND_BEGUN, TB_RESEND_MOVED, TB_RESEND_ENDED };
TB_CHECKED enum tb_code tb_outbox_read_resend(struct tb_outbox_reader *reader,
                                              const char *cursor_name,
                                              struct tb_resend *ret_resend, struct tb_error *err);
/* The row of the first event of the epoch. TB_NOT_FOUND: the store never had it. */
TB_CHECKED enum tb_code tb_outbox_epoch_first(struct tb_outbox_reader *reader, struct tb_str epoch,
                                              int64_t *ret_row, struct tb_error *err);
/* What was done because a file was lost, damaged or put back. The newest come first. */
#define TB_RECOVERIES_MAX 8
struct tb_recovery {
    int64_t at_ms;
    char file[32], reason[400];
    char set_aside[256]; /* the file's new name; "": there was none to be kept */
};
TB_CHECKED enum tb_code tb_outbox_list_recoveries(struct tb_outbox_reader *reader,
                                                  struct tb_recovery *ret_recoveries, size_t max,
                                                  size_t *ret_count, struct tb_error *err);
/* Has the log acknowledged the order's last event? TB_NOT_FOUND: the store has no such order. */
TB_CHECKED enum tb_code tb_outbox_order_delivered(struct tb_outbox_reader *reader,
                                                  const char *cursor_name, struct tb_str order_id,
                                                  bool *ret_delivered, struct tb_error *err);
