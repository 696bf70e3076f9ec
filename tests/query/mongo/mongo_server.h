/* A MongoDB-compatible server for one test program, through tests/services/service.sh.
 *
 * $TB_MONGO_URI names another server to use; one that cannot be stopped from here.
 *
 * Thread:  main's, before Check forks; kill and start from a test.
 * Memory:  static.
 * Errors:  the program ends with 77 when there is no server to be had, with 1 otherwise.
 * Units:   none. */
#pragma once
#include "query/mongo/view/view_mongo.h"
#include "support/support.h"
#include <mongoc/mongoc.h>

void mongo_server_begin(void); /* first thing in main */
void mongo_server_end(void);
const char *mongo_server_uri(void);
void mongo_server_limits(const char *options); /* of the URI, "key=value&..." */
bool mongo_server_is_ours(void);
void mongo_server_do(const char *verb); /* "start mongo", kill, freeze, thaw */

/* A database of its own for each test, prepared. */
struct mongo_db {
    struct tb_mongo *mongo;
    char name[64];
    mongoc_client_t *client; /* to look behind the view */
};
void mongo_db_open(struct mongo_db *db, int bulk_size);
void mongo_db_close(struct mongo_db *db); /* drops it */
/* A second writer or reader of the same database. */
struct tb_mongo *mongo_db_again(const struct mongo_db *db, int bulk_size);
/* Every document of a collection by _id, a line each, fields as canonical JSON; the caller's. */
char *mongo_db_dump(const struct mongo_db *db, const char *collection);
int64_t mongo_db_count(const struct mongo_db *db, const char *collection, const char *filter);
/* Runs a command given as JSON; it must work. */
void mongo_db_command(const struct mongo_db *db, const char *json);
