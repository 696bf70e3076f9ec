#include "query/rebuild/rebuild_priv.h"

/* At most this many orders, if possible, are compared while the writers of the served view wait:
 * that takes a fraction of a second. */
#define RECHECK_FEW 100
/* A round leaves about as many orders as are written while it runs, so more rounds do not help. */
#define ROUNDS_MAX 6
/* How often caught_up is called until the served view has reached the pinned offsets. */
#define PAUSE_MS 20

void tb_rebuild_reset_recheck(struct tb_rebuild *rebuild)
{
    tb_recheck_set_clear(&rebuild->recheck_next);
    tb_recheck_set_clear(&rebuild->recheck_now);
    rebuild->rechecking = rebuild->rechecked = false;
    rebuild->recheck_rounds = 0;
}

/* The set, sorted; NULL: all orders must be compared. */
static const struct tb_recheck_set *orders_to_compare(struct tb_recheck_set *set, bool is_complete)
{
    tb_recheck_set_sort(set);
    return is_complete && !set->too_many ? set : NULL;
}

/* The first round compares all orders. Each later one compares those that the round before has put
 * into recheck_next. */
static enum tb_code begin_round(struct tb_rebuild *rebuild, struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    const struct tb_recheck_set spare = rebuild->recheck_now;
    struct tb_view_reader *served = NULL, *rebuilt = NULL;

    options->backend->live_readers(options->backend_ctx, &served, &rebuilt);
    rebuild->recheck_now = rebuild->recheck_next;
    rebuild->recheck_next = spare;
    tb_recheck_set_clear(&rebuild->recheck_next);
    rebuild->rechecking = true;
    return tb_compare_new(served, rebuilt,
                          orders_to_compare(&rebuild->recheck_now, rebuild->recheck_rounds > 0),
                          &rebuild->recheck_next, &rebuild->compare, err);
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
    return caught_up
               ? tb_compare_new(rebuild->pinned_served, rebuild->pinned_rebuilt,
                                orders_to_compare(&rebuild->recheck_next, rebuild->rechecked),
                                NULL, &rebuild->compare, err)
               : TB_OK;
}

/* If the pin has not lasted until the end of the comparison, its result is of no use: TB_BUSY
 * makes the caller unpin and compare again. */
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
