/* An order: what a till sold or took back; and the limits of every order.
 *
 * With these limits every number is exact as a JSON number in any language.
 *
 * Memory:  texts and lines are borrowed from the arena or document they were read from.
 * Units:   money in minor units (_minor), time in Unix milliseconds (_ms). */
#pragma once
#include "base/json/json.h"
#include "base/mem/arena.h"
#include "base/time/timefmt.h"
#include "base/values/uuid.h"

#define TB_LINES_MAX 1000
#define TB_QUANTITY_MAX INT64_C(1000000000)
#define TB_PRICE_MAX INT64_C(1000000000)
#define TB_TOTAL_MAX TB_JSON_INT_MAX
#define TB_SKU_MAX 64
#define TB_NAME_MAX 200
#define TB_TEXT_MAX 200
#define TB_SOURCE_MAX 32
#define TB_NODE_MAX 32
#define TB_PLACED_AHEAD_MAX_MS INT64_C(86400000)
#define TB_ORDER_NUMBER_SIZE (TB_NODE_MAX + 1 + 20 + 1) /* node-counter and a NUL */

enum tb_order_kind { TB_SALE, TB_RETURN };
/* PLACED -> SHIPPED, PLACED -> CANCELLED; nothing else moves. */
enum tb_order_status { TB_PLACED, TB_SHIPPED, TB_CANCELLED };

struct tb_line {
    struct tb_str sku;
    struct tb_str name; /* absent: none was given */
    int64_t quantity;   /* > 0 in a SALE, < 0 in a RETURN */
    int64_t unit_price_minor;
};

struct tb_address {
    struct tb_str line1, line2, city, postal_code, country; /* line2, postal_code may be absent */
};

struct tb_order {
    char order_id[TB_UUID_SIZE];
    char order_number[TB_ORDER_NUMBER_SIZE]; /* "": unknown, as in every OrderPlaced.v1 */
    int64_t version;
    enum tb_order_status status;
    enum tb_order_kind kind;
    char currency[4];
    int64_t total_minor;
    int64_t placed_at_ms, updated_at_ms;
    char business_date[TB_DATE_SIZE];
    struct tb_str node;
    struct tb_str customer_id; /* absent: none */
    struct tb_str source;
    struct tb_line *lines;
    size_t line_count;
    bool has_address;
    struct tb_address address;
    char last_event_id[TB_UUID_SIZE];
};

const char *tb_order_kind_name(enum tb_order_kind kind);       /* "SALE" */
const char *tb_order_status_name(enum tb_order_status status); /* "PLACED" */
bool tb_order_kind_parse(struct tb_str text, enum tb_order_kind *ret_kind);
bool tb_order_status_parse(struct tb_str text, enum tb_order_status *ret_status);

/* True: it is an ISO 4217 code in use. ret_digits: digits of its minor unit; may be NULL. */
bool tb_currency_known(struct tb_str code, int *ret_digits);

/* Adds up quantity * price of all lines; false: the sum is beyond +-TB_TOTAL_MAX. */
bool tb_lines_total(const struct tb_line *lines, size_t count, int64_t *ret_total_minor);

/* Encodes the order: the value of OrderPlaced.v2, the stored document, and what the API shows (the
 * API adds the fields delivery and message):
 * {"orderId":...,"orderNumber":...,"version":...,"status","kind","totalMinor","currency",
 *  "placedAt","businessDate","node","source","customerId","lines","shippingAddress",
 *  "updatedAt","lastEventId"}; absent fields are left out. */
void tb_order_encode(struct tb_buf *out, const struct tb_order *order);
void tb_lines_encode(struct tb_buf *out, const struct tb_line *lines, size_t count);
void tb_address_encode(struct tb_buf *out, const struct tb_address *address);

/* Decodes an order that tb_order_encode or another program wrote. Checks every known field and
 * ignores the others; TB_INVALID: err says which field is wrong and why. Texts are borrowed from
 * json. */
TB_CHECKED enum tb_code tb_order_decode(const struct tb_json *json, struct tb_arena *arena,
                                        struct tb_order *ret_order, struct tb_error *err);
/* Hashes every field of the document except lastEventId and updatedAt, so that two copies of one
 * order have the same hash. 64 hex digits; "" if memory runs out. */
void tb_order_hash(const struct tb_order *order, char ret_hex[65]);
