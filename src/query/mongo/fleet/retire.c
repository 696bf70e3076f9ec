#include "query/mongo/driver/meta.h"
#include "query/mongo/fleet/documents.h"
#include "query/mongo/fleet/fleet.h"

struct retiring {
    struct tb_str node;
    const struct tb_node_retirement *retired; /* NULL: it is put back */
    /* Of its events. */
    bool has_arrived;
    int64_t arrived_at_ms; /* the latest time */
};

static enum tb_code read_arrived(const struct tb_mongo_client *client, struct retiring *run,
                                 struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    TB_CLEANUP(tb_bson_free)
    bson_t *filter = BCON_NEW("kind", BCON_UTF8("epoch"), "node", BCON_UTF8(run->node.ptr));
    struct tb_mongo_sequences read;
    struct tb_mongo_served served;
    const bson_t *doc;

    TB_TRY(tb_mongo_read_served(client, &served, err));
    tb_mongo_find(&cursor, client, served.collections.sequences, filter, NULL);
    while ((doc = tb_mongo_cursor_next(&cursor))) {
        if (!tb_mongo_sequences_decode(doc, &arena, &read))
            continue;
        run->has_arrived = true;
        if (read.last_at_ms > run->arrived_at_ms)
            run->arrived_at_ms = read.last_at_ms;
    }
    return tb_mongo_cursor_end(&cursor, "reading epochs", err);
}

/* Whatever comes later than the retirement shows that the node still sends. So it is not before
 * what has arrived, even if the log's clock is ahead of ours. */
static struct tb_node_retirement retirement_of(const struct retiring *run,
                                               const struct tb_node *node)
{
    struct tb_node_retirement retired = *run->retired;

    if (retired.at_ms < node->last.arrived_at_ms)
        retired.at_ms = node->last.arrived_at_ms;
    if (retired.at_ms < run->arrived_at_ms)
        retired.at_ms = run->arrived_at_ms;
    return retired;
}

static enum tb_code change_node(void *ctx, size_t at, const bson_t *stored, bson_t *ret_doc,
                                struct tb_error *err)
{
    const struct retiring *run = ctx;
    struct tb_mongo_node node;
    bool failed = false;

    (void)at; /* there is one */
    TB_TRY(tb_mongo_node_of(stored, run->node, &node, err));
    if (!stored && !run->has_arrived)
        return tb_error_set(err, TB_NOT_FOUND, "Nothing has ever come from a node %s.",
                            run->node.ptr);
    if ((node.node.retired.at_ms > 0) == (run->retired != NULL))
        return TB_OK;
    node.node.retired =
        run->retired ? retirement_of(run, &node.node) : (struct tb_node_retirement){0};
    node.retirements++;
    tb_mongo_put_node((struct tb_bson_writer){ret_doc, &failed}, &node);
    return failed ? tb_mongo_no_memory(err) : TB_OK;
}

enum tb_code tb_mongo_retire_node(struct tb_mongo *mongo, const char *node,
                                  const struct tb_node_retirement *retired, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    struct retiring run = {.node = tb_str_of(node), .retired = retired};

    TB_ASSERT(tb_node_name_valid(run.node));
    TB_TRY(tb_mongo_client_acquire(mongo, &client, err));
    TB_TRY(read_arrived(&client, &run, err));
    return tb_mongo_change_nodes(&client, &run.node, 1, change_node, &run, err);
}
