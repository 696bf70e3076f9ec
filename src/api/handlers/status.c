#include "api/handlers/context.h"

static void add_disk(const struct tb_api *api, struct tb_buf *out)
{
    const struct tb_api_edge *edge = api->options.edge;
    int64_t free_bytes = edge->disk_free(api->options.ctx);

    if (free_bytes < 0)
        return; /* not known */
    tb_json_open(out, "disk", '{');
    tb_json_member_int(out, "freeBytes", free_bytes);
    tb_json_member_str(out, "state",
                       free_bytes < edge->disk_reserve_bytes ? TB_STR("reserve") : TB_STR("ok"));
    tb_buf_addc(out, '}');
}

static void add_holds(const struct tb_api *api, struct tb_buf *out)
{
    struct tb_hold holds[TB_HOLDS_MAX];
    size_t count = api->options.edge->holds(api->options.ctx, holds);

    tb_json_open(out, "heldUpBy", '[');
    for (size_t i = 0; i < count; i++) {
        tb_json_open(out, NULL, '{');
        tb_json_member_str(out, "file", tb_str_of(holds[i].file));
        tb_json_member_str(out, "path", tb_str_of(holds[i].path));
        if (holds[i].pid > 0) {
            tb_json_member_str(out, "program", tb_str_of(holds[i].program));
            tb_json_member_int(out, "pid", holds[i].pid);
        }
        tb_json_member_str(out, "holds",
                           holds[i].writes ? TB_STR("write-lock") : TB_STR("snapshot"));
        tb_json_member_int(out, "seconds", holds[i].held_ms / 1000);
        tb_json_member_int(out, "walBytes", holds[i].wal_bytes);
        tb_buf_addc(out, '}');
    }
    tb_buf_addc(out, ']');
}

static void add_checkpoints(const struct tb_api_edge *edge, struct tb_buf *out)
{
    tb_json_open(out, "failingCheckpoints", '[');
    for (size_t i = 0; i < edge->checkpoint_count; i++) {
        struct tb_checkpoint_status status;

        tb_checkpoints_status(&edge->checkpoints[i], &status);
        if (status.failing_at_ms == 0)
            continue;
        tb_json_open(out, NULL, '{');
        tb_json_member_str(out, "file", tb_str_of(status.file));
        tb_json_member_time(out, "since", status.failing_at_ms);
        tb_json_member_str(out, "problem", tb_str_of(status.problem));
        tb_buf_addc(out, '}');
    }
    tb_buf_addc(out, ']');
}

static void add_pending(const struct tb_api *api, struct tb_buf *out, int64_t pending,
                        int64_t oldest_at_ms, int64_t oldest_uptime_ms)
{
    int64_t age_ms = tb_uptime_age_ms(&api->options.edge->uptime, api->options.clock,
                                      oldest_uptime_ms, oldest_at_ms);

    tb_json_member_int(out, "pending", pending);
    if (pending > 0)
        tb_json_member_int(out, "oldestPendingAgeSeconds", age_ms > 0 ? age_ms / 1000 : 0);
}

static void add_outbox(const struct tb_api *api, struct tb_buf *out,
                       const struct tb_outbox_status *outbox)
{
    add_pending(api, out, outbox->any_pending, outbox->any_oldest_pending_at_ms,
                outbox->any_oldest_pending_uptime_ms);
    if (outbox->last_delivered_at_ms > 0)
        tb_json_member_time(out, "lastDeliveredAt", outbox->last_delivered_at_ms);
    tb_json_member_int(out, "parked", outbox->parked);
    tb_json_member_int(out, "lastSequence", outbox->last_sequence);
    tb_json_member_int(out, "deliveredSequence", outbox->delivered_sequence);
}

