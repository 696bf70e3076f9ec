#include "query/mongo/driver/fields.h"
#include "query/mongo/sales/sales.h"
#include "query/mongo/view/view.h"
#include "query/projection/stats_fold.h"

static const char *const key_fields[] = {[TB_GROUP_NONE] = "$currency",
                                         [TB_GROUP_DAY] = "$businessDate",
                                         [TB_GROUP_NODE] = "$node",
                                         [TB_GROUP_STATUS] = "$status"};

/* The server's sum of 64-bit integers may become a double, which is not exact, or overflow. So the
 * server adds up the upper 27 and the lower 26 bits of the totals separately. A total is within
 * 2^53, so each sum of 67 million parts is exact, also as a double. */
#define LOWER_PART (INT64_C(1) << 26)
#define EXACT_DOUBLE 9007199254740992.0

static bson_t *pipeline_of(const struct tb_stats_filter *filter)
{
    const char *to_date = filter->to_date[0] ? filter->to_date : TB_MONGO_DATE_END;

    return BCON_NEW("pipeline", "[", "{", "$match", "{", "placedAt", "{", "$gte",
                    BCON_DATE_TIME(filter->has_from ? filter->from_ms : TB_TIME_MIN_MS), "$lt",
                    BCON_DATE_TIME(filter->has_to ? filter->to_ms : TB_TIME_MAX_MS + 1), "}",
                    "businessDate", "{", "$gte", BCON_UTF8(filter->from_date), "$lt",
                    BCON_UTF8(to_date), "}", "}", "}", "{", "$group", "{", "_id", "{", "key",
                    BCON_UTF8(key_fields[filter->group_by]), "currency", "$currency", "kind",
                    "$kind", "status", "$status", "}", "count", "{", "$sum", BCON_INT64(1), "}",
                    "lower", "{", "$sum", "{", "$mod", "[", "$totalMinor", BCON_INT64(LOWER_PART),
                    "]", "}", "}", "upper", "{", "$sum", "{", "$divide", "[", "{", "$subtract",
                    "[", "$totalMinor", "{", "$mod", "[", "$totalMinor", BCON_INT64(LOWER_PART),
                    "]", "}", "]", "}", BCON_INT64(LOWER_PART), "]", "}", "}", "}", "}", "]");
}

/* The orders with one key, currency, kind and status. */
struct group {
    char key[sizeof((struct tb_stats_row *)0)->key], currency[4];
    int kind, status; /* -1: the document has none */
    bool has_id;
    int64_t count;
    tb_sum total_minor;
};
#define GROUP(member) TB_BSON_AT(struct group, member)
static const struct tb_bson_field id_fields[] = {
    {"key", TB_BSON_TEXT, GROUP(key)},
    {"currency", TB_BSON_TEXT, GROUP(currency)},
    {"kind", TB_BSON_ENUM, GROUP(kind), TB_BSON_STRICT, .name_of = tb_order_kind_name,
     .max = TB_RETURN + 1},
    {"status", TB_BSON_ENUM, GROUP(status), TB_BSON_STRICT, .name_of = tb_order_status_name,
     .max = TB_CANCELLED + 1},
};
static const struct tb_bson_table id_table = TB_BSON_TABLE(struct group, id_fields);
static const struct tb_bson_field group_fields[] = {
    {"_id", TB_BSON_DOCUMENT, .flags = TB_BSON_STRICT, .length = offsetof(struct group, has_id),
     .element = &id_table},
};
static const struct tb_bson_table group_table = TB_BSON_TABLE(struct group, group_fields);

/* Reads a whole number, of whichever numeric type the server has chosen. */
static bool read_number(const bson_t *doc, const char *key, int64_t *ret_number)
{
    bson_iter_t iter;
    double number;

    if (!bson_iter_init_find(&iter, doc, key))
        return false;
    if (BSON_ITER_HOLDS_INT(&iter)) {
        *ret_number = tb_bson_get_int(&iter);
        return true;
    }
    if (!BSON_ITER_HOLDS_DOUBLE(&iter))
        return false;
    number = bson_iter_double(&iter);
    if (!(number >= -EXACT_DOUBLE && number <= EXACT_DOUBLE))
        return false;
    *ret_number = (int64_t)number;
    return true;
}

static bool read_group(const bson_t *doc, struct group *ret_group)
{
    struct group group = {.kind = -1, .status = -1};
    int64_t upper = 0, lower = 0;

    if (!tb_bson_get_fields(doc, &group_table, NULL, &group) || group.kind < 0 ||
        group.status < 0 || !read_number(doc, "count", &group.count) ||
        !read_number(doc, "upper", &upper) || !read_number(doc, "lower", &lower))
        return false;
    group.total_minor = (tb_sum)upper * LOWER_PART + lower;
    *ret_group = group;
    return true;
}

static enum tb_code add_orders(const struct tb_mongo_client *client, const char *collection,
                               const struct tb_stats_filter *filter, struct tb_arena *arena,
                               struct tb_stats *ret_stats, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free) bson_t *pipeline = pipeline_of(filter);
    bool is_grouped = filter->group_by != TB_GROUP_NONE;
    struct tb_stats_fold fold = {.arena = arena};
    struct group group;
    const bson_t *doc;

    tb_mongo_aggregate(&cursor, client, collection, pipeline);
    while ((doc = tb_mongo_cursor_next(&cursor))) {
        if (!read_group(doc, &group))
            return tb_error_set(err, TB_INTERNAL, "an order is not as written");
        TB_TRY(tb_stats_fold_add(
            &fold, is_grouped ? group.key : "", group.currency, (enum tb_order_kind)group.kind,
            (enum tb_order_status)group.status, group.count, group.total_minor, err));
    }
    TB_TRY(tb_mongo_cursor_end(&cursor, "adding up orders", err));
    return tb_stats_fold_finish(&fold, filter->group_by, ret_stats, err);
}

/* The rollups know dates, and no times. Days that an earlier build has changed do not know
 * statuses, and a view that it began has no totals. */
enum tb_code tb_mongo_stats(const struct tb_mongo_client *client,
                            const struct tb_mongo_collections *collections,
                            const struct tb_stats_filter *filter, struct tb_arena *arena,
                            struct tb_stats *ret_stats, struct tb_error *err)
{
    bool by_node = filter->group_by == TB_GROUP_NODE || !collections->totals[0];
    bool has_statuses = true;

    if (filter->has_from || filter->has_to)
        return add_orders(client, collections->orders, filter, arena, ret_stats, err);
    TB_TRY(tb_mongo_add_sales(client, by_node ? collections->sales : collections->totals, filter,
                              arena, ret_stats, &has_statuses, err));
    return has_statuses ? TB_OK
                        : add_orders(client, collections->orders, filter, arena, ret_stats, err);
}
