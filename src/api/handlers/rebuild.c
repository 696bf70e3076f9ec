#include "api/handlers/context.h"
#include "api/http/problem.h"
#include "api/http/query_string.h"
#include <stdio.h>
#include <stdlib.h>

static void add_progress(struct tb_buf *out, const struct tb_rebuild_progress *progress,
                         const struct tb_rebuild_generations *views)
{
    tb_buf_addc(out, '{');
    tb_json_member_str(out, "state", tb_str_of(tb_rebuild_state_name(progress->state)));
    tb_json_member_int(out, "events", progress->events);
    tb_json_member_int(out, "total", progress->total);
    tb_json_member_int(out, "ratePerSecond", progress->per_second);
    if (progress->seconds_left >= 0)
        tb_json_member_int(out, "secondsLeft", progress->seconds_left);
    if (progress->owner[0] != '\0')
        tb_json_member_str(out, "owner", tb_str_of(progress->owner));
    if (progress->problem[0] != '\0')
        tb_json_member_str(out, "problem", tb_str_of(progress->problem));
    if (progress->compared) {
        tb_json_member_int(out, "servedOrders", progress->served_orders);
        tb_json_member_int(out, "rebuiltOrders", progress->rebuilt_orders);
    }
    tb_json_member_int(out, "differenceCount", progress->difference_count);
    tb_json_member_key(out, "differences");
    tb_buf_adds(out, progress->differences[0] != '\0' ? progress->differences : "[]");
    tb_json_member_int(out, "generation", views->served);
    if (views->previous != 0) {
        tb_json_member_int(out, "previous", views->previous);
        tb_json_member_time(out, "previousUntil", views->previous_until_ms);
    }
    tb_buf_addc(out, '}');
}

static void reply_progress(struct tb_api *api, struct tb_request *req, struct tb_reply *reply,
                           int status)
{
    struct tb_rebuild_progress *progress = tb_arena_alloc(&req->arena, sizeof *progress);
    struct tb_rebuild_generations views = {0};

    if (progress == NULL) {
        tb_refuse_for_now(reply, 503, 1, "Out of memory.");
        return;
    }
    api->options.rebuild.get(api->options.ctx, progress, &views);
    add_progress(&reply->answer.body, progress, &views);
    tb_reply_done(reply, status);
}

static bool refuse_body(struct tb_request *req, const char *pointer, const char *detail)
{
    tb_refuse_body(&req->reply,
                   "The body must be {\"accept\":true}, {\"rollback\":true}, {} or none.", pointer,
                   detail);
    return false;
}

static bool take_flag(struct tb_request *req, const struct tb_json *root, const char *name,
                      const char *pointer, bool *ret_flag, size_t *known)
{
    const struct tb_json *value = tb_json_get(root, name);

    if (value == NULL)
        return true;
    ++*known;
    if (!tb_json_bool(value, ret_flag))
        return refuse_body(req, pointer, "must be true or false");
    return true;
}

static bool take_job(struct tb_api *api, struct tb_request *req, struct tb_rebuild_job *ret_job)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *root = NULL;
    struct tb_error err = {0};
    size_t known = 0;

    if (req->body.len == 0)
        return true;
    if (tb_json_parse(tb_buf_str(&req->body), (int)api->options.depth_max, &root, &err) != TB_OK) {
        tb_refuse_error(&req->reply, &err);
        return false;
    }
    if (tb_json_type(root) != TB_JSON_OBJECT)
        return refuse_body(req, "", "must be an object");
    if (!take_flag(req, root, "accept", "/accept", &ret_job->accept, &known) ||
        !take_flag(req, root, "rollback", "/rollback", &ret_job->rollback, &known))
        return false;
    if (tb_json_count(root) != known)
        return refuse_body(req, "", "must have no other fields than accept and rollback");
    if (ret_job->accept && ret_job->rollback)
        return refuse_body(req, "/accept", "a rollback compares nothing");
    return true;
}

/* On a query thread: whether another process is at one may have to be asked. */
static void begin_job(struct tb_api *api, const struct tb_query_context *context,
                      struct tb_request *req, struct tb_reply *reply)
{
    struct tb_error err = {0};

    (void)context;
    if (api->options.rebuild.start(api->options.ctx, req->handler_data, &err) != TB_OK)
        tb_refuse_error(reply, &err);
    else
        reply_progress(api, req, reply, 202);
}

/* False: refused. */
static bool check_request(struct tb_api *api, struct tb_request *req)
{
    if (api->options.rebuild.start)
        return tb_params_none(req);
    tb_refuse(&req->reply, 501, "This process cannot rebuild its view.");
    return false;
}

void tb_rebuild_serve(struct tb_api *api, struct tb_request *req)
{
    if (check_request(api, req))
        reply_progress(api, req, &req->reply, 200);
}

void tb_rebuild_start_serve(struct tb_api *api, struct tb_request *req)
{
    struct tb_rebuild_job *job = tb_request_data(req, sizeof *job);

    if (job && check_request(api, req) && take_job(api, req, job))
        tb_query_submit(&api->lists, req, begin_job);
}

static void add_states(struct tb_buf *out, enum tb_rebuild_state state)
{
    char labels[64];

    tb_metric_head(out, "tillbox_rebuild_state", "gauge",
                   "1 for the state that the last rebuild of the view is in.");
    for (int s = 0; s < TB_REBUILD_STATE_COUNT; s++) {
        (void)snprintf(labels, sizeof(labels), "{state=\"%s\"}",
                       tb_rebuild_state_name((enum tb_rebuild_state)s));
        tb_metric_int(out, "tillbox_rebuild_state", labels, (enum tb_rebuild_state)s == state);
    }
}

void tb_rebuild_metrics(const struct tb_api *api, struct tb_buf *out)
{
    static const char until[] = "tillbox_view_previous_until_timestamp_seconds";
    const struct tb_api_rebuild *rebuild = &api->options.rebuild;
    struct tb_rebuild_progress *progress;
    struct tb_rebuild_generations views = {0};

    if (rebuild->get == NULL)
        return;
    progress = malloc(sizeof *progress);
    if (progress == NULL)
        return;
    rebuild->get(api->options.ctx, progress, &views);
    add_states(out, progress->state);
    free(progress);
    tb_metric_head(out, "tillbox_view_generation", "gauge", "Which view is served, from 1.");
    tb_metric_int(out, "tillbox_view_generation", "", views.served);
    if (views.previous == 0)
        return;
    tb_metric_head(out, until, "gauge", "Until when the view that was served before is kept.");
    tb_metric_seconds_from_ms(out, until, "", views.previous_until_ms);
}
