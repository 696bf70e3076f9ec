#include "query/view_mongo_priv.h"
#include <stdlib.h>

/* A record that fills a document by itself is kept without its value: its place in the log tells
 * where the value is. */
#define DEAD_BYTES_MAX (12u << 20)

static size_t headers_size(const struct tb_record *record)
{
    size_t size = 0;

    for (size_t i = 0; i < record->header_count; i++)
        size += record->headers[i].name.len + record->headers[i].value.len;
    return size;
}

static void put_headers(struct tb_put put, const struct tb_record *record)
{
    bson_t in_list, in_one;
    struct tb_put list = tb_put_open_list(put, "headers", &in_list), one;
    char scratch[16];

    for (size_t i = 0; i < record->header_count; i++) {
        one = tb_put_open(list, tb_put_index(i, scratch), &in_one);
        tb_put_bytes(one, "name", record->headers[i].name);
        tb_put_bytes(one, "value", record->headers[i].value);
        tb_put_close(list, one);
    }
    tb_put_close_list(put, list);
}

/* Names, keys and values of a dead record may be any bytes. */
static void put_letter(struct tb_put put, const struct tb_mongo_lease *lease,
                       const struct tb_plan *plan, const struct tb_dead_letter *letter)
{
    const struct tb_record *record = letter->record;

    if (letter->order_id[0] != '\0')
        tb_put_text(put, "orderId", letter->order_id);
    tb_put_str(put, "type", letter->type);
    tb_put_text(put, "reason", letter->reason);
    tb_put_str(put, "message", letter->message);
    tb_put_text(put, "topic", lease->mongo->topic);
    tb_put_int(put, "partition", plan->partition);
    tb_put_int(put, "offset", record->offset);
    tb_put_time(put, "timestamp", record->timestamp_ms);
    tb_put_time(put, "deadAt", plan->planned_at_ms);
    tb_put_int(put, "attempts", 1);
    tb_put_text(put, "status", "open");
    tb_put_bytes(put, "key", record->key);
    if (headers_size(record) + record->key.len <= DEAD_BYTES_MAX)
        put_headers(put, record);
    if (headers_size(record) + record->key.len + record->value.len <= DEAD_BYTES_MAX)
        tb_put_bytes(put, "value", record->value);
}

/* What is there stays: a letter that comes again is the same one, and may have been dealt with. */
static enum tb_code make_op(const struct tb_mongo_lease *lease, const struct tb_plan *plan,
                            const struct tb_dead_letter *letter, struct tb_mongo_op *op,
                            struct tb_error *err)
{
    bool failed = false;
    struct tb_put document = {op->document = bson_new(), &failed};
    struct tb_buf id = {0};

    op->kind = TB_MONGO_INSERT;
    tb_buf_addf(&id, "%s-%d-%lld", lease->mongo->topic, (int)plan->partition,
                (long long)letter->record->offset);
    tb_put_str(document, "_id", tb_buf_str(&id));
    put_letter(document, lease, plan, letter);
    failed = failed || !tb_buf_ok(&id);
    tb_buf_release(&id);
    return failed ? tb_mongo_no_memory(err) : TB_OK;
}

static enum tb_code write_ops(const struct tb_mongo_lease *lease, const struct tb_plan *plan,
                              struct tb_mongo_op *ops, struct tb_error *err)
{
    for (size_t i = 0; i < plan->dead_count; i++)
        TB_TRY(make_op(lease, plan, &plan->dead[i], &ops[i], err));
    TB_TRY(tb_mongo_bulk(lease, "dead_letters", ops, plan->dead_count, err));
    for (size_t i = 0; i < plan->dead_count; i++) {
        if (ops[i].code != 0 && ops[i].code != TB_MONGO_DUPLICATE_KEY)
            return tb_mongo_op_error(err, &ops[i], "writing a dead letter");
    }
    return TB_OK;
}

enum tb_code tb_mongo_write_dead(const struct tb_mongo_lease *lease, const struct tb_plan *plan,
                                 struct tb_error *err)
{
    struct tb_mongo_op *ops;
    enum tb_code code;

    if (plan->dead_count == 0)
        return TB_OK;
    ops = calloc(plan->dead_count, sizeof *ops);
    if (!ops)
        return tb_mongo_no_memory(err);
    code = write_ops(lease, plan, ops, err);
    tb_mongo_ops_clear(ops, plan->dead_count);
    free(ops);
    return code;
}

static enum tb_code oldest_ids(const struct tb_mongo_lease *lease, int64_t before_ms,
                               int64_t limit, struct tb_arena *arena, bson_t **ret_filter,
                               struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free)
    bson_t *filter = BCON_NEW("deadAt", "{", "$lt", BCON_DATE_TIME(before_ms), "}");
    TB_CLEANUP(tb_bson_free)
    bson_t *opts = BCON_NEW("projection", "{", "_id", BCON_INT32(1), "}", "sort", "{", "deadAt",
                            BCON_INT32(1), "}", "limit", BCON_INT64(limit));
    struct tb_str *ids = tb_arena_array(arena, (size_t)limit, sizeof *ids);
    const bson_t *doc;
    bson_iter_t iter;
    size_t count = 0;

    if (!ids)
        return tb_mongo_no_memory(err);
    tb_mongo_find_begin(&find, lease, "dead_letters", filter, opts);
    while ((int64_t)count < limit && (doc = tb_mongo_find_next(&find))) {
        if (bson_iter_init_find(&iter, doc, "_id"))
            ids[count++] = tb_arena_copy(arena, tb_get_str(&iter));
    }
    TB_TRY(tb_mongo_find_end(&find, "looking for old dead letters", err));
    if (count == 0)
        return TB_OK;
    *ret_filter = tb_mongo_ids_filter(ids, count);
    return *ret_filter ? TB_OK : tb_mongo_no_memory(err);
}

enum tb_code tb_mongo_expire_dead(const struct tb_mongo_lease *lease, int64_t before_ms,
                                  int64_t limit, int64_t *ret_removed, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
    struct tb_arena arena = {0};
    int64_t removed = 0;
    enum tb_code code;

    code = oldest_ids(lease, before_ms, limit, &arena, &filter, err);
    if (code == TB_OK && filter)
        code = tb_mongo_remove(lease, "dead_letters", filter, &removed, err);
    tb_arena_release(&arena);
    if (code == TB_OK)
        *ret_removed = removed;
    return code;
}
