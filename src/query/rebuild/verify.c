#include "query/rebuild/rebuild_priv.h"

/* So few orders are compared while the writers of the served view wait: a fraction of a second. */
#define RECHECK_FEW 100
/* Each round leaves about as many orders as are written during it: more rounds do not help. */
#define ROUNDS_MAX 6
/* Between two looks whether the served view has reached the pinned offsets. */
#define PAUSE_MS 20

void tb_rebuild_add_to_recheck(struct tb_rebuild *rebuild, const struct tb_plan *plan)
{
    for (size_t i = 0; rebuild->rechecking && i < plan->order_count; i++) {
        if (plan->orders[i]->changed)
            tb_recheck_set_add(&rebuild->recheck_next, plan->orders[i]->order.order_id);
    }
}

void tb_rebuild_reset_recheck(struct tb_rebuild *rebuild)
{
    tb_recheck_set_clear(&rebuild->recheck_next);
    tb_recheck_set_clear(&rebuild->recheck_now);
    rebuild->rechecking = rebuild->rechecked = false;
    rebuild->recheck_rounds = 0;
}

static enum tb_code new_compare(struct tb_rebuild *rebuild, struct tb_view_reader *served,
                                struct tb_view_reader *rebuilt, struct tb_error *err)
{
    rebuild->compare = tb_compare_new(served, rebuilt);
    return rebuild->compare ? TB_OK : tb_error_set(err, TB_INTERNAL, "out of memory");
}

/* The first round compares all orders, each later one only recheck_next of the round before. */
static enum tb_code begin_round(struct tb_rebuild *rebuild, struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    const struct tb_recheck_set spare = rebuild->recheck_now;
    struct tb_view_reader *served = NULL, *rebuilt = NULL;

    options->backend->live_readers(options->backend_ctx, &served, &rebuilt);
    TB_TRY(new_compare(rebuild, served, rebuilt, err));
    rebuild->recheck_now = rebuild->recheck_next;
    rebuild->recheck_next = spare;
    tb_recheck_set_clear(&rebuild->recheck_next);
    tb_recheck_set_sort(&rebuild->recheck_now);
    if (rebuild->recheck_rounds > 0 && !rebuild->recheck_now.too_many)
        tb_compare_only(rebuild->compare, &rebuild->recheck_now);
    tb_compare_collect(rebuild->compare, &rebuild->recheck_next);
    rebuild->rechecking = true;
    return TB_OK;
}

static void end_round(struct tb_rebuild *rebuild)
{
    tb_compare_free(rebuild->compare);
    rebuild->compare = NULL;
    rebuild->recheck_rounds++;
    rebuild->rechecked =
        rebuild->recheck_next.count <= RECHECK_FEW || rebuild->recheck_rounds == ROUNDS_MAX;
}

static enum tb_code recheck(struct tb_rebuild *rebuild, struct tb_error *err)
{
    if (!rebuild->compare)
        TB_TRY(begin_round(rebuild, err));
    TB_TRY(tb_compare_step(rebuild->compare, err));
    if (rebuild->compare->done)
        end_round(rebuild);
    return TB_OK;
}

static enum tb_code pin(struct tb_rebuild *rebuild, struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;

    TB_TRY(options->backend->pin(options->backend_ctx, rebuild->pinned_next,
                                 &rebuild->pinned_served, &rebuild->pinned_rebuilt, err));
    rebuild->pinned = true;
    return TB_OK;
}

/* Both views have the same events now. */
static enum tb_code begin_compare(struct tb_rebuild *rebuild, struct tb_error *err)
{
    TB_TRY(new_compare(rebuild, rebuild->pinned_served, rebuild->pinned_rebuilt, err));
    tb_recheck_set_sort(&rebuild->recheck_next);
    if (rebuild->rechecked && !rebuild->recheck_next.too_many)
        tb_compare_only(rebuild->compare, &rebuild->recheck_next);
    return TB_OK;
}

static enum tb_code is_caught_up(struct tb_rebuild *rebuild, bool *ret_caught_up,
                                 struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;

    *ret_caught_up = true;
    return options->backend->caught_up
               ? options->backend->caught_up(options->backend_ctx, ret_caught_up, err)
               : TB_OK;
}

static enum tb_code compare_some(struct tb_rebuild *rebuild, int64_t *ret_wait_ms,
                                 struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    int64_t left = 0;
    bool caught_up = false;

    *ret_wait_ms = 0;
    if (options->backend->live_readers && !rebuild->rechecked) {
        TB_TRY(recheck(rebuild, err));
        return tb_rebuild_fill_allowed(rebuild, &left, ret_wait_ms, err);
    }
    if (!rebuild->pinned)
        return pin(rebuild, err);
    if (rebuild->compare) {
        TB_TRY(tb_compare_step(rebuild->compare, err));
        tb_rebuild_set_compared(rebuild);
        return TB_OK;
    }
    TB_TRY(tb_rebuild_fill(rebuild, rebuild->pinned_next, &left, ret_wait_ms, err));
    if (left > 0)
        return TB_OK;
    TB_TRY(is_caught_up(rebuild, &caught_up, err));
    *ret_wait_ms = caught_up ? 0 : PAUSE_MS;
    return caught_up ? begin_compare(rebuild, err) : TB_OK;
}

/* A pin that did not last until the end makes the result worthless: the caller compares again. */
enum tb_code tb_rebuild_compare(struct tb_rebuild *rebuild, bool *ret_done, int64_t *ret_wait_ms,
                                struct tb_error *err)
{
    TB_TRY(compare_some(rebuild, ret_wait_ms, err));
    if (!rebuild->pinned || !rebuild->compare || !rebuild->compare->done)
        return TB_OK;
    TB_TRY(is_caught_up(rebuild, ret_done, err));
    return *ret_done ? TB_OK
                     : tb_error_set(err, TB_BUSY, "the served view moved while it was compared");
}
