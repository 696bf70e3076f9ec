#include "query/mongo/driver/client.h"
#include "query/mongo/driver/bson.h"
#include "query/mongo/driver/uri.h"
#include <stdlib.h>

#define MAX_TIME_EXPIRED 50 /* the server's code */
/* Nobody waits longer for the answer to a query. */
#define QUERY_MAX_MS 30000

static bool copy_name(char *ret_name, size_t size, const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len >= size)
        return false;
    memcpy(ret_name, name, len + 1);
    return true;
}

/* Part of the time that the driver waits for an answer: the rest is for its way. So a longer
 * socketTimeoutMS lets longer queries run. */
static int64_t max_time_ms(const mongoc_uri_t *uri)
{
    int64_t ms = mongoc_uri_get_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS,
                                                MONGOC_DEFAULT_SOCKETTIMEOUTMS);

    ms = ms * 3 / 4;
    return ms < 1 ? 1 : ms > QUERY_MAX_MS ? QUERY_MAX_MS : ms;
}

static enum tb_code connect_pool(struct tb_mongo *mongo, const struct tb_mongo_options *options,
                                 struct tb_error *err)
{
    bson_error_t error = {0};
    mongoc_uri_t *uri = NULL;

    TB_TRY(tb_mongo_parse_uri(options->uri, &uri, &mongo->preferred, err));
    if (options->for_queries) {
        mongo->max_time_ms = max_time_ms(uri);
    } else {
        mongoc_read_prefs_destroy(mongo->preferred);
        mongo->preferred = NULL;
    }
    mongo->pool = mongoc_client_pool_new_with_error(uri, &error);
    mongoc_uri_destroy(uri);
    if (!mongo->pool)
        return tb_error_set(err, TB_INVALID, "the MongoDB URI: %s", error.message);
    mongoc_client_pool_set_error_api(mongo->pool, MONGOC_ERROR_API_VERSION_2);
    mongoc_client_pool_set_appname(mongo->pool, "tillbox");
    return TB_OK;
}

enum tb_code tb_mongo_new(const struct tb_mongo_options *options, struct tb_mongo **ret_mongo,
                          struct tb_error *err)
{
    struct tb_mongo *mongo;
    enum tb_code code;

    TB_ASSERT(options->bulk_size > 0);
    mongoc_init();
    mongoc_log_set_handler(NULL, NULL); /* every error is returned */
    mongo = calloc(1, sizeof *mongo);
    if (!mongo)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    mongo->bulk_size = options->bulk_size;
    mongo->document_max = TB_MONGO_DOCUMENT_MAX;
    mongo->day_start_minutes = options->day_start_minutes;
    mongo->clock = options->clock;
    mongo->random = options->random;
    if (!copy_name(mongo->database, sizeof mongo->database, options->database) ||
        !copy_name(mongo->topic, sizeof mongo->topic, options->topic))
        code = tb_error_set(err, TB_INVALID, "the name of database or topic is empty or too long");
    else
        code = connect_pool(mongo, options, err);
    if (code != TB_OK) {
        tb_mongo_free(mongo);
        return code;
    }
    *ret_mongo = mongo;
    return TB_OK;
}

void tb_mongo_free(struct tb_mongo *mongo)
{
    if (!mongo)
        return;
    if (mongo->pool)
        mongoc_client_pool_destroy(mongo->pool);
    if (mongo->preferred)
        mongoc_read_prefs_destroy(mongo->preferred);
    free(mongo);
}

enum tb_code tb_mongo_client_acquire(struct tb_mongo *mongo, struct tb_mongo_client *ret_client,
                                     struct tb_error *err)
{
    mongoc_client_t *client = mongoc_client_pool_pop(mongo->pool);

    if (!client)
        return tb_error_set(err, TB_BUSY, "no MongoDB connection became free in time");
    *ret_client = (struct tb_mongo_client){.mongo = mongo, .handle = client};
    return TB_OK;
}

void tb_mongo_client_prefer(struct tb_mongo_client *client)
{
    client->read_prefs = client->mongo->preferred;
}

void tb_mongo_client_release(struct tb_mongo_client *client)
{
    if (client->handle)
        mongoc_client_pool_push(client->mongo->pool, client->handle);
    *client = (struct tb_mongo_client){0};
}

mongoc_collection_t *tb_mongo_collection(const struct tb_mongo_client *client, const char *name)
{
    return mongoc_client_get_collection(client->handle, client->mongo->database, name);
}

void tb_mongo_collection_free(mongoc_collection_t **collection)
{
    if (*collection)
        mongoc_collection_destroy(*collection);
    *collection = NULL;
}

enum tb_code tb_mongo_error(struct tb_error *err, const bson_error_t *error, bool writing,
                            const char *what)
{
    err->native = (int)error->code;
    return tb_error_set(err, writing ? TB_UNKNOWN : TB_UNAVAILABLE, "MongoDB, %s: %s", what,
                        error->message[0] ? error->message : "no reason given");
}

enum tb_code tb_mongo_client_acquire_if_up(struct tb_mongo *mongo,
                                           struct tb_mongo_client *ret_client,
                                           struct tb_error *err)
{
    if (tb_clock_mono_ms(mongo->clock) < atomic_load(&mongo->down_until_ms))
        return tb_error_set(err, TB_UNAVAILABLE, "MongoDB did not answer a moment ago");
    return tb_mongo_client_acquire(mongo, ret_client, err);
}

bson_t *tb_mongo_read_opts(const struct tb_mongo_client *client, const bson_t *opts)
{
    int64_t max_ms = client->mongo->max_time_ms;
    bson_t *limited;

    if (max_ms == 0)
        return opts ? bson_copy(opts) : NULL;
    limited = opts ? bson_copy(opts) : bson_new();
    BSON_APPEND_INT64(limited, "maxTimeMS", max_ms);
    return limited;
}

enum tb_code tb_mongo_read_error(struct tb_error *err, struct tb_mongo *mongo,
                                 const bson_error_t *error, const char *what)
{
    if (error->domain == MONGOC_ERROR_SERVER_SELECTION || error->domain == MONGOC_ERROR_STREAM)
        atomic_store(&mongo->down_until_ms, tb_clock_mono_ms(mongo->clock) + TB_MONGO_DOWN_MS);
    if (error->domain == MONGOC_ERROR_SERVER && error->code == MAX_TIME_EXPIRED) {
        err->native = MAX_TIME_EXPIRED;
        return tb_error_set(err, TB_UNAVAILABLE, "MongoDB, %s: not done within %lld ms", what,
                            (long long)mongo->max_time_ms);
    }
    return tb_mongo_error(err, error, false, what);
}
