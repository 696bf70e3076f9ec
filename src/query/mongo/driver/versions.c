#include "query/mongo/driver/find.h"
#include <stdlib.h>

/* Where an id stands among those that were asked for. An id may stand there several times. */
struct place {
    struct tb_str id;
    size_t at;
};

static int by_id(const void *a, const void *b)
{
    const struct tb_str x = ((const struct place *)a)->id, y = ((const struct place *)b)->id;
    int order = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);

    return order != 0 ? order : (x.len > y.len) - (x.len < y.len);
}

static void note_version(const bson_t *doc, const struct place *places, size_t count,
                         bool with_stubs, int64_t *versions)
{
    bson_iter_t id, version, stub;
    struct place key = {0};
    size_t first = 0, end = count;

    if (!bson_iter_init_find(&id, doc, "_id") || !bson_iter_init_find(&version, doc, "version") ||
        (!with_stubs && bson_iter_init_find(&stub, doc, "stub")))
        return;
    key.id = tb_bson_get_str(&id);
    if (!key.id.ptr)
        return;
    while (first < end) {
        size_t middle = first + (end - first) / 2;

        if (by_id(&places[middle], &key) < 0)
            first = middle + 1;
        else
            end = middle;
    }
    for (; first < count && by_id(&places[first], &key) == 0; first++)
        versions[places[first].at] = tb_bson_get_int(&version);
}

enum tb_code tb_mongo_read_versions(const struct tb_mongo_client *client, const char *orders,
                                    const struct tb_str *ids, size_t count, bool with_stubs,
                                    int64_t *ret_versions, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = tb_mongo_ids_filter(ids, count);
    TB_CLEANUP(tb_bson_free)
    bson_t *opts =
        BCON_NEW("projection", "{", "version", BCON_INT32(1), "stub", BCON_INT32(1), "}");
    struct place *places = tb_arena_array(&arena, count, sizeof *places);
    int64_t *versions = tb_arena_array(&arena, count, sizeof *versions);
    const bson_t *doc;

    if (!filter || !places || !versions)
        return tb_mongo_no_memory(err);
    for (size_t i = 0; i < count; i++)
        places[i] = (struct place){ids[i], i};
    qsort(places, count, sizeof *places, by_id);
    tb_mongo_find(&cursor, client, orders, filter, opts);
    while ((doc = tb_mongo_cursor_next(&cursor)))
        note_version(doc, places, count, with_stubs, versions);
    TB_TRY(tb_mongo_cursor_end(&cursor, "reading versions", err));
    memcpy(ret_versions, versions, count * sizeof *versions);
    return TB_OK;
}
