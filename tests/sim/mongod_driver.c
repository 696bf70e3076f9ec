/* The driver's functions as the MongoDB view calls them, over the simulated database. They stand
 * before the library's at link time; what is not here (URIs, concerns, BSON) is the library's. */
#include "sim/mongod.h"
#include "sim/trace.h"
#include <mongoc/mongoc.h>
#include <stdio.h>
#include <stdlib.h>

/* A call goes wrong one time in so many, and is slow one time in so many. */
#define ROUGH 12
#define SLOW 5
#define SLOW_US UINT64_C(30000)
#define SLOWEST_US UINT64_C(2000000)
/* Nobody answers: that is heard after at most so long. */
#define UNHEARD_US UINT64_C(8000000)

struct _mongoc_client_t {
    int number;
};
struct _mongoc_client_pool_t {
    mongoc_client_t client;
};
struct _mongoc_collection_t {
    const mongoc_client_t *client;
    struct mongod_collection *collection;
};
struct _mongoc_cursor_t {
    bson_t **list; /* owned, and what is in it */
    size_t count, next;
    bson_error_t error; /* domain 0: none */
};
struct _mongoc_bulk_operation_t {
    const mongoc_client_t *client;
    struct mongod_collection *collection;
    struct mongod_write *writes; /* owned, with their documents */
    size_t count, cap;
};
struct _mongoc_server_description_t {
    int unused;
};

/* What becomes of a call. */
enum fate {
    FATE_DONE,
    FATE_NOTHING, /* it fails, and nothing was done */
    FATE_UNHEARD, /* it is done, and its client hears of a failure */
    FATE_PARTLY,  /* as before, of some of its writes */
    FATE_LATE,    /* its client hears of a failure, and it is done some time after */
    FATE_COUNT
};

static void wait_for_it(const mongoc_client_t *client, uint64_t most_us)
{
    struct mongod *mongod = mongod_now;

    mongod->watch.waiting(mongod->watch.ctx, client->number,
                          (int64_t)fake_random_below(&mongod->random, most_us));
}

static enum fate draw_fate(const mongoc_client_t *client)
{
    struct mongod *mongod = mongod_now;

    if (mongod->rough && fake_random_below(&mongod->random, SLOW) == 0)
        wait_for_it(client, fake_random_below(&mongod->random, 10) > 0 ? SLOW_US : SLOWEST_US);
    mongod_step(mongod);
    if (mongod->down || mongod->cut[client->number])
        return FATE_NOTHING;
    if (!mongod->rough || fake_random_below(&mongod->random, ROUGH) != 0)
        return FATE_DONE;
    return (enum fate)(1 + fake_random_below(&mongod->random, FATE_COUNT - 1));
}

static void no_answer(bson_error_t *error)
{
    struct mongod *mongod = mongod_now;
    sim_cover(SIM_MONGOD_FAILED, 1);
    bool away = mongod->down || fake_random_below(&mongod->random, 2) == 0;

    bson_set_error(error, away ? MONGOC_ERROR_SERVER_SELECTION : MONGOC_ERROR_STREAM,
                   MONGOC_ERROR_STREAM_SOCKET, "the simulated database does not answer");
}

