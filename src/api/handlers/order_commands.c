#include "api/context.h"
#include "api/http/problem.h"
#include <nettle/sha2.h>

/* What identifies a request beside its key: a repeat must be the same in all of it. */
static void fingerprint(struct tb_request *req)
{
    struct sha256_ctx sha;
    const char *method = tb_method_name(req->method);

    sha256_init(&sha);
    sha256_update(&sha, strlen(method), (const uint8_t *)method);
    sha256_update(&sha, req->path.len, (const uint8_t *)req->path.ptr);
    sha256_update(&sha, 1, (const uint8_t *)"");
    if (req->body.len > 0)
        sha256_update(&sha, req->body.len, (const uint8_t *)req->body.data);
    sha256_digest(&sha, sizeof req->job.fingerprint, req->job.fingerprint);
}

/* The conditions of a command from its head; false: refused. */
static bool take_conditions(struct tb_request *req)
{
    struct tb_job *job = &req->job;
    bool any = true;

    if (req->head.idempotency_key.ptr != NULL) {
        if (!tb_idempotency_key_parse(req->head.idempotency_key, &job->idempotency_key)) {
            tb_refuse(&req->reply, 400,
                      "Idempotency-Key must be 1 to 255 visible ASCII characters.");
            return false;
        }
        /* The head's bytes are the connection's; the writer may need the key for longer. */
        job->idempotency_key = tb_arena_copy(&req->arena, job->idempotency_key);
        fingerprint(req);
    }
    if (req->head.traceparent.ptr != NULL && tb_traceparent_valid(req->head.traceparent))
        job->traceparent = tb_arena_copy(&req->arena, req->head.traceparent);
    if (req->head.if_match.ptr != NULL) {
        if (!tb_if_match_parse(req->head.if_match, &any, &job->command.expected_version)) {
            tb_refuse(&req->reply, 400, "If-Match must be \"N\" with the version N, or *.");
            return false;
        }
        job->command.has_expected_version = !any;
    }
    return true;
}

static bool parse(struct tb_api *api, struct tb_request *req)
{
    const struct tb_command_context rules = {
        .currency = api->options.edge->currency,
        .now_ms = tb_clock_wall_ms(api->options.clock),
        .lines_max = (size_t)api->options.edge->lines_max,
        .depth_max = (int)api->options.depth_max,
    };
    struct tb_field_errors faults;
    struct tb_error err = {0};

    faults.count = 0;
    struct tb_str body = req->body.len > 0 ? tb_buf_str(&req->body) : TB_STR("");
    if (tb_command_parse(req->route->command, body, &rules, &req->arena, &req->job.command,
                         &faults, &err) == TB_OK)
        return true;
    tb_answer_release(&req->reply.answer);
    tb_answer_from_error(&req->reply.answer, &err, &faults);
    req->reply.ready = true;
    return false;
}

static void done(struct tb_job *job)
{
    struct tb_request *req =
        (struct tb_request *)(void *)((char *)job - offsetof(struct tb_request, job));

    tb_completion_post(req->owner, req);
}

/* The job is the writer's, until done. */
static void post(struct tb_api *api, struct tb_request *req)
{
    req->job.done = done;
    req->soon = true;
    tb_inflight_add(api, req);
    if (tb_writer_post(api->options.edge->writer, &req->job) == TB_OK)
        return;
    tb_inflight_remove(api, req);
    tb_refuse_for_now(&req->reply, 503, 1, "Too many commands are waiting.");
}

void tb_command_serve(struct tb_api *api, struct tb_request *req)
{
    if (!parse(api, req) || !take_conditions(req))
        return;
    if (req->route->command != TB_CMD_PLACE)
        memcpy(req->job.command.order_id, req->order_id, sizeof(req->order_id));
    req->job.type = TB_JOB_COMMAND;
    req->job.arena = &req->arena;
    post(api, req);
}

static const char link_shape[] = "{\"state\":\"offline\"} or {\"state\":\"auto\"}";

/* The body's one member; false: refused. */
static bool parse_link(struct tb_api *api, struct tb_request *req, bool *ret_offline)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *root = NULL;
    struct tb_error err = {0};
    struct tb_str body = req->body.len > 0 ? tb_buf_str(&req->body) : TB_STR("");

    if (tb_json_parse(body, (int)api->options.depth_max, &root, &err) != TB_OK) {
        tb_refuse_error(&req->reply, &err);
        return false;
    }
    const struct tb_json *member = tb_json_get(root, "state");
    struct tb_str state = member != NULL ? tb_json_string(member) : TB_STR("");
    bool offline = tb_str_eq(state, TB_STR("offline"));
    if (tb_json_type(root) != TB_JSON_OBJECT || tb_json_count(root) != 1 ||
        (!offline && !tb_str_eq(state, TB_STR("auto")))) {
        struct tb_field_errors faults = {.list = {{TB_STR("/state"), tb_str_of(link_shape)}},
                                         .count = 1};
        tb_answer_problem(&req->reply.answer, 422, "The body must be one of two.", &faults);
        req->reply.ready = true;
        return false;
    }
    *ret_offline = offline;
    return true;
}

void tb_link_serve(struct tb_api *api, struct tb_request *req)
{
    if (!parse_link(api, req, &req->job.forced_offline))
        return;
    req->job.type = TB_JOB_LINK;
    post(api, req);
}

void tb_link_done(struct tb_api *api, struct tb_request *req)
{
    const struct tb_api_edge *edge = api->options.edge;
    struct tb_link_status link = {0};

    if (req->job.code == TB_OK)
        edge->forced(api->options.ctx, req->job.forced_offline);
    if (req->reply.ready)
        return;
    if (req->job.code != TB_OK) {
        struct tb_error err = {0};
        (void)tb_error_set(&err, req->job.code, "the link setting could not be stored");
        tb_refuse_error(&req->reply, &err);
        return;
    }
    edge->link(api->options.ctx, &link);
    /* The relay turns a moment later: say what is now being carried out. */
    if (req->job.forced_offline)
        link.state = "forced-offline";
    else if (strcmp(link.state, "forced-offline") == 0)
        link.state = "connecting";
    tb_buf_addc(&req->reply.answer.body, '{');
    tb_json_member_str(&req->reply.answer.body, "link", tb_str_of(link.state));
    tb_buf_addc(&req->reply.answer.body, '}');
    tb_reply_done(&req->reply, 200);
}
