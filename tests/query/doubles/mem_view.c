#include "query/doubles/mem_view.h"
#include "query/projection/stats_fold.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

struct mem_row *mem_view_row(struct mem_view *mem, const char *order_id)
{
    for (size_t i = 0; i < mem->row_count; i++) {
        if (strcmp(mem->rows[i].order_id, order_id) == 0)
            return &mem->rows[i];
    }
    return NULL;
}

static void free_rows(struct mem_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(rows[i].doc);
    free(rows);
}

static void forget_decoded(struct mem_view *mem)
{
    tb_arena_release(&mem->reader.arena);
    mem->reader.orders = NULL;
}

/* True: this call must fail before it does anything. */
static bool fails(struct mem_view *mem, struct tb_error *err)
{
    mem->calls++;
    if (mem->down) {
        tb_error_set(err, TB_UNAVAILABLE, "down");
        return true;
    }
    if (mem->calls != mem->fail_at || mem->fail_after)
        return false;
    tb_error_set(err, TB_UNAVAILABLE, "injected");
    return true;
}

static void forget_lent(struct mem_view *mem)
{
    for (size_t i = 0; i < mem->lent_count; i++)
        tb_json_free(mem->lent[i]);
    mem->lent_count = 0;
}

/* The parsed document, which the order points into, lives until the next commit. */
static void load_document(struct mem_view *mem, const char *doc, struct tb_arena *arena,
                          struct tb_order *ret_order)
{
    struct tb_error err = {0};
    struct tb_json *json = NULL;

    ck_assert_int_eq(tb_json_parse(tb_str_of(doc), TB_JSON_DEPTH_MAX, &json, &err), TB_OK);
    mem->lent = realloc(mem->lent, (mem->lent_count + 1) * sizeof(struct tb_json *));
    ck_assert_ptr_nonnull(mem->lent);
    mem->lent[mem->lent_count++] = json;
    ck_assert_msg(tb_order_decode(json, arena, ret_order, &err) == TB_OK, "%s: %s", err.text, doc);
}

static enum tb_code load(struct tb_view *base, const char *order_id, struct tb_arena *arena,
                         struct tb_planned_order *ret_order, struct tb_error *err)
{
    struct mem_view *mem = (struct mem_view *)base;
    struct mem_row *row = mem_view_row(mem, order_id);

    if (fails(mem, err))
        return err->code;
    *ret_order = (struct tb_planned_order){0};
    if (!row)
        return TB_OK;
    ret_order->exists = true;
    ret_order->stub = row->doc == NULL;
    if (row->doc)
        load_document(mem, row->doc, arena, &ret_order->order);
    ret_order->order.version = row->version;
    memcpy(ret_order->epoch, row->epoch, sizeof row->epoch);
    ret_order->sequence = row->sequence;
    ret_order->received_at_ms = row->received_at_ms;
    ret_order->lineage = row->lineage;
    return TB_OK;
}

static struct mem_row *new_row(struct mem_view *mem, const char *order_id)
{
    if (mem->row_count == mem->row_max) {
        mem->row_max = mem->row_max ? mem->row_max * 2 : 64;
        mem->rows = realloc(mem->rows, mem->row_max * sizeof *mem->rows);
        ck_assert_ptr_nonnull(mem->rows);
    }
    mem->rows[mem->row_count] = (struct mem_row){0};
    memcpy(mem->rows[mem->row_count].order_id, order_id, TB_UUID_SIZE);
    return &mem->rows[mem->row_count++];
}

/* The row has the planned state or a later one. */
static bool is_current(const struct mem_row *row, const struct tb_planned_order *planned)
{
    int64_t replaced = planned->lineage.replaced;

    return row->lineage.replaced > replaced ||
           (row->lineage.replaced == replaced && row->version >= planned->order.version);
}

