#include "query/mongo/dead_letters/dead_letters.h"
#include "query/mongo/view/view.h"
#include <stdlib.h>

struct tb_view_mongo_reader {
    struct tb_view_reader reader;
    struct tb_mongo *mongo;             /* borrowed */
    struct tb_mongo_collections pinned; /* generation 0: reads whichever generation is served */
};

/* Acquires a client, and says which collections to read; a rebuild may have swapped them since the
 * last call. ret_collections may be NULL. */
static enum tb_code begin(struct tb_view_reader *base, struct tb_mongo_client *ret_client,
                          struct tb_mongo_collections *ret_collections, struct tb_error *err)
{
    struct tb_view_mongo_reader *reader = (struct tb_view_mongo_reader *)base;
    struct tb_mongo_served served = {.collections = reader->pinned};

    TB_TRY(tb_mongo_client_acquire_if_up(reader->mongo, ret_client, err));
    if (ret_collections && reader->pinned.generation == 0)
        TB_TRY(tb_mongo_read_served(ret_client, &served, err));
    if (ret_collections)
        *ret_collections = served.collections;
    return TB_OK;
}

static enum tb_code encode(struct tb_buf *out, const struct tb_order *order, struct tb_error *err)
{
    tb_order_encode(out, order);
    return tb_buf_ok(out) ? TB_OK
                          : tb_error_set(err, TB_INTERNAL, "out of memory reading an order");
}

static enum tb_code read_order(struct tb_view_reader *base, struct tb_str order_id,
                               bool is_preferred, struct tb_buf *ret_doc, int64_t *ret_version,
                               struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    TB_CLEANUP(tb_bson_free) bson_t *doc = NULL;
    struct tb_planned_order planned = {0};
    struct tb_mongo_collections collections;

    TB_TRY(begin(base, &client, &collections, err));
    if (is_preferred)
        tb_mongo_client_prefer(&client);
    TB_TRY(
        tb_mongo_find_one(&client, collections.orders, order_id, "reading an order", &doc, err));
    TB_TRY(tb_mongo_order_decode(doc, &arena, &planned, err));
    if (!planned.exists || planned.stub)
        return tb_error_set(err, TB_NOT_FOUND, "the view has no such order");
    TB_TRY(encode(ret_doc, &planned.order, err));
    *ret_version = planned.order.version;
    return TB_OK;
}

static enum tb_code reader_get(struct tb_view_reader *base, struct tb_str order_id,
                               struct tb_buf *ret_doc, int64_t *ret_version, struct tb_error *err)
{
    return read_order(base, order_id, /* is_preferred= */ true, ret_doc, ret_version, err);
}

static enum tb_code reader_get_latest(struct tb_view_reader *base, struct tb_str order_id,
                                      struct tb_buf *ret_doc, int64_t *ret_version,
                                      struct tb_error *err)
{
    return read_order(base, order_id, /* is_preferred= */ false, ret_doc, ret_version, err);
}

static enum tb_code reader_versions(struct tb_view_reader *base,
                                    const char (*order_ids)[TB_UUID_SIZE], size_t count,
                                    int64_t *ret_versions, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_str *ids = tb_arena_array(&arena, count, sizeof *ids);
    struct tb_mongo_collections collections;

    if (!ids)
        return tb_mongo_no_memory(err);
    for (size_t i = 0; i < count; i++)
        ids[i] = tb_str_of(order_ids[i]);
    TB_TRY(begin(base, &client, &collections, err));
    return tb_mongo_read_versions(&client, collections.orders, ids, count,
                                  /* with_stubs= */ false, ret_versions, err);
}

/* Excludes stubs too: they have no placedAt. */
static void put_range(bson_t *filter, int64_t from_ms, const char *to_op, int64_t to_ms)
{
    BCON_APPEND(filter, "placedAt", "{", "$gte", BCON_DATE_TIME(from_ms), to_op,
                BCON_DATE_TIME(to_ms), "}");
}

/* Restricts the filter to the orders after the given one in the list. */
static void put_after(bson_t *filter, int64_t placed_at_ms, const char *order_id)
{
    BCON_APPEND(filter, "$or", "[", "{", "placedAt", "{", "$lt", BCON_DATE_TIME(placed_at_ms), "}",
                "}", "{", "placedAt", BCON_DATE_TIME(placed_at_ms), "_id", "{", "$lt",
                BCON_UTF8(order_id), "}", "}", "]");
}

static bson_t *list_filter(const struct tb_list_filter *filter)
{
    bson_t *doc = bson_new();
    bool failed = false;
    struct tb_bson_writer out = {doc, &failed};
    int64_t from_ms = filter->has_from ? filter->from_ms : TB_TIME_MIN_MS;
    int64_t to_ms = filter->has_to ? filter->to_ms : TB_TIME_MAX_MS + 1;

    tb_bson_put_str(out, "customerId", filter->customer_id);
    tb_bson_put_str(out, "node", filter->node);
    tb_bson_put_str(out, "source", filter->source);
    tb_bson_put_str(out, "businessDate", filter->business_date);
    if (filter->has_status)
        tb_bson_put_text(out, "status", tb_order_status_name(filter->status));
    if (filter->has_after && filter->after_placed_at_ms < to_ms) {
        put_range(doc, from_ms, "$lte", filter->after_placed_at_ms);
        put_after(doc, filter->after_placed_at_ms, filter->after_order_id);
    } else {
        put_range(doc, from_ms, "$lt", to_ms);
    }
    if (failed)
        tb_bson_free(&doc);
    return doc;
}

