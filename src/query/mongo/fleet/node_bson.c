#include "query/mongo/driver/fields.h"
#include "query/mongo/fleet/documents.h"

#define EPOCH(member) TB_BSON_AT(struct tb_node_epoch, member)
static const struct tb_bson_field epoch_fields[] = {
    {"epoch", TB_BSON_TEXT, EPOCH(epoch)},
    {"lastSequence", TB_BSON_INT, EPOCH(last_sequence)},
    {"wentBack", TB_BSON_BOOL, EPOCH(went_back)},
};
static const struct tb_bson_table epoch_table = TB_BSON_TABLE(struct tb_node_epoch, epoch_fields);

#define MARK(member) TB_BSON_AT(struct tb_node_mark, member)
static const struct tb_bson_field mark_fields[] = {
    {"sequence", TB_BSON_INT, MARK(sequence)},
    {"clock", TB_BSON_TIME, MARK(clock_ms)},
};
static const struct tb_bson_table mark_table = TB_BSON_TABLE(struct tb_node_mark, mark_fields);

struct document {
    struct tb_node node;
    int64_t offset;
};
#define NODE(member) TB_BSON_AT(struct document, node.member)
static const struct tb_bson_field node_fields[] = {
    {"_id", TB_BSON_TEXT, NODE(last.node), TB_BSON_STRICT},
    {"offset", TB_BSON_INT, TB_BSON_AT(struct document, offset)},
    {"epoch", TB_BSON_TEXT, NODE(last.epoch)},
    {"version", TB_BSON_TEXT, NODE(last.version)},
    {"lastSequence", TB_BSON_INT, NODE(last.last_sequence)},
    {"deliveredSequence", TB_BSON_INT, NODE(last.delivered_sequence)},
    {"pending", TB_BSON_INT, NODE(last.pending)},
    {"oldestPendingAt", TB_BSON_TIME, NODE(last.oldest_pending_at_ms), TB_BSON_OMIT},
    {"clock", TB_BSON_TIME, NODE(last.clock_ms)},
    {"lastSeenAt", TB_BSON_TIME, NODE(last.arrived_at_ms)},
    {"forkedAt", TB_BSON_TIME, NODE(forked_at_ms), TB_BSON_OMIT},
    {"epochs", TB_BSON_ARRAY, NODE(epochs), 0, offsetof(struct document, node.epoch_count),
     TB_NODE_EPOCHS_MAX, &epoch_table},
    {"marks", TB_BSON_ARRAY, NODE(marks), 0, offsetof(struct document, node.mark_count),
     TB_NODE_MARKS_MAX, &mark_table},
};
static const struct tb_bson_table node_table = TB_BSON_TABLE(struct document, node_fields);

void tb_mongo_put_node(struct tb_bson_writer out, const struct tb_node *node, int64_t offset)
{
    tb_bson_put_fields(out, &node_table, &(struct document){*node, offset});
}

bool tb_mongo_node_decode(const bson_t *doc, struct tb_node *ret_node, int64_t *ret_offset)
{
    struct document document = {.offset = -1};

    if (!tb_bson_get_fields(doc, &node_table, NULL, &document) ||
        document.node.last.node[0] == '\0' || document.offset < 0)
        return false;
    *ret_node = document.node;
    *ret_offset = document.offset;
    return true;
}
