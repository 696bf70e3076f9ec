#include "query/mongo/view_mongo_priv.h"

static void put_line(struct tb_bson_writer put, const struct tb_line *line)
{
    tb_bson_put_str(put, "sku", line->sku);
    tb_bson_put_str(put, "name", line->name);
    tb_bson_put_int(put, "quantity", line->quantity);
    tb_bson_put_int(put, "unitPriceMinor", line->unit_price_minor);
}

static void put_lines(struct tb_bson_writer put, const struct tb_order *order)
{
    bson_t list, within;
    struct tb_bson_writer lines = tb_bson_open_array(put, "lines", &list);
    char scratch[16];

    for (size_t i = 0; i < order->line_count; i++) {
        struct tb_bson_writer line = tb_bson_open(lines, tb_bson_index_key(i, scratch), &within);

        put_line(line, &order->lines[i]);
        tb_bson_close(lines, line);
    }
    tb_bson_close_array(put, lines);
}

static void put_address(struct tb_bson_writer put, const struct tb_address *address)
{
    bson_t within;
    struct tb_bson_writer inner = tb_bson_open(put, "shippingAddress", &within);

    tb_bson_put_str(inner, "line1", address->line1);
    tb_bson_put_str(inner, "line2", address->line2);
    tb_bson_put_str(inner, "city", address->city);
    tb_bson_put_str(inner, "postalCode", address->postal_code);
    tb_bson_put_str(inner, "country", address->country);
    tb_bson_close(put, inner);
}

static void put_order(struct tb_bson_writer put, const struct tb_order *order)
{
    if (order->order_number[0] != '\0')
        tb_bson_put_text(put, "orderNumber", order->order_number);
    tb_bson_put_text(put, "status", tb_order_status_name(order->status));
    tb_bson_put_text(put, "kind", tb_order_kind_name(order->kind));
    tb_bson_put_int(put, "totalMinor", order->total_minor);
    tb_bson_put_text(put, "currency", order->currency);
    tb_bson_put_time(put, "placedAt", order->placed_at_ms);
    tb_bson_put_text(put, "businessDate", order->business_date);
    tb_bson_put_str(put, "node", order->node);
    tb_bson_put_str(put, "source", order->source);
    tb_bson_put_str(put, "customerId", order->customer_id);
    put_lines(put, order);
    if (order->has_address)
        put_address(put, &order->address);
    tb_bson_put_time(put, "updatedAt", order->updated_at_ms);
    if (order->last_event_id[0] != '\0')
        tb_bson_put_text(put, "lastEventId", order->last_event_id);
}

enum tb_code tb_mongo_order_encode(const struct tb_planned_order *planned, bson_t *doc,
                                   struct tb_error *err)
{
    bool failed = false;
    struct tb_bson_writer put = {doc, &failed};

    tb_bson_put_text(put, "_id", planned->order.order_id);
    tb_bson_put_int(put, "version", planned->order.version);
    if (planned->stub) {
        tb_bson_put_bool(put, "stub", true);
    } else {
        put_order(put, &planned->order);
        if (planned->epoch[0] != '\0')
            tb_bson_put_text(put, "epoch", planned->epoch);
        if (planned->sequence > 0)
            tb_bson_put_int(put, "sequence", planned->sequence);
        tb_bson_put_time(put, "receivedAt", planned->received_at_ms);
    }
    return failed ? tb_mongo_no_memory(err) : TB_OK;
}

/* What a document's fields are read into; each reader says false when a field is not as written.
 */
struct reading {
    struct tb_arena *arena;
    struct tb_planned_order *planned;
    bool ok;
};

static struct tb_str own(struct reading *run, const bson_iter_t *iter)
{
    struct tb_str text = tb_arena_copy(run->arena, tb_bson_get_str(iter));

    run->ok = run->ok && text.ptr;
    return text;
}

static void read_line(struct reading *run, bson_iter_t *iter, struct tb_line *line)
{
    while (bson_iter_next(iter)) {
        const char *key = bson_iter_key(iter);

        if (strcmp(key, "sku") == 0)
            line->sku = own(run, iter);
        else if (strcmp(key, "name") == 0)
            line->name = own(run, iter);
        else if (strcmp(key, "quantity") == 0)
            line->quantity = tb_bson_get_int(iter);
        else if (strcmp(key, "unitPriceMinor") == 0)
            line->unit_price_minor = tb_bson_get_int(iter);
    }
}

static void read_lines(struct reading *run, const bson_iter_t *iter)
{
    struct tb_order *order = &run->planned->order;
    bson_iter_t list, line;
    size_t count = 0;

    run->ok = run->ok && BSON_ITER_HOLDS_ARRAY(iter) && bson_iter_recurse(iter, &list);
    while (run->ok && bson_iter_next(&list))
        count++;
    if (!run->ok || count == 0 || count > TB_LINES_MAX) {
        run->ok = false;
        return;
    }
    order->lines = tb_arena_array(run->arena, count, sizeof *order->lines);
    run->ok = order->lines && bson_iter_recurse(iter, &list);
    while (run->ok && bson_iter_next(&list)) {
        run->ok = BSON_ITER_HOLDS_DOCUMENT(&list) && bson_iter_recurse(&list, &line);
        if (run->ok)
            read_line(run, &line, &order->lines[order->line_count++]);
    }
}

