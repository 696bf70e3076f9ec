#include "query/mongo/view/view.h"
#include <stdlib.h>

struct tb_mongo_fetched {
    char order_id[TB_UUID_SIZE];
    bson_t *doc; /* owned; NULL: the view does not have the order */
};

void tb_view_mongo_clear_fetched(struct tb_view_mongo *view)
{
    for (size_t i = 0; i < view->fetched_count; i++)
        tb_bson_free(&view->fetched[i].doc);
    free(view->fetched);
    view->fetched = NULL;
    view->fetched_count = 0;
}

void tb_view_mongo_set_collections(struct tb_view_mongo *view,
                                   const struct tb_mongo_collections *collections)
{
    if (view->collections.generation != collections->generation)
        view->known_epochs = (struct tb_mongo_known_epochs){0};
    view->collections = *collections;
    view->has_collections = true;
}

/* All reads for one plan read the same generation. */
static enum tb_code find_collections(struct tb_view_mongo *view,
                                     const struct tb_mongo_client *client, struct tb_error *err)
{
    struct tb_mongo_served served;

    if (view->has_collections)
        return TB_OK;
    TB_TRY(tb_mongo_read_served(client, &served, err));
    tb_view_mongo_set_collections(view, &served.collections);
    return TB_OK;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(((const struct tb_mongo_fetched *)a)->order_id,
                  ((const struct tb_mongo_fetched *)b)->order_id, TB_UUID_SIZE);
}

static const struct tb_mongo_fetched *find_fetched(const struct tb_view_mongo *view,
                                                   const char *order_id)
{
    struct tb_mongo_fetched key = {0};

    if (view->fetched_count == 0)
        return NULL;
    memcpy(key.order_id, order_id, TB_UUID_SIZE);
    return bsearch(&key, view->fetched, view->fetched_count, sizeof key, by_id);
}

static bool keep_document(void *ctx, size_t at, const bson_t *doc)
{
    struct tb_mongo_fetched *fetched = &((struct tb_view_mongo *)ctx)->fetched[at];

    if (!fetched->doc)
        fetched->doc = bson_copy(doc);
    return fetched->doc;
}

static enum tb_code fetch(struct tb_view_mongo *view, const char (*order_ids)[TB_UUID_SIZE],
                          size_t count, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_str *ids = tb_arena_array(&arena, count, sizeof *ids);

    view->fetched = calloc(count, sizeof *view->fetched);
    if (!ids || !view->fetched)
        return tb_mongo_no_memory(err);
    view->fetched_count = count;
    for (size_t i = 0; i < count; i++)
        memcpy(view->fetched[i].order_id, order_ids[i], TB_UUID_SIZE);
    qsort(view->fetched, count, sizeof *view->fetched, by_id);
    for (size_t i = 0; i < count; i++)
        ids[i] = tb_str_of(view->fetched[i].order_id);
    TB_TRY(tb_mongo_client_acquire(view->mongo, &client, err));
    TB_TRY(find_collections(view, &client, err));
    return tb_mongo_find_by_ids(&client, view->collections.orders, ids, count, NULL, keep_document,
                                view, err);
}

enum tb_code tb_view_mongo_prefetch(struct tb_view *base, const char (*order_ids)[TB_UUID_SIZE],
                                    size_t count, struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    enum tb_code code;

    tb_view_mongo_clear_fetched(view);
    if (count == 0)
        return TB_OK;
    code = fetch(view, order_ids, count, err);
    if (code != TB_OK)
        tb_view_mongo_clear_fetched(view);
    return code;
}

enum tb_code tb_view_mongo_load(struct tb_view *base, const char *order_id, struct tb_arena *arena,
                                struct tb_planned_order *ret_order, struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    const struct tb_mongo_fetched *found = find_fetched(view, order_id);
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    TB_CLEANUP(tb_bson_free) bson_t *doc = NULL;

    if (found)
        return tb_mongo_order_decode(found->doc, arena, ret_order, err);
    TB_TRY(tb_mongo_client_acquire(view->mongo, &client, err));
    TB_TRY(find_collections(view, &client, err));
    TB_TRY(tb_mongo_find_one(&client, view->collections.orders, tb_str_of(order_id),
                             "reading an order", &doc, err));
    return tb_mongo_order_decode(doc, arena, ret_order, err);
}
