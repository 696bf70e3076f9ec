/* Searches for a record that crashes the decoder, or is accepted although its order cannot be
 * encoded and decoded again. The first byte of the input picks the type, the rest is the value. */
#include "order/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {
    "OrderPlaced.v2",  "OrderPlaced.v1",    "OrderAddressChanged.v1", "OrderTotalChanged.v1",
    "OrderShipped.v1", "OrderCancelled.v1", "OrderRefunded.v1",       "OrderSnapshot.v1",
};

/* The document of an order, read back and written again: the same bytes. */
static void check_document(const struct tb_order *order, struct tb_arena *arena)
{
    struct tb_buf text = {0}, again = {0};
    struct tb_json *json = NULL;
    struct tb_order back;
    struct tb_error err = {0};
    char hash[65], hash_again[65];

    tb_order_encode(&text, order);
    TB_ASSERT(tb_json_parse(tb_buf_str(&text), TB_JSON_DEPTH_MAX, &json, &err) == TB_OK);
    TB_ASSERT(tb_order_decode(json, arena, &back, &err) == TB_OK);
    tb_order_encode(&again, &back);
    TB_ASSERT(tb_str_eq(tb_buf_str(&text), tb_buf_str(&again)));
    tb_order_hash(order, hash);
    tb_order_hash(&back, hash_again);
    TB_ASSERT(strcmp(hash, hash_again) == 0);
    tb_json_free(json);
    tb_buf_release(&text);
    tb_buf_release(&again);
}

static void check_accepted(const struct tb_event *event, struct tb_arena *arena)
{
    static struct tb_line line = {{"T", 1}, {NULL, 0}, 1, 1};
    struct tb_order order = {.version = event->version - 1,
                             .currency = "EUR",
                             .business_date = "2026-11-23",
                             .source = {"POS", 3},
                             .lines = &line,
                             .line_count = 1,
                             .total_minor = 1};

    TB_ASSERT(event->order_id[0] && event->version >= 1);
    memcpy(order.order_id, event->order_id, sizeof order.order_id);
    if (event->type == TB_EVENT_TOTAL_CHANGED && event->lines[0].quantity < 0)
        order.kind = TB_RETURN;
    tb_event_apply(event, &order);
    TB_ASSERT(order.version == event->version);
    check_document(&order, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tb_arena arena = {0};
    struct tb_json *json = NULL;
    struct tb_event event;
    struct tb_error err = {0};
    struct tb_event_context context = {.currency = "EUR", .node = TB_STR("till1")};

    if (size == 0)
        return 0;
    context.type = tb_str_of(types[data[0] % (sizeof types / sizeof types[0])]);
    struct tb_str value = {(const char *)data + 1, size - 1};
    if (tb_json_parse(value, TB_JSON_DEPTH_MAX, &json, &err) == TB_OK) {
        if (tb_event_decode(json, &context, &arena, &event, &err) == TB_OK)
            check_accepted(&event, &arena);
        tb_json_free(json);
    }
    tb_arena_release(&arena);
    return 0;
}
