#include "query/mongo/dead_letters/dead_letters.h"
#include "query/mongo/driver/bulk.h"
#include "query/mongo/driver/find.h"

/* Updates that are sent together. */
#define OPS_MAX 500

struct overtaking {
    const struct tb_mongo_client *client;
    const char *collection;
    const struct tb_plan *plan;
    struct tb_mongo_op ops[OPS_MAX];
    size_t count;
};

/* The open dead letters of all orders that have a snapshot; NULL when out of memory. */
static bson_t *make_filter(const struct tb_plan *plan)
{
    bson_t ids = BSON_INITIALIZER, *filter = NULL;
    bool failed = false;
    char scratch[16];

    for (size_t i = 0; i < plan->snapshot_count; i++)
        tb_bson_put_text((struct tb_bson_writer){&ids, &failed}, tb_bson_index_key(i, scratch),
                         plan->snapshots[i].order_id);
    if (!failed)
        filter = BCON_NEW("orderId", "{", "$in", BCON_ARRAY(&ids), "}", "partition",
                          BCON_INT64(plan->partition), "status", BCON_UTF8("open"));
    bson_destroy(&ids);
    return filter;
}

/* The last snapshot that overtakes the dead letter; NULL: none does. */
static const struct tb_plan_snapshot *
overtaker(const struct tb_plan *plan, const struct tb_dead_letter *letter, int64_t last_offset)
{
    for (size_t i = plan->snapshot_count; i > 0; i--) {
        const struct tb_plan_snapshot *snapshot = &plan->snapshots[i - 1];

        if (strcmp(snapshot->order_id, letter->order_id) == 0 && letter->version >= 1 &&
            letter->version <= snapshot->version && last_offset < snapshot->offset &&
            !tb_str_eq(letter->reason, TB_STR(TB_REASON_CONFLICT)))
            return snapshot;
    }
    return NULL;
}

static enum tb_code send_ops(struct overtaking *run, struct tb_error *err)
{
    enum tb_code code =
        tb_mongo_write(run->client, run->collection, run->ops, run->count, "a dead letter", err);

    tb_mongo_ops_clear(run->ops, run->count);
    run->count = 0;
    return code;
}

static enum tb_code add(struct overtaking *run, const bson_t *doc, struct tb_error *err)
{
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    int64_t last_offset = tb_bson_find_int(doc, "lastOffset");
    const struct tb_plan_snapshot *snapshot;
    struct tb_dead_letter letter;
    char id[TB_DEAD_LETTER_ID_SIZE];
    bool failed = false;

    TB_TRY(tb_mongo_dead_letter_decode(doc, &arena, &letter, err));
    snapshot = overtaker(run->plan, &letter, last_offset);
    if (!snapshot)
        return TB_OK;
    tb_dead_letter_id_format(run->client->mongo->topic, letter.position, id);
    run->ops[run->count] = (struct tb_mongo_op){
        .kind = TB_MONGO_UPDATE,
        .filter = BCON_NEW("_id", BCON_UTF8(id), "status", BCON_UTF8("open"), "lastOffset", "{",
                           "$lt", BCON_INT64(snapshot->offset), "}"),
        .document = bson_new()};
    tb_mongo_put_replayed((struct tb_bson_writer){run->ops[run->count++].document, &failed},
                          run->plan, snapshot->offset);
    if (failed)
        return tb_mongo_no_memory(err);
    return run->count == OPS_MAX ? send_ops(run, err) : TB_OK;
}

static void release(struct overtaking *run)
{
    tb_mongo_ops_clear(run->ops, run->count);
}

enum tb_code tb_mongo_overtake_dead_letters(const struct tb_mongo_client *client,
                                            const char *collection, const struct tb_plan *plan,
                                            struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
    TB_CLEANUP(tb_bson_free)
    bson_t *opts = BCON_NEW("projection", "{", "key", BCON_INT32(0), "value", BCON_INT32(0),
                            "headers", BCON_INT32(0), "}");
    TB_CLEANUP(release)
    struct overtaking run = {.client = client, .collection = collection, .plan = plan};
    const bson_t *doc;

    if (plan->snapshot_count == 0)
        return TB_OK;
    filter = make_filter(plan);
    if (!filter)
        return tb_mongo_no_memory(err);
    tb_mongo_find(&cursor, client, collection, filter, opts);
    while ((doc = tb_mongo_cursor_next(&cursor)))
        TB_TRY(add(&run, doc, err));
    TB_TRY(
        tb_mongo_cursor_end(&cursor, "looking for dead letters that a snapshot overtakes", err));
    return send_ops(&run, err);
}
