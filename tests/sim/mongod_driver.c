/* The functions of libmongoc that the product calls, on top of the simulated database. URIs,
 * write concerns and BSON are the real library's. */
#include "sim/mongod_priv.h"
#include "sim/trace.h"
#include <stdio.h>
#include <stdlib.h>

/* One call in so many fails, one in so many is slow. */
#define ROUGH 12
#define SLOW 5
#define SLOW_US UINT64_C(30000)
#define SLOWEST_US UINT64_C(2000000)

struct _mongoc_client_pool_t {
    mongoc_client_t client;
};
struct _mongoc_cursor_t {
    bson_t **list; /* owned, and the documents */
    size_t count, next;
    bson_error_t error; /* domain 0: no error */
};
struct _mongoc_server_description_t {
    int unused;
};

void mongod_wait(const mongoc_client_t *client, uint64_t most_us)
{
    struct mongod *mongod = mongod_now;

    mongod->hooks.on_wait(mongod->hooks.ctx, client->number,
                          (int64_t)fake_random_below(&mongod->random, most_us));
}

enum mongod_outcome mongod_draw_outcome(const mongoc_client_t *client)
{
    struct mongod *mongod = mongod_now;

    if (mongod->unreliable && fake_random_below(&mongod->random, SLOW) == 0)
        mongod_wait(client, fake_random_below(&mongod->random, 10) > 0 ? SLOW_US : SLOWEST_US);
    mongod_step(mongod);
    if (mongod->down || mongod->cut[client->number])
        return MONGOD_NOT_DONE;
    if (!mongod->unreliable || fake_random_below(&mongod->random, ROUGH) != 0)
        return MONGOD_DONE;
    return (enum mongod_outcome)(1 + fake_random_below(&mongod->random, MONGOD_OUTCOME_COUNT - 1));
}

void mongod_set_no_answer(bson_error_t *error)
{
    struct mongod *mongod = mongod_now;
    sim_cover(COVER_MONGOD_FAILED, 1);
    bool away = mongod->down || fake_random_below(&mongod->random, 2) == 0;

    bson_set_error(error, away ? MONGOC_ERROR_SERVER_SELECTION : MONGOC_ERROR_STREAM,
                   MONGOC_ERROR_STREAM_SOCKET, "the simulated database does not answer");
}

/* A call that makes one write. */
static bool write_one(const mongoc_client_t *client, struct mongod_collection *collection,
                      const struct mongod_write *write, int64_t *ret_changed, bson_error_t *error)
{
    enum mongod_outcome drawn = mongod_draw_outcome(client);
    bool matched = false;

    if (drawn == MONGOD_DONE_LATE)
        mongod_write_late(mongod_now, collection, write);
    else if (drawn != MONGOD_NOT_DONE)
        TB_ASSERT(mongod_write(mongod_now, collection, write, &matched, ret_changed) == 0);
    if (matched)
        *ret_changed = 1;
    if (drawn != MONGOD_DONE)
        mongod_set_no_answer(error);
    return drawn == MONGOD_DONE;
}

/* Pools and clients. */

void mongoc_init(void)
{
}

void mongoc_log_set_handler(mongoc_log_func_t log_func, void *user_data)
{
    (void)log_func;
    (void)user_data;
}

/* The URI's host tells whose pool it is: central1, ... */
mongoc_client_pool_t *mongoc_client_pool_new_with_error(const mongoc_uri_t *uri,
                                                        bson_error_t *error)
{
    mongoc_client_pool_t *pool = calloc(1, sizeof *pool);
    const char *host = mongoc_uri_get_hosts(uri)->host;

    (void)error;
    TB_ASSERT(pool && sscanf(host, "central%d", &pool->client.number) == 1);
    pool->client.number--;
    pool->client.at_secondary =
        mongoc_read_prefs_get_mode(mongoc_uri_get_read_prefs_t(uri)) != MONGOC_READ_PRIMARY;
    return pool;
}

void mongoc_client_pool_destroy(mongoc_client_pool_t *pool)
{
    free(pool);
}

bool mongoc_client_pool_set_error_api(mongoc_client_pool_t *pool, int32_t version)
{
    (void)pool;
    (void)version;
    return true;
}

bool mongoc_client_pool_set_appname(mongoc_client_pool_t *pool, const char *appname)
{
    (void)pool;
    (void)appname;
    return true;
}

mongoc_client_t *mongoc_client_pool_pop(mongoc_client_pool_t *pool)
{
    return &pool->client;
}

void mongoc_client_pool_push(mongoc_client_pool_t *pool, mongoc_client_t *client)
{
    TB_ASSERT(client == &pool->client);
}

/* Servers. */

