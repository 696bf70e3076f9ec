#include "api/api_priv.h"

static void read_lag(struct tb_api *api, struct tb_figures *figures)
{
    const struct tb_api_options *options = &api->options;
    struct tb_view_reader *view = options->view;

    figures->lag_known = true;
    for (int32_t p = 0; p < TB_LOG_PARTITIONS; p++) {
        struct tb_error err = {0};
        struct tb_log_range range = {0};
        int64_t next = -1;
        figures->committed[p] = figures->end[p] = -1;
        if (options->log_range(options->ctx, p, &range, &err) != TB_OK ||
            view->ops->offset(view, p, &next, &err) != TB_OK) {
            figures->lag_known = false;
            continue;
        }
        figures->end[p] = range.end;
        figures->committed[p] = next >= 0 ? next : range.begin; /* none yet: reads from there */
        if (figures->end[p] > figures->committed[p])
            figures->lag += figures->end[p] - figures->committed[p];
    }
}

static int64_t complete_until(struct tb_api *api, const struct tb_figures *figures, int64_t now_ms)
{
    struct tb_completeness *seen = &api->completeness;
    bool lagging = !figures->lag_known || figures->lag > 0;

    if (!lagging && figures->feed.pending == 0) {
        seen->complete_ms = now_ms;
        return now_ms;
    }
    if (!lagging)
        return figures->feed.oldest_pending_at_ms;
    if (seen->complete_ms > 0)
        return seen->complete_ms;
    return atomic_load(
        &((struct tb_consumer_stats *)(uintptr_t)api->options.consumer)->applied_at_ms);
}

/* The outbox first: what leaves it meanwhile is then counted in the log, or twice, never not. */
enum tb_code tb_figures_read(struct tb_api *api, struct tb_figures *ret_figures,
                             struct tb_error *err)
{
    const struct tb_api_options *options = &api->options;
    struct tb_figures figures = {0};
    int64_t now_ms = tb_clock_wall_ms(api->options.clock);

    TB_TRY(tb_outbox_figures(options->outbox, options->cursor_name, &figures.outbox, err));
    figures.feed = figures.outbox;
    if (options->view_cursor_name)
        TB_TRY(tb_outbox_figures(options->outbox, options->view_cursor_name, &figures.feed, err));
    read_lag(api, &figures);
    figures.complete_ms = complete_until(api, &figures, now_ms);
    *ret_figures = figures;
    return TB_OK;
}
