#include "query/rebuild/compare.h"
#include <stdlib.h>

/* Orders of `only` that one step compares. Each takes two queries, and between two steps the job's
 * owner must tell the other processes that it still runs. */
#define ONLY_PER_STEP 32
/* Totals that are listed although they are known only after the orders. */
#define TOTALS_LISTED 10

static enum tb_code no_memory(struct tb_error *err)
{
    return tb_error_set(err, TB_INTERNAL, "out of memory comparing orders");
}

enum tb_code tb_compare_new(struct tb_view_reader *served, struct tb_view_reader *rebuilt,
                            const struct tb_recheck_set *only, struct tb_recheck_set *collect_into,
                            struct tb_compare **ret_compare, struct tb_error *err)
{
    struct tb_compare *compare = calloc(1, sizeof *compare);

    if (!compare)
        return no_memory(err);
    compare->served.reader = served;
    compare->rebuilt.reader = rebuilt;
    compare->only = only;
    compare->collect_into = collect_into;
    compare->totals_done = collect_into || only;
    compare->listed_max = only ? TB_COMPARE_LISTED - TOTALS_LISTED : TB_COMPARE_LISTED;
    compare->surplus.arena = &compare->arena;
    *ret_compare = compare;
    return TB_OK;
}

void tb_compare_free(struct tb_compare *compare)
{
    if (!compare)
        return;
    tb_buf_release(&compare->listed);
    tb_arena_release(&compare->arena);
    free(compare);
}

bool tb_compare_list(struct tb_compare *compare, const char *kind)
{
    struct tb_buf *out = &compare->listed;

    compare->difference_count++;
    if (compare->listed_count >= compare->listed_max)
        return false;
    compare->listed_count++;
    if (out->len > 0)
        tb_buf_addc(out, ',');
    tb_buf_addc(out, '{');
    tb_json_member_str(out, "difference", tb_str_of(kind));
    return true;
}

/* Adds an order to the page, or notes it as the first one of the next page. */
static void add_order(void *ctx, const struct tb_order *order, const char *other_column)
{
    struct tb_compare_side *side = ctx;
    struct tb_compare_order *digest = &side->page[side->count];

    if (side->count == TB_COMPARE_PAGE) {
        memcpy(side->start, order->order_id, TB_UUID_SIZE);
        side->ended = false;
        return;
    }
    *digest = (struct tb_compare_order){.kind = order->kind,
                                        .status = order->status,
                                        .version = order->version,
                                        .total_minor = order->total_minor,
                                        .other_column = other_column};
    memcpy(digest->order_id, order->order_id, TB_UUID_SIZE);
    memcpy(digest->currency, order->currency, sizeof digest->currency);
    tb_order_hash(order, digest->hash);
    side->failed = side->failed || digest->hash[0] == '\0';
    side->count++;
}

static enum tb_code scan(struct tb_compare_side *side, const char *start, int limit,
                         struct tb_error *err)
{
    side->at = side->count = 0;
    TB_TRY(side->reader->ops->scan(side->reader, start, limit, add_order, side, err));
    return side->failed ? no_memory(err) : TB_OK;
}

/* The next order of a side; NULL: there is none. */
static enum tb_code next_order(struct tb_compare_side *side,
                               const struct tb_compare_order **ret_order, struct tb_error *err)
{
    if (side->at == side->count && !side->ended) {
        side->ended = true; /* add_order clears it if there is one order more than fits */
        TB_TRY(scan(side, side->start, TB_COMPARE_PAGE + 1, err));
    }
    *ret_order = side->at < side->count ? &side->page[side->at] : NULL;
    return TB_OK;
}

static bool is_same(const struct tb_compare_order *a, const struct tb_compare_order *b)
{
    return a->version == b->version && strcmp(a->hash, b->hash) == 0 && !a->other_column &&
           !b->other_column;
}

static void list_order(struct tb_buf *out, const char *side, const struct tb_compare_order *order)
{
    if (!order)
        return;
    tb_json_member_key(out, side);
    tb_buf_addc(out, '{');
    tb_json_member_int(out, "version", order->version);
    tb_json_member_str(out, "status", tb_str_of(tb_order_status_name(order->status)));
    tb_json_member_int(out, "totalMinor", order->total_minor);
    tb_json_member_str(out, "currency", tb_str_of(order->currency));
    tb_json_member_str(out, "hash", tb_str_of(order->hash));
    if (order->other_column)
        tb_json_member_str(out, "columnDiffers", tb_str_of(order->other_column));
    tb_buf_addc(out, '}');
}

/* sign -1: takes it away. */
static enum tb_code add_surplus(struct tb_compare *compare, const struct tb_compare_order *order,
                                int sign, struct tb_error *err)
{
    if (!order)
        return TB_OK;
    return tb_stats_fold_add(&compare->surplus, "", order->currency, order->kind, order->status,
                             sign, sign * (tb_sum)order->total_minor, err);
}

