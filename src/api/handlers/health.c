#include "api/handlers/context.h"
#include "api/http/problem.h"

/* /livez passes when the api thread can answer. /readyz passes when orders can be read and, on an
 * edge, taken. /healthz also checks disk or log, and the consumer; an offline edge passes. */

/* Adds the result of a check to the members of "checks". detail: why it failed. Returns ok. */
static bool add_check(struct tb_buf *results, const char *name, bool ok, const char *detail)
{
    tb_json_open(results, name, '{');
    tb_json_member_str(results, "status", ok ? TB_STR("pass") : TB_STR("fail"));
    if (!ok)
        tb_json_member_str(results, "detail", tb_str_of(detail));
    tb_buf_addc(results, '}');
    return ok;
}

static bool check_outbox(const struct tb_api *api, const struct tb_query_context *context,
                         struct tb_buf *results)
{
    struct tb_outbox_status status = {0};
    struct tb_error err = {0};
    enum tb_code code =
        tb_outbox_read_status(context->outbox, api->options.edge->cursor_name, &status, &err);

    return add_check(results, "outbox", code == TB_OK, err.text);
}

/* Reads an order that cannot exist: TB_NOT_FOUND proves that the view is readable. */
static bool check_view(const struct tb_query_context *context, struct tb_buf *results)
{
    struct tb_str no_order = TB_STR("00000000-0000-0000-0000-000000000000");
    TB_CLEANUP(tb_buf_release) struct tb_buf doc = {0};
    struct tb_error err = {0};
    int64_t version = 0;
    enum tb_code code = context->view->ops->get(context->view, no_order, &doc, &version, &err);

    return add_check(results, "view", code == TB_OK || code == TB_NOT_FOUND, err.text);
}

static bool check_disk(const struct tb_api *api, struct tb_buf *results)
{
    const struct tb_api_edge *edge = api->options.edge;
    int64_t free_bytes = edge->disk_free(api->options.ctx);

    return add_check(results, "disk", free_bytes < 0 || free_bytes >= edge->disk_reserve_bytes,
                     "the reserve is reached: orders are refused with 507");
}

static bool check_log(struct tb_api *api, const struct tb_query_context *context,
                      struct tb_buf *results)
{
    struct tb_view_progress progress;
    struct tb_error err = {0};
    enum tb_code code = tb_view_progress_read(api, context, &progress, &err);

    return add_check(results, "log", code == TB_OK && progress.lag_known,
                     "how far the log goes is not known");
}

static bool check_consumer(const struct tb_api *api, struct tb_buf *results)
{
    const struct tb_api_options *options = &api->options;
    bool failing = atomic_load(&options->consumer->failing);
    char problem[240] = "";

    if (failing && options->central)
        options->central->problem(options->ctx, problem);
    return add_check(results, "consumer", !failing,
                     problem[0] ? problem : "the view is not being filled");
}

static void reply_health(struct tb_reply *reply, bool ok, const struct tb_buf *results)
{
    struct tb_buf *out = &reply->answer.body;

    tb_buf_adds(out, ok ? "{\"status\":\"pass\"" : "{\"status\":\"fail\"");
    tb_json_open(out, "checks", '{');
    tb_buf_add_str(out, tb_buf_str(results));
    tb_buf_adds(out, "}}");
    out->failed |= results->failed;
    reply->content_type = "application/json";
    tb_reply_done(reply, ok ? 200 : 503);
    if (!ok)
        reply->answer.retry_after_s = 1;
}

enum tb_code tb_health_query(struct tb_api *api, const struct tb_query_context *context,
                             struct tb_request *req, struct tb_reply *reply, struct tb_error *err)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf results = {0};
    const struct tb_api_edge *edge = api->options.edge;
    bool ok = true;

    (void)err; /* what fails is a result */
    if (edge) {
        ok &= add_check(&results, "store", tb_writer_healthy(edge->writer),
                        "the store cannot be written");
        ok &= check_outbox(api, context, &results);
    }
    ok &= check_view(context, &results);
    if (strcmp(req->route_path, "/healthz") == 0) {
        ok &= edge ? check_disk(api, &results) : check_log(api, context, &results);
        ok &= check_consumer(api, &results);
    }
    reply_health(reply, ok, &results);
    return TB_OK;
}

void tb_livez_serve(struct tb_request *req)
{
    const struct tb_buf none = {0};

    reply_health(&req->reply, true, &none);
}
