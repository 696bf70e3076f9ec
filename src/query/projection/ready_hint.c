#include "query/projection/ready_hint.h"
#include "base/json/json.h"

#define ACKS_MAX 256
/* {"orderId":"...","version":9007199254740991} and room for members of later versions. */
#define VALUE_MAX 1024
#define DEPTH_MAX 8

void tb_ready_publisher_release(struct tb_ready_publisher *publisher)
{
    tb_buf_release(&publisher->value);
}

void tb_ready_collect_acks(struct tb_ready_publisher *publisher)
{
    struct tb_log_ack acks[ACKS_MAX];
    struct tb_error err = {0};
    size_t count = 0;

    do {
        count = 0;
        if (publisher->writer->ops->poll(publisher->writer, 0, acks, ACKS_MAX, &count, &err) !=
            TB_OK)
            return;
    } while (count == ACKS_MAX);
}

/* False: the hint was not published, so do not try the others (the log refuses it, or out of
 * memory). */
static bool publish(struct tb_ready_publisher *publisher, const struct tb_planned_order *planned)
{
    static const struct tb_header type = {TB_STR("content-type"), TB_STR("application/json")};
    const struct tb_order *order = &planned->order;
    struct tb_error err = {0};

    tb_buf_clear(&publisher->value);
    tb_buf_addc(&publisher->value, '{');
    tb_json_member_str(&publisher->value, "orderId", tb_str_of(order->order_id));
    tb_json_member_int(&publisher->value, "version", order->version);
    if (planned->lineage.replaced > 0)
        tb_json_member_int(&publisher->value, "replaced", planned->lineage.replaced);
    tb_buf_addc(&publisher->value, '}');
    if (!tb_buf_ok(&publisher->value))
        return false;
    const struct tb_record record = {
        .key = tb_str_of(order->order_id),
        .value = tb_buf_str(&publisher->value),
        .headers = &type,
        .header_count = 1,
    };
    return publisher->writer->ops->append(publisher->writer, &record, publisher->next_tag++,
                                          &err) == TB_OK;
}

void tb_ready_publish(struct tb_ready_publisher *publisher, const struct tb_plan *plan)
{
    int64_t fresh_ms = tb_clock_wall_ms(publisher->clock) - TB_READY_MAX_AGE_MS;
    bool open = true;

    tb_ready_collect_acks(publisher);
    for (size_t i = 0; open && i < plan->order_count; i++) {
        const struct tb_planned_order *planned = plan->orders[i];

        if (planned->changed && planned->received_at_ms >= fresh_ms)
            open = publish(publisher, planned);
    }
    tb_ready_collect_acks(publisher);
}

bool tb_ready_decode(const struct tb_record *record, char ret_order_id[TB_UUID_SIZE],
                     int64_t *ret_version, int64_t *ret_replaced)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *root = NULL;
    const struct tb_json *order_id, *version, *replaced;
    struct tb_error err = {0};

    if (!record->value.ptr || record->value.len > VALUE_MAX ||
        tb_json_parse(record->value, DEPTH_MAX, &root, &err) != TB_OK)
        return false;
    order_id = tb_json_get(root, "orderId");
    version = tb_json_get(root, "version");
    replaced = tb_json_get(root, "replaced");
    *ret_replaced = 0; /* it has never been, or an earlier version publishes */
    if (replaced && !tb_json_int(replaced, ret_replaced))
        return false;
    return order_id && version && tb_uuid_parse(tb_json_string(order_id), ret_order_id) &&
           tb_json_int(version, ret_version) && *ret_version > 0;
}
