#include "api/handlers/context.h"
#include "api/http/problem.h"
#include "api/work/request_job.h"

/* PUT /link: first the writer stores the setting, then the process carries it out. */

/* False: req is refused. */
static bool parse_state(struct tb_request *req, bool *ret_offline)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *root = tb_body_parse(req);

    if (!root)
        return false;
    const struct tb_json *member = tb_json_get(root, "state");
    struct tb_str state = member ? tb_json_string(member) : TB_STR("");
    *ret_offline = tb_str_eq(state, TB_STR("offline"));
    if (tb_json_type(root) == TB_JSON_OBJECT && tb_json_count(root) == 1 &&
        (*ret_offline || tb_str_eq(state, TB_STR("auto"))))
        return true;
    tb_refuse_body(&req->reply, "The body must be one of two.", "/state",
                   "{\"state\":\"offline\"} or {\"state\":\"auto\"}");
    return false;
}

static void reply_state(struct tb_api *api, struct tb_request *req)
{
    struct tb_buf *out = &req->reply.answer.body;
    struct tb_link_status link = {0};

    api->options.edge->link(api->options.ctx, &link);
    tb_buf_addc(out, '{');
    tb_json_member_str(out, "link", tb_str_of(link.state));
    tb_buf_addc(out, '}');
    tb_reply_done(&req->reply, 200);
}

/* Carries the stored setting out, even if the client is gone. */
static void on_link_stored(struct tb_request *req)
{
    const struct tb_job *job = tb_request_job(req);
    struct tb_api *api = req->api;
    struct tb_error err = {0};

    if (job->code == TB_OK)
        api->options.edge->forced(api->options.ctx, job->forced_offline);
    if (!tb_request_awaits_reply(req))
        return;
    if (job->code == TB_OK) {
        reply_state(api, req);
        return;
    }
    (void)tb_error_set(&err, job->code, "the link setting could not be stored");
    tb_refuse_error(&req->reply, &err);
}

void tb_link_serve(struct tb_request *req)
{
    struct tb_job *job = tb_request_job_new(req);

    if (!job || !parse_state(req, &job->forced_offline))
        return;
    job->type = TB_JOB_LINK;
    tb_request_job_post(&req->api->inflight, req->api->options.edge->writer, req, on_link_stored);
}
