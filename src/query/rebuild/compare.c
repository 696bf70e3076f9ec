#include "query/rebuild/compare.h"

const char *tb_compare_kind_name(enum tb_compare_kind kind)
{
    static const char *const names[] = {
        [TB_COMPARE_MISSING] = "missing",
        [TB_COMPARE_EXTRA] = "extra",
        [TB_COMPARE_DIFFERENT] = "different",
        [TB_COMPARE_TOTAL] = "total",
    };

    return names[kind];
}

void tb_compare_init(struct tb_compare *compare, struct tb_view_reader *served,
                     struct tb_view_reader *rebuilt)
{
    memset(compare, 0, sizeof *compare);
    compare->served.reader = served;
    compare->rebuilt.reader = rebuilt;
}

void tb_compare_only(struct tb_compare *compare, const struct tb_recheck_set *only)
{
    compare->only = only;
}

void tb_compare_collect(struct tb_compare *compare, struct tb_recheck_set *into)
{
    compare->sift_into = into;
    compare->totals_done = true;
}

static void note(struct tb_compare *compare, const struct tb_difference *difference)
{
    if (compare->differences < TB_COMPARE_LISTED)
        compare->list[compare->differences] = *difference;
    compare->differences++;
}

static void add_order(void *ctx, const struct tb_order *order)
{
    struct tb_compare_side *side = ctx;
    struct tb_compare_order *digest = &side->page[side->count];

    if (side->count == TB_COMPARE_PAGE) {
        memcpy(side->start, order->order_id, TB_UUID_SIZE);
        side->ended = false;
        return;
    }
    *digest = (struct tb_compare_order){
        .status = order->status, .version = order->version, .total_minor = order->total_minor};
    memcpy(digest->order_id, order->order_id, TB_UUID_SIZE);
    memcpy(digest->currency, order->currency, sizeof digest->currency);
    tb_order_hash(order, digest->hash);
    side->failed = side->failed || digest->hash[0] == '\0';
    side->count++;
}

static enum tb_code no_memory(struct tb_error *err)
{
    return tb_error_set(err, TB_INTERNAL, "out of memory comparing orders");
}

/* The next order of a side; NULL: there is none. */
static enum tb_code next_order(struct tb_compare_side *side,
                               const struct tb_compare_order **ret_order, struct tb_error *err)
{
    if (side->at == side->count && !side->ended) {
        side->at = side->count = 0;
        side->ended = true; /* unless there is one more than fits */
        TB_TRY(side->reader->ops->scan(side->reader, side->start, TB_COMPARE_PAGE + 1, add_order,
                                       side, err));
        if (side->failed)
            return no_memory(err);
    }
    *ret_order = side->at < side->count ? &side->page[side->at] : NULL;
    return TB_OK;
}

static void take(struct tb_compare_side *side)
{
    side->at++;
    side->orders++;
}

static bool is_same(const struct tb_compare_order *a, const struct tb_compare_order *b)
{
    return a->version == b->version && strcmp(a->hash, b->hash) == 0;
}

/* One order; NULL: the side does not have it. */
static void compare_pair(struct tb_compare *compare, const struct tb_compare_order *served,
                         const struct tb_compare_order *rebuilt)
{
    struct tb_difference difference = {.kind = TB_COMPARE_DIFFERENT};

    if (served && rebuilt && is_same(served, rebuilt))
        return;
    if (compare->sift_into) {
        tb_recheck_set_add(compare->sift_into, served ? served->order_id : rebuilt->order_id);
        return;
    }
    if (!rebuilt)
        difference.kind = TB_COMPARE_MISSING;
    if (!served)
        difference.kind = TB_COMPARE_EXTRA;
    if (served)
        difference.served = *served;
    if (rebuilt)
        difference.rebuilt = *rebuilt;
    note(compare, &difference);
}

/* Compares the next orders of both sides. */
static void compare_next(struct tb_compare *compare, const struct tb_compare_order *served,
                         const struct tb_compare_order *rebuilt)
{
    int order = !rebuilt ? -1 : !served ? 1 : strcmp(served->order_id, rebuilt->order_id);

    compare_pair(compare, order <= 0 ? served : NULL, order >= 0 ? rebuilt : NULL);
    if (order <= 0)
        take(&compare->served);
    if (order >= 0)
        take(&compare->rebuilt);
}

