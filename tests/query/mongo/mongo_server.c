#include "query/mongo/mongo_server.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    char dir[128], address[64], uri[160];
    bool ours;
} server;

static int run(const char *verb)
{
    char command[512];
    int status;

    snprintf(command, sizeof command, "sh '%s/service.sh' %s '%s' >'%s.out' 2>&1", TB_SERVICES,
             verb, server.dir, server.dir);
    status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void read_address(const char *dir)
{
    char path[1024];
    FILE *file;

    snprintf(path, sizeof path, "%s/address", dir);
    file = fopen(path, "r");
    if (!file || fscanf(file, "%63s", server.address) != 1) {
        fprintf(stderr, "no address in %s\n", path);
        exit(1);
    }
    fclose(file);
    snprintf(server.uri, sizeof server.uri, "mongodb://%s/", server.address);
}

void mongo_server_begin(void)
{
    const char *given = getenv("TILLBOX_TEST_MONGO"), *shared = getenv("TB_MONGO_DIR");
    int status;

    if (given) {
        snprintf(server.uri, sizeof server.uri, "%s", given);
        return;
    }
    if (shared) {
        char path[1024];
        snprintf(path, sizeof path, "%s/unavailable", shared);
        if (access(path, F_OK) == 0)
            exit(77);
        read_address(shared);
        return;
    }
    snprintf(server.dir, sizeof server.dir, "%s/tillbox-mongo-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(server.dir)) {
        perror(server.dir);
        exit(1);
    }
    status = run("start mongo");
    if (status != 0) {
        fprintf(stderr, "no MongoDB-compatible server here (%d): see %s.out\n", status,
                server.dir);
        exit(status == 77 ? 77 : 1);
    }
    server.ours = true;
    read_address(server.dir);
}

void mongo_server_begin_own(void)
{
    if (getenv("TILLBOX_TEST_MONGO")) {
        fputs("skipped: it needs a server that this test starts\n", stderr);
        exit(77);
    }
    unsetenv("TB_MONGO_DIR");
    mongo_server_begin();
}

void mongo_server_begin_set(void)
{
    setenv("TB_MONGO_REPLICA_SET", "yes", 1);
    mongo_server_begin_own();
}

void mongo_server_end(void)
{
    char command[300];

    if (!server.ours)
        return;
    (void)run("kill");
    snprintf(command, sizeof command, "rm -rf '%s' '%s.out'", server.dir, server.dir);
    (void)!system(command);
}

const char *mongo_server_uri(void)
{
    return server.uri;
}

void mongo_server_limits(const char *options)
{
    snprintf(server.uri, sizeof server.uri, "mongodb://%s/?%s", server.address, options);
}

bool mongo_server_is_ours(void)
{
    return server.ours;
}

void mongo_server_do(const char *verb)
{
    ck_assert_int_eq(run(verb), 0);
}

static struct tb_mongo *open_again(const struct mongo_db *db, int bulk_size, bool for_queries)
{
    struct tb_error err = {0};
    struct tb_mongo *mongo = NULL;

    ck_ok(tb_mongo_new(&(struct tb_mongo_options){.uri = mongo_server_uri(),
                                                  .database = db->name,
                                                  .topic = "order-events",
                                                  .bulk_size = bulk_size,
                                                  .clock = &tb_clock_system,
                                                  .random = &tb_random_system,
                                                  .for_queries = for_queries},
                       &mongo, &err));
    return mongo;
}

struct tb_mongo *mongo_db_again(const struct mongo_db *db, int bulk_size)
{
    return open_again(db, bulk_size, false);
}

struct tb_mongo *mongo_db_for_queries(const struct mongo_db *db)
{
    return open_again(db, 1, true);
}

void mongo_db_open(struct mongo_db *db, int bulk_size)
{
    struct tb_error err = {0};
    mongoc_read_prefs_t *primary;
    char warning[240];

    *db = (struct mongo_db){0};
    snprintf(db->name, sizeof db->name, "tillbox_test_%d", (int)getpid());
    db->mongo = mongo_db_again(db, bulk_size);
    ck_ok(tb_mongo_prepare(db->mongo, warning, &err));
    db->client = mongoc_client_new(mongo_server_uri());
    ck_assert_ptr_nonnull(db->client);
    primary = mongoc_read_prefs_new(MONGOC_READ_PRIMARY); /* whatever the URI says */
    mongoc_client_set_read_prefs(db->client, primary);
    mongoc_read_prefs_destroy(primary);
}

void mongo_db_close(struct mongo_db *db)
{
    mongoc_database_t *database = mongoc_client_get_database(db->client, db->name);

    (void)mongoc_database_drop(database, NULL);
    mongoc_database_destroy(database);
    mongoc_client_destroy(db->client);
    tb_mongo_free(db->mongo);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorts the fields: a server that replaces a document may keep the old order of its fields. */
static void add_document(struct tb_buf *out, const bson_t *doc)
{
    char *fields[64];
    size_t count = 0;
    bson_iter_t iter;

    ck_assert(bson_iter_init(&iter, doc));
    while (bson_iter_next(&iter)) {
        bson_t *one = bson_new();

        ck_assert_uint_lt(count, sizeof fields / sizeof *fields);
        ck_assert(bson_append_iter(one, NULL, 0, &iter));
        fields[count++] = bson_as_canonical_extended_json(one, NULL);
        bson_destroy(one);
    }
    qsort(fields, count, sizeof *fields, by_text);
    for (size_t i = 0; i < count; i++) {
        tb_buf_adds(out, fields[i]);
        bson_free(fields[i]);
    }
    tb_buf_addc(out, '\n');
}

char *mongo_db_dump(const struct mongo_db *db, const char *collection)
{
    mongoc_collection_t *from = mongoc_client_get_collection(db->client, db->name, collection);
    bson_t *all = bson_new(), *opts = BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}");
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(from, all, opts, NULL);
    struct tb_buf out = {0};
    bson_error_t error;
    const bson_t *doc;

    tb_buf_adds(&out, "");
    while (mongoc_cursor_next(cursor, &doc))
        add_document(&out, doc);
    ck_assert_msg(!mongoc_cursor_error(cursor, &error), "%s", error.message);
    mongoc_cursor_destroy(cursor);
    bson_destroy(opts);
    bson_destroy(all);
    mongoc_collection_destroy(from);
    ck_assert(tb_buf_ok(&out));
    return tb_buf_take(&out, NULL);
}

/* Removes each member of that name from a dump; its value has that many braces. */
static void remove_members(char *dump, const char *member, int braces)
{
    for (char *at = dump; (at = strstr(at, member)) != NULL;) {
        char *end = at;

        for (int i = 0; i < braces; i++)
            end = strchr(end + 1, '}');
        memmove(at, end + 1, strlen(end + 1) + 1);
    }
}

char *mongo_db_dump_sales(const struct mongo_db *db)
{
    char *dump = mongo_db_dump(db, "sales_by_day");

    remove_members(dump, "\"recent\" : {", 2);
    remove_members(dump, "\"recentStatuses\" : {", 2);
    remove_members(dump, "\"recentFrom\" : {", 1);
    return dump;
}

int64_t mongo_db_count(const struct mongo_db *db, const char *collection, const char *filter)
{
    mongoc_collection_t *from = mongoc_client_get_collection(db->client, db->name, collection);
    bson_error_t error;
    bson_t query;
    int64_t count;

    ck_assert(bson_init_from_json(&query, filter, -1, &error));
    count = mongoc_collection_count_documents(from, &query, NULL, NULL, NULL, &error);
    ck_assert_msg(count >= 0, "%s", error.message);
    bson_destroy(&query);
    mongoc_collection_destroy(from);
    return count;
}

void mongo_db_command(const struct mongo_db *db, const char *json)
{
    bson_error_t error;
    bson_t command, reply;

    ck_assert_msg(bson_init_from_json(&command, json, -1, &error), "%s", error.message);
    ck_assert_msg(
        mongoc_client_command_simple(db->client, db->name, &command, NULL, &reply, &error), "%s",
        error.message);
    bson_destroy(&reply);
    bson_destroy(&command);
}
