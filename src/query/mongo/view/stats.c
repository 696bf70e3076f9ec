#include "query/mongo/view_mongo_priv.h"
#include <stdlib.h>

/* The server adds up per key, currency, kind and status; what counts where is put together here.
 */

static const char *key_field(enum tb_group_by group_by)
{
    switch (group_by) {
    case TB_GROUP_DAY:
        return "$businessDate";
    case TB_GROUP_NODE:
        return "$node";
    case TB_GROUP_STATUS:
        return "$status";
    case TB_GROUP_NONE:
        break;
    }
    return "$currency";
}

/* A server's sum of 64-bit integers may become a double, or wrap. Totals lie within 2^53, so their
 * upper and lower parts, of 27 and 26 bits, are exact as doubles, and so are sums of millions. */
#define LOWER_PART (INT64_C(1) << 26)
#define EXACT_DOUBLE 9007199254740992.0

static bson_t *pipeline_of(const struct tb_stats_filter *filter)
{
    return BCON_NEW("pipeline", "[", "{", "$match", "{", "placedAt", "{", "$gte",
                    BCON_DATE_TIME(filter->has_from ? filter->from_ms : TB_TIME_MIN_MS), "$lt",
                    BCON_DATE_TIME(filter->has_to ? filter->to_ms : TB_TIME_MAX_MS + 1), "}", "}",
                    "}", "{", "$group", "{", "_id", "{", "key",
                    BCON_UTF8(key_field(filter->group_by)), "currency", "$currency", "kind",
                    "$kind", "status", "$status", "}", "count", "{", "$sum", BCON_INT64(1), "}",
                    "lower", "{", "$sum", "{", "$mod", "[", "$totalMinor", BCON_INT64(LOWER_PART),
                    "]", "}", "}", "upper", "{", "$sum", "{", "$divide", "[", "{", "$subtract",
                    "[", "$totalMinor", "{", "$mod", "[", "$totalMinor", BCON_INT64(LOWER_PART),
                    "]", "}", "]", "}", BCON_INT64(LOWER_PART), "]", "}", "}", "}", "}", "]");
}

/* Rows as they come; sorted and those of one key put together at the end. */
struct sums {
    struct tb_stats_row *rows; /* owned */
    size_t count, max;
};

static struct tb_stats_row *next_row(struct sums *sums)
{
    if (sums->count == sums->max) {
        size_t max = sums->max ? 2 * sums->max : 64;
        struct tb_stats_row *rows = realloc(sums->rows, max * sizeof *rows);

        if (!rows)
            return NULL;
        sums->rows = rows;
        sums->max = max;
    }
    sums->rows[sums->count] = (struct tb_stats_row){0};
    return &sums->rows[sums->count++];
}

/* One group of the server's. */
struct part {
    char key[sizeof((struct tb_stats_row *)0)->key], currency[4];
    enum tb_order_kind kind;
    enum tb_order_status status;
    int64_t count, total_minor;
};

/* A whole number, however the server writes it. */
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

static bool read_group(const bson_iter_t *id, struct part *part)
{
    bson_iter_t field = *id;

    if (bson_iter_find(&field, "key"))
        tb_bson_get_text(&field, part->key, sizeof part->key);
    field = *id;
    if (bson_iter_find(&field, "currency"))
        tb_bson_get_text(&field, part->currency, sizeof part->currency);
    field = *id;
    if (!bson_iter_find(&field, "kind") ||
        !tb_order_kind_parse(tb_bson_get_str(&field), &part->kind))
        return false;
    field = *id;
    return bson_iter_find(&field, "status") &&
           tb_order_status_parse(tb_bson_get_str(&field), &part->status);
}

static bool read_part(const bson_t *doc, struct part *ret_part)
{
    struct part part = {0};
    int64_t upper = 0, lower = 0;
    bson_iter_t iter, id;

    if (!bson_iter_init_find(&iter, doc, "_id") || !BSON_ITER_HOLDS_DOCUMENT(&iter) ||
        !bson_iter_recurse(&iter, &id) || !read_group(&id, &part))
        return false;
    if (!read_number(doc, "count", &part.count) || !read_number(doc, "upper", &upper) ||
        !read_number(doc, "lower", &lower) ||
        __builtin_mul_overflow(upper, LOWER_PART, &part.total_minor) ||
        __builtin_add_overflow(part.total_minor, lower, &part.total_minor))
        return false;
    *ret_part = part;
    return true;
}

