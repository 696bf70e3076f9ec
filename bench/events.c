#include "events.h"
#include "bench.h"
#include "order/event.h"
#include <stdio.h>

#define PLACED_AT_MS INT64_C(1795425003660) /* 2026-11-23 */
/* The second event of an order follows this many orders after its first. */
#define BEHIND 20

static struct tb_str copy(struct tb_bench_events *events, struct tb_str text)
{
    struct tb_str result = tb_arena_copy(&events->arena, text);

    if (!result.ptr)
        tb_bench_die("out of memory for events");
    return result;
}

static struct tb_line lines[] = {
    {TB_STR("TEA-0001"), TB_STR("Green tea, loose"), 2, 350},
    {TB_STR("MUG-0042"), TB_STR("Mug, blue"), 1, 1290},
    {TB_STR("CAK-0007"), TB_STR("Lemon cake"), 3, 425},
};

/* Makes a UUID that is unique for its kind, run and number. */
static void make_id(char ret_id[TB_UUID_SIZE], unsigned kind, unsigned run, size_t number)
{
    snprintf(ret_id, TB_UUID_SIZE, "01a207a%x-%04x-7000-8000-%012llx", kind & 0xf, run & 0xffff,
             (unsigned long long)number & 0xffffffffffff);
}

static void fill_order(struct tb_order *order, size_t number, unsigned run)
{
    *order = (struct tb_order){
        .version = 1,
        .currency = "EUR",
        .total_minor = 3265,
        .placed_at_ms = PLACED_AT_MS + (int64_t)number,
        .updated_at_ms = PLACED_AT_MS + (int64_t)number,
        .business_date = "2026-11-23",
        .node = TB_STR("till1"),
        .customer_id = TB_STR("C-001001"),
        .source = TB_STR("POS"),
        .lines = lines,
        .line_count = 3,
    };
    make_id(order->order_id, 1, run, number);
    make_id(order->last_event_id, 2, run, number);
    snprintf(order->order_number, sizeof order->order_number, "till1-%06zu", number + 1);
}

static void add_header(struct tb_bench_events *events, struct tb_record *record, const char *name,
                       const char *value)
{
    struct tb_header *headers = (struct tb_header *)(uintptr_t)record->headers;

    headers[record->header_count++] =
        (struct tb_header){tb_str_of(name), copy(events, tb_str_of(value))};
}

static void add_event(struct tb_bench_events *events, const struct tb_event *event)
{
    struct tb_record *record = &events->records[events->count];
    TB_CLEANUP(tb_buf_release) struct tb_buf value = {0};
    char text[32];

    tb_event_encode(&value, event);
    *record = (struct tb_record){
        .offset = (int64_t)events->count,
        .timestamp_ms = event->occurred_at_ms + 5,
        .key = copy(events, tb_str_of(event->order_id)),
        .value = copy(events, tb_buf_str(&value)),
        .headers = tb_arena_array(&events->arena, 10, sizeof(struct tb_header)),
    };
    if (!record->headers)
        tb_bench_die("out of memory for events");
    events->count++;
    events->value_bytes += value.len;
    add_header(events, record, "ce_specversion", "1.0");
    add_header(events, record, "ce_id", event->event_id);
    add_header(events, record, "ce_source", "/nodes/till1");
    add_header(events, record, "ce_type", tb_event_type_name(event->type));
    add_header(events, record, "ce_time", "2026-11-23T08:20:42.123Z");
    add_header(events, record, "ce_subject", event->order_id);
    snprintf(text, sizeof text, "%020zu", events->count);
    add_header(events, record, "ce_sequence", text);
    add_header(events, record, "ce_epoch", "0123456789abcdef");
    snprintf(text, sizeof text, "%lld", (long long)event->version);
    add_header(events, record, "ce_orderversion", text);
    add_header(events, record, "content-type", "application/json");
}

static void place(struct tb_bench_events *events, size_t number, unsigned run)
{
    struct tb_event event = {.type = TB_EVENT_PLACED, .version = 1};

    fill_order(&event.order, number, run);
    memcpy(event.order_id, event.order.order_id, sizeof event.order_id);
    memcpy(event.event_id, event.order.last_event_id, sizeof event.event_id);
    event.occurred_at_ms = event.order.placed_at_ms;
    add_event(events, &event);
}

static void change(struct tb_bench_events *events, size_t number, unsigned run)
{
    static const enum tb_event_type types[] = {TB_EVENT_ADDRESS_CHANGED, TB_EVENT_TOTAL_CHANGED,
                                               TB_EVENT_SHIPPED};
    struct tb_event event = {.version = 2};
    struct tb_order order;

    if (number % 4 == 3)
        return;
    fill_order(&order, number, run);
    event.type = types[number % 4];
    memcpy(event.order_id, order.order_id, sizeof event.order_id);
    make_id(event.event_id, 3, run, number);
    event.occurred_at_ms = order.placed_at_ms + 1000;
    event.address = (struct tb_address){.line1 = TB_STR("Lindenweg 4"),
                                        .city = TB_STR("Kiel"),
                                        .postal_code = TB_STR("24103"),
                                        .country = TB_STR("DE")};
    event.lines = lines;
    event.line_count = 2;
    event.total_minor = 1990;
    add_event(events, &event);
}

void tb_bench_events_make(struct tb_bench_events *events, size_t orders, unsigned run)
{
    *events = (struct tb_bench_events){0};
    events->records = tb_arena_array(&events->arena, 2 * orders, sizeof *events->records);
    if (!events->records)
        tb_bench_die("out of memory for events");
    for (size_t i = 0; i < orders + BEHIND; i++) {
        if (i < orders)
            place(events, i, run);
        if (i >= BEHIND)
            change(events, i - BEHIND, run);
    }
}

void tb_bench_events_release(struct tb_bench_events *events)
{
    tb_arena_release(&events->arena);
}
