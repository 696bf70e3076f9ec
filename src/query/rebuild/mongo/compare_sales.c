#include "query/mongo/driver/fields.h"
#include "query/rebuild/mongo/rebuild_mongo_priv.h"

/* A view may have hundreds of thousands of days, which cannot be compared within a hold. So they
 * are compared page by page while both views are written, and only those that differed then are
 * compared again during the hold. */
#define PAGE 500

struct day {
    char id[TB_SALES_ID_SIZE];
    int64_t orders, returns, cancelled;
    tb_sum total_minor;
};
struct page {
    struct day *days; /* sorted by id */
    size_t count;
};

#define AT(member) TB_BSON_AT(struct day, member)
static const struct tb_bson_field fields[] = {
    {"_id", TB_BSON_TEXT, AT(id), TB_BSON_STRICT}, {"orders", TB_BSON_INT, AT(orders)},
    {"returns", TB_BSON_INT, AT(returns)},         {"cancelled", TB_BSON_INT, AT(cancelled)},
    {"totalMinor", TB_BSON_SUM, AT(total_minor)},
};
static const struct tb_bson_table table = TB_BSON_TABLE(struct day, fields);

/* The filter and the options are freed. */
static enum tb_code read_days(struct tb_rebuild_mongo *self, const char *collection,
                              bson_t *filter, int64_t limit, struct tb_arena *arena,
                              struct page *ret_page, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free) bson_t *owned = filter;
    TB_CLEANUP(tb_bson_free)
    bson_t *opts = BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}", "limit", BCON_INT64(limit),
                            "projection", "{", "orders", BCON_INT32(1), "returns", BCON_INT32(1),
                            "cancelled", BCON_INT32(1), "totalMinor", BCON_INT32(1), "}");
    const bson_t *doc;

    ret_page->days = tb_arena_array(arena, (size_t)limit, sizeof *ret_page->days);
    ret_page->count = 0;
    if (!owned || !opts || !ret_page->days)
        return tb_mongo_no_memory(err);
    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &client, err));
    tb_mongo_find(&cursor, &client, collection, owned, opts);
    while (ret_page->count < (size_t)limit && (doc = tb_mongo_cursor_next(&cursor))) {
        struct day *day = &ret_page->days[ret_page->count++];

        *day = (struct day){0};
        if (!tb_bson_get_fields(doc, &table, arena, day))
            return tb_error_set(err, TB_CORRUPT, "a document of %s has another form", collection);
    }
    return tb_mongo_cursor_end(&cursor, "comparing the sales of days", err);
}

/* A view may have a day without sales, which the other one lacks. */
static bool is_same(const struct day *served, const struct day *rebuilt)
{
    static const struct day none;
    const struct day *a = served ? served : &none, *b = rebuilt ? rebuilt : &none;

    return a->orders == b->orders && a->returns == b->returns && a->cancelled == b->cancelled &&
           a->total_minor == b->total_minor;
}

/* Calls each for every pair of days that differ, up to the id `end`; "": all. */
static void merge(const struct page *served, const struct page *rebuilt, const char *end,
                  void (*each)(void *ctx, const struct day *served, const struct day *rebuilt),
                  void *ctx)
{
    for (size_t i = 0, j = 0; i < served->count || j < rebuilt->count;) {
        const struct day *a = i < served->count ? &served->days[i] : NULL;
        const struct day *b = j < rebuilt->count ? &rebuilt->days[j] : NULL;
        int order = !b ? -1 : !a ? 1 : strcmp(a->id, b->id);

        a = order <= 0 ? a : NULL;
        b = order >= 0 ? b : NULL;
        if (end[0] && strcmp(a ? a->id : b->id, end) > 0)
            return;
        if (!is_same(a, b))
            each(ctx, a, b);
        i += a != NULL;
        j += b != NULL;
    }
}

static void note_differing(void *ctx, const struct day *served, const struct day *rebuilt)
{
    struct tb_mongo_sales_scan *scan = ctx;

    if (scan->count < TB_SALES_DIFFERING_MAX)
        memcpy(scan->ids[scan->count++], served ? served->id : rebuilt->id, TB_SALES_ID_SIZE);
}

/* Where both pages are complete: a full page ends with its last day. */
static const char *common_end(const struct page *served, const struct page *rebuilt)
{
    const char *a = served->count == PAGE ? served->days[PAGE - 1].id : "";
    const char *b = rebuilt->count == PAGE ? rebuilt->days[PAGE - 1].id : "";

    if (!a[0] || !b[0])
        return a[0] ? a : b;
    return strcmp(a, b) < 0 ? a : b;
}

static bson_t *behind(const char *id)
{
    return BCON_NEW("_id", "{", "$gt", BCON_UTF8(id), "}");
}

enum tb_code tb_mongo_scan_sales(void *ctx, bool anew, bool *ret_done, struct tb_error *err)
{
    struct tb_rebuild_mongo *self = ctx;
    struct tb_mongo_sales_scan *scan = &self->sales;
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct page served, rebuilt;
    const char *end;

    if (anew)
        scan->after[0] = '\0', scan->count = 0;
    TB_TRY(read_days(self, self->serving.sales, behind(scan->after), PAGE, &arena, &served, err));
    TB_TRY(read_days(self, self->target.sales, behind(scan->after), PAGE, &arena, &rebuilt, err));
    end = common_end(&served, &rebuilt);
    merge(&served, &rebuilt, end, note_differing, scan);
    snprintf(scan->after, sizeof scan->after, "%s", end);

    *ret_done = !end[0];
    return TB_OK;
}

static void list_side(struct tb_buf *out, const char *side, const struct day *day)
{
    if (!day)
        return;
    tb_json_member_key(out, side);
    tb_buf_addc(out, '{');
    tb_json_member_int(out, "orders", day->orders);
    tb_json_member_int(out, "returns", day->returns);
    tb_json_member_int(out, "cancelled", day->cancelled);
    tb_sum_add_member(out, "totalMinor", day->total_minor);
    tb_buf_addc(out, '}');
}

static void list_day(void *ctx, const struct day *served, const struct day *rebuilt)
{
    struct tb_compare *compare = ctx;

    if (!tb_compare_list(compare, "sales"))
        return;
    tb_json_member_str(&compare->listed, "day", tb_str_of(served ? served->id : rebuilt->id));
    list_side(&compare->listed, "served", served);
    list_side(&compare->listed, "rebuilt", rebuilt);
    tb_buf_addc(&compare->listed, '}');
}

enum tb_code tb_mongo_compare_sales(struct tb_rebuild_mongo *self, struct tb_compare *compare,
                                    struct tb_error *err)
{
    const struct tb_mongo_sales_scan *scan = &self->sales;
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_str ids[TB_SALES_DIFFERING_MAX];
    struct page served, rebuilt;

    if (scan->count == 0)
        return TB_OK;
    for (size_t i = 0; i < scan->count; i++)
        ids[i] = tb_str_of(scan->ids[i]);
    TB_TRY(read_days(self, self->serving.sales, tb_mongo_ids_filter(ids, scan->count),
                     TB_SALES_DIFFERING_MAX, &arena, &served, err));
    TB_TRY(read_days(self, self->target.sales, tb_mongo_ids_filter(ids, scan->count),
                     TB_SALES_DIFFERING_MAX, &arena, &rebuilt, err));
    merge(&served, &rebuilt, "", list_day, compare);
    return TB_OK;
}