static enum tb_code show(const bson_t *doc, struct tb_arena *arena, struct tb_buf *text,
                         tb_listed_order_fn *each, void *ctx, bool *ret_taken,
                         struct tb_error *err)
{
    struct tb_planned_order planned = {0};

    TB_TRY(tb_mongo_order_decode(doc, arena, &planned, err));
    tb_buf_clear(text);
    TB_TRY(encode(text, &planned.order, err));
    *ret_taken =
        each(ctx, tb_str_of(planned.order.order_id), planned.order.placed_at_ms, tb_buf_str(text));
    tb_arena_clear(arena);
    return TB_OK;
}

static enum tb_code reader_list(struct tb_view_reader *base, const struct tb_list_filter *filter,
                                tb_listed_order_fn *each, void *ctx, bool *ret_more,
                                struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free) bson_t *query = list_filter(filter);
    TB_CLEANUP(tb_bson_free)
    bson_t *opts =
        BCON_NEW("sort", "{", "placedAt", BCON_INT32(-1), "_id", BCON_INT32(-1), "}", "limit",
                 BCON_INT64(filter->limit + 1)); /* one more shows that there is more */
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    TB_CLEANUP(tb_buf_release) struct tb_buf text = {0};
    struct tb_mongo_collections collections;
    const bson_t *doc = NULL;
    bool taken = true;
    int count = 0;

    TB_ASSERT(filter->limit > 0);
    if (!query)
        return tb_mongo_no_memory(err);
    TB_TRY(begin(base, &client, &collections, err));
    tb_mongo_client_prefer(&client);
    tb_mongo_find(&cursor, &client, collections.orders, query, opts);
    while (taken && (doc = tb_mongo_cursor_next(&cursor)) && count++ < filter->limit)
        TB_TRY(show(doc, &arena, &text, each, ctx, &taken, err));
    TB_TRY(tb_mongo_cursor_end(&cursor, "listing orders", err));
    *ret_more = doc != NULL;
    return TB_OK;
}

static enum tb_code reader_scan(struct tb_view_reader *base, const char *start, int limit,
                                tb_scanned_order_fn *each, void *ctx, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free)
    bson_t *filter = BCON_NEW("_id", "{", "$gte", BCON_UTF8(start), "}", "stub", "{", "$exists",
                              BCON_BOOL(false), "}");
    TB_CLEANUP(tb_bson_free)
    bson_t *opts = BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}", "limit", BCON_INT64(limit));
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_planned_order planned = {0};
    struct tb_mongo_collections collections;
    const bson_t *doc;

    TB_ASSERT(limit > 0);
    TB_TRY(begin(base, &client, &collections, err));
    tb_mongo_find(&cursor, &client, collections.orders, filter, opts);
    while ((doc = tb_mongo_cursor_next(&cursor))) {
        TB_TRY(tb_mongo_order_decode(doc, &arena, &planned, err));
        each(ctx, &planned.order, NULL);
        tb_arena_clear(&arena);
    }
    return tb_mongo_cursor_end(&cursor, "going through the orders", err);
}

/* From the primary: the sums are told together with the time up to which they are complete, and a
 * secondary may lack orders from before that time. */
static enum tb_code reader_stats(struct tb_view_reader *base, const struct tb_stats_filter *filter,
                                 struct tb_arena *arena, struct tb_stats *ret_stats,
                                 struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    struct tb_mongo_collections collections;

    TB_TRY(begin(base, &client, &collections, err));
    return tb_mongo_stats(&client, &collections, filter, arena, ret_stats, err);
}

static enum tb_code reader_list_dead_letters(struct tb_view_reader *base,
                                             const struct tb_dead_letter_filter *filter,
                                             tb_dead_letter_fn *each, void *ctx, bool *ret_more,
                                             struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};

    TB_TRY(begin(base, &client, NULL, err));
    return tb_mongo_list_dead_letters(&client, filter, each, ctx, ret_more, err);
}

static enum tb_code reader_get_dead_letter(struct tb_view_reader *base,
                                           struct tb_dead_letter_position position,
                                           struct tb_arena *arena,
                                           struct tb_dead_letter *ret_dead_letter,
                                           struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};

    TB_TRY(begin(base, &client, NULL, err));
    return tb_mongo_read_dead_letter(&client, position, arena, ret_dead_letter, err);
}

static enum tb_code reader_count_dead_letters(struct tb_view_reader *base, int64_t *ret_open,
                                              struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};

    TB_TRY(begin(base, &client, NULL, err));
    return tb_mongo_count_open_dead_letters(&client, ret_open, err);
}

static void reader_free(struct tb_view_reader *base)
{
    free(base);
}

static const struct tb_view_reader_ops ops = {
    .get = reader_get,
    .get_latest = reader_get_latest,
    .versions = reader_versions,
    .list = reader_list,
    .scan = reader_scan,
    .stats = reader_stats,
    .offset = NULL, /* the log keeps the committed offsets */
    .list_dead_letters = reader_list_dead_letters,
    .get_dead_letter = reader_get_dead_letter,
    .count_dead_letters = reader_count_dead_letters,
    .free = reader_free,
};

enum tb_code tb_view_mongo_open_reader(struct tb_mongo *mongo, struct tb_view_reader **ret_reader,
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
                                          const struct tb_mongo_collections *collections,
                                          struct tb_view_reader **ret_reader, struct tb_error *err)
{
    TB_TRY(tb_view_mongo_open_reader(mongo, ret_reader, err));
    ((struct tb_view_mongo_reader *)*ret_reader)->pinned = *collections;
    return TB_OK;
}
