/* Clients of the connection pool, and what an error of the driver means to the caller.
 *
 * Thread:  a client belongs to the call that acquired it.
 * Errors:  TB_BUSY: no client became free in time. TB_UNAVAILABLE: the server did not answer.
 *          TB_UNKNOWN: it did not answer a write, which may have been done. */
#pragma once
#include "query/mongo/driver/mongo.h"
#include <mongoc/mongoc.h>
#include <stdatomic.h>

#define TB_MONGO_NAME_SIZE 64

struct tb_mongo {
    mongoc_client_pool_t *pool; /* owned */
    char database[TB_MONGO_NAME_SIZE];
    char topic[256];
    int bulk_size, day_start_minutes;
    size_t document_max; /* TB_MONGO_DOCUMENT_MAX; tests lower it */
    const struct tb_clock *clock;
    _Atomic int64_t down_until_ms; /* monotonic; 0: the last call was answered */
};
struct tb_mongo_client {
    struct tb_mongo *mongo; /* NULL: none acquired */
    mongoc_client_t *handle;
};
TB_CHECKED enum tb_code tb_mongo_client_acquire(struct tb_mongo *mongo,
                                                struct tb_mongo_client *ret_client,
                                                struct tb_error *err);
/* For a read that a user waits for: TB_UNAVAILABLE at once while the server is known to be down.
 */
TB_CHECKED enum tb_code tb_mongo_client_acquire_if_up(struct tb_mongo *mongo,
                                                      struct tb_mongo_client *ret_client,
                                                      struct tb_error *err);
void tb_mongo_client_release(struct tb_mongo_client *client); /* for TB_CLEANUP */

/* writing: the operation may have been done. */
enum tb_code tb_mongo_error(struct tb_error *err, const bson_error_t *error, bool writing,
                            const char *what);
/* The error of a read; remembers that the server is down. */
enum tb_code tb_mongo_read_error(struct tb_error *err, struct tb_mongo *mongo,
                                 const bson_error_t *error, const char *what);
