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

#define DAY_END(member) TB_BSON_AT(struct tb_day_end, member)
static const struct tb_bson_field day_end_fields[] = {
    {"from", TB_BSON_TIME, DAY_END(from_ms)},
    {"through", TB_BSON_TIME, DAY_END(through_ms)},
    {"afterMs", TB_BSON_INT, DAY_END(after_ms)},
};
static const struct tb_bson_table day_end_table = TB_BSON_TABLE(struct tb_day_end, day_end_fields);

#define NODE(member) TB_BSON_AT(struct tb_mongo_node, node.member)
static const struct tb_bson_field node_fields[] = {
    {"_id", TB_BSON_TEXT, NODE(last.node), TB_BSON_STRICT},
    {"offset", TB_BSON_INT, TB_BSON_AT(struct tb_mongo_node, offset)},
    {"epoch", TB_BSON_TEXT, NODE(last.epoch)},
    {"version", TB_BSON_TEXT, NODE(last.version)},
    {"lastSequence", TB_BSON_INT, NODE(last.last_sequence)},
    {"deliveredSequence", TB_BSON_INT, NODE(last.delivered_sequence)},
    {"pending", TB_BSON_INT, NODE(last.pending)},
    {"oldestPendingAt", TB_BSON_TIME, NODE(last.oldest_pending_at_ms), TB_BSON_OMIT},
    {"clock", TB_BSON_TIME, NODE(last.clock_ms)},
    {"lastSeenAt", TB_BSON_TIME, NODE(last.arrived_at_ms)},
    {"clockKnown", TB_BSON_BOOL, NODE(has_clock_offset), TB_BSON_OMIT},
    {"clockOffsetMs", TB_BSON_INT, NODE(clock_offset_ms)},
    {"businessDate", TB_BSON_TEXT, NODE(last.business_date), TB_BSON_OMIT},
    {"dayEndsAt", TB_BSON_TIME, NODE(last.day_ends_at_ms), TB_BSON_OMIT},
    {"forkedAt", TB_BSON_TIME, NODE(forked_at_ms), TB_BSON_OMIT},
    {"retiredAt", TB_BSON_TIME, NODE(retired.at_ms), TB_BSON_OMIT},
    {"retiredBy", TB_BSON_TEXT, NODE(retired.by), TB_BSON_OMIT},
    {"retirements", TB_BSON_INT, TB_BSON_AT(struct tb_mongo_node, retirements), TB_BSON_OMIT},
    {"epochs", TB_BSON_ARRAY, NODE(epochs), 0, offsetof(struct tb_mongo_node, node.epoch_count),
     TB_NODE_EPOCHS_MAX, &epoch_table},
    {"marks", TB_BSON_ARRAY, NODE(marks), 0, offsetof(struct tb_mongo_node, node.mark_count),
     TB_NODE_MARKS_MAX, &mark_table},
    {"dayEnds", TB_BSON_ARRAY, NODE(day_ends.list), TB_BSON_OMIT,
     offsetof(struct tb_mongo_node, node.day_ends.count), TB_DAY_ENDS_MAX, &day_end_table},
};
static const struct tb_bson_table node_table = TB_BSON_TABLE(struct tb_mongo_node, node_fields);

bool tb_mongo_day_ends_decode(const bson_t *doc, struct tb_day_ends *ret_ends)
{
    static const struct tb_bson_field fields[] = {
        {"dayEnds", TB_BSON_ARRAY, TB_BSON_AT(struct tb_day_ends, list), 0,
         offsetof(struct tb_day_ends, count), TB_DAY_ENDS_MAX, &day_end_table},
    };
    static const struct tb_bson_table table = TB_BSON_TABLE(struct tb_day_ends, fields);

    return tb_bson_get_fields(doc, &table, NULL, ret_ends);
}

void tb_mongo_put_node(struct tb_bson_writer out, const struct tb_mongo_node *node)
{
    tb_bson_put_fields(out, &node_table, node);
}

bool tb_mongo_node_decode(const bson_t *doc, struct tb_mongo_node *ret_node)
{
    struct tb_mongo_node node = {.offset = INT64_MIN};

    if (!tb_bson_get_fields(doc, &node_table, NULL, &node) || node.node.last.node[0] == '\0' ||
        node.offset < -1)
        return false;
    *ret_node = node;
    return true;
}

enum tb_code tb_mongo_node_of(const bson_t *stored, struct tb_str name,
                              struct tb_mongo_node *ret_node, struct tb_error *err)
{
    TB_ASSERT(name.len < sizeof ret_node->node.last.node);
    *ret_node = (struct tb_mongo_node){.offset = -1};
    memcpy(ret_node->node.last.node, name.ptr, name.len);
    return !stored || tb_mongo_node_decode(stored, ret_node)
               ? TB_OK
               : tb_error_set(err, TB_CORRUPT, "nodes: a document is not as written");
}
