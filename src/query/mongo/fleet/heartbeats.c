#include "query/mongo/driver/swap.h"
#include "query/mongo/fleet/fleet.h"
#include "query/mongo/fleet/node_bson.h"

/* Applies heartbeats to the documents of `nodes`. Each document has the offset of its last
 * heartbeat, which is also the guard. So each heartbeat is applied once, in the order of the
 * partition, even if several centrals have read it. */
struct saving {
    const struct tb_heartbeat_record *list;
    size_t count;
    struct tb_str *names; /* of the nodes, each once */
    size_t name_count;
};

static bool is_known(const struct saving *run, struct tb_str name)
{
    for (size_t i = 0; i < run->name_count; i++) {
        if (tb_str_eq(run->names[i], name))
            return true;
    }
    return false;
}

static enum tb_code apply_heartbeats(void *ctx, size_t at, const bson_t *stored, bson_t *ret_doc,
                                     struct tb_error *err)
{
    const struct saving *run = ctx;
    struct tb_node node = {0};
    int64_t offset = -1, before;
    bool failed = false;

    if (stored && !tb_mongo_node_decode(stored, &node, &offset))
        return tb_error_set(err, TB_CORRUPT, "nodes: a document is not as written");
    before = offset;
    for (size_t i = 0; i < run->count; i++) {
        const struct tb_heartbeat_record *record = &run->list[i];

        if (record->offset <= offset ||
            !tb_str_eq(run->names[at], tb_str_of(record->heartbeat.node)))
            continue;
        tb_node_apply_heartbeat(&node, &record->heartbeat);
        offset = record->offset;
    }
    if (offset > before)
        tb_mongo_put_node((struct tb_bson_writer){ret_doc, &failed}, &node, offset);
    return failed ? tb_mongo_no_memory(err) : TB_OK;
}

enum tb_code tb_mongo_save_heartbeats(struct tb_mongo *mongo,
                                      const struct tb_heartbeat_record *list, size_t count,
                                      struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct saving run = {list, count, tb_arena_array(&arena, count, sizeof(struct tb_str)), 0};

    if (!run.names)
        return tb_mongo_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        struct tb_str name = tb_str_of(list[i].heartbeat.node);

        if (!is_known(&run, name))
            run.names[run.name_count++] = name;
    }
    TB_TRY(tb_mongo_client_acquire(mongo, &client, err));
    return tb_mongo_swap(&client,
                         &(struct tb_mongo_swap_op){.collection = "nodes",
                                                    .guard = "offset",
                                                    .what = "saving the same heartbeats",
                                                    .ids = run.names,
                                                    .count = run.name_count,
                                                    .change = apply_heartbeats,
                                                    .ctx = &run},
                         err);
}