static void store(struct mem_view *mem, const struct tb_planned_order *planned)
{
    struct mem_row *row = mem_view_row(mem, planned->order.order_id);
    struct tb_buf doc = {0};
    size_t len;

    if (mem->late_plans && row && is_current(row, planned))
        return;
    if (!mem->late_plans)
        ck_assert_int_eq(planned->exists, row != NULL);
    if (!row)
        row = new_row(mem, planned->order.order_id);
    ck_assert(!is_current(row, planned));
    row->version = planned->order.version;
    memcpy(row->epoch, planned->epoch, sizeof row->epoch);
    row->sequence = planned->sequence;
    row->received_at_ms = planned->received_at_ms;
    row->lineage = planned->lineage;
    if (planned->stub)
        return;
    tb_order_encode(&doc, &planned->order);
    free(row->doc);
    row->doc = tb_buf_take(&doc, &len);
    ck_assert_ptr_nonnull(row->doc);
}

static enum tb_code commit(struct tb_view *base, const struct tb_plan *plan, struct tb_error *err)
{
    struct mem_view *mem = (struct mem_view *)base;

    if (fails(mem, err))
        return err->code;
    if (plan->next_offset > mem->next[plan->partition]) { /* else it was committed before */
        for (size_t i = 0; i < plan->order_count; i++) {
            if (plan->orders[i]->changed)
                store(mem, plan->orders[i]);
        }
        mem->dead_letter_count += plan->dead_letter_count;
        mem->next[plan->partition] = plan->next_offset;
    }
    forget_lent(mem);
    if (mem->calls == mem->fail_at)
        return tb_error_set(err, TB_UNKNOWN, "injected after the fact");
    return TB_OK;
}

/* Several consumers share the view, so loaded documents live until the end. */
static enum tb_code guarded_commit(struct tb_view *base, const struct tb_plan *plan,
                                   struct tb_error *err)
{
    struct mem_view *mem = (struct mem_view *)base;

    if (fails(mem, err))
        return err->code;
    for (size_t i = 0; i < plan->order_count; i++) {
        struct tb_planned_order *planned = plan->orders[i];
        struct mem_row *row = mem_view_row(mem, planned->order.order_id);

        if (!planned->changed || (row && is_current(row, planned)))
            continue;
        planned->exists = row != NULL;
        store(mem, planned);
    }
    if (mem->calls == mem->fail_at)
        return tb_error_set(err, TB_UNKNOWN, "injected after the fact");
    return TB_OK;
}

static enum tb_code offset(struct tb_view *base, int32_t partition, int64_t *ret_next,
                           struct tb_error *err)
{
    struct mem_view *mem = (struct mem_view *)base;

    if (fails(mem, err))
        return err->code;
    *ret_next = mem->next[partition];
    return TB_OK;
}

static enum tb_code sync_all(struct tb_view *base, struct tb_error *err)
{
    struct mem_view *mem = (struct mem_view *)base;

    if (fails(mem, err))
        return err->code;
    mem->syncs++;
    memcpy(mem->synced, mem->next, sizeof mem->synced);
    return TB_OK;
}

static enum tb_code expire_dead_letters(struct tb_view *base, int64_t before_ms, int64_t limit,
                                        int64_t *ret_removed, struct tb_error *err)
{
    struct mem_view *mem = (struct mem_view *)base;

    (void)err;
    mem->expire_calls++;
    mem->expired_before_ms = before_ms;
    *ret_removed = 0;
    if (mem->expire_full > 0) {
        mem->expire_full--;
        *ret_removed = limit;
    }
    return TB_OK;
}

static enum tb_code reader_get(struct tb_view_reader *base, struct tb_str order_id,
                               struct tb_buf *ret_doc, int64_t *ret_version, struct tb_error *err)
{
    const struct mem_view *mem = ((struct mem_reader *)base)->mem;

    for (size_t i = 0; i < mem->row_count; i++) {
        const struct mem_row *row = &mem->rows[i];

        if (!row->doc || !tb_str_eq(order_id, tb_str_of(row->order_id)))
            continue;
        tb_buf_adds(ret_doc, row->doc);
        *ret_version = row->version;
        return TB_OK;
    }
    return tb_error_set(err, TB_NOT_FOUND, "the view has no such order");
}

/* An order and the document that it was read from. */
struct mem_order {
    struct tb_order order;
    const char *doc;
};

