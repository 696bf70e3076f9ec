/* Events: what happened to orders, as every reader of the log gets it; types, versions, encoding.
 *
 * Other programs read these types and values: see EVOLUTION.md before changing them.
 * OrderPlaced.v1 is read, but never written.
 *
 * Memory:  a decoded event borrows from its document and arena.
 * Errors:  TB_INVALID: wrong types, values or missing fields; TB_NOT_FOUND: a type this
 *          build does not know.
 * Units:   as in order.h. */
#pragma once
#include "order/order.h"

enum tb_event_type {
    TB_EVENT_PLACED,          /* OrderPlaced.v2 */
    TB_EVENT_ADDRESS_CHANGED, /* OrderAddressChanged.v1 */
    TB_EVENT_TOTAL_CHANGED,   /* OrderTotalChanged.v1: the new lines and total */
    TB_EVENT_SHIPPED,         /* OrderShipped.v1 */
    TB_EVENT_CANCELLED,       /* OrderCancelled.v1 */
    TB_EVENT_TYPE_COUNT
};
const char *tb_event_type_name(enum tb_event_type type); /* "OrderPlaced.v2" */

struct tb_event {
    enum tb_event_type type;
    char event_id[TB_UUID_SIZE];
    char order_id[TB_UUID_SIZE];
    int64_t version; /* the order's version after it */
    int64_t occurred_at_ms;
    struct tb_order order; /* PLACED: the whole order */
    struct tb_address address;
    struct tb_line *lines;
    size_t line_count;
    int64_t total_minor;
    struct tb_str reason; /* CANCELLED; absent: none */
};

/* Encodes the value of the record. */
void tb_event_encode(struct tb_buf *out, const struct tb_event *event);

/* What the reader knows from the record's headers and from its configuration. */
struct tb_event_context {
    struct tb_str type;     /* ce_type, else eventType; absent is TB_INVALID */
    struct tb_str event_id; /* ce_id; may be absent */
    const char *currency;   /* for OrderPlaced.v1 */
    struct tb_str node;     /* for OrderPlaced.v1: from ce_source; may be absent */
    int day_start_minutes;  /* for OrderPlaced.v1 */
};
/* Decodes an event; one of an old version becomes one of the newest, step by step. For an unknown
 * type it returns TB_NOT_FOUND, with order_id and version set if the value has them ("" and 0 if
 * not). */
TB_CHECKED enum tb_code tb_event_decode(const struct tb_json *value,
                                        const struct tb_event_context *context,
                                        struct tb_arena *arena, struct tb_event *ret_event,
                                        struct tb_error *err);

/* Changes *order to the order after the event. Before PLACED, *order is zeroed; otherwise the
 * caller has checked that event->version == order->version + 1. Texts stay borrowed from both. */
void tb_event_apply(const struct tb_event *event, struct tb_order *order);
