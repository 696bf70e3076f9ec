#include "query/mongo/view_mongo_priv.h"
#include <stdlib.h>

/* A letter that waits for its order, as far as that is asked first. */
struct waiting {
    int64_t dead_at_ms;
    struct tb_dead_letter_position position;
    char order_id[TB_UUID_SIZE];
    int64_t version;
};
struct waitings {
    struct waiting *list; /* TB_REDRIVE_SCAN_MAX of them */
    size_t count;
    struct tb_arena arena;
};

static bson_t *scan_filter(const struct tb_redrive_scan *scan)
{
    bson_t *doc = bson_new();
    bool failed = false;
    struct tb_bson_writer put = {doc, &failed};

    tb_bson_put_text(put, "status", "open");
    tb_bson_put_text(put, "reason", TB_REASON_GAP);
    tb_bson_put_operator(put, "follows", "$lt", TB_REDRIVES_MAX);
    if (scan->begun)
        tb_mongo_put_after(put, scan->dead_at_ms, scan->position, /* by_order= */ false);
    if (failed)
        tb_bson_free(&doc);
    return doc;
}

static bson_t *scan_opts(void)
{
    return BCON_NEW("sort", "{", "deadAt", BCON_INT32(1), "partition", BCON_INT32(1), "offset",
                    BCON_INT32(1), "}", "limit", BCON_INT64(TB_REDRIVE_SCAN_MAX), "projection",
                    "{", "orderId", BCON_INT32(1), "version", BCON_INT32(1), "deadAt",
                    BCON_INT32(1), "partition", BCON_INT32(1), "offset", BCON_INT32(1), "reason",
                    BCON_INT32(1), "}");
}

/* The next letters behind the scan, which then stands behind them. */
static enum tb_code scan_letters(const struct tb_mongo_client *lease, struct tb_redrive_scan *scan,
                                 struct waitings *waiting, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = scan_filter(scan);
    TB_CLEANUP(tb_bson_free) bson_t *opts = scan_opts();
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    const bson_t *doc;

    tb_mongo_find_begin(&find, lease, "dead_letters", filter, opts);
    while (waiting->count < TB_REDRIVE_SCAN_MAX && (doc = tb_mongo_find_next(&find))) {
        struct waiting *one = &waiting->list[waiting->count++];
        struct tb_dead_letter letter;

        tb_arena_clear(&arena);
        TB_TRY(tb_mongo_dead_letter_decode(doc, &arena, &letter, err));
        *one = (struct waiting){.dead_at_ms = letter.dead_at_ms,
                                .position = letter.position,
                                .version = letter.version};
        memcpy(one->order_id, letter.order_id, TB_UUID_SIZE);
        scan->dead_at_ms = letter.dead_at_ms;
        scan->position = letter.position;
    }
    scan->begun = waiting->count == TB_REDRIVE_SCAN_MAX;
    return tb_mongo_find_end(&find, "looking for dead letters that may follow", err);
}

/* An order's version in the view. */
struct standing {
    char order_id[TB_UUID_SIZE];
    int64_t version;
};

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, TB_UUID_SIZE);
}

static enum tb_code find_standings(const struct tb_mongo_client *lease, const char *orders,
                                   struct waitings *waiting, struct standing *standings,
                                   size_t *ret_count, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
    TB_CLEANUP(tb_bson_free)
    bson_t *opts = BCON_NEW("projection", "{", "version", BCON_INT32(1), "}");
    struct tb_str *ids = tb_arena_array(&waiting->arena, waiting->count, sizeof *ids);
    const bson_t *doc;
    bson_iter_t iter;
    size_t count = 0;

    for (size_t i = 0; ids && i < waiting->count; i++)
        ids[i] = tb_str_of(waiting->list[i].order_id);
    if (ids)
        filter = tb_mongo_ids_filter(ids, waiting->count);
    if (!filter)
        return tb_mongo_no_memory(err);
    tb_mongo_find_begin(&find, lease, orders, filter, opts);
    while (count < waiting->count && (doc = tb_mongo_find_next(&find))) {
        if (bson_iter_init_find(&iter, doc, "_id"))
            tb_bson_get_text(&iter, standings[count].order_id, TB_UUID_SIZE);
        if (bson_iter_init_find(&iter, doc, "version"))
            standings[count++].version = tb_bson_get_int(&iter);
    }
    qsort(standings, count, sizeof *standings, by_id);
    *ret_count = count;
    return tb_mongo_find_end(&find, "reading versions", err);
}

/* Keeps those whose order stands where they wait for it, at most max: then the scan goes on
 * behind the last of them. */
static void keep_ready(struct waitings *waiting, const struct standing *standings, size_t count,
                       size_t max, struct tb_redrive_scan *scan)
{
    size_t kept = 0;

    for (size_t i = 0; i < waiting->count; i++) {
        const struct waiting one = waiting->list[i];
        const struct standing *found =
            bsearch(one.order_id, standings, count, sizeof *standings, by_id);

        if (!found || one.version > found->version + 1)
            continue;
        if (kept == max) {
            const struct waiting *last = &waiting->list[kept - 1];

            *scan = (struct tb_redrive_scan){true, last->dead_at_ms, last->position};
            break;
        }
        waiting->list[kept++] = one;
    }
    waiting->count = kept;
}

static enum tb_code hand_out(const struct tb_mongo_client *lease, const struct waitings *waiting,
                             bool (*each)(void *ctx, const struct tb_dead_letter *letter),
                             void *ctx, struct tb_error *err)
{
    bool taken = true;

    for (size_t i = 0; i < waiting->count && taken; i++) {
        TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
        struct tb_dead_letter letter;
        enum tb_code code =
            tb_mongo_read_dead_letter(lease, waiting->list[i].position, &arena, &letter, err);

        if (code == TB_NOT_FOUND) /* expired meanwhile */
            continue;
        TB_TRY(code);
        taken = each(ctx, &letter);
    }
    return TB_OK;
}

static enum tb_code find_ready(const struct tb_mongo_client *lease, const char *orders,
                               struct tb_redrive_scan *scan, size_t max, struct waitings *waiting,
                               struct tb_error *err)
{
    struct tb_redrive_scan next = *scan;
    struct standing *standings;
    size_t count = 0;

    waiting->list = tb_arena_array(&waiting->arena, TB_REDRIVE_SCAN_MAX, sizeof *waiting->list);
    standings = tb_arena_array(&waiting->arena, TB_REDRIVE_SCAN_MAX, sizeof *standings);
    if (!waiting->list || !standings)
        return tb_mongo_no_memory(err);
    TB_TRY(scan_letters(lease, &next, waiting, err));
    if (waiting->count > 0)
        TB_TRY(find_standings(lease, orders, waiting, standings, &count, err));
    keep_ready(waiting, standings, count, max, &next);
    *scan = next;
    return TB_OK;
}

enum tb_code tb_mongo_redrivable(const struct tb_mongo_client *lease, const char *orders,
                                 struct tb_redrive_scan *scan, size_t max,
                                 bool (*each)(void *ctx, const struct tb_dead_letter *letter),
                                 void *ctx, struct tb_error *err)
{
    struct waitings waiting = {0};
    enum tb_code code = find_ready(lease, orders, scan, max, &waiting, err);

    if (code == TB_OK)
        code = hand_out(lease, &waiting, each, ctx, err);
    tb_arena_release(&waiting.arena);
    return code;
}
