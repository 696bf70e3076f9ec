#include "query/mongo/view_mongo_priv.h"
#include <stdlib.h>

struct tb_view_mongo_reader {
    struct tb_view_reader reader;
    struct tb_mongo *mongo; /* borrowed */
    bool stays;             /* at `names`, whatever is served */
    struct tb_mongo_collections names;
};

/* A client and the names that are served now: a rebuild may have moved them since the last call.
 */
static enum tb_code begin(struct tb_view_reader *base, struct tb_mongo_client *ret_lease,
                          struct tb_mongo_collections *ret_names, struct tb_error *err)
{
    struct tb_view_mongo_reader *reader = (struct tb_view_mongo_reader *)base;

    TB_TRY(tb_mongo_client_acquire_if_up(reader->mongo, ret_lease, err));
    if (!reader->stays)
        return tb_mongo_read_collections(ret_lease, ret_names, err);
    *ret_names = reader->names;
    return TB_OK;
}

static enum tb_code reader_get(struct tb_view_reader *base, struct tb_str order_id,
                               struct tb_buf *ret_doc, int64_t *ret_version, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = tb_mongo_ids_filter(&order_id, 1);
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_planned_order planned = {0};
    struct tb_mongo_collections names;
    const bson_t *doc;

    if (!filter)
        return tb_mongo_no_memory(err);
    TB_TRY(begin(base, &lease, &names, err));
    tb_mongo_find_begin(&find, &lease, names.orders, filter, NULL);
    doc = tb_mongo_find_next(&find);
    if (doc)
        TB_TRY(tb_mongo_order_decode(doc, &arena, &planned, err));
    TB_TRY(tb_mongo_find_end(&find, "reading an order", err));
    if (!doc || planned.stub)
        return tb_error_set(err, TB_NOT_FOUND, "the view has no such order");
    tb_order_encode(ret_doc, &planned.order);
    if (!tb_buf_ok(ret_doc))
        return tb_error_set(err, TB_INTERNAL, "out of memory reading an order");
    *ret_version = planned.order.version;
    return TB_OK;
}

static void note_version(const bson_t *doc, const char (*order_ids)[TB_UUID_SIZE], size_t count,
                         int64_t *versions)
{
    struct tb_str order_id = {0};
    int64_t version = 0;
    bson_iter_t iter;

    if (bson_iter_init_find(&iter, doc, "stub"))
        return;
    if (bson_iter_init_find(&iter, doc, "_id"))
        order_id = tb_bson_get_str(&iter);
    if (bson_iter_init_find(&iter, doc, "version"))
        version = tb_bson_get_int(&iter);
    for (size_t i = 0; i < count; i++) {
        if (tb_str_eq(order_id, tb_str_of(order_ids[i])))
            versions[i] = version;
    }
}

static enum tb_code reader_versions(struct tb_view_reader *base,
                                    const char (*order_ids)[TB_UUID_SIZE], size_t count,
                                    int64_t *ret_versions, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
    TB_CLEANUP(tb_bson_free)
    bson_t *opts =
        BCON_NEW("projection", "{", "version", BCON_INT32(1), "stub", BCON_INT32(1), "}");
    struct tb_str *ids = tb_arena_array(&arena, count, sizeof *ids);
    int64_t *versions = tb_arena_array(&arena, count, sizeof *versions);
    struct tb_mongo_collections names;
    const bson_t *doc;

    for (size_t i = 0; ids && i < count; i++)
        ids[i] = tb_str_of(order_ids[i]);
    if (ids && versions)
        filter = tb_mongo_ids_filter(ids, count);
    if (!filter)
        return tb_mongo_no_memory(err);
    TB_TRY(begin(base, &lease, &names, err));
    tb_mongo_find_begin(&find, &lease, names.orders, filter, opts);
    while ((doc = tb_mongo_find_next(&find)))
        note_version(doc, order_ids, count, versions);
    TB_TRY(tb_mongo_find_end(&find, "reading versions", err));
    memcpy(ret_versions, versions, count * sizeof *versions);
    return TB_OK;
}

static void put_range(struct tb_bson_writer put, int64_t from_ms, int64_t to_ms, const char *to_op)
{
    bson_t within;
    struct tb_bson_writer range = tb_bson_open(put, "placedAt", &within);

    tb_bson_put_time(range, "$gte", from_ms);
    tb_bson_put_time(range, to_op, to_ms);
    tb_bson_close(put, range);
}

