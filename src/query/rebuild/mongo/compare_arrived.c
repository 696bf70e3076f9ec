#include "query/rebuild/mongo/rebuild_mongo_priv.h"

static bool is_same(const struct tb_epoch_report *a, const struct tb_epoch_report *b)
{
    bool same = a->complete_through == b->complete_through &&
                a->last_sequence == b->last_sequence && a->hole_count == b->hole_count;

    for (size_t i = 0; same && i < a->hole_count; i++)
        same = a->holes[i].from == b->holes[i].from && a->holes[i].to == b->holes[i].to;
    return same;
}

static void list_side(struct tb_buf *out, const char *side, const struct tb_epoch_report *epoch)
{
    if (!epoch)
        return;
    tb_json_member_key(out, side);
    tb_buf_addc(out, '{');
    tb_json_member_int(out, "completeThrough", epoch->complete_through);
    tb_json_member_int(out, "lastSequence", epoch->last_sequence);
    tb_json_member_int(out, "holes", (int64_t)epoch->hole_count);
    tb_buf_addc(out, '}');
}

/* Compares an epoch of a node. NULL: that view knows of none of its events. */
static void compare_epoch(struct tb_compare *compare, const char *node,
                          const struct tb_epoch_report *served,
                          const struct tb_epoch_report *rebuilt)
{
    if ((served && rebuilt && is_same(served, rebuilt)) || !tb_compare_list(compare, "sequences"))
        return;
    tb_json_member_str(&compare->listed, "node", tb_str_of(node));
    tb_json_member_str(&compare->listed, "epoch",
                       tb_str_of(served ? served->epoch : rebuilt->epoch));
    list_side(&compare->listed, "served", served);
    list_side(&compare->listed, "rebuilt", rebuilt);
    tb_buf_addc(&compare->listed, '}');
}

static const struct tb_epoch_report *find_epoch(const struct tb_node_report *node,
                                                const char *epoch)
{
    for (size_t i = 0; node && i < node->epoch_count; i++) {
        if (strcmp(node->epochs[i].epoch, epoch) == 0)
            return &node->epochs[i];
    }
    return NULL;
}

static void compare_node(struct tb_compare *compare, const struct tb_node_report *served,
                         const struct tb_node_report *rebuilt)
{
    for (size_t i = 0; served && i < served->epoch_count; i++)
        compare_epoch(compare, served->node, &served->epochs[i],
                      find_epoch(rebuilt, served->epochs[i].epoch));
    for (size_t i = 0; rebuilt && i < rebuilt->epoch_count; i++) {
        if (!find_epoch(served, rebuilt->epochs[i].epoch))
            compare_epoch(compare, rebuilt->node, NULL, &rebuilt->epochs[i]);
    }
}

/* A view has few documents of this kind for each node, so this is short enough for a hold. */
enum tb_code tb_mongo_compare_arrived(struct tb_rebuild_mongo *self, struct tb_compare *compare,
                                      struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_node_report_list served, rebuilt;

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &client, err));
    TB_TRY(tb_mongo_list_arrived(&client, self->serving.sequences, &arena, &served, err));
    TB_TRY(tb_mongo_list_arrived(&client, self->target.sequences, &arena, &rebuilt, err));
    for (size_t i = 0, j = 0; i < served.count || j < rebuilt.count;) {
        const struct tb_node_report *a = i < served.count ? &served.nodes[i] : NULL;
        const struct tb_node_report *b = j < rebuilt.count ? &rebuilt.nodes[j] : NULL;
        int order = !b ? -1 : !a ? 1 : strcmp(a->node, b->node);

        compare_node(compare, order <= 0 ? a : NULL, order >= 0 ? b : NULL);
        i += order <= 0;
        j += order >= 0;
    }
    return TB_OK;
}
