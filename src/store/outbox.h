/* Outbox: the events of committed commands, in the order of their commits, for relays to read.
 *
 * Row numbers rise by one with every event and never repeat. For the outside world a row is
 * (node, epoch, sequence): the sequence starts at 1 with each epoch. Several relays read the same
 * outbox, each with a cursor of its own name. Retention removes a row only when every cursor has
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

struct tb_outbox_row {
    int64_t row; /* position in the outbox, over all epochs */
    char epoch[TB_EPOCH_SIZE];
    int64_t sequence; /* within the epoch, from 1 */
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
/* The row of the named cursor; 0: it has never moved. */
TB_CHECKED enum tb_code tb_outbox_cursor(struct tb_outbox_reader *reader, const char *name,
                                         int64_t *ret_row, struct tb_error *err);

/* The state of the tables at one moment, for one cursor. */
struct tb_outbox_status {
    char epoch[TB_EPOCH_SIZE];
    int64_t last_row, cursor_row; /* over all epochs */
    int64_t last_sequence;        /* within the present epoch; 0: none yet */
    int64_t delivered_sequence;   /* within the present epoch; 0: none yet */
    int64_t pending;
    int64_t oldest_pending_at_ms; /* when it was committed; 0: none pending */
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
    int64_t row;
};
TB_CHECKED enum tb_code tb_outbox_list_parked(struct tb_outbox_reader *reader,
                                              const char *cursor_name,
                                              struct tb_parked_order *ret_parked, size_t max,
                                              size_t *ret_count, struct tb_error *err);
/* Has the log acknowledged the order's last event? TB_NOT_FOUND: the store has no such order. */
TB_CHECKED enum tb_code tb_outbox_order_delivered(struct tb_outbox_reader *reader,
                                                  const char *cursor_name, struct tb_str order_id,
                                                  bool *ret_delivered, struct tb_error *err);
