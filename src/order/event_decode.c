#include "order/event.h"
#include "order/order_fields.h"

/* An old type that is read but never written: see event_v1.c. */
#define TYPE_PLACED_V1 "OrderPlaced.v1"

enum { ORDER_ID, VERSION, OCCURRED_AT, ADDRESS, LINES, TOTAL, REASON, FIELD_COUNT };
static const struct tb_field fields[FIELD_COUNT] = {
    [ORDER_ID] = TB_FIELD("orderId", TB_REQUIRED),
    /* Version 1 is the order as it was placed, so no change has it. */
    [VERSION] = TB_FIELD("version", TB_REQUIRED, TB_RANGE(2, TB_JSON_INT_MAX)),
    [OCCURRED_AT] = TB_FIELD("occurredAt", TB_REQUIRED),
    [ADDRESS] = TB_FIELD("shippingAddress", TB_REQUIRED), /* of the types of event that have it */
    [LINES] = TB_FIELD("lines", TB_REQUIRED),
    [TOTAL] = TB_FIELD("totalMinor", TB_REQUIRED, TB_RANGE(-TB_TOTAL_MAX, TB_TOTAL_MAX)),
    [REASON] = TB_FIELD_REASON,
};

/* Reads the order's id and version even from an event that is otherwise invalid or unknown. */
static void read_identity(const struct tb_json *value, struct tb_event *event)
{
    const struct tb_json *order_id = tb_json_get(value, "orderId");
    const struct tb_json *version = tb_json_get(value, "version");
    int64_t number;

    if (!order_id || !tb_uuid_parse(tb_json_string(order_id), event->order_id))
        event->order_id[0] = '\0';
    if (version && tb_json_int(version, &number) && number >= 1)
        event->version = number;
}

static void read_new_lines(struct tb_field_reader *reader, const struct tb_members *m,
                           struct tb_event *event)
{
    tb_order_read_lines(reader, m, LINES, TB_LINES_MAX, &event->lines, &event->line_count);
    /* The event does not say the kind of the order: the sign of the first line holds for all. */
    if (event->line_count > 0)
        tb_order_check_signs(reader, "/lines", event->lines, event->line_count,
                             event->lines[0].quantity < 0 ? TB_RETURN : TB_SALE);
    tb_field_read_int(reader, m, TOTAL, &event->total_minor);
    tb_order_check_stated_total(reader, event->lines, event->line_count, event->total_minor);
}

static void read_change(struct tb_field_reader *reader, const struct tb_json *value,
                        struct tb_event *event)
{
    struct tb_members m;

    if (!tb_field_read_members(reader, value, fields, FIELD_COUNT, &m))
        return;
    tb_field_read_uuid(reader, &m, ORDER_ID, event->order_id);
    tb_field_read_int(reader, &m, VERSION, &event->version);
    tb_field_read_time(reader, &m, OCCURRED_AT, &event->occurred_at_ms);
    if (event->type == TB_EVENT_TOTAL_CHANGED)
        read_new_lines(reader, &m, event);
    else if (event->type == TB_EVENT_CANCELLED)
        tb_field_read_text(reader, &m, REASON, &event->reason);
    else if (event->type == TB_EVENT_ADDRESS_CHANGED && tb_field_is_present(reader, &m, ADDRESS))
        tb_order_read_address(reader, "/shippingAddress", m.values[ADDRESS], &event->address);
}

static void read_earlier_epochs(struct tb_field_reader *reader, const struct tb_json *value,
                                struct tb_event *event)
{
    const struct tb_json *list = tb_json_get(value, "earlierEpochs");
    struct tb_str *epochs = tb_arena_array(reader->arena, TB_EARLIER_EPOCHS_MAX, sizeof *epochs);
    size_t count = 0;

    reader->out_of_memory |= !epochs;
    if (!list || !epochs)
        return;
    if (tb_json_type(list) != TB_JSON_ARRAY || tb_json_count(list) > TB_EARLIER_EPOCHS_MAX) {
        tb_field_reader_fail(reader, "earlierEpochs", "must be an array of at most %d epochs",
                             TB_EARLIER_EPOCHS_MAX);
        return;
    }
    for (const struct tb_json *one = tb_json_first(list); one; one = tb_json_next(one)) {
        epochs[count] = tb_json_string(one);
        if (!tb_epoch_valid(epochs[count++]))
            tb_field_reader_fail(reader, "earlierEpochs", "must have 16 hex digits in each epoch");
    }
    event->earlier_epochs = epochs;
    event->earlier_epoch_count = count;
}

/* The value's lastEventId, not the id of the record, is the identity of the order's last event. */
static void read_snapshot(struct tb_field_reader *reader, const struct tb_json *value,
                          struct tb_event *event)
{
    tb_order_read(reader, value, &event->order);
    if (tb_json_type(value) == TB_JSON_OBJECT)
        read_earlier_epochs(reader, value, event);
    memcpy(event->order_id, event->order.order_id, sizeof event->order_id);
    event->version = event->order.version;
    event->occurred_at_ms = event->order.updated_at_ms;
}

static void read_placed(struct tb_field_reader *reader, const struct tb_json *value, bool v1,
                        const struct tb_event_context *context, struct tb_event *event)
{
    struct tb_order *order = &event->order;

    if (v1)
        tb_order_read_v1(reader, value, context, order);
    else
        tb_order_read(reader, value, order);
    if (reader->error_count > 0)
        return;
    /* Any other version or status would skip or undo changes of the order. */
    if (order->version != 1)
        tb_field_reader_fail(reader, "version", "must be 1 when an order is placed");
    if (order->status != TB_PLACED)
        tb_field_reader_fail(reader, "status", "must be \"PLACED\" when an order is placed");
    memcpy(event->order_id, order->order_id, sizeof event->order_id);
    event->version = order->version;
    event->occurred_at_ms = order->updated_at_ms;
    if (!event->event_id[0])
        memcpy(event->event_id, order->last_event_id, sizeof event->event_id);
    if (!order->last_event_id[0])
        memcpy(order->last_event_id, event->event_id, sizeof order->last_event_id);
}

enum tb_code tb_event_decode(const struct tb_json *value, const struct tb_event_context *context,
                             struct tb_arena *arena, struct tb_event *ret_event,
                             struct tb_error *err)
{
    struct tb_field_reader reader = {.arena = arena, .err = err};
    bool v1 = tb_str_eq(context->type, TB_STR(TYPE_PLACED_V1));
    struct tb_event event = {0};

    *ret_event = event;
    read_identity(value, ret_event);
    if (!context->type.ptr)
        return tb_error_set(err, TB_INVALID, "the event has no type");
    if (!v1 && !tb_name_find(context->type, tb_event_type_name, TB_EVENT_TYPE_COUNT, &event.type))
        return tb_error_set(
            err, TB_NOT_FOUND, "the event's type is not known here: %.*s",
            (int)(context->type.len < TB_TEXT_MAX ? context->type.len : TB_TEXT_MAX),
            context->type.ptr);
    /* CloudEvents allows any text as an id, but last_event_id has room for a UUID only. */
    if (!tb_uuid_parse(context->event_id, event.event_id))
        event.event_id[0] = '\0';
    if (event.type == TB_EVENT_PLACED)
        read_placed(&reader, value, v1, context, &event);
    else if (event.type == TB_EVENT_SNAPSHOT)
        read_snapshot(&reader, value, &event);
    else
        read_change(&reader, value, &event);
    TB_TRY(tb_field_reader_end(&reader, "the event"));
    *ret_event = event;
    return TB_OK;
}
