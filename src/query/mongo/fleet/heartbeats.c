#include "query/mongo/driver/bulk.h"
#include "query/mongo/driver/meta.h"
#include "query/mongo/driver/positions.h"
#include "query/mongo/fleet/documents.h"
#include "query/mongo/fleet/fleet.h"

/* Applies heartbeats to the documents of `nodes`. Each document has the offset of its last
 * heartbeat, which is also a guard. So each heartbeat is applied once, in the order of the
 * partition, even if several centrals have read it. */
struct saving {
    const struct tb_heartbeat_record *list;
    size_t count;
    struct tb_str *names; /* of the nodes, each once */
    bool *sends_again;    /* of each node: it is retired, and this is its first heartbeat since */
    size_t name_count;
    struct arrived {
        char epoch[TB_EPOCH_SIZE];
        int64_t complete_through;
    } * arrived; /* of the epoch that each node told last */
};

static bool is_known(const struct saving *run, struct tb_str name)
{
    for (size_t i = 0; i < run->name_count; i++) {
        if (tb_str_eq(run->names[i], name))
            return true;
    }
    return false;
}

static bool was_first_since_retired(const struct tb_node *node, int64_t seen_at_ms)
{
    int64_t retired_at_ms = node->retired.at_ms;

    return retired_at_ms > 0 && seen_at_ms <= retired_at_ms &&
           node->last.arrived_at_ms > retired_at_ms;
}

static enum tb_code apply_heartbeats(void *ctx, size_t at, const bson_t *stored, bson_t *ret_doc,
                                     struct tb_error *err)
{
    struct saving *run = ctx;
    struct tb_mongo_node node;
    int64_t before, seen_at_ms;
    bool failed = false;

    TB_TRY(tb_mongo_node_of(stored, run->names[at], &node, err));
    before = node.offset;
    seen_at_ms = node.node.last.arrived_at_ms;
    for (size_t i = 0; i < run->count; i++) {
        const struct tb_heartbeat_record *record = &run->list[i];

        if (record->offset <= node.offset ||
            !tb_str_eq(run->names[at], tb_str_of(record->heartbeat.node)))
            continue;
        tb_node_apply_heartbeat(&node.node, &record->heartbeat);
        node.offset = record->offset;
    }
    tb_node_forget_marks(&node.node, run->arrived[at].epoch, run->arrived[at].complete_through);
    run->sends_again[at] = was_first_since_retired(&node.node, seen_at_ms);
    if (node.offset > before)
        tb_mongo_put_node((struct tb_bson_writer){ret_doc, &failed}, &node);
    return failed ? tb_mongo_no_memory(err) : TB_OK;
}

enum tb_code tb_mongo_change_nodes(const struct tb_mongo_client *client,
                                   const struct tb_str *names, size_t count,
                                   enum tb_code (*change)(void *ctx, size_t at,
                                                          const bson_t *stored, bson_t *ret_doc,
                                                          struct tb_error *err),
                                   void *ctx, struct tb_error *err)
{
    return tb_mongo_swap(client,
                         &(struct tb_mongo_swap_op){.collection = "nodes",
                                                    .guards = {"offset", "retirements"},
                                                    .what = "changing the same nodes",
                                                    .ids = names,
                                                    .count = count,
                                                    .change = change,
                                                    .ctx = ctx},
                         err);
}

enum tb_code tb_mongo_knows_node(const struct tb_mongo_client *client, const char *node,
                                 bool *ret_known, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *doc = NULL;

    TB_TRY(tb_mongo_find_one(client, "nodes", tb_str_of(node), "reading a node", &doc, err));
    *ret_known = doc && tb_bson_find_int(doc, "offset") >= 0;
    return TB_OK;
}

static bool note_arrived(void *ctx, size_t at, const bson_t *doc)
{
    struct saving *run = ctx;

    run->arrived[at].complete_through = tb_bson_find_int(doc, "completeThrough");
    return true;
}

/* Reads how far the nodes' epochs are complete, so that marks from before that are not kept. */
static enum tb_code read_arrived(struct saving *run, const struct tb_mongo_client *client,
                                 struct tb_arena *arena, struct tb_error *err)
{
    struct tb_str *ids = tb_arena_array(arena, run->name_count, sizeof *ids);
    struct tb_mongo_served served;
    char id[TB_MONGO_EPOCH_ID_SIZE];