/* The visible orders, unsorted. They are decoded once until the next call of the view. */
static struct mem_order *decode_all(struct tb_view_reader *base, size_t *ret_count)
{
    struct mem_reader *reader = (struct mem_reader *)base;
    const struct mem_row *rows = reader->mem->rows;
    size_t count = reader->mem->row_count;
    struct tb_error err = {0};

    if (!reader->orders || reader->calls != reader->mem->calls) {
        forget_decoded(reader->mem);
        reader->orders = tb_arena_array(&reader->arena, count + 1, sizeof *reader->orders);
        reader->order_count = 0;
        reader->calls = reader->mem->calls;
        for (size_t i = 0; i < count; i++) {
            struct mem_order *decoded = &reader->orders[reader->order_count];
            struct tb_json *json = NULL;

            if (!rows[i].doc)
                continue;
            decoded->doc = rows[i].doc;
            ck_ok(tb_json_parse_in(tb_str_of(decoded->doc), TB_JSON_DEPTH_MAX, &reader->arena,
                                   &json, &err));
            ck_ok(tb_order_decode(json, &reader->arena, &decoded->order, &err));
            reader->order_count++;
        }
    }
    *ret_count = reader->order_count;
    return reader->orders;
}

static int newest_first(const void *a, const void *b)
{
    const struct tb_order *x = a, *y = b;

    if (x->placed_at_ms != y->placed_at_ms)
        return x->placed_at_ms < y->placed_at_ms ? 1 : -1;
    return -strcmp(x->order_id, y->order_id);
}

static bool is_or_any(struct tb_str wanted, struct tb_str text)
{
    return !wanted.ptr || tb_str_eq(wanted, text);
}

static bool matches(const struct tb_order *order, const struct tb_list_filter *filter)
{
    struct tb_order after = {.placed_at_ms = filter->after_placed_at_ms};

    memcpy(after.order_id, filter->after_order_id, TB_UUID_SIZE);
    return is_or_any(filter->customer_id, order->customer_id) &&
           is_or_any(filter->node, order->node) && is_or_any(filter->source, order->source) &&
           is_or_any(filter->business_date, tb_str_of(order->business_date)) &&
           (!filter->has_status || filter->status == order->status) &&
           (!filter->has_from || order->placed_at_ms >= filter->from_ms) &&
           (!filter->has_to || order->placed_at_ms < filter->to_ms) &&
           (!filter->has_after || newest_first(&after, order) < 0);
}

static enum tb_code reader_list(struct tb_view_reader *base, const struct tb_list_filter *filter,
                                tb_listed_order_fn *each, void *ctx, bool *ret_more,
                                struct tb_error *err)
{
    size_t count;
    struct mem_order *orders = decode_all(base, &count);
    bool taken = true;
    int listed = 0;

    (void)err;
    qsort(orders, count, sizeof *orders, newest_first);
    *ret_more = false;
    for (size_t i = 0; i < count && !*ret_more; i++) {
        const struct tb_order *order = &orders[i].order;

        if (!matches(order, filter))
            continue;
        *ret_more = listed == filter->limit;
        if (!*ret_more)
            taken = each(ctx, tb_str_of(order->order_id), order->placed_at_ms,
                         tb_str_of(orders[i].doc));
        listed++;
        *ret_more = *ret_more || !taken;
    }
    return TB_OK;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct tb_order *)a)->order_id, ((const struct tb_order *)b)->order_id);
}

static enum tb_code reader_scan(struct tb_view_reader *base, const char *start, int limit,
                                tb_scanned_order_fn *each, void *ctx, struct tb_error *err)
{
    size_t count;
    struct mem_order *orders = decode_all(base, &count);

    (void)err;
    qsort(orders, count, sizeof *orders, by_id);
    for (size_t i = 0; i < count && limit > 0; i++) {
        if (strcmp(orders[i].order.order_id, start) < 0)
            continue;
        each(ctx, &orders[i].order, NULL);
        limit--;
    }
    return TB_OK;
}

static enum tb_code reader_stats(struct tb_view_reader *base, const struct tb_stats_filter *filter,
                                 struct tb_arena *arena, struct tb_stats *ret_stats,
                                 struct tb_error *err)
{
    struct tb_stats_fold fold = {.arena = arena};
    size_t count;
    struct mem_order *orders = decode_all(base, &count);

