#include "query/mongo/driver/bulk.h"
#include <stdlib.h>

/* Within these limits the driver sends a bulk as one command, so one reply is for all its writes.
 * Servers accept at least 1,000 writes and 48 MB in a command. */
#define COMMAND_WRITES_MAX 1000
#define COMMAND_BYTES_MAX (32u << 20)

void tb_mongo_ops_clear(struct tb_mongo_op *ops, size_t count)
{
    for (size_t i = 0; ops && i < count; i++) {
        tb_bson_free(&ops[i].filter);
        tb_bson_free(&ops[i].document);
        bson_free(ops[i].index);
        ops[i].index = NULL;
    }
}

bool tb_mongo_is_permanent(int code)
{
    static const int codes[] = {
        2,     /* BadValue */
        9,     /* FailedToParse */
        14,    /* TypeMismatch */
        22,    /* InvalidBSON */
        52,    /* DollarPrefixedFieldName */
        57,    /* DottedFieldName */
        121,   /* DocumentValidationFailure */
        10334, /* BSONObjectTooLarge */
        17280, /* KeyTooLong */
        17419, /* the document would become too large */
    };

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (code == codes[i])
            return true;
    }
    return false;
}

enum tb_code tb_mongo_check_ops(const struct tb_mongo_op *ops, size_t count, const char *what,
                                struct tb_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (ops[i].code == 0 || (ops[i].code == TB_MONGO_DUPLICATE_KEY && !ops[i].index))
            continue;
        err->native = ops[i].code;
        if (ops[i].index)
            return tb_error_set(err, TB_UNAVAILABLE,
                                "%s: refused by the unique index %.100s, which is not tillbox's",
                                what, ops[i].index);
        /* 14031: OutOfDiskSpace */
        return tb_error_set(err, ops[i].code == 14031 ? TB_FULL : TB_UNAVAILABLE,
                            "%s: the server's error %d", what, ops[i].code);
    }
    return TB_OK;
}

static bool append(mongoc_bulk_operation_t *bulk, const struct tb_mongo_op *op,
                   const bson_t *upsert, bson_error_t *error)
{
    switch (op->kind) {
    case TB_MONGO_INSERT:
        return mongoc_bulk_operation_insert_with_opts(bulk, op->document, NULL, error);
    case TB_MONGO_REPLACE:
        return mongoc_bulk_operation_replace_one_with_opts(bulk, op->filter, op->document, upsert,
                                                           error);
    case TB_MONGO_UPSERT:
    case TB_MONGO_UPDATE:
        break;
    }
    return mongoc_bulk_operation_update_one_with_opts(
        bulk, op->filter, op->document, op->kind == TB_MONGO_UPSERT ? upsert : NULL, error);
}

/* The text is "E11000 duplicate key error collection: tillbox.orders index: NAME dup key: ...",
 * with a collation before the key if the index has one. NULL: it is the index of _id, or the text
 * names none; then the key is taken for _id's. The caller frees the name. */
static char *index_of_duplicate(struct tb_str text)
{
    static const char before[] = " index: ";
    static const char *const behind[] = {" collation: ", " dup key"};
    char *copy = text.ptr ? bson_strndup(text.ptr, text.len) : NULL;
    const char *name = copy ? strstr(copy, before) : NULL;
    char *index = NULL;

    if (name) {
        name += sizeof before - 1;
        for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
            char *end = strstr(name, behind[i]);

            if (end)
                *end = '\0';
        }
        if (name[0] != '\0' && strcmp(name, "_id_") != 0)
            index = bson_strdup(name);
    }
    bson_free(copy);
    return index;
}

/* Copies each write error's code to its op. Returns the number of errors; SIZE_MAX: one of them
 * names no op. */
static size_t read_write_errors(const bson_iter_t *errors, struct tb_mongo_op **sent, size_t count)
{
    bson_iter_t list, one, field;
    size_t failed = 0;

    if (!BSON_ITER_HOLDS_ARRAY(errors) || !bson_iter_recurse(errors, &list))
        return SIZE_MAX;
    for (; bson_iter_next(&list); failed++) {
        struct tb_str text = {0};
        int64_t index = -1;
        int code = 0;

        if (!bson_iter_recurse(&list, &one))
            return SIZE_MAX;
        field = one;
        if (bson_iter_find(&field, "index"))
            index = tb_bson_get_int(&field);
        field = one;
        if (bson_iter_find(&field, "errmsg"))
            text = tb_bson_get_str(&field);
        if (bson_iter_find(&one, "code"))
            code = (int)tb_bson_get_int(&one);
        if (index < 0 || (size_t)index >= count || code == 0)
            return SIZE_MAX;
        sent[index]->code = code;
        if (code == TB_MONGO_DUPLICATE_KEY && !sent[index]->index)
            sent[index]->index = index_of_duplicate(text);
    }
    return failed;
}

static bool is_empty_list(const bson_iter_t *iter)
{
    bson_iter_t list;

    return !BSON_ITER_HOLDS_ARRAY(iter) || !bson_iter_recurse(iter, &list) ||
           !bson_iter_next(&list);
}