mongoc_server_description_t *mongoc_client_select_server(mongoc_client_t *client, bool for_writes,
                                                         const mongoc_read_prefs_t *prefs,
                                                         bson_error_t *error)
{
    static mongoc_server_description_t primary;

    (void)for_writes;
    (void)prefs;
    if (mongod_draw_outcome(client) == MONGOD_DONE)
        return &primary;
    mongod_set_no_answer(error);
    return NULL;
}

const char *mongoc_server_description_type(const mongoc_server_description_t *description)
{
    (void)description;
    return "RSPrimary";
}

void mongoc_server_description_destroy(mongoc_server_description_t *description)
{
    (void)description;
}

/* createIndexes: has no effect here. */
bool mongoc_client_write_command_with_opts(mongoc_client_t *client, const char *db_name,
                                           const bson_t *command, const bson_t *opts,
                                           bson_t *reply, bson_error_t *error)
{
    (void)db_name;
    (void)opts;
    TB_ASSERT(!reply && bson_has_field(command, "createIndexes"));
    if (mongod_draw_outcome(client) == MONGOD_DONE)
        return true;
    mongod_set_no_answer(error);
    return false;
}

/* Collections. */

mongoc_collection_t *mongoc_client_get_collection(mongoc_client_t *client, const char *db,
                                                  const char *name)
{
    mongoc_collection_t *collection = calloc(1, sizeof *collection);

    (void)db;
    TB_ASSERT(collection);
    collection->client = client;
    collection->collection = mongod_collection(mongod_now, name);
    return collection;
}

void mongoc_collection_destroy(mongoc_collection_t *collection)
{
    free(collection);
}

static mongoc_cursor_t *new_cursor(const mongoc_collection_t *collection)
{
    mongoc_cursor_t *cursor = calloc(1, sizeof *cursor);

    TB_ASSERT(cursor);
    if (mongod_draw_outcome(collection->client) != MONGOD_DONE)
        mongod_set_no_answer(&cursor->error);
    return cursor;
}

static bool is_at_secondary(const mongoc_client_t *client, const mongoc_read_prefs_t *prefs)
{
    if (mongod_now->mutant == MONGOD_STALE_READS)
        return true;
    return prefs ? mongoc_read_prefs_get_mode(prefs) != MONGOC_READ_PRIMARY : client->at_secondary;
}

mongoc_cursor_t *mongoc_collection_find_with_opts(mongoc_collection_t *collection,
                                                  const bson_t *filter, const bson_t *opts,
                                                  const mongoc_read_prefs_t *read_prefs)
{
    mongoc_cursor_t *cursor = new_cursor(collection);

    if (cursor->error.domain == 0)
        cursor->list =
            mongod_find(collection->collection, is_at_secondary(collection->client, read_prefs),
                        filter, opts, &cursor->count);
    return cursor;
}

/* The product aggregates orders only for sums of times, which no simulated client asks for. */
mongoc_cursor_t *mongoc_collection_aggregate(mongoc_collection_t *collection,
                                             mongoc_query_flags_t flags, const bson_t *pipeline,
                                             const bson_t *opts,
                                             const mongoc_read_prefs_t *read_prefs)
{
    (void)collection, (void)flags, (void)pipeline, (void)opts, (void)read_prefs;
    TB_ASSERT(!"the simulated database aggregates");
    return NULL;
}

bool mongoc_cursor_next(mongoc_cursor_t *cursor, const bson_t **doc)
{
    if (cursor->next == cursor->count)
        return false;
    *doc = cursor->list[cursor->next++];
    return true;
}

bool mongoc_cursor_error(mongoc_cursor_t *cursor, bson_error_t *error)
{
    *error = cursor->error;
    return cursor->error.domain != 0;
}

void mongoc_cursor_destroy(mongoc_cursor_t *cursor)
{
    for (size_t i = 0; i < cursor->count; i++)
        bson_destroy(cursor->list[i]);
    free(cursor->list);
    free(cursor);
}

bool mongoc_collection_update_one(mongoc_collection_t *collection, const bson_t *selector,
                                  const bson_t *update, const bson_t *opts, bson_t *reply,
                                  bson_error_t *error)
{
    const struct mongod_write write = {
        .kind = MONGOD_UPDATE, .filter = selector, .document = update};
    int64_t matched = 0;
    bool ok = write_one(collection->client, collection->collection, &write, &matched, error);

    (void)opts;
    bson_init(reply);
    BSON_APPEND_INT64(reply, "matchedCount", matched);
    return ok;
}

bool mongoc_collection_delete_many(mongoc_collection_t *collection, const bson_t *selector,
                                   const bson_t *opts, bson_t *reply, bson_error_t *error)
{
    const struct mongod_write write = {.kind = MONGOD_REMOVE, .filter = selector};
    int64_t removed = 0;
    bool ok = write_one(collection->client, collection->collection, &write, &removed, error);

    (void)opts;
    bson_init(reply);
    BSON_APPEND_INT64(reply, "deletedCount", removed);
    return ok;
}
