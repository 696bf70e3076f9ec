/* Page cursors: the place in a list behind which the next page begins, as an opaque text.
 *
 * Errors:  parse returns false for a text that format never writes.
 * Units:   Unix milliseconds. */
#pragma once
#include "base/values/node_status.h"
#include "query/projection/dead_letter.h"
#include <stdbool.h>

/* Enough for base64url of 63 bytes and a NUL. A time and an order id, or the three numbers of a
 * dead letter, take at most 53 bytes. */
#define TB_PAGE_CURSOR_SIZE 88
void tb_order_cursor_format(int64_t placed_at_ms, const char *order_id,
                            char ret_text[TB_PAGE_CURSOR_SIZE]);
bool tb_order_cursor_parse(struct tb_str text, int64_t *ret_placed_at_ms,
                           char ret_order_id[TB_UUID_SIZE]);
void tb_dead_letter_cursor_format(int64_t dead_at_ms, struct tb_dead_letter_position position,
                                  char ret_text[TB_PAGE_CURSOR_SIZE]);
bool tb_dead_letter_cursor_parse(struct tb_str text, int64_t *ret_dead_at_ms,
                                 struct tb_dead_letter_position *ret_position);
void tb_node_cursor_format(const char *node, char ret_text[TB_PAGE_CURSOR_SIZE]);
bool tb_node_cursor_parse(struct tb_str text, char ret_node[TB_HEARTBEAT_NODE_SIZE]);