    run->arrived = tb_arena_array(arena, run->name_count, sizeof *run->arrived);
    if (!ids || !run->arrived)
        return tb_mongo_no_memory(err);
    for (size_t n = 0; n < run->name_count; n++) {
        struct tb_plan_origin origin = {.node = run->names[n]};

        for (size_t i = 0; i < run->count; i++) {
            if (tb_str_eq(run->names[n], tb_str_of(run->list[i].heartbeat.node)))
                memcpy(origin.epoch, run->list[i].heartbeat.epoch, sizeof origin.epoch);
        }
        memcpy(run->arrived[n].epoch, origin.epoch, sizeof origin.epoch);
        tb_mongo_epoch_id(&origin, id);
        ids[n] = tb_arena_copy(arena, tb_str_of(id));
        if (!ids[n].ptr)
            return tb_mongo_no_memory(err);
    }
    TB_TRY(tb_mongo_read_served(client, &served, err));
    return tb_mongo_find_by_ids(client, served.collections.sequences, ids, run->name_count, NULL,
                                note_arrived, run, err);
}

enum tb_code tb_mongo_save_heartbeats(struct tb_mongo *mongo,
                                      const struct tb_heartbeat_record *list, size_t count,
                                      tb_mongo_retired_fn *on_retired, void *ctx,
                                      struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct saving run = {.list = list,
                         .count = count,
                         .names = tb_arena_array(&arena, count, sizeof *run.names),
                         .sends_again = tb_arena_array(&arena, count, sizeof *run.sends_again)};

    if (!run.names || !run.sends_again)
        return tb_mongo_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        struct tb_str name = tb_str_of(list[i].heartbeat.node);

        if (!is_known(&run, name))
            run.names[run.name_count++] = name;
    }
    TB_TRY(tb_mongo_client_acquire(mongo, &client, err));
    TB_TRY(read_arrived(&run, &client, &arena, err));
    TB_TRY(tb_mongo_change_nodes(&client, run.names, run.name_count, apply_heartbeats, &run, err));
    for (size_t i = 0; on_retired && i < run.name_count; i++) {
        if (run.sends_again[i])
            on_retired(ctx, run.names[i].ptr);
    }
    return TB_OK;
}

static enum tb_code load_place(void *ctx, int32_t partition, struct tb_log_place *ret_place,
                               int64_t *ret_unused, bool *ret_take_over, struct tb_error *err)
{
    const struct tb_mongo_positions *positions = ctx;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    struct tb_mongo_served served;

    TB_TRY(tb_mongo_client_acquire(positions->mongo, &client, err));
    TB_TRY(tb_mongo_read_served(&client, &served, err));
    TB_TRY(tb_mongo_read_place(&client, positions, partition, ret_place, ret_unused, err));
    *ret_take_over = served.takes_over && *ret_unused == 1;
    return TB_OK;
}

static enum tb_code begin_place(void *ctx, int32_t partition, const struct tb_log_place *before,
                                const struct tb_log_place *place, const char *why,
                                struct tb_error *err)
{
    return tb_mongo_begin_place(ctx, partition, before, place, why, err);
}

void tb_mongo_nodes_places(struct tb_mongo_positions *positions, struct tb_log_places *ret_places)
{
    *ret_places =
        (struct tb_log_places){.ctx = positions, .load = load_place, .begin = begin_place};
}

enum tb_code tb_mongo_pass_heartbeats(const struct tb_mongo_positions *positions,
                                      int32_t partition, const struct tb_log_place *place,
                                      struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    struct tb_log_place stored;
    int64_t unused;

    TB_TRY(tb_mongo_client_acquire(positions->mongo, &client, err));
    TB_TRY(tb_mongo_read_place(&client, positions, partition, &stored, &unused, err));
    if (stored.next < 0 || tb_log_generation(stored.next) != tb_log_generation(place->next) ||
        tb_mongo_advance_place(&client, positions, partition, &stored, place, err) != TB_NOT_FOUND)
        return err->code;
    *err = (struct tb_error){0};
    return TB_OK;
}
