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

static void add_outbox(const struct tb_api *api, struct tb_buf *out,
                       const struct tb_outbox_status *outbox)
{
    tb_json_member_int(out, "pending", outbox->pending);
    if (outbox->pending > 0) {
        int64_t age_ms = tb_clock_wall_ms(api->options.clock) - outbox->oldest_pending_at_ms;
        tb_json_member_int(out, "oldestPendingAgeSeconds", age_ms > 0 ? age_ms / 1000 : 0);
    }
    if (outbox->last_delivered_at_ms > 0)
        tb_json_member_time(out, "lastDeliveredAt", outbox->last_delivered_at_ms);
    tb_json_member_int(out, "parked", outbox->parked);
    tb_json_member_int(out, "lastSequence", outbox->last_sequence);
    tb_json_member_int(out, "deliveredSequence", outbox->delivered_sequence);
}

static enum tb_code add_edge(const struct tb_api *api, const struct tb_query_context *context,
                             struct tb_buf *out, struct tb_error *err)
{
    const struct tb_api_edge *edge = api->options.edge;
    struct tb_outbox_status outbox = {0};
    struct tb_link_status link = {0};
    int64_t dead_letters = 0;

    TB_TRY(tb_outbox_read_status(context->outbox, edge->cursor_name, &outbox, err));
    TB_TRY(context->view->ops->count_dead_letters(context->view, &dead_letters, err));
    edge->link(api->options.ctx, &link);
    tb_json_member_str(out, "node", tb_str_of(edge->node));
    tb_json_member_str(out, "epoch", tb_str_of(outbox.epoch));
    tb_json_member_str(out, "link", tb_str_of(link.state));
    if (link.since_ms > 0)
        tb_json_member_time(out, "since", link.since_ms);
    if (link.problem[0])
        tb_json_member_str(out, "problem", tb_str_of(link.problem));
    add_outbox(api, out, &outbox);
    tb_json_member_int(out, "deadLetters", dead_letters);
    add_disk(api, out);
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
        tb_buf_addc(out, '}');
    }
    tb_buf_addc(out, ']');
}

/* Answers even if Kafka or MongoDB is unreachable: reports what is known and, as `problem`, what
 * failed. */
static enum tb_code add_central(struct tb_api *api, const struct tb_query_context *context,
                                struct tb_buf *out, struct tb_error *err)
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
    else if (!problem[0])
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

    (void)req;
    tb_buf_addc(out, '{');
    if (api->options.edge)
        TB_TRY(add_edge(api, context, out, err));
    else
        TB_TRY(add_central(api, context, out, err));
    tb_json_member_str(out, "version", TB_STR(TB_VERSION));
    tb_buf_addc(out, '}');
    return TB_OK;
}
