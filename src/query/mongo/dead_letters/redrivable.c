#include "query/mongo/dead_letters/dead_letters.h"

struct scan {
    const struct tb_mongo_client *client;
    struct tb_dead_letter *list; /* only with the fields of scan_opts */
    size_t count;
    struct tb_arena *arena;
};

static bson_t *scan_filter(const struct tb_redrive_scan *from)
{
    bson_t *doc = BCON_NEW("status", BCON_UTF8("open"), "reason", "{", "$in", "[",
                           BCON_UTF8(TB_REASON_GAP), BCON_UTF8(TB_REASON_PARKED), "]", "}",
                           "follows", "{", "$lt", BCON_INT64(TB_REDRIVES_MAX), "}");

    if (from->begun)
        tb_mongo_put_after(doc, from->dead_at_ms, from->position, /* by_order= */ false);
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

/* Reads the next dead letters, and moves *next behind them. */
static enum tb_code read_waiting(struct scan *run, struct tb_redrive_scan *next,
                                 struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = scan_filter(next);
    TB_CLEANUP(tb_bson_free) bson_t *opts = scan_opts();
    const bson_t *doc;

    tb_mongo_find(&cursor, run->client, "dead_letters", filter, opts);
    while (run->count < TB_REDRIVE_SCAN_MAX && (doc = tb_mongo_cursor_next(&cursor))) {
        struct tb_dead_letter *one = &run->list[run->count++];

        TB_TRY(tb_mongo_dead_letter_decode(doc, run->arena, one, err));
        next->dead_at_ms = one->dead_at_ms;
        next->position = one->position;
    }
    next->begun = run->count == TB_REDRIVE_SCAN_MAX;
    return tb_mongo_cursor_end(&cursor, "looking for dead letters to send again", err);
}

/* A record that was parked may begin its order, or tell neither order nor version. */
static bool is_ready(const struct tb_dead_letter *letter, int64_t version)
{
    bool is_parked = tb_str_eq(letter->reason, TB_STR(TB_REASON_PARKED));

    return (version > 0 || is_parked) && letter->version <= version + 1;
}

/* Keeps at most max dead letters: those whose order has the version before theirs, or a later one.
 * If there are more, the next scan begins behind the last one kept. */
static enum tb_code keep_ready(struct scan *run, const char *orders, size_t max,
                               struct tb_redrive_scan *next, struct tb_error *err)
{
    struct tb_str *ids = tb_arena_array(run->arena, run->count, sizeof *ids);
    int64_t *versions = tb_arena_array(run->arena, run->count, sizeof *versions);
    size_t kept = 0;

    if (!ids || !versions)
        return tb_mongo_no_memory(err);
    for (size_t i = 0; i < run->count; i++)
        ids[i] = tb_str_of(run->list[i].order_id);
    TB_TRY(tb_mongo_read_versions(run->client, orders, ids, run->count, /* with_stubs= */ true,
                                  versions, err));
    for (size_t i = 0; i < run->count; i++) {
        if (!is_ready(&run->list[i], versions[i]))
            continue;
        if (kept == max) {
            const struct tb_dead_letter *last = &run->list[kept - 1];

            *next = (struct tb_redrive_scan){true, last->dead_at_ms, last->position};
            break;
        }
        run->list[kept++] = run->list[i];
    }
    run->count = kept;
    return TB_OK;
}

enum tb_code tb_mongo_redrivable(const struct tb_mongo_client *client, const char *orders,
                                 struct tb_redrive_scan *scan, size_t max, tb_dead_letter_fn *each,
                                 void *ctx, struct tb_error *err)
{
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_redrive_scan next = *scan;
    struct scan run = {.client = client, .arena = &arena};
    bool taken = true;

    run.list = tb_arena_array(&arena, TB_REDRIVE_SCAN_MAX, sizeof *run.list);
    if (!run.list)
        return tb_mongo_no_memory(err);
    TB_TRY(read_waiting(&run, &next, err));
    if (run.count > 0)
        TB_TRY(keep_ready(&run, orders, max, &next, err));
    *scan = next;
    for (size_t i = 0; taken && i < run.count; i++) {
        TB_CLEANUP(tb_arena_release) struct tb_arena texts = {0};
        struct tb_dead_letter dead_letter;
        enum tb_code code =
            tb_mongo_read_dead_letter(client, run.list[i].position, &texts, &dead_letter, err);

        if (code == TB_OK)
            taken = each(ctx, &dead_letter);
        else if (code != TB_NOT_FOUND) /* not found: it has been removed since */
            return code;
    }
    return TB_OK;
}
