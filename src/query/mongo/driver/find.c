#include "query/mongo/driver/find.h"

static void begin(struct tb_mongo_cursor *cursor, const struct tb_mongo_client *client,
                  const char *collection)
{
    TB_ASSERT(!cursor->handle);
    cursor->mongo = client->mongo;
    cursor->collection = tb_mongo_collection(client, collection);
}

void tb_mongo_find(struct tb_mongo_cursor *cursor, const struct tb_mongo_client *client,
                   const char *collection, const bson_t *filter, const bson_t *opts)
{
    TB_CLEANUP(tb_bson_free) bson_t *limited = tb_mongo_read_opts(client, opts);

    begin(cursor, client, collection);
    cursor->handle =
        mongoc_collection_find_with_opts(cursor->collection, filter, limited, client->read_prefs);
}

void tb_mongo_aggregate(struct tb_mongo_cursor *cursor, const struct tb_mongo_client *client,
                        const char *collection, const bson_t *pipeline)
{
    TB_CLEANUP(tb_bson_free) bson_t *limited = tb_mongo_read_opts(client, NULL);

    begin(cursor, client, collection);
    cursor->handle = mongoc_collection_aggregate(cursor->collection, MONGOC_QUERY_NONE, pipeline,
                                                 limited, client->read_prefs);
}

const bson_t *tb_mongo_cursor_next(struct tb_mongo_cursor *cursor)
{
    const bson_t *doc = NULL;

    return mongoc_cursor_next(cursor->handle, &doc) ? doc : NULL;
}

enum tb_code tb_mongo_cursor_end(struct tb_mongo_cursor *cursor, const char *what,
                                 struct tb_error *err)
{
    bson_error_t error = {0};
    enum tb_code code = TB_OK;

    if (mongoc_cursor_error(cursor->handle, &error))
        code = tb_mongo_read_error(err, cursor->mongo, &error, what);
    else
        atomic_store(&cursor->mongo->down_until_ms, 0);
    tb_mongo_cursor_free(cursor);
    return code;
}

void tb_mongo_cursor_free(struct tb_mongo_cursor *cursor)
{
    if (cursor->handle)
        mongoc_cursor_destroy(cursor->handle);
    tb_mongo_collection_free(&cursor->collection);
    *cursor = (struct tb_mongo_cursor){0};
}

/* Copies the only document, if there is one, and ends the cursor. */
static enum tb_code take_one(struct tb_mongo_cursor *cursor, const char *what, bson_t **ret_doc,
                             struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *copy = NULL;
    const bson_t *doc = tb_mongo_cursor_next(cursor);

    if (doc && !(copy = bson_copy(doc)))
        return tb_mongo_no_memory(err);
    TB_TRY(tb_mongo_cursor_end(cursor, what, err));
    *ret_doc = copy;
    copy = NULL;
    return TB_OK;
}

enum tb_code tb_mongo_find_one(const struct tb_mongo_client *client, const char *collection,
                               struct tb_str id, const char *what, bson_t **ret_doc,
                               struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = tb_mongo_ids_filter(&id, 1);

    if (!filter)
        return tb_mongo_no_memory(err);
    tb_mongo_find(&cursor, client, collection, filter, NULL);
    return take_one(&cursor, what, ret_doc, err);
}

enum tb_code tb_mongo_find_meta(const struct tb_mongo_client *client, const char *id,
                                bson_t **ret_doc, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = BCON_NEW("_id", BCON_UTF8(id));

    tb_mongo_find(&cursor, client, "meta", filter, NULL);
    return take_one(&cursor, "reading meta", ret_doc, err);
}

bson_t *tb_mongo_ids_filter(const struct tb_str *ids, size_t count)
{
    bson_t list = BSON_INITIALIZER, *filter = NULL;
    bool failed = false;
    char scratch[16];

    for (size_t i = 0; i < count; i++)
        tb_bson_put_str((struct tb_bson_writer){&list, &failed}, tb_bson_index_key(i, scratch),
                        ids[i]);
    if (!failed)
        filter = BCON_NEW("_id", "{", "$in", BCON_ARRAY(&list), "}");
    bson_destroy(&list);
    return filter;
}
