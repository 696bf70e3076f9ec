#include "query/mongo/driver/bulk.h"
#include "query/mongo/view/view.h"
#include <inttypes.h>
#include <stdio.h>

/* The keys of an index; "-" before a key: descending. */
struct index {
    const char *name;
    const char *keys[4];
};
static const struct index order_indexes[] = {
    {"by_time", {"-placedAt", "-_id"}},
    {"by_customer", {"customerId", "-placedAt", "-_id"}},
    {"by_node", {"node", "-placedAt", "-_id"}},
    {"by_business_date", {"businessDate", "-placedAt", "-_id"}},
    {"by_status", {"status", "-placedAt", "-_id"}},
    {"by_source", {"source", "-placedAt", "-_id"}},
};
static const struct index sales_indexes[] = {
    {"by_date", {"businessDate"}},
    {"by_node", {"node", "lateOrders"}},
};
static const struct index total_indexes[] = {{"by_date", {"businessDate"}}};
static const struct index dead_indexes[] = {
    {"by_status", {"status", "deadAt", "partition", "offset"}},
    {"by_reason", {"status", "reason", "deadAt"}},
    {"by_order", {"orderId", "partition", "offset"}},
    {"by_time", {"deadAt", "partition", "offset"}},
};
static const struct index sequence_indexes[] = {
    {"by_epoch", {"node", "epoch", "chunk"}},
    {"by_kind", {"kind", "node", "full"}},
};

static void put_index(struct tb_bson_writer out, const struct index *index)
{
    bson_t within;
    struct tb_bson_writer key = tb_bson_open(out, "key", &within);

    for (size_t i = 0; i < sizeof index->keys / sizeof *index->keys && index->keys[i]; i++) {
        bool descending = index->keys[i][0] == '-';

        if (!bson_append_int32(key.doc, index->keys[i] + descending, -1, descending ? -1 : 1))
            *out.failed = true;
    }
    tb_bson_close(out, key);
    tb_bson_put_text(out, "name", index->name);
}

static enum tb_code make_indexes(const struct tb_mongo_client *client, const char *collection,
                                 const struct index *indexes, size_t count, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *command = bson_new();
    bool failed = false;
    struct tb_bson_writer out = {command, &failed};
    struct tb_bson_writer list, one;
    bson_error_t error = {0};
    bson_t in_list, in_one;
    char scratch[16];

    tb_bson_put_text(out, "createIndexes", collection);
    list = tb_bson_open_array(out, "indexes", &in_list);
    for (size_t i = 0; i < count; i++) {
        one = tb_bson_open(list, tb_bson_index_key(i, scratch), &in_one);
        put_index(one, &indexes[i]);
        tb_bson_close(list, one);
    }
    tb_bson_close_array(out, list);
    if (failed)
        return tb_mongo_no_memory(err);
    if (mongoc_client_write_command_with_opts(client->handle, client->mongo->database, command,
                                              NULL, NULL, &error))
        return TB_OK;
    (void)tb_mongo_error(err, &error, false, "making indexes");
    /* IndexOptionsConflict, IndexKeySpecsConflict: an index of this name has other keys. */
    if (error.domain == MONGOC_ERROR_SERVER && (error.code == 85 || error.code == 86))
        err->code = TB_CONFLICT;
    return tb_error_wrap(err, "collection %s", collection);
}

static void new_view_id(const struct tb_mongo_client *client, char ret_id[TB_EPOCH_SIZE])
{
    uint64_t number = 0;

    tb_random_fill(client->mongo->random, &number, sizeof number);
    snprintf(ret_id, TB_EPOCH_SIZE, "%016" PRIx64, number);
}

/* A build before this one made the document without an id, and stored no places. */
static enum tb_code take_over(const struct tb_mongo_client *client, const char *id,
                              struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free)
    bson_t *filter =
        BCON_NEW("_id", BCON_UTF8("served"), "view", "{", "$exists", BCON_BOOL(false), "}");
    TB_CLEANUP(tb_bson_free)
    bson_t *update =
        BCON_NEW("$set", "{", "view", BCON_UTF8(id), "takesOver", BCON_BOOL(true), "}");
    bool found; /* false: another central was faster */

    return tb_mongo_update(client, "meta", filter, update, &found, err);
}

static enum tb_code insert_served(const struct tb_mongo_client *client, struct tb_error *err)
{
    struct tb_mongo_op op = {.kind = TB_MONGO_INSERT};
    char id[TB_EPOCH_SIZE];
    bool done = false; /* false: the document is there already */

    new_view_id(client, id);
    op.document = BCON_NEW("_id", BCON_UTF8("served"), "orders", BCON_UTF8("orders"),
                           "sales_by_day", BCON_UTF8("sales_by_day"), "sales_totals",
                           BCON_UTF8("sales_totals"), "view", BCON_UTF8(id));
    TB_TRY(tb_mongo_write_one(client, "meta", &op, "naming the served collections", &done, err));
    return done ? TB_OK : take_over(client, id, err);
}

static enum tb_code check_server(const struct tb_mongo_client *client, char ret_warning[240],
                                 struct tb_error *err)
{
    bson_error_t error = {0};
    mongoc_server_description_t *server =
        mongoc_client_select_server(client->handle, true, NULL, &error);

    if (!server)
        return tb_mongo_error(err, &error, false, "selecting a server");
    ret_warning[0] = '\0';
    if (strcmp(mongoc_server_description_type(server), "Standalone") == 0)
        snprintf(ret_warning, 240,
                 "MongoDB at %.128s is a standalone server: its data is on one machine only",
                 mongoc_server_description_host(server)->host_and_port);
    mongoc_server_description_destroy(server);
    return TB_OK;
}

#define COUNT(list) (sizeof(list) / sizeof *(list))

enum tb_code tb_mongo_create_generation(const struct tb_mongo_client *client,
                                        const struct tb_mongo_collections *collections,
                                        struct tb_error *err)
{
    TB_TRY(make_indexes(client, collections->orders, order_indexes, COUNT(order_indexes), err));
    TB_TRY(make_indexes(client, collections->sales, sales_indexes, COUNT(sales_indexes), err));
    if (collections->totals[0])
        TB_TRY(
            make_indexes(client, collections->totals, total_indexes, COUNT(total_indexes), err));
    return make_indexes(client, collections->sequences, sequence_indexes, COUNT(sequence_indexes),
                        err);
}

enum tb_code tb_mongo_prepare(struct tb_mongo *mongo, char ret_warning[240], struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    struct tb_mongo_served served;
    char warning[240];

    TB_TRY(tb_mongo_client_acquire(mongo, &client, err));
    TB_TRY(check_server(&client, warning, err));
    TB_TRY(insert_served(&client, err));
    TB_TRY(tb_mongo_read_served(&client, &served, err));
    TB_TRY(tb_mongo_create_generation(&client, &served.collections, err));
    TB_TRY(make_indexes(&client, "dead_letters", dead_indexes, COUNT(dead_indexes), err));
    memcpy(ret_warning, warning, sizeof warning);
    return TB_OK;
}
