#include "query/mongo/driver/uri.h"
#include <stdio.h>

/* Shorter than the time after which Kafka removes a consumer from its group, because the consumer
 * waits for the server between two polls. */
#define SERVER_SELECTION_MS 5000
#define CONNECT_MS 3000
#define SOCKET_MS 10000
#define WRITE_CONCERN_MS 5000
#define WAIT_QUEUE_MS 2000
/* Connections for the consumer, the heartbeats and the rebuild, or for query threads. */
#define POOL_SIZE 10

static bool set_open_int(mongoc_uri_t *uri, const char *option, int32_t value)
{
    return mongoc_uri_has_option(uri, option) ||
           mongoc_uri_set_option_as_int32(uri, option, value);
}

static bool set_open_limits(mongoc_uri_t *uri)
{
    return set_open_int(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, SERVER_SELECTION_MS) &&
           set_open_int(uri, MONGOC_URI_CONNECTTIMEOUTMS, CONNECT_MS) &&
           set_open_int(uri, MONGOC_URI_SOCKETTIMEOUTMS, SOCKET_MS) &&
           set_open_int(uri, MONGOC_URI_WAITQUEUETIMEOUTMS, WAIT_QUEUE_MS) &&
           set_open_int(uri, MONGOC_URI_MAXPOOLSIZE, POOL_SIZE);
}

static enum tb_code refuse(const char *option, const char *value, const char *wanted,
                           struct tb_error *err)
{
    return tb_error_set(err, TB_INVALID,
                        "the MongoDB URI has %s=%.60s, but tillbox needs %s: leave %s out", option,
                        value, wanted, option);
}

/* How many servers a majority is, or what a tag means, only the servers know. So no other `w` is
 * taken, not even a number that may be more. */
static enum tb_code check_writes(const mongoc_uri_t *uri, struct tb_error *err)
{
    const mongoc_write_concern_t *concern = mongoc_uri_get_write_concern(uri);
    int32_t w = mongoc_write_concern_get_w(concern);
    const char *tag = mongoc_write_concern_get_wtag(concern);
    char number[16];

    if (mongoc_uri_has_option(uri, MONGOC_URI_SAFE)) /* an old name: false is w=0, true is w=1 */
        return refuse("safe", w == 0 ? "false" : "true", "w=majority", err);
    if (mongoc_write_concern_journal_is_set(concern) && !mongoc_write_concern_get_journal(concern))
        return refuse("journal", "false", "journal=true", err);
    if (w == MONGOC_WRITE_CONCERN_W_DEFAULT || w == MONGOC_WRITE_CONCERN_W_MAJORITY)
        return TB_OK;
    snprintf(number, sizeof number, "%d", (int)w);
    return refuse("w", tag ? tag : number, "w=majority", err);
}

/* linearizable and snapshot are refused, too: they cannot be had with all that a central reads,
 * and majority would not be what they promise. */
static enum tb_code check_reads(const mongoc_uri_t *uri, struct tb_error *err)
{
    const char *level = mongoc_read_concern_get_level(mongoc_uri_get_read_concern(uri));

    if (!level || strcmp(level, MONGOC_READ_CONCERN_LEVEL_MAJORITY) == 0)
        return TB_OK;
    return refuse("readConcernLevel", level, "readConcernLevel=majority", err);
}

static void set_concerns(mongoc_uri_t *uri)
{
    mongoc_read_concern_t *reads = mongoc_read_concern_new();
    mongoc_write_concern_t *writes = mongoc_write_concern_copy(mongoc_uri_get_write_concern(uri));
    mongoc_read_prefs_t *primary = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);

    mongoc_read_concern_set_level(reads, MONGOC_READ_CONCERN_LEVEL_MAJORITY);
    mongoc_write_concern_set_w(writes, MONGOC_WRITE_CONCERN_W_MAJORITY);
    mongoc_write_concern_set_journal(writes, true);
    if (mongoc_write_concern_get_wtimeout_int64(writes) == 0)
        mongoc_write_concern_set_wtimeout_int64(writes, WRITE_CONCERN_MS);
    mongoc_uri_set_read_concern(uri, reads);
    mongoc_uri_set_write_concern(uri, writes);
    mongoc_uri_set_read_prefs_t(uri, primary);
    mongoc_read_concern_destroy(reads);
    mongoc_write_concern_destroy(writes);
    mongoc_read_prefs_destroy(primary);
}

static enum tb_code check(const mongoc_uri_t *uri, struct tb_error *err)
{
    TB_TRY(check_writes(uri, err));
    return check_reads(uri, err);
}

enum tb_code tb_mongo_parse_uri(const char *text, mongoc_uri_t **ret_uri,
                                mongoc_read_prefs_t **ret_preferred, struct tb_error *err)
{
    bson_error_t error = {0};
    mongoc_uri_t *uri = mongoc_uri_new_with_error(text, &error);
    enum tb_code code;

    if (!uri)
        return tb_error_set(err, TB_INVALID, "the MongoDB URI: %s", error.message);
    code = check(uri, err);
    if (code == TB_OK && !set_open_limits(uri))
        code = tb_error_set(err, TB_INTERNAL, "the MongoDB URI's options cannot be set");
    if (code != TB_OK) {
        mongoc_uri_destroy(uri);
        return code;
    }
    *ret_preferred = mongoc_read_prefs_copy(mongoc_uri_get_read_prefs_t(uri));
    set_concerns(uri);
    *ret_uri = uri;
    return TB_OK;
}

enum tb_code tb_mongo_check_uri(const char *text, struct tb_error *err)
{
    mongoc_uri_t *uri = NULL;
    mongoc_read_prefs_t *preferred = NULL;

    mongoc_init();
    mongoc_log_set_handler(NULL, NULL); /* every error is returned */
    TB_TRY(tb_mongo_parse_uri(text, &uri, &preferred, err));
    mongoc_uri_destroy(uri);
    mongoc_read_prefs_destroy(preferred);
    return TB_OK;
}
