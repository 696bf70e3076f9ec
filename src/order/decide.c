#include "order/decide.h"
#include "order/order_fields.h"
#include <stdio.h>

#define STATUS_CONFLICT 409
#define STATUS_PRECONDITION_FAILED 412

/* The wall clock may be wrong. The result is a time that tb_time_parse can read back. */
static int64_t sane_ms(int64_t now_ms)
{
    if (now_ms < 0)
        return 0;
    return now_ms > TB_TIME_MAX_MS ? TB_TIME_MAX_MS : now_ms;
}

static enum tb_code place(const struct tb_command *command, const struct tb_order *current,
                          const struct tb_decide_context *context, struct tb_event *event,
                          struct tb_error *err)
{
    struct tb_order *order = &event->order;

    if (current) {
        tb_error_set(err, TB_CONFLICT,
                     "order %s exists already: look it up, or place this one under a new orderId",
                     current->order_id);
        err->native = STATUS_CONFLICT;
        return TB_CONFLICT;
    }
    event->type = TB_EVENT_PLACED;
    snprintf(event->order_id, sizeof event->order_id, "%s",
             command->order_id[0] ? command->order_id : context->new_order_id);
    event->version = 1;
    memcpy(order->order_id, event->order_id, sizeof order->order_id);
    snprintf(order->order_number, sizeof order->order_number, "%s", context->order_number);
    order->version = 1;
    order->status = TB_PLACED;
    order->kind = command->kind;
    memcpy(order->currency, command->currency, sizeof order->currency);
    order->total_minor = command->total_minor;
    order->placed_at_ms = command->has_placed_at ? command->placed_at_ms : event->occurred_at_ms;
    order->updated_at_ms = event->occurred_at_ms;
    tb_business_date(order->placed_at_ms, context->day_start_minutes, order->business_date);
    order->node = context->node;
    order->customer_id = command->customer_id;
    order->source = command->source;
    order->lines = command->lines;
    order->line_count = command->line_count;
    order->has_address = command->has_address;
    order->address = command->address;
    memcpy(order->last_event_id, event->event_id, sizeof order->last_event_id);
    return TB_OK;
}

/* Refuses the command unless the order exists, has the expected version, and may still change. */
static enum tb_code check_present(const struct tb_command *command, const struct tb_order *current,
                                  struct tb_error *err)
{
    if (!current)
        return tb_error_set(err, TB_NOT_FOUND,
                            "there is no order %s on this till: check the id, or ask the till "
                            "that took it",
                            command->order_id);
    if (command->has_expected_version && command->expected_version != current->version) {
        tb_error_set(err, TB_CONFLICT,
                     "order %s has changed meanwhile, to version %lld: look at it again, then "
                     "repeat the change",
                     current->order_id, (long long)current->version);
        err->native = STATUS_PRECONDITION_FAILED;
        return TB_CONFLICT;
    }
    if (current->status != TB_PLACED) {
        tb_error_set(err, TB_CONFLICT, "order %s is %s already and cannot be changed any more%s",
                     current->order_id, current->status == TB_SHIPPED ? "shipped" : "cancelled",
                     current->status == TB_SHIPPED ? ": take goods back with a RETURN" : "");
        err->native = STATUS_CONFLICT;
        return TB_CONFLICT;
    }
    return TB_OK;
}

static enum tb_code change_lines(const struct tb_command *command, const struct tb_order *current,
                                 struct tb_arena *arena, struct tb_event *event,
                                 struct tb_field_errors *errors, struct tb_error *err)
{
    struct tb_field_reader reader = {.arena = arena, .errors = errors, .err = err};

    tb_order_check_signs(&reader, "/lines", command->lines, command->line_count, current->kind);
    tb_order_check_total(&reader, "/lines", command->lines, command->line_count,
                         &event->total_minor);
    TB_TRY(tb_field_reader_end(&reader, "the body"));
    event->type = TB_EVENT_TOTAL_CHANGED;
    event->lines = command->lines;
    event->line_count = command->line_count;
    return TB_OK;
}

static enum tb_code change(const struct tb_command *command, const struct tb_order *current,
                           struct tb_arena *arena, struct tb_event *event,
                           struct tb_field_errors *errors, struct tb_error *err)
{
    TB_TRY(check_present(command, current, err));
    memcpy(event->order_id, current->order_id, sizeof event->order_id);
    event->version = current->version + 1;
    switch (command->type) {
    case TB_CMD_ADDRESS:
        event->type = TB_EVENT_ADDRESS_CHANGED;
        event->address = command->address;
        return TB_OK;
    case TB_CMD_LINES:
        return change_lines(command, current, arena, event, errors, err);
    case TB_CMD_SHIP:
        event->type = TB_EVENT_SHIPPED;
        return TB_OK;
    case TB_CMD_CANCEL:
        event->type = TB_EVENT_CANCELLED;
        event->reason = command->reason;
        return TB_OK;
    case TB_CMD_PLACE:
    case TB_CMD_COUNT:
        break;
    }
    return tb_error_set(err, TB_INTERNAL, "command type %d", (int)command->type);
}

enum tb_code tb_decide(const struct tb_command *command, const struct tb_order *current,
                       const struct tb_decide_context *context, struct tb_arena *arena,
                       struct tb_event *ret_event, struct tb_field_errors *ret_errors,
                       struct tb_error *err)
{
    struct tb_event event = {.occurred_at_ms = sane_ms(context->now_ms)};

    ret_errors->count = 0;
    snprintf(event.event_id, sizeof event.event_id, "%s", context->event_id);
    if (command->type == TB_CMD_PLACE)
        TB_TRY(place(command, current, context, &event, err));
    else
        TB_TRY(change(command, current, arena, &event, ret_errors, err));
    *ret_event = event;
    return TB_OK;
}
