#include "query/doubles/history.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void *need(void *memory)
{
    TB_ASSERT(memory != NULL);
    return memory;
}

static struct tb_str textf(struct tb_arena *arena, const char *format, ...) TB_PRINTF(2, 3);
static struct tb_str textf(struct tb_arena *arena, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return tb_arena_copy(arena, tb_str_of(text));
}

void history_uuid(struct fake_random *random, char ret_uuid[TB_UUID_SIZE])
{
    uint64_t a = fake_random_u64(random), b = fake_random_u64(random);

    snprintf(ret_uuid, TB_UUID_SIZE,
             "%08" PRIx64 "-%04" PRIx64 "-7%03" PRIx64 "-8%03" PRIx64 "-%012" PRIx64, a >> 32,
             (a >> 16) & 0xffff, a & 0xfff, b >> 52, b & 0xffffffffffff);
}

struct tb_str history_encode(struct tb_arena *arena, const struct tb_order *order)
{
    struct tb_buf buf = {0};
    struct tb_str doc;

    tb_order_encode(&buf, order);
    TB_ASSERT(tb_buf_ok(&buf));
    doc = tb_arena_copy(arena, tb_buf_str(&buf));
    tb_buf_release(&buf);
    return doc;
}

static void random_lines(struct tb_arena *arena, struct fake_random *random, size_t count,
                         struct tb_order *order)
{
    struct tb_line *lines = need(tb_arena_array(arena, count, sizeof *lines));
    int64_t total = 0;

    for (size_t i = 0; i < count; i++) {
        int64_t quantity = 1 + (int64_t)fake_random_below(random, 9);

        lines[i].sku = textf(arena, "SKU-%" PRIu64, fake_random_below(random, 1000));
        if (fake_random_below(random, 4) > 0)
            lines[i].name = TB_STR("Grüner Tee \"Sencha\" 100 g");
        lines[i].quantity = order->kind == TB_SALE ? quantity : -quantity;
        lines[i].unit_price_minor = (int64_t)fake_random_below(random, 10000);
        total += lines[i].quantity * lines[i].unit_price_minor;
    }
    order->lines = lines;
    order->line_count = count;
    order->total_minor = total;
}

static void random_address(struct tb_arena *arena, struct fake_random *random,
                           struct tb_address *ret_address)
{
    *ret_address = (struct tb_address){
        .line1 = textf(arena, "Hauptstraße %" PRIu64, fake_random_below(random, 200)),
        .city = TB_STR("Köln"),
        .country = TB_STR("DE"),
    };
    if (fake_random_below(random, 2))
        ret_address->postal_code = TB_STR("50667");
}

void history_place(struct tb_arena *arena, struct fake_random *random, int64_t placed_at_ms,
                   struct tb_event *ret_event)
{
    static const char *const currencies[] = {"EUR", "GBP", "JPY"};
    static const char *const sources[] = {"POS", "KIOSK", "WEB"};
    struct tb_event event = {.type = TB_EVENT_PLACED, .version = 1};
    struct tb_order *order = &event.order;

    history_uuid(random, event.event_id);
    history_uuid(random, event.order_id);
    event.occurred_at_ms = placed_at_ms;
    memcpy(order->order_id, event.order_id, TB_UUID_SIZE);
    memcpy(order->last_event_id, event.event_id, TB_UUID_SIZE);
    order->version = 1;
    order->kind = fake_random_below(random, 5) == 0 ? TB_RETURN : TB_SALE;
    snprintf(order->currency, sizeof order->currency, "%s",
             currencies[fake_random_below(random, 3)]);
    order->node = TB_STR("till1");
    (void)fake_random_below(random, 3);
    snprintf(order->order_number, sizeof order->order_number, "%s-%06" PRIu64, order->node.ptr,
             1 + fake_random_below(random, 999999));
    order->source = tb_str_of(sources[fake_random_below(random, 3)]);
    if (fake_random_below(random, 3) > 0)
        order->customer_id = textf(arena, "C-%" PRIu64, fake_random_below(random, 20));
    order->placed_at_ms = order->updated_at_ms = placed_at_ms;
    tb_business_date(placed_at_ms, 0, order->business_date);
    random_lines(arena, random, 3, order);
    order->has_address = fake_random_below(random, 2) == 0;
    if (order->has_address)
        random_address(arena, random, &order->address);
    *ret_event = event;
}

