/* Decide: makes an event from a command and the present order, or refuses the command. This is the
 * state machine of orders.
 *
 *            place            ship
 *   (none) --------> PLACED --------> SHIPPED
 *                      |  \__ address, lines (stay PLACED)
 *                      | cancel
 *                      +------------> CANCELLED
 *
 * Memory:  the event borrows from the command and the context.
 * Errors:  TB_NOT_FOUND: no such order; TB_CONFLICT: the state or an existing order forbids it
 *          (err->native is 409) or If-Match does not match (err->native is 412); TB_INVALID: the
 *          sign of a quantity does not fit the order's kind, or the total of the lines is out of
 *          range; ret_errors lists the errors. */
#pragma once
#include "order/command.h"
#include "order/event.h"

struct tb_decide_context {
    int64_t now_ms;
    const char *event_id;
    const char *new_order_id; /* PLACE without an orderId */
    const char *order_number; /* PLACE */
    struct tb_str node;
    int day_start_minutes;
};

/* current: NULL if the order does not exist. Only order_id, version, status and kind are read. */
TB_CHECKED enum tb_code tb_decide(const struct tb_command *command, const struct tb_order *current,
                                  const struct tb_decide_context *context, struct tb_arena *arena,
                                  struct tb_event *ret_event, struct tb_field_errors *ret_errors,
                                  struct tb_error *err);