/* An op is done unless the reply has a write error for it. The reply also counts the writes, but
 * some servers count wrongly if there are write errors, so the count is checked only without. */
static enum tb_code check_reply(const bson_t *reply, bool ok, const bson_error_t *error,
                                struct tb_mongo_op **sent, size_t count, struct tb_error *err)
{
    int64_t done = tb_bson_find_int(reply, "nInserted") + tb_bson_find_int(reply, "nMatched") +
                   tb_bson_find_int(reply, "nUpserted");
    size_t failed = 0;
    bson_iter_t iter;

    if (bson_iter_init_find(&iter, reply, "writeConcernErrors") && !is_empty_list(&iter))
        return tb_mongo_error(err, error, true, "the write was not confirmed");
    if (bson_iter_init_find(&iter, reply, "writeErrors"))
        failed = read_write_errors(&iter, sent, count);
    if (failed > 0 && failed <= count)
        return TB_OK;
    if (!ok || failed > 0)
        return tb_mongo_error(err, error, true, "writing");
    if (done != (int64_t)count && sent[0]->kind != TB_MONGO_UPDATE)
        return tb_error_set(err, TB_UNKNOWN, "MongoDB reported %lld writes of %zu",
                            (long long)done, count);
    return TB_OK;
}

static enum tb_code send_bulk(const struct tb_mongo_client *client, const char *collection,
                              struct tb_mongo_op **sent, size_t count, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_collection_free)
    mongoc_collection_t *into = tb_mongo_collection(client, collection);
    TB_CLEANUP(tb_bson_free) bson_t *unordered = BCON_NEW("ordered", BCON_BOOL(false));
    TB_CLEANUP(tb_bson_free) bson_t *upsert = BCON_NEW("upsert", BCON_BOOL(true));
    mongoc_bulk_operation_t *bulk =
        mongoc_collection_create_bulk_operation_with_opts(into, unordered);
    bson_error_t error = {0};
    enum tb_code code = TB_OK;
    bson_t reply;
    bool ok = true;

    for (size_t i = 0; ok && i < count; i++)
        ok = append(bulk, sent[i], upsert, &error);
    if (!ok) {
        code = tb_error_set(err, TB_INTERNAL, "a write cannot be sent: %s", error.message);
    } else {
        ok = mongoc_bulk_operation_execute(bulk, &reply, &error) != 0;
        code = check_reply(&reply, ok, &error, sent, count, err);
        bson_destroy(&reply);
    }
    mongoc_bulk_operation_destroy(bulk);
    return code;
}

/* The ops sorted by kind: a command has ops of one kind only. Inserts are first. */
static struct tb_mongo_op **by_kind(struct tb_mongo_op *ops, size_t count)
{
    struct tb_mongo_op **sorted = calloc(count, sizeof(struct tb_mongo_op *));
    size_t n = 0;

    for (int kind = TB_MONGO_INSERT; sorted && kind <= TB_MONGO_UPDATE; kind++) {
        for (size_t i = 0; i < count; i++) {
            if ((int)ops[i].kind == kind)
                sorted[n++] = &ops[i];
        }
    }
    return sorted;
}

/* How many of the next ops fit into one command. */
static size_t command_size(struct tb_mongo_op **next, size_t left, size_t bulk_size)
{
    size_t bytes = next[0]->document->len, count = 1;

    if (bulk_size > COMMAND_WRITES_MAX)
        bulk_size = COMMAND_WRITES_MAX;
    while (count < left && count < bulk_size && next[count]->kind == next[0]->kind &&
           bytes + next[count]->document->len <= COMMAND_BYTES_MAX)
        bytes += next[count++]->document->len;
    return count;
}

enum tb_code tb_mongo_bulk(const struct tb_mongo_client *client, const char *collection,
                           struct tb_mongo_op *ops, size_t count, struct tb_error *err)
{
    struct tb_mongo_op **sorted;
    enum tb_code code = TB_OK;
    size_t sent = 0;

    if (count == 0)
        return TB_OK;
    sorted = by_kind(ops, count);
    if (!sorted)
        return tb_mongo_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        ops[i].code = 0;
        bson_free(ops[i].index);
        ops[i].index = NULL;
    }
    while (code == TB_OK && sent < count) {
        size_t size = command_size(sorted + sent, count - sent, (size_t)client->mongo->bulk_size);

        code = send_bulk(client, collection, sorted + sent, size, err);
        sent += size;
    }
    free(sorted);
    return code;
}

enum tb_code tb_mongo_write(const struct tb_mongo_client *client, const char *collection,
                            struct tb_mongo_op *ops, size_t count, const char *what,
                            struct tb_error *err)
{
    TB_TRY(tb_mongo_bulk(client, collection, ops, count, err));
    return tb_mongo_check_ops(ops, count, what, err);
}

enum tb_code tb_mongo_write_one(const struct tb_mongo_client *client, const char *collection,
                                struct tb_mongo_op *op, const char *what, bool *ret_done,
                                struct tb_error *err)
{
    enum tb_code code = tb_mongo_write(client, collection, op, 1, what, err);

    tb_mongo_ops_clear(op, 1);
    if (code == TB_OK)
        *ret_done = op->code == 0;
    return code;
}
