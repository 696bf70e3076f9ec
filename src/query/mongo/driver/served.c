#include "query/mongo/view_mongo_priv.h"
#include <stdio.h>

void tb_mongo_collections_of(int64_t generation, struct tb_mongo_collections *ret_names)
{
    const struct {
        const char *first;
        char *name;
    } all[] = {{"orders", ret_names->orders},
               {"sales_by_day", ret_names->sales},
               {"dead_letters", ret_names->letters}};

    ret_names->generation = generation;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (generation == 1)
            snprintf(all[i].name, TB_MONGO_NAME_SIZE, "%s", all[i].first);
        else
            snprintf(all[i].name, TB_MONGO_NAME_SIZE, "%s_%lld", all[i].first,
                     (long long)generation);
    }
}

static void read_hold(const bson_iter_t *iter, struct tb_mongo_write_barrier *hold)
{
    bson_iter_t field, list;

    hold->held = BSON_ITER_HOLDS_DOCUMENT(iter) && bson_iter_recurse(iter, &field);
    while (hold->held && bson_iter_next(&field)) {
        if (strcmp(bson_iter_key(&field), "token") == 0)
            tb_bson_get_text(&field, hold->token, sizeof hold->token);
        else if (strcmp(bson_iter_key(&field), "beat") == 0)
            hold->beat = tb_bson_get_int(&field);
        else if (BSON_ITER_HOLDS_ARRAY(&field) && bson_iter_recurse(&field, &list))
            for (int32_t p = 0; p < TB_LOG_PARTITIONS_MAX && bson_iter_next(&list); p++)
                hold->until[p] = tb_bson_get_int(&list);
    }
}

static void read_served(const bson_t *doc, struct tb_mongo_served *served)
{
    bson_iter_t iter;

    if (bson_iter_init_find(&iter, doc, "orders"))
        tb_bson_get_text(&iter, served->names.orders, sizeof served->names.orders);
    if (bson_iter_init_find(&iter, doc, "sales_by_day"))
        tb_bson_get_text(&iter, served->names.sales, sizeof served->names.sales);
    if (bson_iter_init_find(&iter, doc, "generation"))
        served->names.generation = tb_bson_get_int(&iter);
    if (bson_iter_init_find(&iter, doc, "previous"))
        served->previous = tb_bson_get_int(&iter);
    if (bson_iter_init_find(&iter, doc, "movedAt"))
        served->moved_at_ms = tb_bson_get_time(&iter);
    if (bson_iter_init_find(&iter, doc, "hold"))
        read_hold(&iter, &served->hold);
}

enum tb_code tb_mongo_read_served(const struct tb_mongo_client *lease,
                                  struct tb_mongo_served *ret_served, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = BCON_NEW("_id", BCON_UTF8("served"));
    const bson_t *doc;

    *ret_served = (struct tb_mongo_served){0};
    tb_mongo_collections_of(1, &ret_served->names);
    tb_mongo_find_newest(&find, lease, "meta", filter);
    while ((doc = tb_mongo_find_next(&find)))
        read_served(doc, ret_served);
    TB_TRY(tb_mongo_find_end(&find, "reading what is served", err));
    if (ret_served->names.orders[0] == '\0' || ret_served->names.sales[0] == '\0')
        return tb_error_set(err, TB_CORRUPT, "meta says no names of what is served");
    return TB_OK;
}

enum tb_code tb_mongo_read_collections(const struct tb_mongo_client *lease,
                                       struct tb_mongo_collections *ret_names,
                                       struct tb_error *err)
{
    struct tb_mongo_served served;

    TB_TRY(tb_mongo_read_served(lease, &served, err));
    *ret_names = served.names;
    return TB_OK;
}

enum tb_code tb_mongo_remove_stale_barrier(const struct tb_mongo_client *lease,
                                           const struct tb_mongo_write_barrier *hold,
                                           struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free)
    bson_t *filter = BCON_NEW("_id", BCON_UTF8("served"), "hold.token", BCON_UTF8(hold->token),
                              "hold.beat", BCON_INT64(hold->beat));
    TB_CLEANUP(tb_bson_free)
    bson_t *update = BCON_NEW("$unset", "{", "hold", BCON_INT32(1), "}");
    bool found = false; /* else somebody was faster, or it moves after all */

    return tb_mongo_update(lease, "meta", filter, update, &found, err);
}
