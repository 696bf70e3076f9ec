#include "query/rebuild/mongo/rebuild_mongo_priv.h"

/* What differs, as others are shown it: { difference, served: {...}, rebuilt: {...} }. */

static void put_order(struct tb_bson_writer put, const char *side,
                      const struct tb_compare_order *order)
{
    bson_t within;
    struct tb_bson_writer doc;

    if (order->order_id[0] == '\0')
        return;
    doc = tb_bson_open(put, side, &within);
    tb_bson_put_text(doc, "orderId", order->order_id);
    tb_bson_put_int(doc, "version", order->version);
    tb_bson_put_text(doc, "status", tb_order_status_name(order->status));
    tb_bson_put_int(doc, "totalMinor", order->total_minor);
    tb_bson_put_text(doc, "currency", order->currency);
    tb_bson_put_text(doc, "hash", order->hash);
    tb_bson_close(put, doc);
}

static void put_total(struct tb_bson_writer put, const char *side, const struct tb_stats_row *row)
{
    bson_t within;
    struct tb_bson_writer doc;

    if (row->currency[0] == '\0')
        return;
    doc = tb_bson_open(put, side, &within);
    tb_bson_put_text(doc, "currency", row->currency);
    tb_bson_put_int(doc, "orders", row->orders);
    tb_bson_put_int(doc, "returns", row->returns);
    tb_bson_put_int(doc, "cancelled", row->cancelled);
    tb_bson_put_int(doc, "totalMinor", row->total_minor);
    tb_bson_close(put, doc);
}

static void put_difference(struct tb_bson_writer put, const struct tb_difference *difference)
{
    tb_bson_put_text(put, "difference", tb_compare_kind_name(difference->kind));
    if (difference->kind == TB_COMPARE_TOTAL) {
        put_total(put, "served", &difference->served_total);
        put_total(put, "rebuilt", &difference->rebuilt_total);
    } else {
        put_order(put, "served", &difference->served);
        put_order(put, "rebuilt", &difference->rebuilt);
    }
}

void tb_mongo_put_differences(struct tb_bson_writer put, const struct tb_rebuild_progress *figures)
{
    bson_t in_list, in_one;
    struct tb_bson_writer list = tb_bson_open_array(put, "differences", &in_list);
    char scratch[16];

    for (int64_t i = 0; i < figures->listed; i++) {
        struct tb_bson_writer one =
            tb_bson_open(list, tb_bson_index_key((size_t)i, scratch), &in_one);

        put_difference(one, &figures->list[i]);
        tb_bson_close(list, one);
    }
    tb_bson_close_array(put, list);
}

/* Of an order or a total: what it has of the fields. */
static void read_side(bson_iter_t *iter, struct tb_compare_order *order, struct tb_stats_row *row)
{
    const struct {
        const char *key;
        int64_t *value;
    } numbers[] = {{"version", &order->version},
                   {"totalMinor", &order->total_minor},
                   {"orders", &row->orders},
                   {"returns", &row->returns},
                   {"cancelled", &row->cancelled}};
    const struct {
        const char *key;
        char *value;
        size_t size;
    } texts[] = {{"orderId", order->order_id, sizeof order->order_id},
                 {"currency", order->currency, sizeof order->currency},
                 {"hash", order->hash, sizeof order->hash}};

    while (bson_iter_next(iter)) {
        const char *key = bson_iter_key(iter);

        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
            if (strcmp(key, numbers[i].key) == 0)
                *numbers[i].value = tb_bson_get_int(iter);
        }
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            if (strcmp(key, texts[i].key) == 0)
                tb_bson_get_text(iter, texts[i].value, texts[i].size);
        }
        if (strcmp(key, "status") == 0)
            (void)tb_order_status_parse(tb_bson_get_str(iter), &order->status);
    }
    row->total_minor = order->total_minor;
    memcpy(row->currency, order->currency, sizeof row->currency);
}

static enum tb_compare_kind parse_kind(struct tb_str name)
{
    for (int kind = TB_COMPARE_MISSING; kind < TB_COMPARE_TOTAL; kind++) {
        if (tb_str_eq(name, tb_str_of(tb_compare_kind_name((enum tb_compare_kind)kind))))
            return (enum tb_compare_kind)kind;
    }
    return TB_COMPARE_TOTAL;
}

static void read_difference(bson_iter_t *iter, struct tb_difference *difference)
{
    bson_iter_t side;

    while (bson_iter_next(iter)) {
        const char *key = bson_iter_key(iter);

        if (strcmp(key, "difference") == 0)
            difference->kind = parse_kind(tb_bson_get_str(iter));
        if (!BSON_ITER_HOLDS_DOCUMENT(iter) || !bson_iter_recurse(iter, &side))
            continue;
        if (strcmp(key, "served") == 0)
            read_side(&side, &difference->served, &difference->served_total);
        if (strcmp(key, "rebuilt") == 0)
            read_side(&side, &difference->rebuilt, &difference->rebuilt_total);
    }
}

void tb_mongo_read_differences(const bson_iter_t *iter, struct tb_rebuild_progress *figures)
{
    bson_iter_t list, one;

    if (!BSON_ITER_HOLDS_ARRAY(iter) || !bson_iter_recurse(iter, &list))
        return;
    for (int i = 0; i < TB_COMPARE_LISTED && bson_iter_next(&list); i++) {
        if (BSON_ITER_HOLDS_DOCUMENT(&list) && bson_iter_recurse(&list, &one))
            read_difference(&one, &figures->list[figures->listed++]);
    }
}