/* Logs that this node once sent to, and that are not configured. */
static enum tb_code add_unconfigured(const struct tb_api *api,
                                     const struct tb_query_context *context, struct tb_buf *out,
                                     struct tb_error *err)
{
    struct tb_outbox_cursor cursors[TB_OUTBOX_CURSORS_MAX];
    char text[TB_OUTBOX_TEXT_SIZE];
    size_t count = 0;

    TB_TRY(tb_unconfigured_cursors(api, context, cursors, &count, err));
    if (count == 0)
        return TB_OK;
    tb_json_open(out, "unconfiguredLogs", '[');
    for (size_t i = 0; i < count; i++) {
        tb_json_open(out, NULL, '{');
        tb_json_member_str(out, "log", tb_str_of(cursors[i].name));
        add_pending(api, out, cursors[i].pending, cursors[i].oldest_pending_at_ms,
                    cursors[i].oldest_pending_uptime_ms);
        tb_json_member_int(out, "parked", cursors[i].parked);
        tb_outbox_unconfigured_text(&cursors[i], text);
        if (cursors[i].pending > 0)
            tb_json_member_str(out, "problem", tb_str_of(text));
        tb_buf_addc(out, '}');
    }
    tb_buf_addc(out, ']');
    return TB_OK;
}

/* How many orders the view has yet to get from the store, because log or view were lost. */
static void add_snapshots(const struct tb_view_progress *progress, struct tb_buf *out)
{
    if (!progress->lacks_orders)
        return;
    tb_json_open(out, "snapshots", '{');
    tb_json_member_int(out, "sent", progress->snapshots.next - 1);
    tb_json_member_int(out, "total", progress->snapshots.last);
    tb_buf_addc(out, '}');
}

/* What was done at starts because a file was lost, damaged or put back. */
static enum tb_code add_recoveries(const struct tb_query_context *context, struct tb_buf *out,
                                   struct tb_error *err)
{
    struct tb_recovery recoveries[TB_RECOVERIES_MAX];
    size_t count = 0;

    TB_TRY(tb_outbox_list_recoveries(context->outbox, recoveries, TB_RECOVERIES_MAX, &count, err));
    if (count == 0)
        return TB_OK;
    tb_json_open(out, "recoveries", '[');
    for (size_t i = 0; i < count; i++) {
        tb_json_open(out, NULL, '{');
        tb_json_member_time(out, "at", recoveries[i].at_ms);
        tb_json_member_str(out, "file", tb_str_of(recoveries[i].file));
        tb_json_member_str(out, "reason", tb_str_of(recoveries[i].reason));
        if (recoveries[i].set_aside[0])
            tb_json_member_str(out, "setAside", tb_str_of(recoveries[i].set_aside));
        tb_buf_addc(out, '}');
    }
    tb_buf_addc(out, ']');
    return TB_OK;
}

/* After a start: how much the view has of what store and log had then. A view that was lost begins
 * at 0. */
static void add_catching_up(const struct tb_view_progress *progress, struct tb_buf *out)
{
    if (!progress->lag_known || progress->first_applied >= progress->first_records)
        return;
    tb_json_open(out, "catchingUp", '{');
    tb_json_member_int(out, "applied", progress->first_applied);
    tb_json_member_int(out, "total", progress->first_records);
    tb_buf_addc(out, '}');
}

static enum tb_code add_edge(struct tb_api *api, const struct tb_query_context *context,
                             struct tb_buf *out, struct tb_error *err)
{
    const struct tb_api_edge *edge = api->options.edge;
    struct tb_outbox_status outbox = {0};
    struct tb_link_status link = {0};
    struct tb_view_progress progress;
    int64_t dead_letters = 0;