/* Behind the cursor: placed before it, or at the same time with a lower id. */
static void put_after(struct tb_bson_writer put, const struct tb_list_filter *filter)
{
    bson_t in_list, in_one, in_limit;
    struct tb_bson_writer list = tb_bson_open_array(put, "$or", &in_list), one, limit;

    one = tb_bson_open(list, "0", &in_one);
    limit = tb_bson_open(one, "placedAt", &in_limit);
    tb_bson_put_time(limit, "$lt", filter->after_placed_at_ms);
    tb_bson_close(one, limit);
    tb_bson_close(list, one);
    one = tb_bson_open(list, "1", &in_one);
    tb_bson_put_time(one, "placedAt", filter->after_placed_at_ms);
    limit = tb_bson_open(one, "_id", &in_limit);
    tb_bson_put_text(limit, "$lt", filter->after_order_id);
    tb_bson_close(one, limit);
    tb_bson_close(list, one);
    tb_bson_close_array(put, list);
}

/* A stub has no placedAt: no range finds it. */
static bson_t *list_filter(const struct tb_list_filter *filter)
{
    bson_t *doc = bson_new();
    bool failed = false;
    struct tb_bson_writer put = {doc, &failed};
    int64_t from_ms = filter->has_from ? filter->from_ms : TB_TIME_MIN_MS;
    int64_t to_ms = filter->has_to ? filter->to_ms : TB_TIME_MAX_MS + 1;

    tb_bson_put_str(put, "customerId", filter->customer_id);
    tb_bson_put_str(put, "node", filter->node);
    tb_bson_put_str(put, "source", filter->source);
    tb_bson_put_str(put, "businessDate", filter->business_date);
    if (filter->has_status)
        tb_bson_put_text(put, "status", tb_order_status_name(filter->status));
    if (filter->has_after && filter->after_placed_at_ms < to_ms) {
        put_range(put, from_ms, filter->after_placed_at_ms, "$lte");
        put_after(put, filter);
    } else {
        put_range(put, from_ms, to_ms, "$lt");
    }
    if (failed)
        tb_bson_free(&doc);
    return doc;
}

/* One order of a list; its memory is free again at the next. */
static enum tb_code show(const bson_t *doc, struct tb_arena *arena, struct tb_buf *text,
                         void (*each)(void *ctx, struct tb_str order_id, int64_t placed_at_ms,
                                      struct tb_str doc),
                         void *ctx, struct tb_error *err)
{
    struct tb_planned_order planned = {0};

    TB_TRY(tb_mongo_order_decode(doc, arena, &planned, err));
    tb_buf_clear(text);
    tb_order_encode(text, &planned.order);
    if (!tb_buf_ok(text))
        return tb_error_set(err, TB_INTERNAL, "out of memory reading an order");
    each(ctx, tb_str_of(planned.order.order_id), planned.order.placed_at_ms, tb_buf_str(text));
    tb_arena_clear(arena);
    return TB_OK;
}

static enum tb_code reader_list(struct tb_view_reader *base, const struct tb_list_filter *filter,
                                void (*each)(void *ctx, struct tb_str order_id,
                                             int64_t placed_at_ms, struct tb_str doc),
                                void *ctx, bool *ret_more, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free) bson_t *query = list_filter(filter);
    TB_CLEANUP(tb_bson_free)
    bson_t *opts = BCON_NEW("sort", "{", "placedAt", BCON_INT32(-1), "_id", BCON_INT32(-1), "}",
                            "limit", BCON_INT64(filter->limit + 1)); /* one more tells of more */
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    TB_CLEANUP(tb_buf_release) struct tb_buf text = {0};
    struct tb_mongo_collections names;
    const bson_t *doc;
    int count = 0;

    TB_ASSERT(filter->limit > 0);
    if (!query)
        return tb_mongo_no_memory(err);
    TB_TRY(begin(base, &lease, &names, err));
    tb_mongo_find_begin(&find, &lease, names.orders, query, opts);
    while ((doc = tb_mongo_find_next(&find))) {
        if (count++ < filter->limit)
            TB_TRY(show(doc, &arena, &text, each, ctx, err));
    }
    TB_TRY(tb_mongo_find_end(&find, "listing orders", err));
    *ret_more = count > filter->limit;
    return TB_OK;
}

