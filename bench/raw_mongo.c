#include "raw_mongo.h"
#include "bridge/log/log.h"
#include <mongoc/mongoc.h>
#include <stdlib.h>

#define COLLECTION "bench_raw"
#define RAW_PARTITIONS 6

struct tb_raw_mongo {
    mongoc_client_t *client;
    mongoc_collection_t *into;
    bson_t **docs;
    size_t count, capacity;
    const char *database;
};

static void confirm_as_central_does(mongoc_collection_t *collection)
{
    mongoc_write_concern_t *concern = mongoc_write_concern_new();

    mongoc_write_concern_set_w(concern, MONGOC_WRITE_CONCERN_W_MAJORITY);
    mongoc_write_concern_set_journal(concern, true);
    mongoc_collection_set_write_concern(collection, concern);
    mongoc_write_concern_destroy(concern);
}

static void add_copy(struct tb_raw_mongo *raw, const bson_t *doc)
{
    if (raw->count == raw->capacity) {
        raw->capacity = raw->capacity ? 2 * raw->capacity : 1024;
        raw->docs = realloc(raw->docs, raw->capacity * sizeof(bson_t *));
        if (!raw->docs)
            tb_bench_die("out of memory");
    }
    raw->docs[raw->count++] = bson_copy(doc);
}

static void read_documents(struct tb_raw_mongo *raw)
{
    mongoc_collection_t *from = mongoc_client_get_collection(raw->client, raw->database, "orders");
    bson_t all = BSON_INITIALIZER;
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(from, &all, NULL, NULL);
    const bson_t *doc;
    bson_error_t error;

    while (mongoc_cursor_next(cursor, &doc))
        add_copy(raw, doc);
    if (mongoc_cursor_error(cursor, &error))
        tb_bench_die("reading orders: %s", error.message);
    mongoc_cursor_destroy(cursor);
    bson_destroy(&all);
    mongoc_collection_destroy(from);
}

static struct tb_str id_of(const bson_t *doc)
{
    bson_iter_t id;
    uint32_t len = 0;

    if (!bson_iter_init_find(&id, doc, "_id") || !BSON_ITER_HOLDS_UTF8(&id))
        tb_bench_die("a document without _id");
    const char *text = bson_iter_utf8(&id, &len);
    return (struct tb_str){text, len};
}

static int by_id(const void *a, const void *b)
{
    return strcmp(id_of(*(bson_t *const *)a).ptr, id_of(*(bson_t *const *)b).ptr);
}

/* Sorts the documents as a central receives them: a batch of each partition in turn, each
 * partition in the order of ids. In another order the server would do other work. */
static void put_in_turn(struct tb_raw_mongo *raw)
{
    bson_t **sorted = calloc(raw->count + 1, sizeof(bson_t *));
    size_t next[RAW_PARTITIONS] = {0}, count = 0;

    if (!sorted)
        tb_bench_die("out of memory");
    qsort(raw->docs, raw->count, sizeof(bson_t *), by_id);
    for (int32_t p = 0; count < raw->count; p = (p + 1) % RAW_PARTITIONS) {
        size_t *at = &next[p], taken = 0;

        for (; *at < raw->count && taken < TB_LOG_BATCH_MAX; ++*at) {
            if (tb_log_partition(id_of(raw->docs[*at]), RAW_PARTITIONS) != p)
                continue;
            sorted[count++] = raw->docs[*at];
            taken++;
        }
    }
    free(raw->docs);
    raw->docs = sorted;
}

/* Creates the indexes of the served collection; the one on _id exists already. */
static void copy_indexes(struct tb_raw_mongo *raw)
{
    mongoc_collection_t *from = mongoc_client_get_collection(raw->client, raw->database, "orders");
    mongoc_cursor_t *cursor = mongoc_collection_find_indexes_with_opts(from, NULL);
    const bson_t *index;
    bson_error_t error;

    while (mongoc_cursor_next(cursor, &index)) {
        bson_iter_t name;
        bson_t spec = BSON_INITIALIZER, *command;

        if (!bson_iter_init_find(&name, index, "name") ||
            strcmp(bson_iter_utf8(&name, NULL), "_id_") == 0)
            continue;
        bson_copy_to_excluding_noinit(index, &spec, "ns", NULL);
        command = BCON_NEW("createIndexes", BCON_UTF8(COLLECTION), "indexes", "[",
                           BCON_DOCUMENT(&spec), "]");
        if (!mongoc_client_write_command_with_opts(raw->client, raw->database, command, NULL, NULL,
                                                   &error))
            tb_bench_die("an index of its own: %s", error.message);
        bson_destroy(command);
        bson_destroy(&spec);
    }
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(from);
}

