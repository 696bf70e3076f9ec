#include "query/mongo/driver/fields.h"
#include "query/mongo/sales/sales.h"

#define PART(member) TB_BSON_AT(struct tb_sales_part, member)
static const struct tb_bson_field part_fields[] = {
    {"partition", TB_BSON_INT, PART(partition)},
    {"through", TB_BSON_INT, PART(through)},
    {"fence", TB_BSON_INT, PART(fence)},
    {"orders", TB_BSON_INT, PART(orders)},
    {"returns", TB_BSON_INT, PART(returns)},
    {"cancelled", TB_BSON_INT, PART(cancelled)},
    {"totalMinor", TB_BSON_SUM, PART(total_minor)},
    {"lateOrders", TB_BSON_INT, PART(late_orders)},
    {"lateChanges", TB_BSON_INT, PART(late_changes)},
    {"cancelledReturns", TB_BSON_INT, PART(cancelled_returns)},
    {"shipped", TB_BSON_INT, PART(shipped)},
    {"shippedReturns", TB_BSON_INT, PART(shipped_returns)},
    {"shippedMinor", TB_BSON_SUM, PART(shipped_minor)},
    {"undone", TB_BSON_LIST, PART(undone), TB_BSON_OMIT | TB_BSON_STRICT,
     offsetof(struct tb_sales_part, undone_count)},
    {"recent", TB_BSON_BYTES, PART(packed)},
    {"recentFrom", TB_BSON_INT, PART(recent_from), TB_BSON_OMIT},
    {"recentStatuses", TB_BSON_BYTES, PART(packed_statuses)},
};
static const struct tb_bson_table part_table = TB_BSON_TABLE(struct tb_sales_part, part_fields);

struct document {
    struct tb_sales_day day;
    struct tb_sales_part sum;
    int64_t revision;
};
#define DAY(member) TB_BSON_AT(struct document, day.member)
#define SUM(member) TB_BSON_AT(struct document, sum.member)
static const struct tb_bson_field day_fields[] = {
    {"_id", TB_BSON_STR, DAY(id)},
    {"node", TB_BSON_STR, DAY(node)},
    {"businessDate", TB_BSON_TEXT, DAY(business_date)},
    {"currency", TB_BSON_TEXT, DAY(currency)},
    {"orders", TB_BSON_INT, SUM(orders)},
    {"cancelled", TB_BSON_INT, SUM(cancelled)},
    {"returns", TB_BSON_INT, SUM(returns)},
    {"totalMinor", TB_BSON_SUM, SUM(total_minor)},
    {"cancelledReturns", TB_BSON_INT, SUM(cancelled_returns)},
    {"shipped", TB_BSON_INT, SUM(shipped)},
    {"shippedReturns", TB_BSON_INT, SUM(shipped_returns)},
    {"shippedMinor", TB_BSON_SUM, SUM(shipped_minor)},
    {"statuses", TB_BSON_BOOL, DAY(has_statuses), TB_BSON_OMIT},
    {"revision", TB_BSON_INT, TB_BSON_AT(struct document, revision)},
    {"lateOrders", TB_BSON_INT, SUM(late_orders)},
    {"changes", TB_BSON_INT, DAY(changes)},
    {"parts", TB_BSON_LIST, DAY(parts), TB_BSON_STRICT, offsetof(struct document, day.part_count),
     .element = &part_table},
};
static const struct tb_bson_table day_table = TB_BSON_TABLE(struct document, day_fields);

bool tb_mongo_day_decode(const bson_t *doc, struct tb_arena *arena, struct tb_sales_day *day)
{
    struct document read = {0};

    if (!tb_bson_get_fields(doc, &day_table, arena, &read) || read.day.changes <= 0)
        return false;
    /* The other fields are computed from the day's key and its parts. */
    day->changes = read.day.changes;
    day->has_statuses = read.day.has_statuses;
    day->parts = read.day.parts;
    day->part_count = read.day.part_count;
    for (size_t i = 0; i < day->part_count; i++) {
        if (!tb_sales_unpack(&day->parts[i], arena))
            return false;
    }
    return true;
}

enum tb_code tb_mongo_day_encode(const struct tb_sales_day *day, bson_t *doc, struct tb_error *err)
{
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct document written = {.day = *day, .sum = tb_sales_sum(day)};
    bool failed = false;

    for (size_t i = 0; i < day->part_count; i++) {
        if (!tb_sales_pack(&day->parts[i], &arena))
            return tb_mongo_no_memory(err);
    }
    written.revision = 1 + written.sum.late_changes;
    tb_bson_put_fields((struct tb_bson_writer){doc, &failed}, &day_table, &written);
    return failed ? tb_mongo_no_memory(err) : TB_OK;
}