static enum tb_code reader_scan(struct tb_view_reader *base, const char *start, int limit,
                                void (*each)(void *ctx, const struct tb_order *order), void *ctx,
                                struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free)
    bson_t *filter = BCON_NEW("_id", "{", "$gte", BCON_UTF8(start), "}", "stub", "{", "$exists",
                              BCON_BOOL(false), "}");
    TB_CLEANUP(tb_bson_free)
    bson_t *opts = BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}", "limit", BCON_INT64(limit));
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_planned_order planned = {0};
    struct tb_mongo_collections names;
    const bson_t *doc;

    TB_ASSERT(limit > 0);
    TB_TRY(begin(base, &lease, &names, err));
    tb_mongo_find_begin(&find, &lease, names.orders, filter, opts);
    while ((doc = tb_mongo_find_next(&find))) {
        TB_TRY(tb_mongo_order_decode(doc, &arena, &planned, err));
        each(ctx, &planned.order);
        tb_arena_clear(&arena);
    }
    return tb_mongo_find_end(&find, "going through the orders", err);
}

static enum tb_code reader_stats(struct tb_view_reader *base, const struct tb_stats_filter *filter,
                                 struct tb_arena *arena, struct tb_stats *ret_stats,
                                 struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    struct tb_mongo_collections names;

    TB_TRY(begin(base, &lease, &names, err));
    return tb_mongo_stats(&lease, &names, filter, arena, ret_stats, err);
}

static enum tb_code reader_letters(struct tb_view_reader *base,
                                   const struct tb_dead_letter_filter *filter,
                                   bool (*each)(void *ctx, const struct tb_dead_letter *letter),
                                   void *ctx, bool *ret_more, struct tb_error *err)
{
    struct tb_view_mongo_reader *reader = (struct tb_view_mongo_reader *)base;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};

    TB_TRY(tb_mongo_client_acquire_if_up(reader->mongo, &lease, err));
    return tb_mongo_list_dead_letters(&lease, filter, each, ctx, ret_more, err);
}

static enum tb_code reader_letter(struct tb_view_reader *base,
                                  struct tb_dead_letter_position place, struct tb_arena *arena,
                                  struct tb_dead_letter *ret_letter, struct tb_error *err)
{
    struct tb_view_mongo_reader *reader = (struct tb_view_mongo_reader *)base;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};

    TB_TRY(tb_mongo_client_acquire_if_up(reader->mongo, &lease, err));
    return tb_mongo_read_dead_letter(&lease, place, arena, ret_letter, err);
}

static enum tb_code reader_dead_count(struct tb_view_reader *base, int64_t *ret_open,
                                      struct tb_error *err)
{
    struct tb_view_mongo_reader *reader = (struct tb_view_mongo_reader *)base;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = BCON_NEW("status", BCON_UTF8("open"));
    mongoc_collection_t *letters;
    bson_error_t error = {0};
    int64_t count;

    TB_TRY(tb_mongo_client_acquire_if_up(reader->mongo, &lease, err));
    letters = mongoc_client_get_collection(lease.client, reader->mongo->database, "dead_letters");
    count = mongoc_collection_count_documents(letters, filter, NULL, NULL, NULL, &error);
    mongoc_collection_destroy(letters);
    if (count < 0)
        return tb_mongo_read_error(err, reader->mongo, &error, "counting dead letters");
    *ret_open = count;
    return TB_OK;
}

static void reader_free(struct tb_view_reader *base)
{
    free(base);
}

static const struct tb_view_reader_ops ops = {
    .get = reader_get,
    .versions = reader_versions,
    .list = reader_list,
    .scan = reader_scan,
    .stats = reader_stats,
    .offset = NULL, /* the log keeps them */
    .list_dead_letters = reader_letters,
    .get_dead_letter = reader_letter,
    .count_dead_letters = reader_dead_count,
    .free = reader_free,
};

enum tb_code tb_view_mongo_reader(struct tb_mongo *mongo, struct tb_view_reader **ret_reader,
                                  struct tb_error *err)
{
    struct tb_view_mongo_reader *reader = calloc(1, sizeof *reader);

    if (!reader)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    *reader = (struct tb_view_mongo_reader){.reader.ops = &ops, .mongo = mongo};
    *ret_reader = &reader->reader;
    return TB_OK;
}

enum tb_code tb_view_mongo_open_reader_at(struct tb_mongo *mongo,
                                          const struct tb_mongo_collections *names,
                                          struct tb_view_reader **ret_reader, struct tb_error *err)
{
    struct tb_view_mongo_reader *reader;

    TB_TRY(tb_view_mongo_reader(mongo, ret_reader, err));
    reader = (struct tb_view_mongo_reader *)*ret_reader;
    reader->stays = true;
    reader->names = *names;
    return TB_OK;
}
