#include "query/mongo/driver/find.h"
#include <stdlib.h>

/* An id and its index in the caller's list, which may have an id several times. */
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

static bool call_each(const bson_t *doc, const struct place *places, size_t count,
                      bool (*each)(void *ctx, size_t at, const bson_t *doc), void *ctx)
{
    const struct place *place = NULL, *end = places + count;
    struct place key = {0};
    bson_iter_t iter;

    if (bson_iter_init_find(&iter, doc, "_id"))
        key.id = tb_bson_get_str(&iter);
    if (key.id.ptr)
        place = bsearch(&key, places, count, sizeof key, by_id);
    while (place && place > places && by_id(place - 1, &key) == 0)
        place--;
    for (; place && place < end && by_id(place, &key) == 0; place++) {
        if (!each(ctx, place->at, doc))
            return false;
    }
    return true;
}

enum tb_code tb_mongo_find_by_ids(const struct tb_mongo_client *client, const char *collection,
                                  const struct tb_str *ids, size_t count, const bson_t *opts,
                                  bool (*each)(void *ctx, size_t at, const bson_t *doc), void *ctx,
                                  struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = tb_mongo_ids_filter(ids, count);
    struct place *places = tb_arena_array(&arena, count, sizeof *places);
    const bson_t *doc;

    if (!filter || !places)
        return tb_mongo_no_memory(err);
    for (size_t i = 0; i < count; i++)
        places[i] = (struct place){ids[i], i};
    qsort(places, count, sizeof *places, by_id);
    tb_mongo_find(&cursor, client, collection, filter, opts);
    while ((doc = tb_mongo_cursor_next(&cursor))) {
        if (!call_each(doc, places, count, each, ctx))
            return tb_mongo_no_memory(err);
    }
    return tb_mongo_cursor_end(&cursor, "reading by id", err);
}

struct versions {
    int64_t *list;
    bool with_stubs;
};

static bool note_version(void *ctx, size_t at, const bson_t *doc)
{
    const struct versions *versions = ctx;

    if (versions->with_stubs || !bson_has_field(doc, "stub"))
        versions->list[at] = tb_bson_find_int(doc, "version");
    return true;
}

enum tb_code tb_mongo_read_versions(const struct tb_mongo_client *client, const char *orders,
                                    const struct tb_str *ids, size_t count, bool with_stubs,
                                    int64_t *ret_versions, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free)
    bson_t *opts =
        BCON_NEW("projection", "{", "version", BCON_INT32(1), "stub", BCON_INT32(1), "}");
    struct versions versions = {ret_versions, with_stubs};

    memset(ret_versions, 0, count * sizeof *ret_versions);
    return tb_mongo_find_by_ids(client, orders, ids, count, opts, note_version, &versions, err);
}
