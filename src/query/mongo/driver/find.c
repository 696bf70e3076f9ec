#include "query/mongo/view_mongo_priv.h"

void tb_mongo_find_begin(struct tb_mongo_find *find, const struct tb_mongo_client *lease,
                         const char *collection, const bson_t *filter, const bson_t *opts)
{
    TB_ASSERT(!find->cursor);
    find->mongo = lease->mongo;
    find->collection =
        mongoc_client_get_collection(lease->client, lease->mongo->database, collection);
    find->cursor = mongoc_collection_find_with_opts(find->collection, filter, opts, NULL);
}

void tb_mongo_find_newest(struct tb_mongo_find *find, const struct tb_mongo_client *lease,
                          const char *collection, const bson_t *filter)
{
    mongoc_read_prefs_t *primary = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);

    TB_ASSERT(!find->cursor);
    find->mongo = lease->mongo;
    find->collection =
        mongoc_client_get_collection(lease->client, lease->mongo->database, collection);
    find->cursor = mongoc_collection_find_with_opts(find->collection, filter, NULL, primary);
    mongoc_read_prefs_destroy(primary);
}

void tb_mongo_aggregate_begin(struct tb_mongo_find *find, const struct tb_mongo_client *lease,
                              const char *collection, const bson_t *pipeline)
{
    TB_ASSERT(!find->cursor);
    find->mongo = lease->mongo;
    find->collection =
        mongoc_client_get_collection(lease->client, lease->mongo->database, collection);
    find->cursor =
        mongoc_collection_aggregate(find->collection, MONGOC_QUERY_NONE, pipeline, NULL, NULL);
}

const bson_t *tb_mongo_find_next(struct tb_mongo_find *find)
{
    const bson_t *doc = NULL;

    return mongoc_cursor_next(find->cursor, &doc) ? doc : NULL;
}

enum tb_code tb_mongo_find_end(struct tb_mongo_find *find, const char *what, struct tb_error *err)
{
    bson_error_t error = {0};
    enum tb_code code = TB_OK;

    if (mongoc_cursor_error(find->cursor, &error))
        code = tb_mongo_read_error(err, find->mongo, &error, what);
    else
        atomic_store(&find->mongo->away_until_ms, 0); /* it answers */
    tb_mongo_find_free(find);
    return code;
}

void tb_mongo_find_free(struct tb_mongo_find *find)
{
    if (find->cursor)
        mongoc_cursor_destroy(find->cursor);
    if (find->collection)
        mongoc_collection_destroy(find->collection);
    *find = (struct tb_mongo_find){0};
}

bson_t *tb_mongo_ids_filter(const struct tb_str *ids, size_t count)
{
    bson_t *filter = bson_new();
    bool failed = false;
    struct tb_bson_writer put = {filter, &failed};
    bson_t within, list;
    struct tb_bson_writer id = tb_bson_open(put, "_id", &within);
    struct tb_bson_writer in = tb_bson_open_array(id, "$in", &list);
    char scratch[16];

    for (size_t i = 0; i < count; i++)
        tb_bson_put_str(in, tb_bson_index_key(i, scratch), ids[i]);
    tb_bson_close_array(id, in);
    tb_bson_close(put, id);
    if (failed)
        tb_bson_free(&filter);
    return filter;
}

enum tb_code tb_mongo_remove(const struct tb_mongo_client *lease, const char *collection,
                             const bson_t *filter, int64_t *ret_removed, struct tb_error *err)
{
    mongoc_collection_t *from =
        mongoc_client_get_collection(lease->client, lease->mongo->database, collection);
    bson_error_t error = {0};
    enum tb_code code = TB_OK;
    bson_iter_t iter;
    bson_t reply;

    if (!mongoc_collection_delete_many(from, filter, NULL, &reply, &error))
        code = tb_mongo_error(err, &error, true, "removing");
    else if (bson_iter_init_find(&iter, &reply, "deletedCount"))
        *ret_removed = tb_bson_get_int(&iter);
    bson_destroy(&reply);
    mongoc_collection_destroy(from);
    return code;
}

enum tb_code tb_mongo_update(const struct tb_mongo_client *lease, const char *collection,
                             const bson_t *filter, const bson_t *update, bool *ret_found,
                             struct tb_error *err)
{
    mongoc_collection_t *into =
        mongoc_client_get_collection(lease->client, lease->mongo->database, collection);
    bson_error_t error = {0};
    enum tb_code code = TB_OK;
    bson_iter_t iter;
    bson_t reply;

    if (!mongoc_collection_update_one(into, filter, update, NULL, &reply, &error))
        code = tb_mongo_error(err, &error, true, "updating");
    else
        *ret_found =
            bson_iter_init_find(&iter, &reply, "matchedCount") && tb_bson_get_int(&iter) > 0;
    bson_destroy(&reply);
    mongoc_collection_destroy(into);
    return code == TB_OK ? TB_OK : tb_error_wrap(err, "collection %s", collection);
}
