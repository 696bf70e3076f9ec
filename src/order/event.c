#include "order/event.h"

const char *tb_event_type_name(enum tb_event_type type)
{
    static const char *const names[TB_EVENT_TYPE_COUNT] = {
        [TB_EVENT_PLACED] = "OrderPlaced.v2",
        [TB_EVENT_ADDRESS_CHANGED] = "OrderAddressChanged.v1",
        [TB_EVENT_TOTAL_CHANGED] = "OrderTotalChanged.v1",
        [TB_EVENT_SHIPPED] = "OrderShipped.v1",
        [TB_EVENT_CANCELLED] = "OrderCancelled.v1",
        [TB_EVENT_SNAPSHOT] = "OrderSnapshot.v1",
    };

    return names[type];
}

/* The order's document, with the last of the earlier epochs beside it. */
static void encode_snapshot(struct tb_buf *out, const struct tb_event *event)
{
    size_t count = event->earlier_epoch_count;
    size_t first = count > TB_EARLIER_EPOCHS_MAX ? count - TB_EARLIER_EPOCHS_MAX : 0;

    tb_order_encode(out, &event->order);
    if (count == 0 || !tb_buf_ok(out))
        return;
    out->len--; /* the closing brace comes behind the epochs */
    tb_json_open(out, "earlierEpochs", '[');
    for (size_t i = first; i < count; i++) {
        tb_json_separate(out);
        tb_json_add_string(out, event->earlier_epochs[i]);
    }
    tb_buf_adds(out, "]}");
}

void tb_event_encode(struct tb_buf *out, const struct tb_event *event)
{
    if (event->type == TB_EVENT_SNAPSHOT) {
        encode_snapshot(out, event);
        return;
    }
    if (event->type == TB_EVENT_PLACED) {
        tb_order_encode(out, &event->order);
        return;
    }
    tb_buf_addc(out, '{');
    tb_json_member_str(out, "orderId", tb_str_of(event->order_id));
    tb_json_member_int(out, "version", event->version);
    tb_json_member_time(out, "occurredAt", event->occurred_at_ms);
    switch (event->type) {
    case TB_EVENT_ADDRESS_CHANGED:
        tb_json_member_key(out, "shippingAddress");
        tb_address_encode(out, &event->address);
        break;
    case TB_EVENT_TOTAL_CHANGED:
        tb_json_member_key(out, "lines");
        tb_lines_encode(out, event->lines, event->line_count);
        tb_json_member_int(out, "totalMinor", event->total_minor);
        break;
    case TB_EVENT_CANCELLED:
        if (event->reason.ptr)
            tb_json_member_str(out, "reason", event->reason);
        break;
    case TB_EVENT_PLACED:
    case TB_EVENT_SNAPSHOT:
    case TB_EVENT_SHIPPED:
    case TB_EVENT_TYPE_COUNT:
        break;
    }
    tb_buf_addc(out, '}');
}

void tb_event_apply(const struct tb_event *event, struct tb_order *order)
{
    switch (event->type) {
    case TB_EVENT_PLACED:
    case TB_EVENT_SNAPSHOT:
        *order = event->order;
        return;
    case TB_EVENT_ADDRESS_CHANGED:
        order->address = event->address;
        order->has_address = true;
        break;
    case TB_EVENT_TOTAL_CHANGED:
        order->lines = event->lines;
        order->line_count = event->line_count;
        order->total_minor = event->total_minor;
        break;
    case TB_EVENT_SHIPPED:
        order->status = TB_SHIPPED;
        break;
    case TB_EVENT_CANCELLED:
        order->status = TB_CANCELLED;
        break;
    case TB_EVENT_TYPE_COUNT:
        tb_assert_failed("an event type", __FILE__, __LINE__);
    }
    order->version = event->version;
    order->updated_at_ms = event->occurred_at_ms;
    memcpy(order->last_event_id, event->event_id, sizeof order->last_event_id);
}