/* Compares one order of both views. NULL: that view does not have it. */
static enum tb_code compare_pair(struct tb_compare *compare, const struct tb_compare_order *served,
                                 const struct tb_compare_order *rebuilt, struct tb_error *err)
{
    const char *order_id = served ? served->order_id : rebuilt->order_id;

    if (served && rebuilt && is_same(served, rebuilt))
        return TB_OK;
    if (compare->collect_into) {
        tb_recheck_set_add(compare->collect_into, order_id);
        compare->difference_count++;
        return TB_OK;
    }
    TB_TRY(add_surplus(compare, served, 1, err));
    TB_TRY(add_surplus(compare, rebuilt, -1, err));
    if (!tb_compare_list(compare, !rebuilt ? "missing" : !served ? "extra" : "different"))
        return TB_OK;
    tb_json_member_str(&compare->listed, "orderId", tb_str_of(order_id));
    list_order(&compare->listed, "served", served);
    list_order(&compare->listed, "rebuilt", rebuilt);
    tb_buf_addc(&compare->listed, '}');
    return TB_OK;
}

/* Compares the next order of both sides, or the one with the lower id if they are different
 * orders: the other side does not have that one. */
static enum tb_code compare_next(struct tb_compare *compare, const struct tb_compare_order *served,
                                 const struct tb_compare_order *rebuilt, struct tb_error *err)
{
    int order = !rebuilt ? -1 : !served ? 1 : strcmp(served->order_id, rebuilt->order_id);

    TB_TRY(compare_pair(compare, order <= 0 ? served : NULL, order >= 0 ? rebuilt : NULL, err));
    compare->served.at += order <= 0;
    compare->served.orders += order <= 0;
    compare->rebuilt.at += order >= 0;
    compare->rebuilt.orders += order >= 0;
    return TB_OK;
}

/* The order of that id; NULL: the side has none. */
static enum tb_code find_order(struct tb_compare_side *side, const char *order_id,
                               const struct tb_compare_order **ret_order, struct tb_error *err)
{
    TB_TRY(scan(side, order_id, 1, err));
    *ret_order =
        side->count > 0 && strcmp(side->page[0].order_id, order_id) == 0 ? &side->page[0] : NULL;
    return TB_OK;
}

static enum tb_code compare_only(struct tb_compare *compare, struct tb_error *err)
{
    const struct tb_recheck_set *only = compare->only;

    for (int pairs = 0; pairs < ONLY_PER_STEP && compare->only_at < only->count; pairs++) {
        const struct tb_compare_order *served = NULL, *rebuilt = NULL;
        const char *order_id = only->ids[compare->only_at++];

        TB_TRY(find_order(&compare->served, order_id, &served, err));
        TB_TRY(find_order(&compare->rebuilt, order_id, &rebuilt, err));
        if (served || rebuilt)
            TB_TRY(compare_pair(compare, served, rebuilt, err));
    }
    compare->done = compare->only_at == only->count;
    return TB_OK;
}

static bool is_same_total(const struct tb_stats_row *a, const struct tb_stats_row *b)
{
    return a->orders == b->orders && a->returns == b->returns && a->cancelled == b->cancelled &&
           a->total_minor == b->total_minor;
}

static void list_total(struct tb_buf *out, const char *side, const struct tb_stats_row *row)
{
    if (!row)
        return;
    tb_json_member_key(out, side);
    tb_buf_addc(out, '{');
    tb_json_member_int(out, "orders", row->orders);
    tb_json_member_int(out, "returns", row->returns);
    tb_json_member_int(out, "cancelled", row->cancelled);
    tb_sum_add_member(out, "totalMinor", row->total_minor);
    tb_buf_addc(out, '}');
}

/* Compares the totals of one currency. NULL: that view has no order in it. */
static void compare_total(struct tb_compare *compare, const struct tb_stats_row *served,
                          const struct tb_stats_row *rebuilt)
{
    if ((served && rebuilt && is_same_total(served, rebuilt)) || (!served && !rebuilt) ||
        !tb_compare_list(compare, "total"))
        return;
    tb_json_member_str(&compare->listed, "currency",
                       tb_str_of(served ? served->currency : rebuilt->currency));
    list_total(&compare->listed, "served", served);
    list_total(&compare->listed, "rebuilt", rebuilt);
    tb_buf_addc(&compare->listed, '}');
}

