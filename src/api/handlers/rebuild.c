#include "api/handlers/context.h"
#include "api/http/problem.h"
#include "api/http/query_string.h"

/* What POST /rebuild requests: to begin a job, or to cancel the one that runs. */
struct request {
    struct tb_rebuild_job job;
    bool cancel;
};

static void add_progress(struct tb_buf *out, const struct tb_rebuild_progress *progress,
                         const struct tb_rebuild_generations *generations)
{
    tb_buf_addc(out, '{');
    tb_json_member_str(out, "state", tb_str_of(tb_rebuild_state_name(progress->state)));
    tb_json_member_int(out, "events", progress->events);
    tb_json_member_int(out, "total", progress->total);
    tb_json_member_int(out, "ratePerSecond", progress->per_second);
    if (progress->seconds_left >= 0)
        tb_json_member_int(out, "secondsLeft", progress->seconds_left);
    if (progress->cancelling)
        tb_json_member_bool(out, "cancelling", true);
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
    tb_json_member_int(out, "generation", generations->served);
    if (generations->previous != 0) {
        tb_json_member_int(out, "previous", generations->previous);
        tb_json_member_time(out, "previousUntil", generations->previous_until_ms);
    }
    tb_buf_addc(out, '}');
}

static enum tb_code reply_progress(struct tb_api *api, struct tb_request *req,
                                   struct tb_reply *reply, struct tb_error *err)
{
    struct tb_rebuild_progress *progress = tb_arena_alloc(&req->arena, sizeof *progress);
    struct tb_rebuild_generations generations = {0};

    if (!progress)
        return tb_error_set(err, TB_UNAVAILABLE, "out of memory");
    if (!api->options.rebuild.get(api->options.ctx, progress, &generations))
        return tb_error_set(err, TB_UNAVAILABLE,
                            "the view's database has not said yet whether a rebuild is under way");
    add_progress(&reply->answer.body, progress, &generations);
    return TB_OK;
}

static bool refuse_body(struct tb_request *req, const char *pointer, const char *detail)
{
    tb_refuse_body(&req->reply,
                   "The body must be {\"accept\":true}, {\"rollback\":true}, "
                   "{\"cancel\":true}, {} or none.",
                   pointer, detail);
    return false;
}

/* Reads a member if it is there, and then counts it in *known. False: req is refused. */
static bool read_flag(struct tb_request *req, const struct tb_json *root, const char *name,
                      const char *pointer, bool *ret_flag, size_t *known)
{
    const struct tb_json *value = tb_json_get(root, name);

    if (!value)
        return true;
    ++*known;
    if (!tb_json_bool(value, ret_flag))
        return refuse_body(req, pointer, "must be true or false");
    return true;
}

/* False: req is refused. */
static bool check_request(struct tb_request *req)
{
    if (req->api->options.rebuild.start)
        return tb_params_read(req, "");
    tb_refuse(&req->reply, 501, "This process cannot rebuild its view.");
    return false;
}

void tb_rebuild_serve(struct tb_request *req)
{
    struct tb_error err = {0};

    if (!check_request(req))
        return;
    if (reply_progress(req->api, req, &req->reply, &err) == TB_OK)
        tb_reply_done(&req->reply, 200);
    else
        tb_refuse_error(&req->reply, &err);
}

/* A query, because it may ask the database whether another process is rebuilding. */
enum tb_code tb_rebuild_start_query(struct tb_api *api, const struct tb_query_context *context,
                                    struct tb_request *req, struct tb_reply *reply,
                                    struct tb_error *err)
{
    const struct tb_api_rebuild *rebuild = &api->options.rebuild;
    const struct request *request = req->handler_data;

    (void)context;
    TB_TRY(request->cancel ? rebuild->cancel(api->options.ctx, err)
                           : rebuild->start(api->options.ctx, &request->job, err));
    TB_TRY(reply_progress(api, req, reply, err));
    tb_reply_done(reply, 202);
    return TB_OK;
}

bool tb_rebuild_start_read(struct tb_request *req)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *root = NULL;
    struct request *request = tb_request_data(req, sizeof *request);
    struct tb_rebuild_job *job = request ? &request->job : NULL;
    size_t known = 0;

    if (!job || !check_request(req) || req->body.len == 0)
        return !tb_reply_filled(&req->reply);
    root = tb_body_parse(req);
    if (!root)
        return false;
    if (tb_json_type(root) != TB_JSON_OBJECT)
        return refuse_body(req, "", "must be an object");
    if (!read_flag(req, root, "accept", "/accept", &job->accept, &known) ||
        !read_flag(req, root, "rollback", "/rollback", &job->rollback, &known) ||
        !read_flag(req, root, "cancel", "/cancel", &request->cancel, &known))
        return false;
    if (tb_json_count(root) != known)
        return refuse_body(req, "", "must have no other fields than accept, rollback and cancel");
    if (request->cancel && (job->accept || job->rollback))
        return refuse_body(req, "/cancel", "goes with nothing else");
    return !job->accept || !job->rollback ||
           refuse_body(req, "/accept", "a rollback compares nothing");
}

void tb_rebuild_metrics(const struct tb_api *api, struct tb_arena *arena, struct tb_buf *out)
{
    static const char until[] = "tillbox_view_previous_until_timestamp_seconds";
    const struct tb_api_rebuild *rebuild = &api->options.rebuild;
    const char *states[TB_REBUILD_STATE_COUNT + 1] = {NULL};
    struct tb_rebuild_generations generations = {0};
    struct tb_rebuild_progress *progress =
        rebuild->get ? tb_arena_alloc(arena, sizeof *progress) : NULL;

    if (!progress || !rebuild->get(api->options.ctx, progress, &generations))
        return;
    for (int s = 0; s < TB_REBUILD_STATE_COUNT; s++)
        states[s] = tb_rebuild_state_name((enum tb_rebuild_state)s);
    tb_metric_states(out, "tillbox_rebuild_state",
                     "1 for the state that the last rebuild of the view is in.", states,
                     states[progress->state]);
    tb_metric_gauge(out, "tillbox_view_generation", "Which view is served, from 1.",
                    generations.served);
    if (generations.previous == 0)
        return;
    tb_metric_head(out, until, "gauge", "Until when the view that was served before is kept.");
    tb_metric_seconds_from_ms(out, until, "", generations.previous_until_ms);
}
