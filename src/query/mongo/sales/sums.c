#include "query/mongo/driver/fields.h"
#include "query/mongo/driver/find.h"
#include "query/mongo/sales/sales.h"
#include "query/projection/stats_fold.h"

/* What an answer needs of a day's document. */
struct summed {
    char node[sizeof((struct tb_stats_row *)0)->key], date[TB_DATE_SIZE], currency[4];
    struct tb_sales_part sum;
    bool has_statuses;
};
#define SUMMED(member) TB_BSON_AT(struct summed, member)
static const struct tb_bson_field summed_fields[] = {
    {"node", TB_BSON_TEXT, SUMMED(node)},
    {"businessDate", TB_BSON_TEXT, SUMMED(date)},
    {"currency", TB_BSON_TEXT, SUMMED(currency)},
    {"orders", TB_BSON_INT, SUMMED(sum.orders)},
    {"returns", TB_BSON_INT, SUMMED(sum.returns)},
    {"cancelled", TB_BSON_INT, SUMMED(sum.cancelled)},
    {"totalMinor", TB_BSON_SUM, SUMMED(sum.total_minor)},
    {"cancelledReturns", TB_BSON_INT, SUMMED(sum.cancelled_returns)},
    {"shipped", TB_BSON_INT, SUMMED(sum.shipped)},
    {"shippedReturns", TB_BSON_INT, SUMMED(sum.shipped_returns)},
    {"shippedMinor", TB_BSON_SUM, SUMMED(sum.shipped_minor)},
    {"statuses", TB_BSON_BOOL, SUMMED(has_statuses)},
};
static const struct tb_bson_table summed_table = TB_BSON_TABLE(struct summed, summed_fields);

static enum tb_code add_row(struct tb_stats_fold *fold, const char *key, const char *currency,
                            struct tb_stats_row row, struct tb_error *err)
{
    memcpy(row.key, key, strlen(key) + 1);
    memcpy(row.currency, currency, sizeof row.currency);
    return tb_stats_fold_add_row(fold, &row, err);
}

static enum tb_code add_statuses(struct tb_stats_fold *fold, const struct summed *day,
                                 struct tb_error *err)
{
    const struct tb_sales_part *sum = &day->sum;
    const struct tb_stats_row cancelled = {.orders = sum->cancelled - sum->cancelled_returns,
                                           .returns = sum->cancelled_returns,
                                           .cancelled = sum->cancelled};
    const struct tb_stats_row shipped = {.orders = sum->shipped - sum->shipped_returns,
                                         .returns = sum->shipped_returns,
                                         .total_minor = sum->shipped_minor};
    const struct tb_stats_row placed = {.orders = sum->orders - cancelled.orders - shipped.orders,
                                        .returns =
                                            sum->returns - cancelled.returns - shipped.returns,
                                        .total_minor = sum->total_minor - shipped.total_minor};

    TB_TRY(add_row(fold, tb_order_status_name(TB_CANCELLED), day->currency, cancelled, err));
    TB_TRY(add_row(fold, tb_order_status_name(TB_SHIPPED), day->currency, shipped, err));
    return add_row(fold, tb_order_status_name(TB_PLACED), day->currency, placed, err);
}

static enum tb_code add_day(struct tb_stats_fold *fold, const struct summed *day,
                            enum tb_group_by group_by, struct tb_error *err)
{
    const char *keys[] = {
        [TB_GROUP_NONE] = "", [TB_GROUP_DAY] = day->date, [TB_GROUP_NODE] = day->node};
    const struct tb_stats_row row = {.orders = day->sum.orders,
                                     .returns = day->sum.returns,
                                     .cancelled = day->sum.cancelled,
                                     .total_minor = day->sum.total_minor};

    return group_by == TB_GROUP_STATUS ? add_statuses(fold, day, err)
                                       : add_row(fold, keys[group_by], day->currency, row, err);
}

/* A group without orders is not listed: they were all taken out of the day again, or have another
 * status. Known only of whole groups: a part of sales_totals may have an order's cancellation and
 * not its sale, if the topic has got more partitions between the two. */
static void drop_empty(struct tb_stats_row *rows, size_t *count)
{
    size_t all = *count;

    *count = 0;
    for (size_t i = 0; i < all; i++) {
        if (rows[i].orders != 0 || rows[i].returns != 0)
            rows[(*count)++] = rows[i];
    }
}

/* Without `parts`, which are only for the writers. */
static void find_days(struct tb_mongo_cursor *cursor, const struct tb_mongo_client *client,
                      const char *collection, const struct tb_stats_filter *filter)
{
    const char *to_date = filter->to_date[0] ? filter->to_date : TB_MONGO_DATE_END;
    TB_CLEANUP(tb_bson_free)
    bson_t *dates = BCON_NEW("businessDate", "{", "$gte", BCON_UTF8(filter->from_date), "$lt",
                             BCON_UTF8(to_date), "}");
    TB_CLEANUP(tb_bson_free)
    bson_t *opts = BCON_NEW("projection", "{", "parts", BCON_INT32(0), "}");

    tb_mongo_find(cursor, client, collection, dates, opts);
}

enum tb_code tb_mongo_add_sales(const struct tb_mongo_client *client, const char *collection,
                                const struct tb_stats_filter *filter, struct tb_arena *arena,
                                struct tb_stats *ret_stats, bool *ret_has_statuses,
                                struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    struct tb_stats_fold fold = {.arena = arena};
    const bson_t *doc;

    find_days(&cursor, client, collection, filter);
    *ret_has_statuses = true;
    while (*ret_has_statuses && (doc = tb_mongo_cursor_next(&cursor))) {
        struct summed day = {0};

        if (!tb_bson_get_fields(doc, &summed_table, NULL, &day))
            return tb_error_set(err, TB_CORRUPT, "%s: a document is not as written", collection);
        *ret_has_statuses = day.has_statuses || filter->group_by != TB_GROUP_STATUS;
        TB_TRY(add_day(&fold, &day, filter->group_by, err));
    }
    TB_TRY(tb_mongo_cursor_end(&cursor, "adding up days", err));
    TB_TRY(tb_stats_fold_finish(&fold, filter->group_by, ret_stats, err));
    drop_empty(ret_stats->totals, &ret_stats->total_count);
    drop_empty(ret_stats->groups, &ret_stats->group_count);
    return TB_OK;
}
