/* Events: the records of the log that say what happened to orders; their types and encoding.
 *
 * Other programs read these types and values: see EVOLUTION.md before changing them.
 * OrderPlaced.v1 is read, but never written.
 *
 * Memory:  a decoded event borrows from its document and arena.
 * Errors:  TB_INVALID: fields are wrong or missing; TB_NOT_FOUND: the type is unknown. */
#pragma once
#include "order/order.h"

enum tb_event_type {
    TB_EVENT_PLACED,          /* OrderPlaced.v2 */
    TB_EVENT_ADDRESS_CHANGED, /* OrderAddressChanged.v1 */
    TB_EVENT_TOTAL_CHANGED,   /* OrderTotalChanged.v1: the new lines and total */
    TB_EVENT_SHIPPED,         /* OrderShipped.v1 */
    TB_EVENT_CANCELLED,       /* OrderCancelled.v1 */
    TB_EVENT_SNAPSHOT,        /* OrderSnapshot.v1: the whole order at its version */
    TB_EVENT_TYPE_COUNT
};
const char *tb_event_type_name(enum tb_event_type type); /* "OrderPlaced.v2" */

/* A snapshot names at most so many of the earlier epochs of its store: the last ones. Each restore
 * begins an epoch. */
#define TB_EARLIER_EPOCHS_MAX 8

struct tb_event {
    enum tb_event_type type;
    char event_id[TB_UUID_SIZE];
    char order_id[TB_UUID_SIZE];
    int64_t version; /* of the order after the event */
    int64_t occurred_at_ms;
    struct tb_order order; /* PLACED, SNAPSHOT: the whole order */
    /* SNAPSHOT: the epochs of the store before the one that the record was numbered in. What they
     * say and the snapshot does not have is of a history that was lost in a restore. */
    const struct tb_str *earlier_epochs;
    size_t earlier_epoch_count;
    struct tb_address address;
    struct tb_line *lines;
    size_t line_count;
    int64_t total_minor;
    struct tb_str reason; /* CANCELLED; absent: none */
};

/* Appends the event as JSON: the value of its record. Of a SNAPSHOT, only the order and the epochs
 * (each 16 hex digits) are written: the record has an event id of its own, and the order's
 * last_event_id says which event it has seen last. */
void tb_event_encode(struct tb_buf *out, const struct tb_event *event);

/* What the value of a record does not say: from its headers and from the configuration. */
struct tb_event_context {
    struct tb_str type;     /* ce_type, else eventType; absent is TB_INVALID */
    struct tb_str event_id; /* ce_id; may be absent */
    const char *currency;   /* for OrderPlaced.v1 */
    struct tb_str node;     /* for OrderPlaced.v1: from ce_source; may be absent */
    int day_start_minutes;  /* for OrderPlaced.v1 */
};
/* Decodes an event; an OrderPlaced.v1 becomes a PLACED event. On every error *ret_event still has
 * the order_id and version that the value has ("" and 0 if none), for the caller's report. */
TB_CHECKED enum tb_code tb_event_decode(const struct tb_json *value,
                                        const struct tb_event_context *context,
                                        struct tb_arena *arena, struct tb_event *ret_event,
                                        struct tb_error *err);

/* Changes *order to the order after the event. The caller has checked that
 * event->version == order->version + 1, unless the event is PLACED or a SNAPSHOT. Afterwards
 * *order borrows texts from the event, too. */
void tb_event_apply(const struct tb_event *event, struct tb_order *order);
