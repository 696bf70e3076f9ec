#include "query/mongo/view/view.h"
#include <stdlib.h>

/* A database without an id was dropped, or is new, or was made by a build without ids. One with
 * another id has taken the place of ours. Both may lack indexes. */
static enum tb_code recognise(struct tb_view_mongo *view, const struct tb_mongo_client *client,
                              struct tb_mongo_served *ret_served, struct tb_error *err)
{
    char warning[240];

    TB_TRY(tb_mongo_read_served(client, ret_served, err));
    if (view->id[0] != '\0' && strcmp(view->id, ret_served->view) == 0)
        return TB_OK;
    if (view->id[0] != '\0' || ret_served->view[0] == '\0') {
        TB_TRY(tb_mongo_prepare(view->mongo, warning, err));
        TB_TRY(tb_mongo_read_served(client, ret_served, err));
    }
    for (int32_t p = 0; p < TB_LOG_PARTITIONS_MAX; p++)
        view->places[p] = TB_LOG_NO_PLACE;
    view->known_epochs = (struct tb_mongo_known_epochs){0};
    memcpy(view->id, ret_served->view, sizeof view->id);
    return TB_OK;
}

static enum tb_code load_place(void *ctx, int32_t partition, struct tb_log_place *ret_place,
                               int64_t *ret_unused, bool *ret_take_over, struct tb_error *err)
{
    struct tb_view_mongo *view = ctx;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    struct tb_mongo_served served;

    TB_TRY(tb_mongo_client_acquire(view->mongo, &client, err));
    TB_TRY(recognise(view, &client, &served, err));
    TB_TRY(tb_mongo_read_place(&client, &view->positions, partition, ret_place, ret_unused, err));
    *ret_take_over = served.takes_over && *ret_unused == 1;
    view->places[partition] = *ret_place;
    return TB_OK;
}

static enum tb_code begin_place(void *ctx, int32_t partition, const struct tb_log_place *before,
                                const struct tb_log_place *place, const char *why,
                                struct tb_error *err)
{
    struct tb_view_mongo *view = ctx;

    TB_TRY(tb_mongo_begin_place(&view->positions, partition, before, place, why, err));
    view->places[partition] = *place;
    return TB_OK;
}

void tb_view_mongo_places(struct tb_view *view, struct tb_log_places *ret_places)
{
    *ret_places = (struct tb_log_places){.ctx = view, .load = load_place, .begin = begin_place};
}

enum tb_code tb_view_mongo_check_place(const struct tb_view_mongo *view,
                                       const struct tb_mongo_client *client,
                                       const struct tb_plan *plan, struct tb_log_place *ret_stored,
                                       struct tb_error *err)
{
    const struct tb_log_place *known = &view->places[plan->partition];
    int64_t unused;

    TB_TRY(
        tb_mongo_read_place(client, &view->positions, plan->partition, ret_stored, &unused, err));
    if (known->next >= 0 &&
        (ret_stored->next < known->next ||
         tb_log_generation(ret_stored->next) != tb_log_generation(plan->next_offset)))
        return tb_error_set(err, TB_NOT_FOUND,
                            "the view does not stand in partition %d where it stood",
                            (int)plan->partition);
    return TB_OK;
}

enum tb_code tb_view_mongo_check_id(const struct tb_view_mongo *view,
                                    const struct tb_mongo_served *served, struct tb_error *err)
{
    if (view->id[0] == '\0' || strcmp(view->id, served->view) == 0)
        return TB_OK;
    return tb_error_set(err, TB_NOT_FOUND, "the view was dropped or replaced");
}

enum tb_code tb_mongo_read_generations(struct tb_mongo *mongo, int32_t partitions,
                                       int64_t *ret_generations, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    const struct tb_mongo_positions positions = {
        .mongo = mongo, .topic = mongo->topic, .feeds = "orders"};

    TB_TRY(tb_mongo_client_acquire(mongo, &client, err));
    for (int32_t p = 0; p < partitions; p++) {
        struct tb_log_place place;
        int64_t unused;

        TB_TRY(tb_mongo_read_place(&client, &positions, p, &place, &unused, err));
        ret_generations[p] = place.next < 0 ? 1 : tb_log_generation(place.next);
    }
    return TB_OK;
}
