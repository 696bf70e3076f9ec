#include "api/api_priv.h"
#include "api/problem.h"

static void add_disk(struct tb_api *api, struct tb_buf *out)
{
    int64_t free_bytes = api->options.disk_free(api->options.ctx);

    if (free_bytes < 0)
        return; /* not known: absent */
    tb_json_member_key(out, "disk");
    tb_buf_addc(out, '{');
    tb_json_member_int(out, "freeBytes", free_bytes);
    tb_json_member_str(out, "state",
                       free_bytes < api->options.disk_reserve_bytes ? TB_STR("reserve")
                                                                    : TB_STR("ok"));
    tb_buf_addc(out, '}');
}

static void add_outbox(struct tb_api *api, struct tb_buf *out,
                       const struct tb_outbox_figures *outbox)
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

void tb_status_serve(struct tb_api *api, struct tb_exchange *x)
{
    const struct tb_api_options *options = &api->options;
    struct tb_buf *out = &x->reply.answer.body;
    struct tb_outbox_figures outbox = {0};
    struct tb_link_figures link = {0};
    struct tb_error err = {0};
    int64_t dead = 0;

    if (tb_outbox_figures(options->outbox, options->cursor_name, &outbox, &err) != TB_OK ||
        options->view->ops->dead_letter_count(options->view, &dead, &err) != TB_OK) {
        tb_refuse_error(x, &err);
        return;
    }
    options->link(options->ctx, &link);
    tb_buf_addc(out, '{');
    tb_json_member_str(out, "node", tb_str_of(options->node));
    tb_json_member_str(out, "epoch", tb_str_of(outbox.epoch));
    tb_json_member_str(out, "link", tb_str_of(link.state));
    if (link.since_ms > 0)
        tb_json_member_time(out, "since", link.since_ms);
    if (link.problem[0] != '\0')
        tb_json_member_str(out, "problem", tb_str_of(link.problem));
    add_outbox(api, out, &outbox);
    tb_json_member_int(out, "deadLetters", dead);
    add_disk(api, out);
    tb_json_member_str(out, "version", TB_STR(TB_VERSION));
    tb_buf_addc(out, '}');
    tb_reply_done(x, 200);
}
