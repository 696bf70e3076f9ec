/* The MongoDB-compatible server of a test program. By default the program starts a server of its
 * own with tests/services/service.sh, and may kill and restart it. If $TB_MONGO_DIR is set, it is
 * the folder of a server that several programs share (tests/services/CMakeLists.txt). If
 * $TILLBOX_TEST_MONGO is set, it is the URI of any other server. A program must not stop these
 * two.
 *
 * Thread:  the main thread, before Check forks; mongo_server_do also in a test.
 * Errors:  the program ends with 77 if there is no server, with 1 on other failures. */
#pragma once
#include "query/mongo/view/view_mongo.h"
#include "support/support.h"
#include <mongoc/mongoc.h>

void mongo_server_begin(void);     /* call it first in main */
void mongo_server_begin_own(void); /* a server of its own in any case, or 77 */
/* The same, with a server that is the primary of a replica set. The set's secondary
 * answers every find with nothing. */
void mongo_server_begin_set(void);
void mongo_server_end(void);
const char *mongo_server_uri(void);
void mongo_server_limits(const char *options); /* URI options, "key=value&..." */
bool mongo_server_is_ours(void);
void mongo_server_do(const char *verb); /* "start mongo", kill, freeze, thaw */

/* Each test has a database of its own, prepared. */
struct mongo_db {
    struct tb_mongo *mongo;
    char name[64];
    mongoc_client_t *client; /* for reads without the view */
};
void mongo_db_open(struct mongo_db *db, int bulk_size);
void mongo_db_close(struct mongo_db *db); /* drops the database */
/* Opens the same database once more, for a second writer or reader. */
struct tb_mongo *mongo_db_again(const struct mongo_db *db, int bulk_size);
/* The same for people's queries. */
struct tb_mongo *mongo_db_for_queries(const struct mongo_db *db);
/* The documents of a collection, sorted by _id, each a line of canonical JSON; the caller frees
 * it. */
char *mongo_db_dump(const struct mongo_db *db, const char *collection);
/* The days, without what they remember of their last batches, which depends on the batches. */
char *mongo_db_dump_sales(const struct mongo_db *db);
int64_t mongo_db_count(const struct mongo_db *db, const char *collection, const char *filter);
/* Runs a command given as JSON, which must succeed. */
void mongo_db_command(const struct mongo_db *db, const char *json);
