#include "query/rebuild/mongo/rebuild_mongo_priv.h"
#include <stdlib.h>

/* Dead letters in memory at once while they are copied; each may be as large as a record. */
#define MERGE_AT_ONCE 16

/* A dead letter that is there already stays: it may have been replayed or dropped since. */
static enum tb_code merge_found(const struct tb_mongo_client *client,
                                struct tb_mongo_cursor *cursor, struct tb_mongo_op *ops,
                                struct tb_error *err)
{
    enum tb_code code = TB_OK;
    const bson_t *doc = NULL;
    size_t count;

    do {
        for (count = 0; count < MERGE_AT_ONCE && (doc = tb_mongo_cursor_next(cursor)); count++)
            ops[count] = (struct tb_mongo_op){.kind = TB_MONGO_INSERT, .document = bson_copy(doc)};
        code = tb_mongo_write(client, "dead_letters", ops, count, "copying a dead letter", err);
        tb_mongo_ops_clear(ops, count);
    } while (code == TB_OK && count == MERGE_AT_ONCE);
    return code;
}

static enum tb_code merge_partition(struct tb_rebuild_mongo *self,
                                    const struct tb_mongo_client *client, int32_t partition,
                                    struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free)
    bson_t *filter = BCON_NEW("partition", BCON_INT64(partition), "offset", "{", "$gte",
                              BCON_INT64(self->merged[partition]), "}");
    struct tb_mongo_op ops[MERGE_AT_ONCE] = {0};
    int64_t next = -1;

    TB_TRY(self->view->ops->offset(self->view, partition, &next, err));
    tb_mongo_find(&cursor, client, self->target.dead_letters, filter, NULL);
    TB_TRY(merge_found(client, &cursor, ops, err));
    TB_TRY(tb_mongo_cursor_end(&cursor, "reading the new view's dead letters", err));
    self->merged[partition] = next > 0 ? next : 0;
    return TB_OK;
}

enum tb_code tb_mongo_merge_dead_letters(struct tb_rebuild_mongo *self, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};

    if (self->target.generation == 1)
        return TB_OK; /* its collection is the common one */
    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &client, err));
    for (int32_t p = 0; p < self->options.partitions; p++)
        TB_TRY(merge_partition(self, &client, p, err));
    return TB_OK;
}

enum tb_code tb_mongo_expire_previous(struct tb_rebuild_mongo *self, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
    TB_CLEANUP(tb_bson_free)
    bson_t *update = BCON_NEW("$unset", "{", "previous", BCON_INT32(1), "}");
    struct tb_mongo_served served;
    bool found = false;

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &client, err));
    TB_TRY(tb_mongo_read_served(&client, &served, err));
    if (served.previous == 0 ||
        tb_clock_wall_ms(self->options.clock) - served.moved_at_ms < TB_REBUILD_KEEP_MS)
        return TB_OK;
    filter = BCON_NEW("_id", BCON_UTF8("served"), "previous", BCON_INT64(served.previous), "hold",
                      "{", "$exists", BCON_BOOL(false), "}");
    TB_TRY(tb_mongo_update(&client, "meta", filter, update, &found, err));
    if (found)
        atomic_store(&self->previous, 0);
    return TB_OK;
}

/* The generation that a collection belongs to; 0: none. */
static int64_t generation_of(const char *name)
{
    const char *digits = name + strcspn(name, "0123456789");
    int64_t generation = digits[0] != '\0' ? strtoll(digits, NULL, 10) : 1;
    struct tb_mongo_collections its;

    tb_mongo_collections_of(generation, &its);
    if (strcmp(name, its.orders) == 0 || strcmp(name, its.sales) == 0 ||
        strcmp(name, its.sequences) == 0 || strcmp(name, its.totals) == 0 ||
        (generation > 1 && strcmp(name, its.dead_letters) == 0)) /* 1: the common one */
        return generation;
    return 0;
}

static enum tb_code drop(const struct tb_mongo_client *client, const char *name,
                         struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_collection_free)
    mongoc_collection_t *collection = tb_mongo_collection(client, name);
    bson_error_t error = {0};

    if (mongoc_collection_drop(collection, &error) || error.code == 26) /* NamespaceNotFound */
        return TB_OK;
    return tb_mongo_error(err, &error, true, "dropping an old view's collection");
}

static enum tb_code drop_all(struct tb_rebuild_mongo *self, const struct tb_mongo_client *client,
                             char **names, struct tb_error *err)
{
    struct tb_mongo_served served;

    TB_TRY(tb_mongo_read_served(client, &served, err));
    TB_TRY(tb_mongo_job_read(client, self->stored, err));
    for (; *names; names++) {
        int64_t generation = generation_of(*names);

        /* No rebuild has used a number above `last`: such a collection is not ours. */
        if (generation != 0 && generation <= self->stored->last &&
            generation != served.collections.generation && generation != served.previous &&
            generation != self->stored->generation &&
            strcmp(*names, served.collections.sequences) != 0 &&
            (served.previous == 0 || strcmp(*names, served.previous_sequences) != 0))
            TB_TRY(drop(client, *names, err));
    }
    return TB_OK;
}

/* Reads the names of the collections before `served` and the job. So a generation that begins
 * later is not among the names, and one that began before is in the documents. A number that is in
 * no document is never used again. */
enum tb_code tb_mongo_drop_unused(struct tb_rebuild_mongo *self, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    mongoc_database_t *database;
    bson_error_t error = {0};
    char **names;
    enum tb_code code;

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &client, err));
    database = mongoc_client_get_database(client.handle, client.mongo->database);
    names = mongoc_database_get_collection_names_with_opts(database, NULL, &error);
    mongoc_database_destroy(database);
    if (!names)
        return tb_mongo_error(err, &error, false, "listing collections");
    code = drop_all(self, &client, names, err);
    bson_strfreev(names);
    return code;
}
