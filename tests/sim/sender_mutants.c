#include "sim/sim.h"

/* Mutants of what a central knows of the senders of events: its view answers wrongly. */

static const struct tb_view_ops *sound_ops;

static enum tb_code load_without_events(struct tb_view *view, const char *order_id,
                                        struct tb_arena *arena, struct tb_planned_order *ret_order,
                                        struct tb_error *err)
{
    TB_TRY(sound_ops->load(view, order_id, arena, ret_order, err));
    ret_order->lineage.event_count = 0;
    return TB_OK;
}

static enum tb_code know_any_node(struct tb_view *view, const char *node, bool *ret_known,
                                  struct tb_error *err)
{
    (void)view, (void)node, (void)err;
    *ret_known = true;
    return TB_OK;
}

void sender_mutants_install(struct central *central)
{
    static struct tb_view_ops ops;
    enum sim_mutant mutant = central->sim->mutant;

    if (mutant != SIM_MUTANT_CONFLICT_IS_DUPLICATE && mutant != SIM_MUTANT_ANY_NODE_IS_KNOWN)
        return;
    if (central->view->ops == &ops)
        return;
    sound_ops = central->view->ops;
    ops = *sound_ops;
    if (mutant == SIM_MUTANT_CONFLICT_IS_DUPLICATE)
        ops.load = load_without_events;
    else
        ops.knows_node = know_any_node;
    central->view->ops = &ops;
}
