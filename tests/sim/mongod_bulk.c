#include "sim/mongod_priv.h"
#include "sim/trace.h"
#include <stdlib.h>

/* A client waits up to this long before it learns that no answer comes. */
#define REPLY_LOST_US UINT64_C(8000000)

struct _mongoc_bulk_operation_t {
    const mongoc_client_t *client;
    struct mongod_collection *collection;
    struct mongod_write *writes; /* owned, and their documents */
    size_t count, cap;
};

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
    bool unguarded =
        mongod_now->mutant == MONGOD_NO_VERSION_CHECK && bson_has_field(selector, "version");

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

/* The code that the client sees: the mutant reports a duplicate key as a permanent error. */
static int reported_code(const struct mongod_collection *collection, int code)
{
    if (code != MONGOD_DUPLICATE_KEY || strcmp(collection->name, "orders") != 0)
        return code;
    sim_cover(COVER_DUPLICATE_KEY, 1);
    return mongod_now->mutant == MONGOD_FATAL_DUPLICATE ? 121 : code;
}

struct outcome {
    bson_t errors; /* a BSON array */
    uint32_t error_count;
    int64_t inserted, matched, upserted;
};

static void add_error(struct outcome *outcome, size_t index, int code)
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
    int code = reported_code(
        bulk->collection, mongod_write(mongod_now, bulk->collection, write, &matched, &removed));

    if (code != 0)
        add_error(outcome, index, code);
    else if (write->kind == MONGOD_INSERT)
        outcome->inserted++;
    else if (matched)
        outcome->matched++;
    else
        outcome->upserted += write->upsert;
}

static void carry_out_all(const mongoc_bulk_operation_t *bulk, enum mongod_outcome drawn,
                          struct outcome *outcome)
{
    for (size_t i = 0; i < bulk->count; i++) {
        if (drawn == MONGOD_DONE_LATE)
            mongod_write_late(mongod_now, bulk->collection, &bulk->writes[i]);
        else if (drawn != MONGOD_PARTLY_DONE || fake_random_below(&mongod_now->random, 2) == 0)
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
    enum mongod_outcome drawn = mongod_draw_outcome(bulk->client);
    bool ok = drawn == MONGOD_DONE;

    /* A late write does most harm between a client's read and its next write. */
    if (mongod_now->unreliable && fake_random_below(&mongod_now->random, 2) == 0)
        mongod_apply_late_now(mongod_now);
    bson_init(reply);
    if (drawn != MONGOD_NOT_DONE)
        carry_out_all(bulk, drawn, &outcome);
    if (drawn == MONGOD_DONE_LATE)
        mongod_wait(bulk->client, REPLY_LOST_US);
    if (ok)
        reply_to(&outcome, reply);
    else
        mongod_set_no_answer(error);
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