    TB_TRY(tb_outbox_read_status(context->outbox, edge->cursor_name, &outbox, err));
    TB_TRY(context->view->ops->count_dead_letters(context->view, &dead_letters, err));
    TB_TRY(tb_view_progress_read(api, context, &progress, err));
    edge->link(api->options.ctx, &link);
    tb_json_member_str(out, "node", tb_str_of(edge->node));
    tb_json_member_str(out, "epoch", tb_str_of(outbox.epoch));
    tb_json_member_str(out, "link", tb_str_of(link.state));
    if (link.since_ms > 0)
        tb_json_member_time(out, "since", link.since_ms);
    if (link.problem[0])
        tb_json_member_str(out, "problem", tb_str_of(link.problem));
    add_outbox(api, out, &outbox);
    if (progress.lag_known)
        tb_json_member_int(out, "lag", progress.lag); /* events that the view does not have yet */
    add_catching_up(&progress, out);
    TB_TRY(add_unconfigured(api, context, out, err));
    add_snapshots(&progress, out);
    tb_resend_add_status(context, out);
    TB_TRY(add_recoveries(context, out, err));
    tb_json_member_int(out, "deadLetters", dead_letters);
    TB_TRY(tb_held_add(api, context, out, err));
    add_disk(api, out);
    add_holds(api, out);
    add_checkpoints(edge, out);
    return TB_OK;
}

static void add_partitions(const struct tb_api *api, struct tb_buf *out,
                           const struct tb_view_progress *progress)
{
    tb_json_open(out, "partitions", '[');
    for (int32_t p = 0; p < api->options.partitions; p++) {
        if (progress->end[p] < 0)
            continue;
        tb_json_open(out, NULL, '{');
        tb_json_member_int(out, "partition", p);
        tb_json_member_int(out, "committed", progress->committed[p]);
        tb_json_member_int(out, "end", progress->end[p]);
        tb_json_member_int(out, "lag", progress->end[p] - progress->committed[p]);
        tb_json_member_int(out, "generation",
                           api->options.central->generation(api->options.ctx, p));
        tb_buf_addc(out, '}');
    }
    tb_buf_addc(out, ']');
}

/* Answers even if Kafka or MongoDB is unreachable: reports what is known and, as `problem`, what
 * failed. */
static enum tb_code add_central(struct tb_api *api, const struct tb_query_context *context,
                                struct tb_arena *arena, struct tb_buf *out, struct tb_error *err)
{
    const struct tb_api_options *options = &api->options;
    struct tb_view_progress progress;
    struct tb_error view_err = {0};
    char problem[240] = "";
    int64_t dead_letters = 0;

    TB_TRY(tb_view_progress_read(api, context, &progress, err));
    options->central->problem(options->ctx, problem);
    tb_json_member_str(out, "role", TB_STR("central"));
    tb_json_member_str(out, "group", tb_str_of(options->group));
    add_partitions(api, out, &progress);
    if (context->view->ops->count_dead_letters(context->view, &dead_letters, &view_err) == TB_OK)
        tb_json_member_int(out, "deadLetters", dead_letters);
    if (view_err.code == TB_OK)
        (void)!tb_held_add(api, context, out, &view_err); /* view_err has what failed */
    if (view_err.code == TB_OK)
        (void)!tb_nodes_add_status(api, arena, out, &view_err);
    if (view_err.code != TB_OK && !problem[0])
        memcpy(problem, view_err.text, sizeof problem);
    if (problem[0])
        tb_json_member_str(out, "problem", tb_str_of(problem));
    tb_json_member_time(out, "asOf", tb_clock_wall_ms(options->clock));
    return TB_OK;
}

enum tb_code tb_status_query(struct tb_api *api, const struct tb_query_context *context,
                             struct tb_request *req, struct tb_reply *reply, struct tb_error *err)
{
    struct tb_buf *out = &reply->answer.body;

    tb_buf_addc(out, '{');
    if (api->options.edge)
        TB_TRY(add_edge(api, context, out, err));
    else
        TB_TRY(add_central(api, context, &req->arena, out, err));
    tb_json_member_str(out, "version", TB_STR(TB_VERSION));
    tb_buf_addc(out, '}');
    return TB_OK;
}
