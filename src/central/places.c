#include "base/diag/diag.h"
#include "central/wiring.h"

/* Tells of what the readers find about the log. Each runs on the thread of its reader. */

static void note_generation(struct central *central, int32_t partition,
                            const struct tb_log_place *place)
{
    atomic_store(&central->generations[partition],
                 place->next < 0 ? 0 : tb_log_generation(place->next));
}

static enum tb_code load_events_place(void *ctx, int32_t partition, struct tb_log_place *ret_place,
                                      int64_t *ret_unused, bool *ret_take_over,
                                      struct tb_error *err)
{
    struct central *central = ctx;
    const struct tb_log_places *places = &central->view_places;

    TB_TRY(places->load(places->ctx, partition, ret_place, ret_unused, ret_take_over, err));
    note_generation(central, partition, ret_place);
    return TB_OK;
}

static enum tb_code begin_events_place(void *ctx, int32_t partition,
                                       const struct tb_log_place *before,
                                       const struct tb_log_place *place, const char *why,
                                       struct tb_error *err)
{
    struct central *central = ctx;
    const struct tb_log_places *places = &central->view_places;

    TB_TRY(places->begin(places->ctx, partition, before, place, why, err));
    note_generation(central, partition, place);
    if (tb_log_generation(place->next) > 1)
        tb_diag(TB_DIAG_WARN, "log.generation",
                "generation %lld of %s-%d begins at %lld: %s; nothing is counted twice, and what "
                "the log has lost is missing until the nodes send it again",
                (long long)tb_log_generation(place->next), central->setup.topic, (int)partition,
                (long long)tb_log_offset(place->next), why);
    else
        tb_diag(TB_DIAG_INFO, "log.place", "%s-%d is read from %lld%s%s", central->setup.topic,
                (int)partition, (long long)tb_log_offset(place->next), why[0] ? ": " : "", why);
    return TB_OK;
}

void tb_central_open_places(struct central *central)
{
    tb_view_mongo_places(central->view, &central->view_places);
    central->event_places = (struct tb_log_places){
        .ctx = central, .load = load_events_place, .begin = begin_events_place};
    central->node_positions = (struct tb_mongo_positions){
        .mongo = central->mongo, .topic = TB_TOPIC_NODE_STATUS, .feeds = "nodes"};
    tb_mongo_nodes_places(&central->node_positions, &central->node_places);
}
