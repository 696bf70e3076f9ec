#include "query/mongo/dead_letters/dead_letters.h"

#define COLLECTION "dead_letters"

void tb_mongo_put_after(bson_t *filter, int64_t dead_at_ms,
                        struct tb_dead_letter_position position, bool by_order)
{
    int64_t partition = position.partition, offset = position.offset;

    if (by_order)
        BCON_APPEND(filter, "$or", "[", "{", "partition", "{", "$gt", BCON_INT64(partition), "}",
                    "}", "{", "partition", BCON_INT64(partition), "offset", "{", "$gt",
                    BCON_INT64(offset), "}", "}", "]");
    else
        BCON_APPEND(filter, "$or", "[", "{", "deadAt", "{", "$gt", BCON_DATE_TIME(dead_at_ms), "}",
                    "}", "{", "deadAt", BCON_DATE_TIME(dead_at_ms), "partition", "{", "$gt",
                    BCON_INT64(partition), "}", "}", "{", "deadAt", BCON_DATE_TIME(dead_at_ms),
                    "partition", BCON_INT64(partition), "offset", "{", "$gt", BCON_INT64(offset),
                    "}", "}", "]");
}

static bson_t *list_filter(const struct tb_dead_letter_filter *filter)
{
    bson_t *doc = bson_new();
    bool failed = false;
    struct tb_bson_writer out = {doc, &failed};

    tb_bson_put_str(out, "orderId", filter->order_id);
    tb_bson_put_str(out, "type", filter->type);
    tb_bson_put_str(out, "reason", filter->reason);
    if (filter->has_status)
        tb_bson_put_text(out, "status", tb_dead_letter_status_name(filter->status));
    if (filter->has_since)
        BCON_APPEND(doc, "deadAt", "{", "$gte", BCON_DATE_TIME(filter->since_ms), "}");
    if (filter->has_after)
        tb_mongo_put_after(doc, filter->after_dead_at_ms, filter->after, filter->order_id.ptr);
    if (failed)
        tb_bson_free(&doc);
    return doc;
}

static bson_t *list_opts(bool by_order, int64_t limit)
{
    if (by_order)
        return BCON_NEW("sort", "{", "partition", BCON_INT32(1), "offset", BCON_INT32(1), "}",
                        "limit", BCON_INT64(limit));
    return BCON_NEW("sort", "{", "deadAt", BCON_INT32(1), "partition", BCON_INT32(1), "offset",
                    BCON_INT32(1), "}", "limit", BCON_INT64(limit));
}

enum tb_code tb_mongo_list_dead_letters(const struct tb_mongo_client *client,
                                        const struct tb_dead_letter_filter *filter,
                                        tb_dead_letter_fn *each, void *ctx, bool *ret_more,
                                        struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free) bson_t *query = list_filter(filter);
    /* One more than the limit shows whether there are more. */
    TB_CLEANUP(tb_bson_free)
    bson_t *opts = list_opts(filter->order_id.ptr != NULL, filter->limit + 1);
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    const bson_t *doc = NULL;
    bool taken = true;
    int count = 0;

    TB_ASSERT(filter->limit > 0);
    if (!query)
        return tb_mongo_no_memory(err);
    tb_mongo_find(&cursor, client, COLLECTION, query, opts);
    while (taken && (doc = tb_mongo_cursor_next(&cursor)) && count++ < filter->limit) {
        struct tb_dead_letter dead_letter;

        tb_arena_clear(&arena);
        TB_TRY(tb_mongo_dead_letter_decode(doc, &arena, &dead_letter, err));
        taken = each(ctx, &dead_letter);
    }
    TB_TRY(tb_mongo_cursor_end(&cursor, "listing dead letters", err));
    *ret_more = doc != NULL;
    return TB_OK;
}

enum tb_code tb_mongo_read_dead_letter(const struct tb_mongo_client *client,
                                       struct tb_dead_letter_position position,
                                       struct tb_arena *arena,
                                       struct tb_dead_letter *ret_dead_letter,
                                       struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *doc = NULL;
    char id[TB_DEAD_LETTER_ID_SIZE];

    tb_dead_letter_id_format(client->mongo->topic, position, id);
    TB_TRY(
        tb_mongo_find_one(client, COLLECTION, tb_str_of(id), "reading a dead letter", &doc, err));
    if (!doc)
        return tb_error_set(err, TB_NOT_FOUND, "the view has no such dead letter");
    return tb_mongo_dead_letter_decode(doc, arena, ret_dead_letter, err);
}

enum tb_code tb_mongo_count_open_dead_letters(const struct tb_mongo_client *client,
                                              int64_t *ret_count, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *filter = BCON_NEW("status", BCON_UTF8("open"));
    TB_CLEANUP(tb_mongo_collection_free)
    mongoc_collection_t *collection = tb_mongo_collection(client, COLLECTION);
    TB_CLEANUP(tb_bson_free) bson_t *opts = tb_mongo_read_opts(client, NULL);
    bson_error_t error = {0};
    int64_t count = mongoc_collection_count_documents(collection, filter, opts, client->read_prefs,
                                                      NULL, &error);

    if (count < 0)
        return tb_mongo_read_error(err, client->mongo, &error, "counting dead letters");
    *ret_count = count;
    return TB_OK;
}
