#include "api/handlers/context.h"
#include "api/http/problem.h"
#include "api/http/query_string.h"
#include "api/work/request_job.h"

/* POST /resend asks the relay to send events to Kafka again: the writer stores the request, then
 * the relay is told. */

static void on_requested(struct tb_request *req)
{
    const struct tb_job *job = tb_request_job(req);
    struct tb_api *api = req->api;
    struct tb_buf *out = &req->reply.answer.body;

    if (job->code == TB_OK)
        api->options.edge->resend(api->options.ctx);
    if (!tb_request_awaits_reply(req))
        return;
    if (job->code != TB_OK) {
        tb_refuse_sending(req, job);
    } else {
        tb_buf_addc(out, '{');
        tb_json_member_str(out, "resend", job->since_ms > 0 ? TB_STR("since") : TB_STR("all"));
        if (job->since_ms > 0)
            tb_json_member_time(out, "since", job->since_ms);
        tb_buf_addc(out, '}');
        tb_reply_done(&req->reply, 202);
    }
}

void tb_resend_serve(struct tb_request *req)
{
    struct tb_job *job = tb_request_job_new(req);
    bool has_since = false;

    if (!job || !tb_param_time(req, "since", &has_since, &job->since_ms))
        return;
    if (has_since && job->since_ms < 1)
        job->since_ms = 1;
    job->type = TB_JOB_RESEND;
    memcpy(job->log, TB_CURSOR_KAFKA, sizeof TB_CURSOR_KAFKA);
    tb_request_job_post(&req->api->inflight, req->api->options.edge->writer, req, on_requested);
}

/* What is sent again, or waits for a person to say so; false: nothing. */
bool tb_resend_read(const struct tb_query_context *context, struct tb_resend *ret_resend)
{
    struct tb_error err = {0};

    return tb_outbox_read_resend(context->outbox, TB_CURSOR_KAFKA, ret_resend, &err) == TB_OK &&
           ret_resend->id != 0;
}

static int64_t total_of(const struct tb_resend *resend)
{
    return resend->through_row > resend->after_row ? resend->through_row - resend->after_row : 0;
}

static int64_t done_of(const struct tb_resend *resend)
{
    return resend->done_row > resend->after_row ? resend->done_row - resend->after_row : 0;
}

void tb_resend_add_status(const struct tb_query_context *context, struct tb_buf *out)
{
    struct tb_resend resend;

    if (!tb_resend_read(context, &resend))
        return;
    tb_json_open(out, "resend", '{');
    tb_json_member_str(out, "state", resend.held ? TB_STR("waiting") : TB_STR("resending"));
    tb_json_member_str(out, "reason", tb_str_of(resend.reason));
    tb_json_member_time(out, "since", resend.at_ms);
    tb_json_member_int(out, "sent", resend.sent);
    tb_json_member_int(out, "done", done_of(&resend));
    tb_json_member_int(out, "total", total_of(&resend));
    tb_buf_addc(out, '}');
}

bool tb_resend_describe(const struct tb_query_context *context, struct tb_buf *out)
{
    struct tb_resend resend;

    if (!tb_resend_read(context, &resend))
        return false;
    if (resend.held)
        tb_buf_addf(out, "%s: `tillbox resend --all` sends again what this node still has",
                    resend.reason);
    else
        tb_buf_addf(out, "events are sent again to Kafka, %lld of %lld so far (%s)",
                    (long long)done_of(&resend), (long long)total_of(&resend), resend.reason);
    tb_buf_addc(out, '\0');
    return true;
}
