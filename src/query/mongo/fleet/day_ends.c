#include "query/mongo/fleet/documents.h"
#include <stdlib.h>

/* Nodes in the order of their names; ids[i] is the name of list[i]. */
struct reading {
    struct tb_str *ids;
    struct tb_node_day_ends *list;
};

static int by_name(const void *a, const void *b)
{
    return tb_str_compare(*(const struct tb_str *)a, *(const struct tb_str *)b);
}

/* Names the nodes, each once. Returns how many there are. */
static size_t list_names(const struct tb_plan *plan, struct tb_str *ret_names)
{
    size_t count = 0;

    for (size_t i = 0; i < plan->sales_delta_count; i++)
        ret_names[i] = plan->sales_deltas[i].day->node;
    qsort(ret_names, plan->sales_delta_count, sizeof *ret_names, by_name);
    for (size_t i = 0; i < plan->sales_delta_count; i++) {
        if (count == 0 || !tb_str_eq(ret_names[count - 1], ret_names[i]))
            ret_names[count++] = ret_names[i];
    }
    return count;
}

static bool read_one(void *ctx, size_t at, const bson_t *doc)
{
    struct reading *run = ctx;

    if (!tb_mongo_day_ends_decode(doc, &run->list[at].ends))
        run->list[at].ends.count = 0;
    return true;
}

enum tb_code tb_mongo_read_day_ends(const struct tb_mongo_client *client,
                                    const struct tb_plan *plan, struct tb_arena *arena,
                                    struct tb_node_day_ends **ret_list, size_t *ret_count,
                                    struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free)
    bson_t *opts = BCON_NEW("projection", "{", "dayEnds", BCON_INT32(1), "}");
    struct reading run = {0};
    size_t names, count = 0;

    *ret_count = 0;
    if (plan->sales_delta_count == 0)
        return TB_OK;
    run.ids = tb_arena_array(arena, plan->sales_delta_count, sizeof *run.ids);
    if (!run.ids)
        return tb_mongo_no_memory(err);
    names = list_names(plan, run.ids);
    run.list = tb_arena_array(arena, names, sizeof *run.list);
    if (!run.list)
        return tb_mongo_no_memory(err);
    TB_TRY(tb_mongo_find_by_ids(client, "nodes", run.ids, names, opts, read_one, &run, err));
    for (size_t i = 0; i < names; i++) {
        run.list[i].node = run.ids[i];
        if (run.list[i].ends.count > 0)
            run.list[count++] = run.list[i];
    }
    *ret_list = run.list;
    *ret_count = count;
    return TB_OK;
}