static enum tb_code add(struct sums *sums, const char *key, const struct part *part,
                        struct tb_error *err)
{
    struct tb_stats_row *row = next_row(sums);

    if (!row)
        return tb_error_set(err, TB_INTERNAL, "out of memory adding up");
    memcpy(row->key, key, strlen(key) + 1);
    memcpy(row->currency, part->currency, sizeof row->currency);
    row->orders = part->kind == TB_SALE ? part->count : 0;
    row->returns = part->kind == TB_RETURN ? part->count : 0;
    row->cancelled = part->status == TB_CANCELLED ? part->count : 0;
    row->total_minor = part->status == TB_CANCELLED ? 0 : part->total_minor;
    return TB_OK;
}

static enum tb_code add_all(const struct tb_mongo_client *lease, const char *collection,
                            const struct tb_stats_filter *filter, struct sums *totals,
                            struct sums *groups, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free) bson_t *pipeline = pipeline_of(filter);
    struct part part;
    const bson_t *doc;

    tb_mongo_aggregate_begin(&find, lease, collection, pipeline);
    while ((doc = tb_mongo_find_next(&find))) {
        if (!read_part(doc, &part))
            return tb_error_set(err, TB_INTERNAL,
                                "a sum leaves 64 bits, or an order is not as "
                                "written");
        TB_TRY(add(totals, "", &part, err));
        if (filter->group_by != TB_GROUP_NONE)
            TB_TRY(add(groups, part.key, &part, err));
    }
    return tb_mongo_find_end(&find, "adding up orders", err);
}

static int by_key_and_currency(const void *a, const void *b)
{
    const struct tb_stats_row *x = a, *y = b;
    int order = strcmp(x->key, y->key);

    return order != 0 ? order : strcmp(x->currency, y->currency);
}

/* Sorted, one row for each key and currency, in the arena. */
static enum tb_code fold(struct sums *sums, struct tb_arena *arena, struct tb_stats_row **ret_rows,
                         size_t *ret_count, struct tb_error *err)
{
    struct tb_stats_row *rows = tb_arena_array(arena, sums->count + 1, sizeof *rows);
    size_t count = 0;

    if (!rows)
        return tb_error_set(err, TB_INTERNAL, "out of memory adding up");
    if (sums->count > 0)
        qsort(sums->rows, sums->count, sizeof *sums->rows, by_key_and_currency);
    for (size_t i = 0; i < sums->count; i++) {
        const struct tb_stats_row *row = &sums->rows[i];
        struct tb_stats_row *sum = count > 0 ? &rows[count - 1] : NULL;

        if (!sum || by_key_and_currency(sum, row) != 0) {
            rows[count++] = *row;
            continue;
        }
        sum->orders += row->orders;
        sum->returns += row->returns;
        sum->cancelled += row->cancelled;
        if (__builtin_add_overflow(sum->total_minor, row->total_minor, &sum->total_minor))
            return tb_error_set(err, TB_INTERNAL, "the sum of %s leaves 64 bits", row->currency);
    }
    *ret_rows = rows;
    *ret_count = count;
    return TB_OK;
}

enum tb_code tb_mongo_stats(const struct tb_mongo_client *lease,
                            const struct tb_mongo_collections *names,
                            const struct tb_stats_filter *filter, struct tb_arena *arena,
                            struct tb_stats *ret_stats, struct tb_error *err)
{
    struct sums totals = {0}, groups = {0};
    struct tb_stats stats = {0};
    enum tb_code code = add_all(lease, names->orders, filter, &totals, &groups, err);

    if (code == TB_OK)
        code = fold(&totals, arena, &stats.totals, &stats.total_count, err);
    if (code == TB_OK)
        code = fold(&groups, arena, &stats.groups, &stats.group_count, err);
    free(totals.rows);
    free(groups.rows);
    if (code == TB_OK)
        *ret_stats = stats;
    return code;
}
