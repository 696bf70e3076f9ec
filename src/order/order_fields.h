/* Reads the fields that orders have, in commands, events and documents alike; and encodes the
 * content of an order. Private to src/order; the contract is that of json_fields.h. */
#pragma once
#include "order/json_fields.h"

/* Fields that more than one kind of JSON object has. */
#define TB_FIELD_SOURCE(...)                                                                      \
    TB_FIELD("source", TB_TEXT(1, TB_SOURCE_MAX, TB_CHARS_SOURCE), ##__VA_ARGS__)
#define TB_FIELD_CUSTOMER TB_FIELD("customerId", TB_TEXT(1, TB_TEXT_MAX, TB_CHARS_PRINT))
#define TB_FIELD_REASON TB_FIELD("reason", TB_TEXT(0, TB_TEXT_MAX, TB_CHARS_ANY))

bool tb_order_read_kind(struct tb_field_reader *reader, const struct tb_members *members, int i,
                        enum tb_order_kind *ret_kind);
bool tb_order_read_currency(struct tb_field_reader *reader, const struct tb_members *members,
                            int i, char ret_code[4]);
bool tb_order_read_placed_at(struct tb_field_reader *reader, const struct tb_members *members,
                             int i, int64_t *ret_ms);
/* Reads 1 to lines_max lines. The caller must call tb_order_check_signs with the kind of the
 * order. */
void tb_order_read_lines(struct tb_field_reader *reader, const struct tb_members *members, int i,
                         size_t lines_max, struct tb_line **ret_lines, size_t *ret_count);
/* Records an error for each line whose quantity has the wrong sign. base: the pointer of the
 * array, "/lines". */
void tb_order_check_signs(struct tb_field_reader *reader, const char *base,
                          const struct tb_line *lines, size_t count, enum tb_order_kind kind);
/* Adds up the lines. Does nothing after an error, because wrong lines have no sum. */
void tb_order_check_total(struct tb_field_reader *reader, const char *base,
                          const struct tb_line *lines, size_t count, int64_t *ret_total_minor);
/* Records an error if the lines do not add up to the total that the sender states. */
void tb_order_check_stated_total(struct tb_field_reader *reader, const struct tb_line *lines,
                                 size_t count, int64_t stated_minor);
/* base: the pointer of the address; NULL: the address is the whole body. */
void tb_order_read_address(struct tb_field_reader *reader, const char *base,
                           const struct tb_json *value, struct tb_address *ret_address);

/* Reads a whole document. The caller may add checks before tb_field_reader_end. */
void tb_order_read(struct tb_field_reader *reader, const struct tb_json *json,
                   struct tb_order *ret_order);
/* Reads an OrderPlaced.v1 as the order that it places (event_v1.c). */
struct tb_event_context;
void tb_order_read_v1(struct tb_field_reader *reader, const struct tb_json *json,
                      const struct tb_event_context *context, struct tb_order *ret_order);
/* Scales a JSON number to a whole number: "12.50" with 2 digits is 1250. False: it has more digits
 * than that (with `cut` they are cut off), or is beyond 2^53 - 1. */
bool tb_decimal_scale(struct tb_str text, int digits, bool cut, int64_t *ret_value);
/* Encodes the document without lastEventId and updatedAt. Two copies of one order have the same
 * bytes here, so tb_order_hash hashes them. */
void tb_order_encode_content(struct tb_buf *out, const struct tb_order *order);
