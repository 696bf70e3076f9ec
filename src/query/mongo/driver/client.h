/* Clients of the connection pool, and the codes that the driver's errors become.
 *
 * Thread:  a client belongs to the call that acquired it.
 * Errors:  TB_BUSY: no client became free in time. TB_UNAVAILABLE: a read failed. TB_UNKNOWN: a
 *          write failed, or its reply was lost: it may have been done. */
#pragma once
#include "query/mongo/driver/mongo.h"
#include <mongoc/mongoc.h>
#include <stdatomic.h>

#define TB_MONGO_NAME_SIZE 64

struct tb_mongo {
    mongoc_client_pool_t *pool;     /* owned */
    mongoc_read_prefs_t *preferred; /* owned; the URI's; NULL: not for queries */
    char database[TB_MONGO_NAME_SIZE];
    char topic[256];
    int bulk_size, day_start_minutes;
    int64_t max_time_ms; /* after which the server gives a read up; 0: never */
    size_t document_max; /* TB_MONGO_DOCUMENT_MAX; tests lower it */
    const struct tb_clock *clock;
    const struct tb_random *random;
    _Atomic int64_t down_until_ms; /* monotonic; 0: the last read succeeded */
};
struct tb_mongo_client {
    struct tb_mongo *mongo; /* NULL: none acquired */
    mongoc_client_t *handle;
    const mongoc_read_prefs_t *read_prefs; /* borrowed; NULL: reads are from the primary */
};
TB_CHECKED enum tb_code tb_mongo_client_acquire(struct tb_mongo *mongo,
                                                struct tb_mongo_client *ret_client,
                                                struct tb_error *err);
/* For reads that a user waits for: TB_UNAVAILABLE at once while the server is known to be down. */
TB_CHECKED enum tb_code tb_mongo_client_acquire_if_up(struct tb_mongo *mongo,
                                                      struct tb_mongo_client *ret_client,
                                                      struct tb_error *err);
/* From here on the client reads where the URI's readPreference says, so it may read old documents.
 * Only for answers from which nothing follows: not for what is written, counted or waited for. */
void tb_mongo_client_prefer(struct tb_mongo_client *client);
void tb_mongo_client_release(struct tb_mongo_client *client); /* for TB_CLEANUP */
mongoc_collection_t *tb_mongo_collection(const struct tb_mongo_client *client, const char *name);
void tb_mongo_collection_free(mongoc_collection_t **collection); /* for TB_CLEANUP */

/* writing: the error is TB_UNKNOWN, otherwise TB_UNAVAILABLE. */
enum tb_code tb_mongo_error(struct tb_error *err, const bson_error_t *error, bool writing,
                            const char *what);
/* The error of a read. If no server answered, tb_mongo_client_acquire_if_up fails for
 * TB_MONGO_DOWN_MS. */
/* The options of a read, with max_time_ms if there is one; opts may be NULL, and so may be the
 * result. The caller frees it. */
bson_t *tb_mongo_read_opts(const struct tb_mongo_client *client, const bson_t *opts);
enum tb_code tb_mongo_read_error(struct tb_error *err, struct tb_mongo *mongo,
                                 const bson_error_t *error, const char *what);
