/* Reads, and writes that are one command. A client reads from the primary, unless
 * tb_mongo_client_prefer has said otherwise.
 *
 * Memory:  a cursor's document lives until the next one is read. */
#pragma once
#include "base/mem/arena.h"
#include "query/mongo/driver/bson.h"
#include "query/mongo/driver/client.h"

/* The documents that a find or an aggregation returns. */
struct tb_mongo_cursor {
    struct tb_mongo *mongo;
    mongoc_collection_t *collection;
    mongoc_cursor_t *handle;
};
void tb_mongo_find(struct tb_mongo_cursor *cursor, const struct tb_mongo_client *client,
                   const char *collection, const bson_t *filter, const bson_t *opts);
void tb_mongo_aggregate(struct tb_mongo_cursor *cursor, const struct tb_mongo_client *client,
                        const char *collection, const bson_t *pipeline);
/* NULL at the end and after a failure; tb_mongo_cursor_end then says which. */
const bson_t *tb_mongo_cursor_next(struct tb_mongo_cursor *cursor);
TB_CHECKED enum tb_code tb_mongo_cursor_end(struct tb_mongo_cursor *cursor, const char *what,
                                            struct tb_error *err);
void tb_mongo_cursor_free(struct tb_mongo_cursor *cursor); /* for TB_CLEANUP */

/* Returns the document with this _id; the caller frees it. NULL: there is none. */
TB_CHECKED enum tb_code tb_mongo_find_one(const struct tb_mongo_client *client,
                                          const char *collection, struct tb_str id,
                                          const char *what, bson_t **ret_doc,
                                          struct tb_error *err);
/* The same for a document of `meta`. */
TB_CHECKED enum tb_code tb_mongo_find_meta(const struct tb_mongo_client *client, const char *id,
                                           bson_t **ret_doc, struct tb_error *err);
/* {_id: {$in: ids}}; NULL when out of memory. */
bson_t *tb_mongo_ids_filter(const struct tb_str *ids, size_t count);
/* Calls each for every document with ids[at]; if the list has an id twice, for each `at`. An id
 * without a document is skipped. each returns false if it is out of memory. */
TB_CHECKED enum tb_code tb_mongo_find_by_ids(const struct tb_mongo_client *client,
                                             const char *collection, const struct tb_str *ids,
                                             size_t count, const bson_t *opts,
                                             bool (*each)(void *ctx, size_t at, const bson_t *doc),
                                             void *ctx, struct tb_error *err);
/* Reads the version of each order; 0: there is none. with_stubs: stubs count as orders. After a
 * failure ret_versions is incomplete. */
TB_CHECKED enum tb_code tb_mongo_read_versions(const struct tb_mongo_client *client,
                                               const char *orders, const struct tb_str *ids,
                                               size_t count, bool with_stubs,
                                               int64_t *ret_versions, struct tb_error *err);

/* Removes all documents that match the filter. */
TB_CHECKED enum tb_code tb_mongo_remove(const struct tb_mongo_client *client,
                                        const char *collection, const bson_t *filter,
                                        int64_t *ret_removed, struct tb_error *err);
/* Updates one document that matches the filter. *ret_found false: none does. */
TB_CHECKED enum tb_code tb_mongo_update(const struct tb_mongo_client *client,
                                        const char *collection, const bson_t *filter,
                                        const bson_t *update, bool *ret_found,
                                        struct tb_error *err);
