#include "api/handlers/context.h"
#include "api/http/problem.h"
#include "api/work/request_job.h"

/* PUT /link: first the writer stores the setting, then the process carries it out. DELETE
 * /link/{log}: the writer forgets a log that is not configured. */

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

/* A log that was forgotten, or never used, is forgotten again: the request may be repeated. */
static bool is_known_log(const char *log)
{
    return strcmp(log, TB_CURSOR_KAFKA) == 0 || strcmp(log, TB_CURSOR_INPROC) == 0;
}

static void reply_forgotten(struct tb_request *req, const struct tb_job *job)
{
    struct tb_buf *out = &req->reply.answer.body;
    const struct tb_outbox_cursor *forgotten = &job->forgotten;

    tb_buf_addc(out, '{');
    tb_json_member_str(out, "log", tb_str_of(job->log));
    tb_json_member_bool(out, "forgotten", job->was_remembered);
    tb_json_member_int(out, "events", forgotten->pending);
    tb_json_member_int(out, "parkedOrders", forgotten->parked);
    tb_buf_addc(out, '}');
    tb_reply_done(&req->reply, 200);
}

static void on_forgotten(struct tb_request *req)
{
    const struct tb_job *job = tb_request_job(req);
    struct tb_error err = {0};

    if (!tb_request_awaits_reply(req))
        return;
    if (job->code == TB_CONFLICT) {
        tb_refuse(&req->reply, 409,
                  "Only a log that is not configured ([log] kind) can be forgotten.");
    } else if (job->code != TB_OK) {
        (void)tb_error_set(&err, job->code, "the log could not be forgotten; repeat the request");
        tb_refuse_error(&req->reply, &err);
    } else if (!job->was_remembered && !is_known_log(job->log)) {
        tb_refuse(&req->reply, 404, "There is no log of this name.");
    } else {
        reply_forgotten(req, job);
    }
}

void tb_link_forget_serve(struct tb_request *req)
{
    struct tb_job *job = tb_request_job_new(req);

    if (!job)
        return;
    if (req->path_id.len >= sizeof job->log) {
        tb_refuse(&req->reply, 404, "There is no log of this name.");
        return;
    }
    job->type = TB_JOB_FORGET;
    memcpy(job->log, req->path_id.ptr, req->path_id.len);
    tb_request_job_post(&req->api->inflight, req->api->options.edge->writer, req, on_forgotten);
}