static void merge_totals(struct tb_compare *compare, const struct tb_stats *served,
                         const struct tb_stats *rebuilt)
{
    for (size_t i = 0, j = 0; i < served->total_count || j < rebuilt->total_count;) {
        const struct tb_stats_row *a = i < served->total_count ? &served->totals[i] : NULL;
        const struct tb_stats_row *b = j < rebuilt->total_count ? &rebuilt->totals[j] : NULL;
        int order = !b ? -1 : !a ? 1 : strcmp(a->currency, b->currency);

        compare_total(compare, order <= 0 ? a : NULL, order >= 0 ? b : NULL);
        i += order <= 0;
        j += order >= 0;
    }
}

static int64_t count_orders(const struct tb_stats *stats)
{
    int64_t count = 0;

    for (size_t i = 0; i < stats->total_count; i++)
        count += stats->totals[i].orders + stats->totals[i].returns;
    return count;
}

/* With a time, a view adds up its orders and not its rollups, which a rebuild makes anew. */
static const struct tb_stats_filter all = {.has_from = true, .from_ms = TB_TIME_MIN_MS};

static enum tb_code compare_totals(struct tb_compare *compare, struct tb_error *err)
{
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_view_reader *served = compare->served.reader, *rebuilt = compare->rebuilt.reader;
    struct tb_stats stats[2] = {0};

    TB_TRY(served->ops->stats(served, &all, &arena, &stats[0], err));
    TB_TRY(rebuilt->ops->stats(rebuilt, &all, &arena, &stats[1], err));
    merge_totals(compare, &stats[0], &stats[1]);
    return TB_OK;
}

static struct tb_stats_row *find_total(const struct tb_stats *stats, const char *currency)
{
    for (size_t i = 0; i < stats->total_count; i++) {
        if (strcmp(stats->totals[i].currency, currency) == 0)
            return &stats->totals[i];
    }
    return NULL;
}

/* NULL: the row counts no order, and then its view has none in this currency. */
static const struct tb_stats_row *unless_empty(const struct tb_stats_row *row)
{
    return row->orders != 0 || row->returns != 0 ? row : NULL;
}

/* surplus: as long as it is that; then the served view's totals. */
static void list_totals(struct tb_compare *compare, const struct tb_stats *rebuilt,
                        struct tb_stats *surplus)
{
    static const struct tb_stats_row none;

    for (size_t i = 0; i < surplus->total_count; i++) {
        struct tb_stats_row *served = &surplus->totals[i];
        const struct tb_stats_row *row = find_total(rebuilt, served->currency);

        row = row ? row : &none;
        served->orders += row->orders;
        served->returns += row->returns;
        served->cancelled += row->cancelled;
        served->total_minor += row->total_minor;
        compare_total(compare, unless_empty(served), unless_empty(row));
    }
}

/* The totals are listed before the orders. */
enum tb_code tb_compare_add_totals(struct tb_compare *compare, struct tb_error *err)
{
    struct tb_view_reader *reader = compare->rebuilt.reader;
    TB_CLEANUP(tb_buf_release) struct tb_buf orders = compare->listed;
    struct tb_stats rebuilt = {0}, surplus = {0};

    compare->listed = (struct tb_buf){0};
    TB_TRY(reader->ops->stats(reader, &all, &compare->arena, &rebuilt, err));
    TB_TRY(tb_stats_fold_finish(&compare->surplus, TB_GROUP_NONE, &surplus, err));
    compare->rebuilt.orders = count_orders(&rebuilt);
    compare->served.orders = compare->rebuilt.orders + count_orders(&surplus);
    compare->listed_max = TB_COMPARE_LISTED;
    list_totals(compare, &rebuilt, &surplus);
    if (compare->listed.len > 0 && orders.len > 0)
        tb_buf_addc(&compare->listed, ',');
    tb_buf_add_str(&compare->listed, tb_buf_str(&orders));
    return tb_buf_ok(&compare->listed) && tb_buf_ok(&orders) ? TB_OK : no_memory(err);
}

/* Sets done when both sides have ended. */
static enum tb_code compare_page(struct tb_compare *compare, struct tb_error *err)
{
    for (int pairs = 0; pairs < TB_COMPARE_PAGE; pairs++) {
        const struct tb_compare_order *served = NULL, *rebuilt = NULL;

        TB_TRY(next_order(&compare->served, &served, err));
        TB_TRY(next_order(&compare->rebuilt, &rebuilt, err));
        compare->done = !served && !rebuilt;
        if (compare->done)
            return TB_OK;
        TB_TRY(compare_next(compare, served, rebuilt, err));
    }
    return TB_OK;
}

enum tb_code tb_compare_step(struct tb_compare *compare, struct tb_error *err)
{
    if (!compare->totals_done)
        TB_TRY(compare_totals(compare, err));
    compare->totals_done = true;
    TB_TRY(compare->only ? compare_only(compare, err) : compare_page(compare, err));
    return tb_buf_ok(&compare->listed) ? TB_OK : no_memory(err);
}
