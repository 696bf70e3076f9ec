#include "api/handlers/context.h"

/* How far the view is: by its own offset, or, if it keeps none, by the group's. */
static enum tb_code read_next(const struct tb_query_context *context, int32_t partition,
                              const struct tb_log_range *range, int64_t *ret_next,
                              struct tb_error *err)
{
    int64_t next = range->committed;

    if (context->view->ops->offset != NULL)
        TB_TRY(context->view->ops->offset(context->view, partition, &next, err));
    *ret_next = next >= 0 ? next : range->begin; /* none: it reads from there */
    return TB_OK;
}

static void read_lag(const struct tb_api_options *options, const struct tb_query_context *context,
                     struct tb_view_progress *figures)
{
    struct tb_log_range ranges[TB_PARTITIONS_MAX];
    struct tb_error err = {0};

    for (int32_t p = 0; p < options->partitions; p++) {
        ranges[p] = (struct tb_log_range){.end = -1};
        figures->committed[p] = figures->end[p] = -1;
    }
    figures->lag_known = options->log_ranges(options->ctx, ranges, &err) == TB_OK;
    for (int32_t p = 0; p < options->partitions && figures->lag_known; p++) {
        if (ranges[p].end < 0)
            continue;
        if (read_next(context, p, &ranges[p], &figures->committed[p], &err) != TB_OK) {
            figures->lag_known = false;
            continue;
        }
        figures->reads = true;
        figures->end[p] = ranges[p].end;
        figures->kept += ranges[p].end - ranges[p].begin;
        if (figures->end[p] > figures->committed[p])
            figures->lag += figures->end[p] - figures->committed[p];
    }
}

static int64_t complete_until(struct tb_api *api, const struct tb_view_progress *figures,
                              int64_t now_ms)
{
    struct tb_consumer_stats *stats = (struct tb_consumer_stats *)(uintptr_t)api->options.consumer;
    struct tb_completeness *seen = &api->completeness;
    bool lagging = !figures->lag_known || !figures->reads || figures->lag > 0;
    int64_t seen_ms = atomic_load(&seen->complete_ms);

    if (!lagging && figures->feed.pending == 0) {
        atomic_store(&seen->complete_ms, now_ms);
        return now_ms;
    }
    if (!lagging)
        return figures->feed.oldest_pending_at_ms;
    return seen_ms > 0 ? seen_ms : atomic_load(&stats->applied_at_ms);
}

/* The outbox first: what leaves it meanwhile is then counted in the log, or twice, never not. */
enum tb_code tb_view_progress_read(struct tb_api *api, const struct tb_query_context *context,
                                   struct tb_view_progress *ret_figures, struct tb_error *err)
{
    const struct tb_api_edge *edge = api->options.edge;
    struct tb_view_progress figures = {0};
    int64_t now_ms = tb_clock_wall_ms(api->options.clock);

    if (edge != NULL) {
        TB_TRY(tb_outbox_read_status(context->outbox, edge->cursor_name, &figures.outbox, err));
        figures.feed = figures.outbox;
        if (edge->view_cursor_name != NULL)
            TB_TRY(tb_outbox_read_status(context->outbox, edge->view_cursor_name, &figures.feed,
                                         err));
    }
    read_lag(&api->options, context, &figures);
    figures.complete_ms = complete_until(api, &figures, now_ms);
    *ret_figures = figures;
    return TB_OK;
}
