#include "query/mongo/view_mongo_priv.h"

#define LETTERS "dead_letters"

/* The first of the fields is a time. */
static void put_value(struct tb_bson_writer put, const char *name, int field, int64_t value)
{
    if (field == 0)
        tb_bson_put_time(put, name, value);
    else
        tb_bson_put_int(put, name, value);
}

/* One alternative of those that put a letter behind another: equal in the first fields, and
 * greater in the one behind them. */
static void put_alternative(struct tb_bson_writer list, int index, int fields, int64_t dead_at_ms,
                            struct tb_dead_letter_position place, bool by_order)
{
    static const char *const names[] = {"deadAt", "partition", "offset"};
    const int64_t values[] = {dead_at_ms, place.partition, place.offset};
    char scratch[16];
    bson_t inner, limit;
    struct tb_bson_writer one = tb_bson_open(list, tb_bson_index_key((size_t)index, scratch),
                                             &inner),
                          above;

    for (int i = by_order; i < fields; i++)
        put_value(one, names[i], i, values[i]);
    above = tb_bson_open(one, names[fields], &limit);
    put_value(above, "$gt", fields, values[fields]);
    tb_bson_close(one, above);
    tb_bson_close(list, one);
}

void tb_mongo_put_after(struct tb_bson_writer put, int64_t dead_at_ms,
                        struct tb_dead_letter_position place, bool by_order)
{
    bson_t inner;
    struct tb_bson_writer list = tb_bson_open_array(put, "$or", &inner);

    for (int fields = by_order; fields < 3; fields++)
        put_alternative(list, fields - by_order, fields, dead_at_ms, place, by_order);
    tb_bson_close_array(put, list);
}

static bson_t *list_filter(const struct tb_dead_letter_filter *filter)
{
    bson_t *doc = bson_new(), inner;
    bool failed = false, by_order = filter->order_id.ptr != NULL;
    struct tb_bson_writer put = {doc, &failed};

    tb_bson_put_str(put, "orderId", filter->order_id);
    tb_bson_put_str(put, "type", filter->type);
    tb_bson_put_str(put, "reason", filter->reason);
    if (filter->has_status)
        tb_bson_put_text(put, "status", tb_dead_letter_status_name(filter->status));
    if (filter->has_since) {
        struct tb_bson_writer since = tb_bson_open(put, "deadAt", &inner);

        tb_bson_put_time(since, "$gte", filter->since_ms);
        tb_bson_close(put, since);
    }
    if (filter->has_after)
        tb_mongo_put_after(put, filter->after_dead_at_ms, filter->after, by_order);
    if (failed)
        tb_bson_free(&doc);
    return doc;
}

static bson_t *order_of(bool by_order, int64_t limit)
{
    if (by_order)
        return BCON_NEW("sort", "{", "partition", BCON_INT32(1), "offset", BCON_INT32(1), "}",
                        "limit", BCON_INT64(limit));
    return BCON_NEW("sort", "{", "deadAt", BCON_INT32(1), "partition", BCON_INT32(1), "offset",
                    BCON_INT32(1), "}", "limit", BCON_INT64(limit));
}

enum tb_code tb_mongo_list_dead_letters(const struct tb_mongo_client *lease,
                                        const struct tb_dead_letter_filter *filter,
                                        bool (*each)(void *ctx,
                                                     const struct tb_dead_letter *letter),
                                        void *ctx, bool *ret_more, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free) bson_t *query = list_filter(filter);
    /* One more than asked for tells whether there are further ones. */
    TB_CLEANUP(tb_bson_free)
    bson_t *opts = order_of(filter->order_id.ptr != NULL, filter->limit + 1);
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    const bson_t *doc = NULL;
    bool taken = true;
    int count = 0;

    TB_ASSERT(filter->limit > 0);
    if (!query)
        return tb_mongo_no_memory(err);
    tb_mongo_find_begin(&find, lease, LETTERS, query, opts);
    while (taken && (doc = tb_mongo_find_next(&find)) && count++ < filter->limit) {
        struct tb_dead_letter letter;

        tb_arena_clear(&arena);
        TB_TRY(tb_mongo_dead_letter_decode(doc, &arena, &letter, err));
        taken = each(ctx, &letter);
    }
    TB_TRY(tb_mongo_find_end(&find, "listing dead letters", err));
    *ret_more = doc != NULL;
    return TB_OK;
}

enum tb_code tb_mongo_read_dead_letter(const struct tb_mongo_client *lease,
                                       struct tb_dead_letter_position place,
                                       struct tb_arena *arena, struct tb_dead_letter *ret_letter,
                                       struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
    char name[TB_DEAD_LETTER_ID_SIZE];
    const bson_t *doc;

    tb_dead_letter_id_format(lease->mongo->topic, place, name);
    filter = tb_mongo_ids_filter(&(struct tb_str){name, strlen(name)}, 1);
    if (!filter)
        return tb_mongo_no_memory(err);
    tb_mongo_find_begin(&find, lease, LETTERS, filter, NULL);
    doc = tb_mongo_find_next(&find);
    if (doc)
        TB_TRY(tb_mongo_dead_letter_decode(doc, arena, ret_letter, err));
    TB_TRY(tb_mongo_find_end(&find, "reading a dead letter", err));
    return doc ? TB_OK : tb_error_set(err, TB_NOT_FOUND, "the view has no such dead letter");
}
