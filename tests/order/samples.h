/* What the tests of order/ share: parsed texts, pointers of errors, random orders.
 *
 * Memory:  orders are in the given arena; tb_json_free frees parsed JSON.
 * Errors:  failed check assertions. */
#pragma once
#include "order/command.h"
#include "order/event.h"
#include "support/support.h"

/* 2026-11-23T08:20:42.123Z, a Monday. */
#define SAMPLE_NOW_MS INT64_C(1795422042123)
#define SAMPLE_ORDER_ID "0191d2c0-5e6f-7a1b-8c2d-3e4f5a6b7c8d"
#define SAMPLE_EVENT_ID "0191d2c0-5e6f-7a1b-8c2d-000000000001"

struct tb_json *sample_json(const char *text);
extern const struct tb_command_context sample_context;

/* Writes the pointers of the errors in order: "/lines/0/sku /kind"; "." is the whole body. */
void sample_pointers(const struct tb_field_errors *errors, struct tb_buf *out);

/* A valid text of min to max bytes, with characters that need escapes, and UTF-8. */
struct tb_str sample_text(struct fake_random *random, struct tb_arena *arena, size_t min,
                          size_t max);
void sample_uuid(struct fake_random *random, char ret_uuid[TB_UUID_SIZE]);
struct tb_line *sample_lines(struct fake_random *random, struct tb_arena *arena,
                             enum tb_order_kind kind, size_t *ret_count);
void sample_address(struct fake_random *random, struct tb_arena *arena,
                    struct tb_address *ret_address);
/* A valid order; optional fields may be absent. */
void sample_order(struct fake_random *random, struct tb_arena *arena, struct tb_order *ret_order);