void history_change(struct tb_arena *arena, struct fake_random *random, struct tb_order *order,
                    struct tb_event *ret_event)
{
    struct tb_event event = {.version = order->version + 1, .order.node = order->node};

    history_uuid(random, event.event_id);
    memcpy(event.order_id, order->order_id, TB_UUID_SIZE);
    event.occurred_at_ms = order->updated_at_ms + 1 + (int64_t)fake_random_below(random, 60000);
    switch (fake_random_below(random, 6)) {
    case 0:
        event.type = TB_EVENT_SHIPPED;
        order->status = TB_SHIPPED;
        break;
    case 1:
        event.type = TB_EVENT_CANCELLED;
        order->status = TB_CANCELLED;
        break;
    case 2:
    case 3:
        event.type = TB_EVENT_ADDRESS_CHANGED;
        random_address(arena, random, &event.address);
        order->has_address = true;
        order->address = event.address;
        break;
    default:
        event.type = TB_EVENT_TOTAL_CHANGED;
        random_lines(arena, random, 1 + fake_random_below(random, 5), order);
        event.lines = order->lines;
        event.line_count = order->line_count;
        event.total_minor = order->total_minor;
        break;
    }
    order->version++;
    order->updated_at_ms = event.occurred_at_ms;
    memcpy(order->last_event_id, event.event_id, TB_UUID_SIZE);
    *ret_event = event;
}

void history_record(struct tb_arena *arena, const struct tb_event *event, int64_t sequence,
                    struct tb_record *ret_record)
{
    history_record_of_epoch(arena, event, HISTORY_EPOCH, sequence, ret_record);
}

void history_record_of_epoch(struct tb_arena *arena, const struct tb_event *event,
                             const char *epoch, int64_t sequence, struct tb_record *ret_record)
{
    struct tb_header *headers = need(tb_arena_array(arena, 10, sizeof *headers));
    struct tb_buf value = {0};
    size_t n = 0;

    tb_event_encode(&value, event);
    TB_ASSERT(tb_buf_ok(&value));
    headers[n++] = (struct tb_header){TB_STR("ce_specversion"), TB_STR("1.0")};
    headers[n++] = (struct tb_header){TB_STR("ce_id"), textf(arena, "%s", event->event_id)};
    headers[n++] = (struct tb_header){
        TB_STR("ce_source"),
        textf(arena, "/nodes/%s", event->order.node.ptr ? event->order.node.ptr : "till1")};
    headers[n++] =
        (struct tb_header){TB_STR("ce_type"), tb_str_of(tb_event_type_name(event->type))};
    headers[n++] = (struct tb_header){TB_STR("ce_subject"), textf(arena, "%s", event->order_id)};
    headers[n++] =
        (struct tb_header){TB_STR("ce_sequence"), textf(arena, "%020" PRId64, sequence)};
    headers[n++] = (struct tb_header){TB_STR("ce_epoch"), textf(arena, "%s", epoch)};
    headers[n++] =
        (struct tb_header){TB_STR("ce_orderversion"), textf(arena, "%" PRId64, event->version)};
    headers[n++] = (struct tb_header){TB_STR("content-type"), TB_STR("application/json")};
    *ret_record = (struct tb_record){
        .timestamp_ms = event->occurred_at_ms + 5,
        .key = textf(arena, "%s", event->order_id),
        .value = tb_arena_copy(arena, tb_buf_str(&value)),
        .headers = headers,
        .header_count = n,
    };
    tb_buf_release(&value);
}

/* An event for the log, with its order and version. */
struct sent {
    struct history_order *order;
    struct tb_event event;
};

static size_t live_through(struct history *history, struct fake_random *random,
                           struct history_order *order, int64_t placed_at_ms, struct sent *sent)
{
    size_t wanted = 1 + fake_random_below(random, HISTORY_VERSIONS_MAX);
    size_t n = 0;