/* One call that writes one thing. */
static bool write_one(const mongoc_client_t *client, struct mongod_collection *collection,
                      const struct mongod_write *write, int64_t *ret_changed, bson_error_t *error)
{
    enum fate fate = draw_fate(client);
    bool matched = false;

    if (fate == FATE_LATE)
        mongod_write_late(mongod_now, collection, write);
    else if (fate != FATE_NOTHING)
        TB_ASSERT(mongod_write(mongod_now, collection, write, &matched, ret_changed) == 0);
    if (matched)
        *ret_changed = 1;
    if (fate != FATE_DONE)
        no_answer(error);
    return fate == FATE_DONE;
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

/* The host's name says whose it is: central1, ... */
mongoc_client_pool_t *mongoc_client_pool_new_with_error(const mongoc_uri_t *uri,
                                                        bson_error_t *error)
{
    mongoc_client_pool_t *pool = calloc(1, sizeof *pool);
    const char *host = mongoc_uri_get_hosts(uri)->host;

    (void)error;
    TB_ASSERT(pool && sscanf(host, "central%d", &pool->client.number) == 1);
    pool->client.number--;
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
    if (draw_fate(client) == FATE_DONE)
        return &primary;
    no_answer(error);
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

/* Indexes: made or not, nobody waits longer. */
bool mongoc_client_write_command_with_opts(mongoc_client_t *client, const char *db_name,
                                           const bson_t *command, const bson_t *opts,
                                           bson_t *reply, bson_error_t *error)
{
    (void)db_name;
    (void)opts;
    TB_ASSERT(!reply && bson_has_field(command, "createIndexes"));
    if (draw_fate(client) == FATE_DONE)
        return true;
    no_answer(error);
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
    if (draw_fate(collection->client) != FATE_DONE)
        no_answer(&cursor->error);
    return cursor;
}

mongoc_cursor_t *mongoc_collection_find_with_opts(mongoc_collection_t *collection,
                                                  const bson_t *filter, const bson_t *opts,
                                                  const mongoc_read_prefs_t *read_prefs)
{
    mongoc_cursor_t *cursor = new_cursor(collection);

    (void)read_prefs;
    if (cursor->error.domain == 0)
        cursor->list = mongod_find(collection->collection, filter, opts, &cursor->count);
    return cursor;
}

/* {$group: {_id: "$node", late: {$sum: "$lateOrders"}}}: a group of each document is as good, but
 * for whoever takes the last one of a name: then the sums are made here. */
static void add_late(mongoc_cursor_t *cursor, const bson_t *doc)
{
    bson_iter_t node, late, known;
    int64_t sum;

    TB_ASSERT(bson_iter_init_find(&node, doc, "node"));
    sum = bson_iter_init_find(&late, doc, "lateOrders") ? bson_iter_as_int64(&late) : 0;
    for (size_t i = 0; i < cursor->count; i++) {
        if (!bson_iter_init_find(&known, cursor->list[i], "_id") ||
            mongod_compare(&known, &node) != 0)
            continue;
        TB_ASSERT(bson_iter_init_find(&late, cursor->list[i], "late"));
        bson_iter_overwrite_int64(&late, bson_iter_int64(&late) + sum);
        return;
    }
    cursor->list[cursor->count++] =
        BCON_NEW("_id", BCON_UTF8(bson_iter_utf8(&node, NULL)), "late", BCON_INT64(sum));
}

mongoc_cursor_t *mongoc_collection_aggregate(mongoc_collection_t *collection,
                                             mongoc_query_flags_t flags, const bson_t *pipeline,
                                             const bson_t *opts,
                                             const mongoc_read_prefs_t *read_prefs)
{
    mongoc_cursor_t *cursor = new_cursor(collection);
    bson_iter_t iter, late;

    (void)flags;
    (void)opts;
    (void)read_prefs;
    TB_ASSERT(bson_iter_init(&iter, pipeline) &&
              bson_iter_find_descendant(&iter, "pipeline.0.$group.late.$sum", &late));
    if (cursor->error.domain != 0)
        return cursor;
    cursor->list = calloc(collection->collection->count + 1, sizeof(bson_t *));
    TB_ASSERT(cursor->list);
    for (size_t i = 0; i < collection->collection->count; i++)
        add_late(cursor, collection->collection->list[i].doc);
    return cursor;
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

/* Bulks. */

mongoc_bulk_operation_t *
mongoc_collection_create_bulk_operation_with_opts(mongoc_collection_t *collection,
                                                  const bson_t *opts)
{
    mongoc_bulk_operation_t *bulk = calloc(1, sizeof *bulk);

    (void)opts;
    TB_ASSERT(bulk);
    bulk->client = collection->client;
    bulk->collection = collection->collection;
    return bulk;
}

static bool add(mongoc_bulk_operation_t *bulk, const struct mongod_write *write)
{
    struct mongod_write *added;

    if (bulk->count == bulk->cap) {
        bulk->cap = bulk->cap ? 2 * bulk->cap : 16;
        bulk->writes = realloc(bulk->writes, bulk->cap * sizeof *bulk->writes);
        TB_ASSERT(bulk->writes);
    }
    added = &bulk->writes[bulk->count++];
    *added = *write;
    added->filter = write->filter ? bson_copy(write->filter) : NULL;
    added->document = bson_copy(write->document);
    return true;
}

bool mongoc_bulk_operation_insert_with_opts(mongoc_bulk_operation_t *bulk, const bson_t *document,
                                            const bson_t *opts, bson_error_t *error)
{
    (void)opts;
    (void)error;
    return add(bulk, &(struct mongod_write){.kind = MONGOD_INSERT, .document = document});
}

bool mongoc_bulk_operation_replace_one_with_opts(mongoc_bulk_operation_t *bulk,
                                                 const bson_t *selector, const bson_t *document,
                                                 const bson_t *opts, bson_error_t *error)
{
    struct mongod_write write = {
        .kind = MONGOD_REPLACE, .upsert = opts != NULL, .filter = selector, .document = document};
    bson_t *id_alone = BCON_NEW("_id", BCON_UTF8(mongod_filter_id(selector)));
    bool unguarded = mongod_now->fault == MONGOD_NO_GUARD && bson_has_field(selector, "version");

    (void)error;
    if (unguarded)
        write.filter = id_alone;
    add(bulk, &write);
    bson_destroy(id_alone);
    return true;
}

bool mongoc_bulk_operation_update_one_with_opts(mongoc_bulk_operation_t *bulk,
                                                const bson_t *selector, const bson_t *document,
                                                const bson_t *opts, bson_error_t *error)
{
    (void)error;
    return add(bulk, &(struct mongod_write){.kind = MONGOD_UPDATE,
                                            .upsert = opts != NULL,
                                            .filter = selector,
                                            .document = document});
}

/* As the mutant would have the server's word. */
static int misheard(const struct mongod_collection *collection, int code)
{
    if (code != MONGOD_DUPLICATE_KEY || strcmp(collection->name, "orders") != 0)
        return code;
    sim_cover(SIM_DUPLICATE_KEY, 1);
    return mongod_now->fault == MONGOD_FATAL_DUPLICATE ? 121 : code;
}

struct outcome {
    bson_t errors; /* a list */
    uint32_t error_count;
    int64_t inserted, matched, upserted;
};

static void tell_error(struct outcome *outcome, size_t index, int code)
{
    const char *key;
    char room[16];
    bson_t one;

    bson_uint32_to_string(outcome->error_count++, &key, room, sizeof room);
    BSON_APPEND_DOCUMENT_BEGIN(&outcome->errors, key, &one);
    BSON_APPEND_INT32(&one, "index", (int32_t)index);
    BSON_APPEND_INT32(&one, "code", code);
    bson_append_document_end(&outcome->errors, &one);
}

static void carry_out(const mongoc_bulk_operation_t *bulk, size_t index, struct outcome *outcome)
{
    const struct mongod_write *write = &bulk->writes[index];
    bool matched = false;
    int64_t removed = 0;
    int code = misheard(bulk->collection,
                        mongod_write(mongod_now, bulk->collection, write, &matched, &removed));

    if (code != 0)
        tell_error(outcome, index, code);
    else if (write->kind == MONGOD_INSERT)
        outcome->inserted++;
    else if (matched)
        outcome->matched++;
    else
        outcome->upserted += write->upsert;
}

static void carry_out_all(const mongoc_bulk_operation_t *bulk, enum fate fate,
                          struct outcome *outcome)
{
    for (size_t i = 0; i < bulk->count; i++) {
        if (fate == FATE_LATE)
            mongod_write_late(mongod_now, bulk->collection, &bulk->writes[i]);
        else if (fate != FATE_PARTLY || fake_random_below(&mongod_now->random, 2) == 0)
            carry_out(bulk, i, outcome);
    }
}

static void reply_to(const struct outcome *outcome, bson_t *reply)
{
    BSON_APPEND_INT64(reply, "nInserted", outcome->inserted);
    BSON_APPEND_INT64(reply, "nMatched", outcome->matched);
    BSON_APPEND_INT64(reply, "nUpserted", outcome->upserted);
    BSON_APPEND_ARRAY(reply, "writeErrors", &outcome->errors);
}

uint32_t mongoc_bulk_operation_execute(mongoc_bulk_operation_t *bulk, bson_t *reply,
                                       bson_error_t *error)
{
    struct outcome outcome = {.errors = BSON_INITIALIZER};
    enum fate fate = draw_fate(bulk->client);
    bool ok = fate == FATE_DONE;

    /* Between a look and the write that follows is where a late write does most. */
    if (mongod_now->rough && fake_random_below(&mongod_now->random, 2) == 0)
        mongod_hurry(mongod_now);
    bson_init(reply);
    if (fate != FATE_NOTHING)
        carry_out_all(bulk, fate, &outcome);
    if (fate == FATE_LATE)
        wait_for_it(bulk->client, UNHEARD_US);
    if (ok)
        reply_to(&outcome, reply);
    else
        no_answer(error);
    if (ok && outcome.error_count > 0) {
        bson_set_error(error, MONGOC_ERROR_SERVER, MONGOD_DUPLICATE_KEY, "some were not written");
        ok = false;
    }
    bson_destroy(&outcome.errors);
    return ok ? 1 : 0;
}

void mongoc_bulk_operation_destroy(mongoc_bulk_operation_t *bulk)
{
    for (size_t i = 0; i < bulk->count; i++) {
        if (bulk->writes[i].filter)
            bson_destroy((bson_t *)(uintptr_t)bulk->writes[i].filter);
        bson_destroy((bson_t *)(uintptr_t)bulk->writes[i].document);
    }
    free(bulk->writes);
    free(bulk);
}
