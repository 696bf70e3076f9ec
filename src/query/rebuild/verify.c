#include "query/rebuild/rebuild_priv.h"
#include <stdlib.h>

/* So few are compared while the served view's writers wait: a fraction of a second. */
#define SUSPECTS_FEW 100
/* As many events come as are looked through: it gets no better. */
#define ROUNDS_MAX 6
/* The served view has not come to where it is held. */
#define PAUSE_MS 20

void tb_rebuild_add_to_recheck(struct tb_rebuild *rebuild, const struct tb_plan *plan)
{
    for (size_t i = 0; rebuild->sifting && i < plan->order_count; i++) {
        if (plan->orders[i]->changed)
            tb_recheck_set_add(&rebuild->suspects, plan->orders[i]->order.order_id);
    }
}

void tb_rebuild_reset_recheck(struct tb_rebuild *rebuild)
{
    tb_recheck_set_clear(&rebuild->suspects);
    tb_recheck_set_clear(&rebuild->last_suspects);
    rebuild->sifting = rebuild->sifted = false;
    rebuild->sift_rounds = 0;
}

/* The first round looks at all orders, the next one at whom the round before suspected. */
static enum tb_code begin_round(struct tb_rebuild *rebuild, struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    const struct tb_recheck_set spare = rebuild->last_suspects;
    struct tb_view_reader *served = NULL, *rebuilt = NULL;

    rebuild->compare = calloc(1, sizeof *rebuild->compare);
    if (!rebuild->compare)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    rebuild->last_suspects = rebuild->suspects;
    rebuild->suspects = spare;
    tb_recheck_set_clear(&rebuild->suspects);
    tb_recheck_set_sort(&rebuild->last_suspects);
    options->edition->watch(options->edition_ctx, &served, &rebuilt);
    tb_compare_init(rebuild->compare, served, rebuilt);
    if (rebuild->sift_rounds > 0 && !rebuild->last_suspects.too_many)
        tb_compare_only(rebuild->compare, &rebuild->last_suspects);
    tb_compare_collect(rebuild->compare, &rebuild->suspects);
    rebuild->sifting = true;
    return TB_OK;
}

static void end_round(struct tb_rebuild *rebuild)
{
    free(rebuild->compare);
    rebuild->compare = NULL;
    rebuild->sift_rounds++;
    rebuild->sifted =
        rebuild->suspects.count <= SUSPECTS_FEW || rebuild->sift_rounds == ROUNDS_MAX;
}

static enum tb_code sift(struct tb_rebuild *rebuild, struct tb_error *err)
{
    if (!rebuild->compare)
        TB_TRY(begin_round(rebuild, err));
    TB_TRY(tb_compare_step(rebuild->compare, err));
    if (rebuild->compare->done)
        end_round(rebuild);
    return TB_OK;
}

static enum tb_code hold(struct tb_rebuild *rebuild, struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;

    TB_TRY(options->edition->hold(options->edition_ctx, rebuild->held_next, &rebuild->held_served,
                                  &rebuild->held_rebuilt, err));
    rebuild->held = true;
    return TB_OK;
}

/* Both have the same events now. */
static enum tb_code begin_compare(struct tb_rebuild *rebuild, struct tb_error *err)
{
    rebuild->compare = calloc(1, sizeof *rebuild->compare);
    if (!rebuild->compare)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    tb_compare_init(rebuild->compare, rebuild->held_served, rebuild->held_rebuilt);
    tb_recheck_set_sort(&rebuild->suspects);
    if (rebuild->sifted && !rebuild->suspects.too_many)
        tb_compare_only(rebuild->compare, &rebuild->suspects);
    return TB_OK;
}

static enum tb_code is_settled(struct tb_rebuild *rebuild, bool *ret_settled, struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;

    *ret_settled = true;
    return options->edition->settled
               ? options->edition->settled(options->edition_ctx, ret_settled, err)
               : TB_OK;
}

static enum tb_code compare_on(struct tb_rebuild *rebuild, int64_t *ret_wait_ms,
                               struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    int64_t left = 0;
    bool settled = false;

    *ret_wait_ms = 0;
    if (options->edition->watch && !rebuild->sifted) {
        TB_TRY(sift(rebuild, err));
        return tb_rebuild_fill_allowed(rebuild, &left, ret_wait_ms, err);
    }
    if (!rebuild->held)
        return hold(rebuild, err);
    if (rebuild->compare) {
        TB_TRY(tb_compare_step(rebuild->compare, err));
        tb_rebuild_set_compared(rebuild);
        return TB_OK;
    }
    TB_TRY(tb_rebuild_fill(rebuild, rebuild->held_next, &left, ret_wait_ms, err));
    if (left > 0)
        return TB_OK;
    TB_TRY(is_settled(rebuild, &settled, err));
    *ret_wait_ms = settled ? 0 : PAUSE_MS;
    return settled ? begin_compare(rebuild, err) : TB_OK;
}

/* Whatever moved meanwhile is no difference: then it is compared once more. */
enum tb_code tb_rebuild_compare(struct tb_rebuild *rebuild, bool *ret_done, int64_t *ret_wait_ms,
                                struct tb_error *err)
{
    TB_TRY(compare_on(rebuild, ret_wait_ms, err));
    if (!rebuild->held || !rebuild->compare || !rebuild->compare->done)
        return TB_OK;
    TB_TRY(is_settled(rebuild, ret_done, err));
    return *ret_done ? TB_OK
                     : tb_error_set(err, TB_BUSY, "the served view moved while it was compared");
}