    for (size_t i = 0; i < count; i++) {
        const struct tb_order *order = &orders[i].order;
        const char *keys[] = {[TB_GROUP_NONE] = "",
                              [TB_GROUP_DAY] = order->business_date,
                              [TB_GROUP_NODE] = order->node.ptr ? order->node.ptr : "",
                              [TB_GROUP_STATUS] = tb_order_status_name(order->status)};

        if ((filter->has_from && order->placed_at_ms < filter->from_ms) ||
            (filter->has_to && order->placed_at_ms >= filter->to_ms) ||
            strcmp(order->business_date, filter->from_date) < 0 ||
            (filter->to_date[0] && strcmp(order->business_date, filter->to_date) >= 0))
            continue;
        TB_TRY(tb_stats_fold_add(&fold, keys[filter->group_by], order->currency, order->kind,
                                 order->status, 1, order->total_minor, err));
    }
    return tb_stats_fold_finish(&fold, filter->group_by, ret_stats, err);
}

static enum tb_code reader_offset(struct tb_view_reader *base, int32_t partition,
                                  int64_t *ret_next, struct tb_error *err)
{
    const struct mem_view *mem = ((struct mem_reader *)base)->mem;

    (void)err;
    *ret_next = mem->next[partition];
    return TB_OK;
}

static enum tb_code reader_count_dead_letters(struct tb_view_reader *base, int64_t *ret_open,
                                              struct tb_error *err)
{
    const struct mem_view *mem = ((struct mem_reader *)base)->mem;

    (void)err;
    *ret_open = (int64_t)mem->dead_letter_count;
    return TB_OK;
}

static const struct tb_view_reader_ops reader_ops = {.get = reader_get,
                                                     .list = reader_list,
                                                     .scan = reader_scan,
                                                     .stats = reader_stats,
                                                     .offset = reader_offset,
                                                     .count_dead_letters =
                                                         reader_count_dead_letters};
/* For a view that stores neither offsets nor dead letters. */
static const struct tb_view_reader_ops guarded_reader_ops = {
    .get = reader_get, .list = reader_list, .scan = reader_scan, .stats = reader_stats};

static const struct tb_view_ops ops = {.load = load,
                                       .commit = commit,
                                       .sync = sync_all,
                                       .offset = offset,
                                       .expire_dead_letters = expire_dead_letters};

void mem_view_init(struct mem_view *mem)
{
    *mem = (struct mem_view){.view.ops = &ops, .reader = {.reader.ops = &reader_ops, .mem = mem}};
    for (int p = 0; p < TEST_PARTITIONS; p++)
        mem->next[p] = -1;
}

static enum tb_code knows_node(struct tb_view *base, const char *node, bool *ret_known,
                               struct tb_error *err)
{
    struct mem_view *mem = (struct mem_view *)base;

    (void)node;
    if (fails(mem, err))
        return err->code;
    *ret_known = mem->knows_nodes;
    return TB_OK;
}

void mem_view_init_guarded(struct mem_view *mem)
{
    static const struct tb_view_ops guarded_ops = {.load = load,
                                                   .commit = guarded_commit,
                                                   .knows_node = knows_node,
                                                   .expire_dead_letters = expire_dead_letters};

    *mem = (struct mem_view){.view.ops = &guarded_ops,
                             .reader = {.reader.ops = &guarded_reader_ops, .mem = mem}};
}

void mem_view_release(struct mem_view *mem)
{
    forget_decoded(mem);
    free_rows(mem->rows, mem->row_count);
    forget_lent(mem);
    free(mem->lent);
}

void mem_view_check(struct mem_view *mem, const struct history *history)
{
    for (size_t i = 0; i < history->order_count; i++) {
        const struct history_order *order = &history->orders[i];
        int64_t version = history_reachable(order);
        struct mem_row *row = mem_view_row(mem, order->order.order_id);

        if (version == 0) {
            ck_assert_ptr_null(row);
            continue;
        }
        ck_assert_ptr_nonnull(row);
        ck_assert_int_eq(row->version, version);
        ck_assert_str_eq(row->doc, order->docs[version].ptr);
    }
}
