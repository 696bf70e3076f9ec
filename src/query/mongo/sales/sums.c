#include "query/mongo/driver/fields.h"
#include "query/mongo/driver/find.h"
#include "query/mongo/sales/sales.h"
#include "query/projection/stats_fold.h"

/* What an answer needs of a day's document. */
struct summed {
    char node[sizeof((struct tb_stats_row *)0)->key], date[TB_DATE_SIZE], currency[4];
    int64_t orders, returns, cancelled;
    tb_sum total_minor;
};
#define SUMMED(member) TB_BSON_AT(struct summed, member)
static const struct tb_bson_field summed_fields[] = {
    {"node", TB_BSON_TEXT, SUMMED(node)},
    {"businessDate", TB_BSON_TEXT, SUMMED(date)},
    {"currency", TB_BSON_TEXT, SUMMED(currency)},
    {"orders", TB_BSON_INT, SUMMED(orders)},
    {"returns", TB_BSON_INT, SUMMED(returns)},
    {"cancelled", TB_BSON_INT, SUMMED(cancelled)},
    {"totalMinor", TB_BSON_SUM, SUMMED(total_minor)},
};
static const struct tb_bson_table summed_table = TB_BSON_TABLE(struct summed, summed_fields);

/* A day from which all orders were taken out again is none. */
static enum tb_code add_day(struct tb_stats_fold *fold, const struct summed *day,
                            enum tb_group_by group_by, struct tb_error *err)
{
    const char *keys[] = {
        [TB_GROUP_NONE] = "", [TB_GROUP_DAY] = day->date, [TB_GROUP_NODE] = day->node};
    struct tb_stats_row row = {.orders = day->orders,
                               .returns = day->returns,
                               .cancelled = day->cancelled,
                               .total_minor = day->total_minor};

    if (row.orders + row.returns == 0)
        return TB_OK;
    memcpy(row.key, keys[group_by], strlen(keys[group_by]) + 1);
    memcpy(row.currency, day->currency, sizeof day->currency);
    return tb_stats_fold_add_row(fold, &row, err);
}

enum tb_code tb_mongo_add_sales(const struct tb_mongo_client *client, const char *collection,
                                const struct tb_stats_filter *filter, struct tb_arena *arena,
                                struct tb_stats *ret_stats, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free)
    bson_t *dates =
        BCON_NEW("businessDate", "{", "$gte", BCON_UTF8(filter->from_date), "$lt",
                 BCON_UTF8(filter->to_date[0] ? filter->to_date : TB_MONGO_DATE_END), "}");
    TB_CLEANUP(tb_bson_free)
    bson_t *opts = BCON_NEW("projection", "{", "parts", BCON_INT32(0), "}");
    struct tb_stats_fold fold = {.arena = arena};
    const bson_t *doc;

    tb_mongo_find(&cursor, client, collection, dates, opts);
    while ((doc = tb_mongo_cursor_next(&cursor))) {
        struct summed day = {0};

        if (!tb_bson_get_fields(doc, &summed_table, NULL, &day))
            return tb_error_set(err, TB_CORRUPT, "sales_by_day: a document is not as written");
        TB_TRY(add_day(&fold, &day, filter->group_by, err));
    }
    TB_TRY(tb_mongo_cursor_end(&cursor, "adding up days", err));
    return tb_stats_fold_finish(&fold, filter->group_by, ret_stats, err);
}
