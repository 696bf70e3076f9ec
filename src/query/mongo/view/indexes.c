#include "query/mongo/view_mongo_priv.h"
#include <stdio.h>

/* Keys in their order: a name with - in front falls. */
struct index {
    const char *name;
    const char *keys[4];
};
static const struct index order_indexes[] = {
    {"by_time", {"-placedAt", "-_id"}},
    {"by_customer", {"customerId", "-placedAt", "-_id"}},
    {"by_node", {"node", "-placedAt", "-_id"}},
    {"by_business_date", {"businessDate", "-placedAt", "-_id"}},
};
static const struct index dead_indexes[] = {
    {"by_status", {"status", "deadAt", "partition", "offset"}},
    {"by_order", {"orderId", "partition", "offset"}},
    {"by_time", {"deadAt", "partition", "offset"}},
};
static const struct index sequence_indexes[] = {
    {"by_epoch", {"node", "epoch", "chunk"}},
    {"open", {"kind", "full"}},
};

static void put_index(struct tb_bson_writer put, const struct index *index)
{
    bson_t within;
    struct tb_bson_writer key = tb_bson_open(put, "key", &within);

    for (size_t i = 0; i < sizeof index->keys / sizeof *index->keys && index->keys[i]; i++) {
        bool falls = index->keys[i][0] == '-';

        if (!bson_append_int32(key.doc, index->keys[i] + falls, -1, falls ? -1 : 1))
            *put.failed = true;
    }
    tb_bson_close(put, key);
    tb_bson_put_text(put, "name", index->name);
}

static enum tb_code make_indexes(const struct tb_mongo_client *lease, const char *collection,
                                 const struct index *indexes, size_t count, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *command = bson_new();
    bool failed = false;
    struct tb_bson_writer put = {command, &failed};
    struct tb_bson_writer list, one;
    bson_error_t error = {0};
    bson_t in_list, in_one;
    char scratch[16];

    tb_bson_put_text(put, "createIndexes", collection);
    list = tb_bson_open_array(put, "indexes", &in_list);
    for (size_t i = 0; i < count; i++) {
        one = tb_bson_open(list, tb_bson_index_key(i, scratch), &in_one);
        put_index(one, &indexes[i]);
        tb_bson_close(list, one);
    }
    tb_bson_close_array(put, list);
    if (failed)
        return tb_mongo_no_memory(err);
    if (mongoc_client_write_command_with_opts(lease->client, lease->mongo->database, command, NULL,
                                              NULL, &error))
        return TB_OK;
    (void)tb_mongo_error(err, &error, false, "making indexes");
    /* IndexOptionsConflict, IndexKeySpecsConflict: one of that name is another. */
    if (error.domain == MONGOC_ERROR_SERVER && (error.code == 85 || error.code == 86))
        err->code = TB_CONFLICT;
    return tb_error_wrap(err, "collection %s", collection);
}

static enum tb_code make_names(const struct tb_mongo_client *lease, struct tb_error *err)
{
    struct tb_mongo_op op = {
        .kind = TB_MONGO_INSERT,
        .document = BCON_NEW("_id", BCON_UTF8("served"), "orders", BCON_UTF8("orders"),
                             "sales_by_day", BCON_UTF8("sales_by_day")),
    };
    enum tb_code code = tb_mongo_bulk(lease, "meta", &op, 1, err);

    tb_mongo_ops_clear(&op, 1);
    if (code == TB_OK && op.code != 0 && op.code != TB_MONGO_DUPLICATE_KEY)
        return tb_mongo_op_error(err, &op, "writing the names of what is served");
    return code;
}

static enum tb_code look_at_server(const struct tb_mongo_client *lease, char ret_warning[240],
                                   struct tb_error *err)
{
    bson_error_t error = {0};
    mongoc_server_description_t *server =
        mongoc_client_select_server(lease->client, true, NULL, &error);

    if (!server)
        return tb_mongo_error(err, &error, false, "looking for a server");
    ret_warning[0] = '\0';
    if (strcmp(mongoc_server_description_type(server), "Standalone") == 0)
        snprintf(ret_warning, 240,
                 "MongoDB at %.128s is a standalone server: what it holds is on one machine only",
                 mongoc_server_description_host(server)->host_and_port);
    mongoc_server_description_destroy(server);
    return TB_OK;
}

#define COUNT(list) (sizeof(list) / sizeof *(list))

enum tb_code tb_mongo_create_generation(const struct tb_mongo_client *lease,
                                        const struct tb_mongo_collections *names,
                                        struct tb_error *err)
{
    return make_indexes(lease, names->orders, order_indexes, COUNT(order_indexes), err);
}

enum tb_code tb_mongo_prepare(struct tb_mongo *mongo, char ret_warning[240], struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    struct tb_mongo_collections names;
    char warning[240];

    TB_TRY(tb_mongo_client_acquire(mongo, &lease, err));
    TB_TRY(look_at_server(&lease, warning, err));
    TB_TRY(make_names(&lease, err));
    TB_TRY(tb_mongo_read_collections(&lease, &names, err));
    TB_TRY(tb_mongo_create_generation(&lease, &names, err));
    TB_TRY(make_indexes(&lease, "dead_letters", dead_indexes, COUNT(dead_indexes), err));
    TB_TRY(make_indexes(&lease, "sequences", sequence_indexes, COUNT(sequence_indexes), err));
    memcpy(ret_warning, warning, sizeof warning);
    return TB_OK;
}