    history_place(&history->arena, random, placed_at_ms, &sent[0].event);
    order->order = sent[0].event.order;
    do {
        if (n > 0)
            history_change(&history->arena, random, &order->order, &sent[n].event);
        order->versions = (int64_t)n + 1;
        order->docs[n + 1] = history_encode(&history->arena, &order->order);
        order->states[n + 1] = order->order;
        sent[n++].order = order;
    } while (n < wanted && order->order.status == TB_PLACED);
    return n;
}

/* Interleaves the events of all orders at random; those of one order stay in sequence. */
static size_t riffle(struct fake_random *random, struct sent *all, const size_t *starts,
                     const size_t *counts, size_t orders, struct sent *ret_row)
{
    size_t *taken = need(calloc(orders, sizeof *taken));
    size_t open = 0, n = 0, next = 0;
    size_t *window = need(calloc(orders, sizeof *window));

    while (next < orders || open > 0) {
        size_t at;

        if (next < orders && (open == 0 || (open < 30 && fake_random_below(random, 3) == 0))) {
            window[open++] = next++;
            continue;
        }
        at = fake_random_below(random, open);
        ret_row[n++] = all[starts[window[at]] + taken[window[at]]++];
        if (taken[window[at]] == counts[window[at]])
            window[at] = window[--open];
    }
    free(window);
    free(taken);
    return n;
}

static void fill_log(struct history *history, struct fake_random *random,
                     const struct history_options *options, const struct sent *row, size_t count)
{
    struct tb_record *once = need(tb_arena_array(&history->arena, count, sizeof *once));
    size_t max = count * 3, n = 0;

    history->records = need(tb_arena_array(&history->arena, max, sizeof *history->records));
    for (size_t i = 0; i < count; i++)
        history_record(&history->arena, &row[i].event, (int64_t)i + 1, &once[i]);
    for (size_t i = 0; i < count && n < max; i++) {
        const struct sent *sent = &row[i];

        if (sent->event.version == sent->order->lost)
            continue;
        if (sent->order->lost > 0 && sent->event.version > sent->order->lost)
            sent->order->late++;
        history->records[n] = once[i];
        history->records[n].offset = (int64_t)n;
        n++;
        if (n + count < max &&
            fake_random_below(random, 100) < (uint64_t)options->repeat_percent) {
            size_t back = fake_random_below(random, 40);

            i = back > i ? (size_t)-1 : i - back;
        }
    }
    history->record_count = n;
}

void history_make(struct history *history, struct fake_random *random,
                  const struct history_options *options)
{
    size_t most = options->orders * HISTORY_VERSIONS_MAX, n = 0;
    struct sent *all = need(calloc(most, sizeof *all));
    struct sent *row = need(calloc(most, sizeof *row));
    size_t *starts = need(calloc(options->orders, sizeof *starts));
    size_t *counts = need(calloc(options->orders, sizeof *counts));

    *history = (struct history){.order_count = options->orders};
    history->orders =
        need(tb_arena_array(&history->arena, options->orders, sizeof *history->orders));
    for (size_t i = 0; i < options->orders; i++) {
        struct history_order *order = &history->orders[i];

        starts[i] = n;
        counts[i] =
            live_through(history, random, order, HISTORY_START_MS + (int64_t)i * 977000, all + n);
        n += counts[i];
        if (fake_random_below(random, 100) < (uint64_t)options->lost_percent)
            order->lost = 1 + (int64_t)fake_random_below(random, (uint64_t)order->versions);
    }
    history->distinct = riffle(random, all, starts, counts, options->orders, row);
    fill_log(history, random, options, row, history->distinct);
    free(counts);
    free(starts);
    free(row);
    free(all);
}

void history_release(struct history *history)
{
    tb_arena_release(&history->arena);
    *history = (struct history){0};
}

int64_t history_reachable(const struct history_order *order)
{
    return order->lost > 0 ? order->lost - 1 : order->versions;
}
