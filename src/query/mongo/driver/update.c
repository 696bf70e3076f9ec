#include "query/mongo/driver/find.h"

enum tb_code tb_mongo_remove(const struct tb_mongo_client *client, const char *collection,
                             const bson_t *filter, int64_t *ret_removed, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_collection_free)
    mongoc_collection_t *from = tb_mongo_collection(client, collection);
    bson_error_t error = {0};
    bson_t reply;
    bool ok = mongoc_collection_delete_many(from, filter, NULL, &reply, &error);

    *ret_removed = tb_bson_find_int(&reply, "deletedCount");
    bson_destroy(&reply);
    return ok ? TB_OK : tb_mongo_error(err, &error, true, "removing");
}

enum tb_code tb_mongo_update(const struct tb_mongo_client *client, const char *collection,
                             const bson_t *filter, const bson_t *update, bool *ret_found,
                             struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_collection_free)
    mongoc_collection_t *into = tb_mongo_collection(client, collection);
    bson_error_t error = {0};
    bson_t reply;
    bool ok = mongoc_collection_update_one(into, filter, update, NULL, &reply, &error);

    *ret_found = tb_bson_find_int(&reply, "matchedCount") > 0;
    bson_destroy(&reply);
    if (ok)
        return TB_OK;
    (void)tb_mongo_error(err, &error, true, "updating");
    return tb_error_wrap(err, "collection %s", collection);
}