/* The order of that id; NULL: the side has none. */
static enum tb_code find_order(struct tb_compare_side *side, const char *order_id,
                               const struct tb_compare_order **ret_order, struct tb_error *err)
{
    side->count = 0;
    TB_TRY(side->reader->ops->scan(side->reader, order_id, 1, add_order, side, err));
    if (side->failed)
        return no_memory(err);
    *ret_order =
        side->count > 0 && strcmp(side->page[0].order_id, order_id) == 0 ? &side->page[0] : NULL;
    return TB_OK;
}

static enum tb_code compare_suspects(struct tb_compare *compare, struct tb_error *err)
{
    const struct tb_recheck_set *only = compare->only;

    for (int pairs = 0; pairs < TB_COMPARE_PAGE && compare->only_at < only->count; pairs++) {
        const struct tb_compare_order *served = NULL, *rebuilt = NULL;
        const char *order_id = only->ids[compare->only_at++];

        TB_TRY(find_order(&compare->served, order_id, &served, err));
        TB_TRY(find_order(&compare->rebuilt, order_id, &rebuilt, err));
        if (served || rebuilt)
            compare_pair(compare, served, rebuilt);
    }
    compare->done = compare->only_at == only->count;
    return TB_OK;
}

static int compare_rows(const struct tb_stats_row *a, const struct tb_stats_row *b)
{
    return !b ? -1 : !a ? 1 : strcmp(a->currency, b->currency);
}

static bool is_same_total(const struct tb_stats_row *a, const struct tb_stats_row *b)
{
    return a->orders == b->orders && a->returns == b->returns && a->cancelled == b->cancelled &&
           a->total_minor == b->total_minor;
}

static void merge_totals(struct tb_compare *compare, const struct tb_stats *served,
                         const struct tb_stats *rebuilt)
{
    for (size_t i = 0, j = 0; i < served->total_count || j < rebuilt->total_count;) {
        const struct tb_stats_row *a = i < served->total_count ? &served->totals[i] : NULL;
        const struct tb_stats_row *b = j < rebuilt->total_count ? &rebuilt->totals[j] : NULL;
        struct tb_difference difference = {.kind = TB_COMPARE_TOTAL};
        int order = compare_rows(a, b);

        if (order <= 0)
            difference.served_total = *a;
        if (order >= 0)
            difference.rebuilt_total = *b;
        if (order != 0 || !is_same_total(a, b))
            note(compare, &difference);
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

static enum tb_code compare_totals(struct tb_compare *compare, struct tb_error *err)
{
    static const struct tb_stats_filter all = {0};
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_view_reader *served = compare->served.reader, *rebuilt = compare->rebuilt.reader;
    struct tb_stats stats[2] = {0};

    TB_TRY(served->ops->stats(served, &all, &arena, &stats[0], err));
    TB_TRY(rebuilt->ops->stats(rebuilt, &all, &arena, &stats[1], err));
    merge_totals(compare, &stats[0], &stats[1]);
    if (compare->only) {
        compare->served.orders = count_orders(&stats[0]);
        compare->rebuilt.orders = count_orders(&stats[1]);
    }
    return TB_OK;
}

enum tb_code tb_compare_step(struct tb_compare *compare, struct tb_error *err)
{
    if (!compare->totals_done) {
        TB_TRY(compare_totals(compare, err));
        compare->totals_done = true;
    }
    if (compare->only)
        return compare_suspects(compare, err);
    for (int pairs = 0; pairs < TB_COMPARE_PAGE; pairs++) {
        const struct tb_compare_order *served = NULL, *rebuilt = NULL;

        TB_TRY(next_order(&compare->served, &served, err));
        TB_TRY(next_order(&compare->rebuilt, &rebuilt, err));
        compare->done = !served && !rebuilt;
        if (compare->done)
            return TB_OK;
        compare_next(compare, served, rebuilt);
    }
    return TB_OK;
}
