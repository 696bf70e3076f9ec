#include "query/rebuild/rebuild_priv.h"

/* At most this many orders, if possible, are compared while the writers of the served view wait:
 * that takes a fraction of a second. */
#define RECHECK_FEW 100
/* More cannot be compared within the time that the writers wait: each takes two queries. */
#define RECHECK_MANY 1000
/* A round leaves about as many orders as are written while it runs, so more rounds do not help. */
#define ROUNDS_MAX 6
/* While the next hold is not due, the new view is filled so often. */
#define HOLD_PAUSE_MS 200
/* How often caught_up is called until the served view has reached the pinned offsets. */
#define PAUSE_MS 20

void tb_rebuild_reset_recheck(struct tb_rebuild *rebuild)
{
    tb_recheck_set_clear(&rebuild->recheck_next);
    tb_recheck_set_clear(&rebuild->recheck_now);
    rebuild->rechecking = rebuild->rechecked = rebuild->many_differ = false;
    rebuild->scanning = rebuild->scanned = false;
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

/* In a round only few orders differ because one view is behind the other; if many do, the views
 * are not the same. */
static void end_round(struct tb_rebuild *rebuild)
{
    bool many_differ = rebuild->compare->difference_count > RECHECK_MANY;

    tb_compare_free(rebuild->compare);
    rebuild->compare = NULL;
    rebuild->recheck_rounds++;
    rebuild->rechecked =
        rebuild->recheck_next.count <= RECHECK_FEW || rebuild->recheck_rounds == ROUNDS_MAX;
    rebuild->many_differ = rebuild->rechecked && many_differ;
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

    tb_rebuild_begin_hold(rebuild);
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

/* Begins the comparison whose differences are listed. only: as for tb_compare_new. */
static enum tb_code begin_listing(struct tb_rebuild *rebuild, struct tb_view_reader *served,
                                  struct tb_view_reader *rebuilt,
                                  const struct tb_recheck_set *only, struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;

    TB_TRY(tb_compare_new(served, rebuilt, only, NULL, &rebuild->compare, err));
    return options->backend->compare_rest
               ? options->backend->compare_rest(options->backend_ctx, rebuild->compare, err)
               : TB_OK;
}

/* Many orders differ: they are listed without a hold, which they would exceed. An order that was
 * written at the same moment may be listed, too. */
static enum tb_code list_many(struct tb_rebuild *rebuild, int64_t *ret_wait_ms,
                              struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    struct tb_view_reader *served = NULL, *rebuilt = NULL;
    int64_t left = 0;

    options->backend->live_readers(options->backend_ctx, &served, &rebuilt);
    if (!rebuild->compare)
        return begin_listing(rebuild, served, rebuilt, NULL, err);
    TB_TRY(tb_compare_step(rebuild->compare, err));
    tb_rebuild_set_compared(rebuild);
    return tb_rebuild_fill_allowed(rebuild, &left, ret_wait_ms, err);
}

/* Before the writers wait, the new view is filled, so that they do not wait for that. */
static enum tb_code pin_when_due(struct tb_rebuild *rebuild, int64_t *ret_wait_ms,
                                 struct tb_error *err)
{
    int64_t left = 0, due_ms = tb_rebuild_hold_due_ms(rebuild);

    if (rebuild->recheck_next.too_many || rebuild->recheck_next.count > RECHECK_MANY) {
        tb_rebuild_reset_recheck(rebuild);
        return tb_error_set(err, TB_BUSY, "too many orders are written while they are compared");
    }
    TB_TRY(tb_rebuild_fill_allowed(rebuild, &left, ret_wait_ms, err));
    if (due_ms > 0 || left > RECHECK_FEW) {
        due_ms = due_ms < HOLD_PAUSE_MS ? due_ms : HOLD_PAUSE_MS;
        *ret_wait_ms = *ret_wait_ms > due_ms ? *ret_wait_ms : due_ms;
        return TB_OK;
    }
    return pin(rebuild, err);
}

/* Nothing here takes long but the comparison of a snapshot, for which nobody waits. */
static enum tb_code compare_pinned(struct tb_rebuild *rebuild, int64_t *ret_wait_ms,
                                   struct tb_error *err)
{
    int64_t left = 0;
    bool caught_up = false;

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
               ? begin_listing(rebuild, rebuild->pinned_served, rebuild->pinned_rebuilt,
                               orders_to_compare(&rebuild->recheck_next, rebuild->rechecked), err)
               : TB_OK;
}

static enum tb_code scan_rest(struct tb_rebuild *rebuild, int64_t *ret_wait_ms,
                              struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    int64_t left = 0;

    TB_TRY(options->backend->scan_rest(options->backend_ctx, !rebuild->scanning, &rebuild->scanned,
                                       err));
    rebuild->scanning = true;
    return tb_rebuild_fill_allowed(rebuild, &left, ret_wait_ms, err);
}

static enum tb_code compare_some(struct tb_rebuild *rebuild, int64_t *ret_wait_ms,
                                 struct tb_error *err)
{
    const bool writers_wait = rebuild->options.backend->live_readers != NULL;
    int64_t left = 0;

    *ret_wait_ms = 0;
    if (writers_wait && !rebuild->rechecked) {
        TB_TRY(recheck(rebuild, err));
        return tb_rebuild_fill_allowed(rebuild, &left, ret_wait_ms, err);
    }
    if (rebuild->many_differ)
        return list_many(rebuild, ret_wait_ms, err);
    if (rebuild->options.backend->scan_rest && !rebuild->scanned)
        return scan_rest(rebuild, ret_wait_ms, err);
    if (!rebuild->pinned)
        return writers_wait ? pin_when_due(rebuild, ret_wait_ms, err) : pin(rebuild, err);
    if (writers_wait)
        TB_TRY(tb_rebuild_check_hold(rebuild,
                                     rebuild->compare
                                         ? "the views were not compared"
                                         : "the views did not come to the end of the log",
                                     err));
    return compare_pinned(rebuild, ret_wait_ms, err);
}

/* Ends the hold, and then adds up what the comparison has left out: that reads the whole new view,
 * which nobody writes meanwhile. */
static enum tb_code add_totals(struct tb_rebuild *rebuild, struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;

    options->backend->unpin(options->backend_ctx);
    rebuild->pinned = false;
    TB_TRY(tb_compare_add_totals(rebuild->compare, err));
    tb_rebuild_set_compared(rebuild);
    return TB_OK;
}

/* If the pin has not lasted until the end of the comparison, its result is of no use: TB_BUSY
 * makes the caller unpin and compare again. */
enum tb_code tb_rebuild_compare(struct tb_rebuild *rebuild, bool *ret_done, int64_t *ret_wait_ms,
                                struct tb_error *err)
{
    bool lasted = true;

    TB_TRY(compare_some(rebuild, ret_wait_ms, err));
    if (!rebuild->compare || !rebuild->compare->done || !(rebuild->pinned || rebuild->many_differ))
        return TB_OK;
    if (rebuild->pinned)
        TB_TRY(is_caught_up(rebuild, &lasted, err));
    if (!lasted)
        return tb_error_set(err, TB_BUSY, "the served view moved while it was compared");
    if (rebuild->compare->only)
        TB_TRY(add_totals(rebuild, err));
    *ret_done = true;
    return TB_OK;
}
