#include "query/mongo/view_mongo_priv.h"

static void read_undone(struct tb_arena *arena, const bson_iter_t *iter,
                        struct tb_sales_part *part, bool *ok)
{
    bson_iter_t list;
    size_t count = 0;

    *ok = *ok && BSON_ITER_HOLDS_ARRAY(iter) && bson_iter_recurse(iter, &list);
    while (*ok && bson_iter_next(&list))
        count++;
    if (!*ok || count == 0)
        return;
    part->undone = tb_arena_array(arena, count, sizeof *part->undone);
    *ok = part->undone && bson_iter_recurse(iter, &list);
    while (*ok && bson_iter_next(&list))
        part->undone[part->undone_count++] = tb_bson_get_int(&list);
}

static void read_part(struct tb_arena *arena, bson_iter_t *iter, struct tb_sales_part *part,
                      bool *ok)
{
    const struct {
        const char *key;
        int64_t *field;
    } fields[] = {
        {"partition", &part->partition},
        {"through", &part->through},
        {"fence", &part->fence},
        {"orders", &part->orders},
        {"returns", &part->returns},
        {"cancelled", &part->cancelled},
        {"totalMinor", &part->total_minor},
        {"lateOrders", &part->late_orders},
        {"lateChanges", &part->late_changes},
    };

    while (bson_iter_next(iter)) {
        const char *key = bson_iter_key(iter);

        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
            if (strcmp(key, fields[i].key) == 0)
                *fields[i].field = tb_bson_get_int(iter);
        }
        if (strcmp(key, "undone") == 0)
            read_undone(arena, iter, part, ok);
    }
}

static void read_parts(struct tb_arena *arena, const bson_iter_t *iter, struct tb_sales_day *day,
                       bool *ok)
{
    bson_iter_t list, one;
    size_t count = 0;

    *ok = *ok && BSON_ITER_HOLDS_ARRAY(iter) && bson_iter_recurse(iter, &list);
    while (*ok && bson_iter_next(&list))
        count++;
    if (!*ok || count == 0)
        return;
    day->parts = tb_arena_array(arena, count, sizeof *day->parts);
    *ok = day->parts && bson_iter_recurse(iter, &list);
    while (*ok && bson_iter_next(&list)) {
        *ok = BSON_ITER_HOLDS_DOCUMENT(&list) && bson_iter_recurse(&list, &one);
        if (*ok)
            read_part(arena, &one, &day->parts[day->part_count++], ok);
    }
}

bool tb_mongo_day_decode(const bson_t *doc, struct tb_arena *arena, struct tb_sales_day *day)
{
    bson_iter_t iter;
    bool ok = true;

    if (bson_iter_init_find(&iter, doc, "changes"))
        day->changes = tb_bson_get_int(&iter);
    if (bson_iter_init_find(&iter, doc, "parts"))
        read_parts(arena, &iter, day, &ok);
    return ok && day->changes > 0;
}

static void put_part(struct tb_bson_writer put, const struct tb_sales_part *part)
{
    bson_t within;
    struct tb_bson_writer undone;
    char scratch[16];

    tb_bson_put_int(put, "partition", part->partition);
    tb_bson_put_int(put, "through", part->through);
    tb_bson_put_int(put, "fence", part->fence);
    tb_bson_put_int(put, "orders", part->orders);
    tb_bson_put_int(put, "returns", part->returns);
    tb_bson_put_int(put, "cancelled", part->cancelled);
    tb_bson_put_int(put, "totalMinor", part->total_minor);
    tb_bson_put_int(put, "lateOrders", part->late_orders);
    tb_bson_put_int(put, "lateChanges", part->late_changes);
    if (part->undone_count == 0)
        return;
    undone = tb_bson_open_array(put, "undone", &within);
    for (size_t i = 0; i < part->undone_count; i++)
        tb_bson_put_int(undone, tb_bson_index_key(i, scratch), part->undone[i]);
    tb_bson_close_array(put, undone);
}

enum tb_code tb_mongo_day_encode(const struct tb_sales_day *day, bson_t *doc, struct tb_error *err)
{
    bool failed = false;
    struct tb_bson_writer put = {doc, &failed};
    struct tb_sales_part sum = {0};
    struct tb_bson_writer list, one;
    bson_t in_list, in_one;
    char scratch[16];

    TB_TRY(tb_sales_sum(day, &sum, err));
    tb_bson_put_str(put, "_id", day->id);
    tb_bson_put_str(put, "node", day->node);
    tb_bson_put_text(put, "businessDate", day->business_date);
    tb_bson_put_text(put, "currency", day->currency);
    tb_bson_put_int(put, "orders", sum.orders);
    tb_bson_put_int(put, "cancelled", sum.cancelled);
    tb_bson_put_int(put, "returns", sum.returns);
    tb_bson_put_int(put, "totalMinor", sum.total_minor);
    tb_bson_put_int(put, "revision", 1 + sum.late_changes);
    tb_bson_put_int(put, "lateOrders", sum.late_orders);
    tb_bson_put_int(put, "changes", day->changes);
    list = tb_bson_open_array(put, "parts", &in_list);
    for (size_t i = 0; i < day->part_count; i++) {
        one = tb_bson_open(list, tb_bson_index_key(i, scratch), &in_one);
        put_part(one, &day->parts[i]);
        tb_bson_close(list, one);
    }
    tb_bson_close_array(put, list);
    return failed ? tb_mongo_no_memory(err) : TB_OK;
}
