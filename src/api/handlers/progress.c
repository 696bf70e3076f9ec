#include "api/handlers/context.h"

/* The next offset of the view: its own, or the consumer group's if the view stores none. */
static enum tb_code read_next(const struct tb_query_context *context, int32_t partition,
                              const struct tb_log_range *range, int64_t *ret_next,
                              struct tb_error *err)
{
    int64_t next = range->committed;

    if (context->view->ops->offset)
        TB_TRY(context->view->ops->offset(context->view, partition, &next, err));
    *ret_next = next >= 0 ? next : range->begin; /* none yet: the view starts at the beginning */
    return TB_OK;
}

/* end: of what the view must have; -1: it must have all records, and there are more to come. */
static void add_first(int64_t end, const struct tb_log_range *range, int64_t next,
                      struct tb_view_progress *progress)
{
    if (end < 0)
        end = range->end;
    if (end <= range->begin)
        return; /* retention has removed them, after the view had them */
    progress->first_records += end - range->begin;
    progress->first_applied += (next < end ? next : end) - range->begin;
}

static void read_lag(const struct tb_api_options *options, const struct tb_query_context *context,
                     struct tb_view_progress *progress)
{
    struct tb_log_range ranges[TB_PARTITIONS_MAX];
    int64_t rows_left = 0, first_end = -1;
    struct tb_error err = {0};

    if (options->edge)
        options->edge->refill(options->ctx, &rows_left, &first_end);
    if (first_end < 0)
        progress->first_records = rows_left;
    for (int32_t p = 0; p < options->partitions; p++) {
        ranges[p] = (struct tb_log_range){.end = -1};
        progress->committed[p] = progress->end[p] = -1;
    }
    progress->lag_known = options->log_ranges(options->ctx, ranges, &err) == TB_OK;
    for (int32_t p = 0; p < options->partitions && progress->lag_known; p++) {
        if (ranges[p].end < 0)
            continue;
        if (read_next(context, p, &ranges[p], &progress->committed[p], &err) != TB_OK) {
            progress->lag_known = false;
            continue;
        }
        progress->reads_any = true;
        progress->end[p] = ranges[p].end;
        progress->log_records += ranges[p].end - ranges[p].begin;
        if (options->edge)
            add_first(first_end, &ranges[p], progress->committed[p], progress);
        if (progress->end[p] > progress->committed[p])
            progress->lag += progress->end[p] - progress->committed[p];
    }
}

static int64_t complete_through(struct tb_api *api, const struct tb_view_progress *progress,
                                int64_t now_ms)
{
    bool lagging = !progress->lag_known || !progress->reads_any || progress->lag > 0 ||
                   progress->lacks_orders;
    int64_t seen_ms = atomic_load(&api->seen_complete_ms);

    if (!lagging && progress->view_outbox.pending > 0)
        return progress->view_outbox.oldest_pending_at_ms;
    if (!lagging) {
        atomic_store(&api->seen_complete_ms, now_ms);
        return now_ms;
    }
    return seen_ms > 0 ? seen_ms : atomic_load(&api->options.consumer->applied_at_ms);
}

/* Reads the outbox before the log: an event that moves from one to the other meanwhile is counted
 * twice, but never missed. */
enum tb_code tb_view_progress_read(struct tb_api *api, const struct tb_query_context *context,
                                   struct tb_view_progress *ret_progress, struct tb_error *err)
{
    const struct tb_api_edge *edge = api->options.edge;
    struct tb_view_progress progress = {0};
    int64_t now_ms = tb_clock_wall_ms(api->options.clock);

    if (edge) {
        TB_TRY(tb_outbox_read_status(context->outbox, edge->cursor_name, &progress.outbox, err));
        progress.view_outbox = progress.outbox;
        TB_TRY(tb_outbox_read_snapshots(context->outbox, tb_view_cursor(edge), &progress.snapshots,
                                        err));
        progress.lacks_orders = progress.snapshots.next <= progress.snapshots.last;
        if (edge->view_cursor_name)
            TB_TRY(tb_outbox_read_status(context->outbox, edge->view_cursor_name,
                                         &progress.view_outbox, err));
    }
    read_lag(&api->options, context, &progress);
    tb_stalls_note(api, &progress);
    progress.complete_ms = complete_through(api, &progress, now_ms);
    *ret_progress = progress;
    return TB_OK;
}