static void read_address(struct reading *run, const bson_iter_t *iter)
{
    struct tb_address *address = &run->planned->order.address;
    const struct {
        const char *key;
        struct tb_str *field;
    } fields[] = {{"line1", &address->line1},
                  {"line2", &address->line2},
                  {"city", &address->city},
                  {"postalCode", &address->postal_code},
                  {"country", &address->country}};
    bson_iter_t inner;

    run->planned->order.has_address = true;
    run->ok = run->ok && BSON_ITER_HOLDS_DOCUMENT(iter) && bson_iter_recurse(iter, &inner);
    while (run->ok && bson_iter_next(&inner)) {
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
            if (strcmp(bson_iter_key(&inner), fields[i].key) == 0)
                *fields[i].field = own(run, &inner);
        }
    }
}

/* Fields of fixed size. False: it is none of them. */
static bool read_fixed(struct reading *run, const char *key, const bson_iter_t *iter)
{
    struct tb_planned_order *planned = run->planned;
    struct tb_order *order = &planned->order;
    const struct {
        const char *key;
        char *text;
        size_t size;
    } texts[] = {
        {"_id", order->order_id, sizeof order->order_id},
        {"orderNumber", order->order_number, sizeof order->order_number},
        {"currency", order->currency, sizeof order->currency},
        {"businessDate", order->business_date, sizeof order->business_date},
        {"lastEventId", order->last_event_id, sizeof order->last_event_id},
        {"epoch", planned->epoch, sizeof planned->epoch},
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(key, texts[i].key) != 0)
            continue;
        tb_bson_get_text(iter, texts[i].text, texts[i].size);
        run->ok = run->ok && texts[i].text[0] != '\0';
        return true;
    }
    return false;
}

/* False: it is none of them. */
static bool read_number(struct reading *run, const char *key, const bson_iter_t *iter)
{
    struct tb_planned_order *planned = run->planned;
    struct tb_order *order = &planned->order;

    if (strcmp(key, "version") == 0)
        order->version = tb_bson_get_int(iter);
    else if (strcmp(key, "totalMinor") == 0)
        order->total_minor = tb_bson_get_int(iter);
    else if (strcmp(key, "sequence") == 0)
        planned->sequence = tb_bson_get_int(iter);
    else if (strcmp(key, "placedAt") == 0)
        order->placed_at_ms = tb_bson_get_time(iter);
    else if (strcmp(key, "updatedAt") == 0)
        order->updated_at_ms = tb_bson_get_time(iter);
    else if (strcmp(key, "receivedAt") == 0)
        planned->received_at_ms = tb_bson_get_time(iter);
    else
        return false;
    return true;
}

/* Fields that nobody knows are ignored: other versions may write some. */
static void read_field(struct reading *run, const bson_iter_t *iter)
{
    struct tb_order *order = &run->planned->order;
    const char *key = bson_iter_key(iter);

    if (read_fixed(run, key, iter) || read_number(run, key, iter))
        return;
    if (strcmp(key, "status") == 0)
        run->ok = run->ok && tb_order_status_parse(tb_bson_get_str(iter), &order->status);
    else if (strcmp(key, "kind") == 0)
        run->ok = run->ok && tb_order_kind_parse(tb_bson_get_str(iter), &order->kind);
    else if (strcmp(key, "node") == 0)
        order->node = own(run, iter);
    else if (strcmp(key, "source") == 0)
        order->source = own(run, iter);
    else if (strcmp(key, "customerId") == 0)
        order->customer_id = own(run, iter);
    else if (strcmp(key, "lines") == 0)
        read_lines(run, iter);
    else if (strcmp(key, "shippingAddress") == 0)
        read_address(run, iter);
    else if (strcmp(key, "stub") == 0)
        run->planned->stub = true;
}

enum tb_code tb_mongo_order_decode(const bson_t *doc, struct tb_arena *arena,
                                   struct tb_planned_order *ret_planned, struct tb_error *err)
{
    struct tb_planned_order planned = {.exists = true};
    struct reading run = {.arena = arena, .planned = &planned, .ok = true};
    bson_iter_t iter;

    if (!bson_iter_init(&iter, doc))
        return tb_error_set(err, TB_CORRUPT, "an order's document cannot be read");
    while (run.ok && bson_iter_next(&iter))
        read_field(&run, &iter);
    if (!run.ok || planned.order.version <= 0 || (!planned.stub && planned.order.line_count == 0))
        return tb_error_set(err, TB_CORRUPT, "the view's document of order %.*s is not as written",
                            TB_UUID_LEN, planned.order.order_id);
    *ret_planned = planned;
    return TB_OK;
}
