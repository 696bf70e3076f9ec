#include "query/rebuild/mongo/rebuild_mongo_priv.h"
#include <stdlib.h>

/* Letters are copied so many at a time; each may take a record's size. */
#define MERGE_AT_ONCE 16

/* What is there stays: it is the same letter, and may have been dealt with. */
static enum tb_code copy_letters(const struct tb_mongo_client *lease, struct tb_mongo_op *ops,
                                 size_t count, struct tb_error *err)
{
    TB_TRY(tb_mongo_bulk(lease, "dead_letters", ops, count, err));
    for (size_t i = 0; i < count; i++) {
        if (ops[i].code != 0 && ops[i].code != TB_MONGO_DUPLICATE_KEY)
            return tb_mongo_op_error(err, &ops[i], "taking over a dead letter");
    }
    return TB_OK;
}

static enum tb_code merge_found(const struct tb_mongo_client *lease, struct tb_mongo_find *find,
                                struct tb_mongo_op *ops, struct tb_error *err)
{
    enum tb_code code = TB_OK;
    const bson_t *doc = NULL;
    size_t count;

    do {
        for (count = 0; count < MERGE_AT_ONCE && (doc = tb_mongo_find_next(find)); count++)
            ops[count] = (struct tb_mongo_op){.kind = TB_MONGO_INSERT, .document = bson_copy(doc)};
        code = copy_letters(lease, ops, count, err);
        tb_mongo_ops_clear(ops, count);
    } while (code == TB_OK && count == MERGE_AT_ONCE);
    return code;
}

static enum tb_code merge_partition(struct tb_rebuild_mongo *self,
                                    const struct tb_mongo_client *lease, int32_t partition,
                                    struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free)
    bson_t *filter = BCON_NEW("partition", BCON_INT64(partition), "offset", "{", "$gte",
                              BCON_INT64(self->merged[partition]), "}");
    struct tb_mongo_op ops[MERGE_AT_ONCE] = {0};
    int64_t next = -1;

    TB_TRY(self->view->ops->offset(self->view, partition, &next, err));
    tb_mongo_find_newest(&find, lease, self->target.letters, filter);
    TB_TRY(merge_found(lease, &find, ops, err));
    TB_TRY(tb_mongo_find_end(&find, "reading the new view's dead letters", err));
    self->merged[partition] = next > 0 ? next : 0;
    return TB_OK;
}

enum tb_code tb_mongo_merge_dead_letters(struct tb_rebuild_mongo *self, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};

    if (self->target.generation == 1)
        return TB_OK; /* its letters are everybody's anyway */
    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &lease, err));
    for (int32_t p = 0; p < self->options.partitions; p++)
        TB_TRY(merge_partition(self, &lease, p, err));
    return TB_OK;
}

enum tb_code tb_mongo_expire_previous(struct tb_rebuild_mongo *self, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
    TB_CLEANUP(tb_bson_free)
    bson_t *update = BCON_NEW("$unset", "{", "previous", BCON_INT32(1), "}");
    struct tb_mongo_served served;
    bool found = false;

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &lease, err));
    TB_TRY(tb_mongo_read_served(&lease, &served, err));
    if (served.previous == 0 ||
        tb_clock_wall_ms(self->options.clock) - served.moved_at_ms < TB_REBUILD_KEEP_MS)
        return TB_OK;
    filter = BCON_NEW("_id", BCON_UTF8("served"), "previous", BCON_INT64(served.previous), "hold",
                      "{", "$exists", BCON_BOOL(false), "}");
    TB_TRY(tb_mongo_update(&lease, "meta", filter, update, &found, err));
    if (found)
        atomic_store(&self->previous, 0);
    return TB_OK;
}

/* Which generation a collection is of; 0: it is none of the view's. */
static int64_t generation_of(const char *name)
{
    struct tb_mongo_collections first;
    long long generation;
    size_t len;

    tb_mongo_collections_of(1, &first);
    if (strcmp(name, first.orders) == 0 || strcmp(name, first.sales) == 0)
        return 1;
    len = strcspn(name, "0123456789");
    generation = name[len] != '\0' ? strtoll(name + len, NULL, 10) : 0;
    if (generation > 1) {
        struct tb_mongo_collections names;

        tb_mongo_collections_of(generation, &names);
        if (strcmp(name, names.orders) == 0 || strcmp(name, names.sales) == 0 ||
            strcmp(name, names.letters) == 0)
            return generation;
    }
    return 0;
}

static enum tb_code drop(const struct tb_mongo_client *lease, const char *name,
                         struct tb_error *err)
{
    mongoc_collection_t *collection =
        mongoc_client_get_collection(lease->client, lease->mongo->database, name);
    bson_error_t error = {0};
    enum tb_code code = TB_OK;

    /* 26: NamespaceNotFound */
    if (!mongoc_collection_drop(collection, &error) && error.code != 26)
        code = tb_mongo_error(err, &error, true, "dropping an old view's collection");
    mongoc_collection_destroy(collection);
    return code;
}

static enum tb_code sweep(struct tb_rebuild_mongo *self, const struct tb_mongo_client *lease,
                          char **names, struct tb_error *err)
{
    struct tb_mongo_served served;

    TB_TRY(tb_mongo_read_served(lease, &served, err));
    TB_TRY(tb_mongo_job_read(lease, self->seen, err));
    for (; *names; names++) {
        int64_t generation = generation_of(*names);

        /* A number that was never used is somebody's own collection. */
        if (generation != 0 && generation <= self->seen->last &&
            generation != served.names.generation && generation != served.previous &&
            generation != self->seen->generation)
            TB_TRY(drop(lease, *names, err));
    }
    return TB_OK;
}

/* Names first: what is begun after that is not among them, and what was begun before is told by
 * the documents. A number that is named nowhere is never named again. */
enum tb_code tb_mongo_drop_unused(struct tb_rebuild_mongo *self, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    mongoc_database_t *database;
    bson_error_t error = {0};
    char **names;
    enum tb_code code;

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &lease, err));
    database = mongoc_client_get_database(lease.client, lease.mongo->database);
    names = mongoc_database_get_collection_names_with_opts(database, NULL, &error);
    mongoc_database_destroy(database);
    if (!names)
        return tb_mongo_error(err, &error, false, "listing collections");
    code = sweep(self, &lease, names, err);
    bson_strfreev(names);
    return code;
}
