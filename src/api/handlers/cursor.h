/* Page cursors: where the next page of a list begins, as an opaque text.
 *
 * Memory:  results go into the caller's array.
 * Errors:  false for a text that the format function of its kind never wrote.
 * Units:   Unix milliseconds. */
#pragma once
#include "base/values/uuid.h"
#include "query/projection/dead_letter.h"
#include <stdbool.h>

/* base64url of a sign, 15 digits of milliseconds, a dot and an order id, or of three numbers with
 * dots; and a NUL. */
#define TB_PAGE_CURSOR_SIZE 88
void tb_order_cursor_format(int64_t placed_at_ms, const char *order_id,
                            char ret_text[TB_PAGE_CURSOR_SIZE]);
bool tb_order_cursor_parse(struct tb_str text, int64_t *ret_positiond_at_ms,
                           char ret_order_id[TB_UUID_SIZE]);
void tb_dead_letter_cursor_format(int64_t dead_at_ms, struct tb_dead_letter_position position,
                                  char ret_text[TB_PAGE_CURSOR_SIZE]);
bool tb_dead_letter_cursor_parse(struct tb_str text, int64_t *ret_dead_at_ms,
                                 struct tb_dead_letter_position *ret_position);