/* The driver cannot be initialised again after mongoc_cleanup. */
static void init_once(void)
{
    static bool done;

    if (done)
        return;
    mongoc_init();
    atexit(mongoc_cleanup);
    done = true;
}

struct tb_raw_mongo *tb_raw_mongo_new(const char *uri, const char *database)
{
    struct tb_raw_mongo *raw = calloc(1, sizeof *raw);

    init_once();
    if (!raw || !(raw->client = mongoc_client_new(uri)))
        tb_bench_die("no client for %s", uri);
    raw->database = database;
    raw->into = mongoc_client_get_collection(raw->client, database, COLLECTION);
    confirm_as_central_does(raw->into);
    read_documents(raw);
    if (raw->count == 0)
        tb_bench_die("%s.orders holds nothing", database);
    put_in_turn(raw);
    return raw;
}

void tb_raw_mongo_free(struct tb_raw_mongo *raw)
{
    for (size_t i = 0; i < raw->count; i++)
        bson_destroy(raw->docs[i]);
    free(raw->docs);
    mongoc_collection_destroy(raw->into);
    mongoc_client_destroy(raw->client);
    free(raw);
}

size_t tb_raw_mongo_count(const struct tb_raw_mongo *raw)
{
    return raw->count;
}

static bool add_insert(mongoc_bulk_operation_t *bulk, const bson_t *doc, bson_error_t *error)
{
    return mongoc_bulk_operation_insert_with_opts(bulk, doc, NULL, error);
}

static bool add_replace(mongoc_bulk_operation_t *bulk, const bson_t *doc, bson_error_t *error)
{
    bson_t *upsert = BCON_NEW("upsert", BCON_BOOL(true));
    bson_iter_t id, version;
    bson_t *filter;
    bool ok;

    if (!bson_iter_init_find(&id, doc, "_id") || !bson_iter_init_find(&version, doc, "version"))
        tb_bench_die("a document without _id or version");
    filter = BCON_NEW("_id", BCON_ITER(&id), "version", "{", "$lt", BCON_ITER(&version), "}");
    ok = mongoc_bulk_operation_replace_one_with_opts(bulk, filter, doc, upsert, error);
    bson_destroy(filter);
    bson_destroy(upsert);
    return ok;
}

static double write_range(struct tb_raw_mongo *raw, int bulk_size, size_t first, size_t count,
                          bool (*add)(mongoc_bulk_operation_t *bulk, const bson_t *doc,
                                      bson_error_t *error))
{
    bson_t *unordered = BCON_NEW("ordered", BCON_BOOL(false));
    int64_t start_us = tb_bench_now_us();
    size_t end = first + count;

    for (size_t at = first; at < end; at += (size_t)bulk_size) {
        mongoc_bulk_operation_t *bulk =
            mongoc_collection_create_bulk_operation_with_opts(raw->into, unordered);
        bson_error_t error = {0};
        bool ok = true;

        for (size_t i = at; ok && i < end && i < at + (size_t)bulk_size; i++)
            ok = add(bulk, raw->docs[i], &error);
        if (!ok || mongoc_bulk_operation_execute(bulk, NULL, &error) == 0)
            tb_bench_die("raw MongoDB: %s", error.message);
        mongoc_bulk_operation_destroy(bulk);
    }
    double seconds = (double)(tb_bench_now_us() - start_us) / 1e6;
    bson_destroy(unordered);
    return (double)count / seconds;
}

double tb_raw_mongo_insert(struct tb_raw_mongo *raw, int bulk_size)
{
    (void)mongoc_collection_drop(raw->into, NULL); /* there may be none */
    copy_indexes(raw);
    return write_range(raw, bulk_size, 0, raw->count, add_insert);
}

static void raise_version(bson_t *doc)
{
    bson_iter_t version;

    if (!bson_iter_init_find(&version, doc, "version"))
        tb_bench_die("a document without a version");
    bson_iter_overwrite_int64(&version, bson_iter_int64(&version) + 1);
}

double tb_raw_mongo_replace(struct tb_raw_mongo *raw, int bulk_size, size_t first, size_t count)
{
    TB_ASSERT(first + count <= raw->count);
    for (size_t i = first; i < first + count; i++)
        raise_version(raw->docs[i]);
    return write_range(raw, bulk_size, first, count, add_replace);
}
