#include "query/mongo/driver/find.h"

enum tb_code tb_mongo_remove(const struct tb_mongo_client *client, const char *collection,
                             const bson_t *filter, int64_t *ret_removed, struct tb_error *err)
{
    mongoc_collection_t *from =
        mongoc_client_get_collection(client->handle, client->mongo->database, collection);
    bson_error_t error = {0};
    enum tb_code code = TB_OK;
    bson_t reply;

    if (!mongoc_collection_delete_many(from, filter, NULL, &reply, &error))
        code = tb_mongo_error(err, &error, true, "removing");
    else
        *ret_removed = tb_bson_find_int(&reply, "deletedCount");
    bson_destroy(&reply);
    mongoc_collection_destroy(from);
    return code;
}

enum tb_code tb_mongo_update(const struct tb_mongo_client *client, const char *collection,
                             const bson_t *filter, const bson_t *update, bool *ret_found,
                             struct tb_error *err)
{
    mongoc_collection_t *into =
        mongoc_client_get_collection(client->handle, client->mongo->database, collection);
    bson_error_t error = {0};
    enum tb_code code = TB_OK;
    bson_t reply;

    if (!mongoc_collection_update_one(into, filter, update, NULL, &reply, &error))
        code = tb_mongo_error(err, &error, true, "updating");
    else
        *ret_found = tb_bson_find_int(&reply, "matchedCount") > 0;
    bson_destroy(&reply);
    mongoc_collection_destroy(into);
    return code == TB_OK ? TB_OK : tb_error_wrap(err, "collection %s", collection);
}
