#include "api/context.h"
#include "api/http/problem.h"
#include "base/sha256.h"

/* What identifies a request beside its key: a repeat must be the same in all of it. */
static void fingerprint(struct tb_exchange *x)
{
    struct tb_sha256 sha;
    const char *method = tb_method_name(x->method);

    tb_sha256_init(&sha);
    tb_sha256_add(&sha, method, strlen(method));
    tb_sha256_add(&sha, x->path.ptr, x->path.len);
    tb_sha256_add(&sha, "", 1);
    if (x->body.len > 0)
        tb_sha256_add(&sha, x->body.data, x->body.len);
    tb_sha256_end(&sha, x->job.fingerprint);
}

/* The conditions of a command from its head; false: refused. */
static bool take_conditions(struct tb_exchange *x)
{
    struct tb_job *job = &x->job;
    bool any = true;

    if (x->head.idempotency_key.ptr != NULL) {
        if (!tb_idempotency_key_parse(x->head.idempotency_key, &job->idempotency_key)) {
            tb_refuse(&x->reply, 400,
                      "Idempotency-Key must be 1 to 255 visible ASCII characters.");
            return false;
        }
        /* The head's bytes are the connection's; the writer may need the key for longer. */
        job->idempotency_key = tb_arena_copy(&x->arena, job->idempotency_key);
        fingerprint(x);
    }
    if (x->head.traceparent.ptr != NULL && tb_traceparent_valid(x->head.traceparent))
        job->traceparent = tb_arena_copy(&x->arena, x->head.traceparent);
    if (x->head.if_match.ptr != NULL) {
        if (!tb_if_match_parse(x->head.if_match, &any, &job->command.expected_version)) {
            tb_refuse(&x->reply, 400, "If-Match must be \"N\" with the version N, or *.");
            return false;
        }
        job->command.has_expected_version = !any;
    }
    return true;
}

static bool parse(struct tb_api *api, struct tb_exchange *x)
{
    const struct tb_command_rules rules = {
        .currency = api->options.edge->currency,
        .now_ms = tb_clock_wall_ms(api->options.clock),
        .lines_max = (size_t)api->options.edge->lines_max,
        .depth_max = (int)api->options.depth_max,
    };
    struct tb_faults faults;
    struct tb_error err = {0};

    faults.count = 0;
    struct tb_str body = x->body.len > 0 ? tb_buf_str(&x->body) : TB_STR("");
    if (tb_command_parse(x->route->command, body, &rules, &x->arena, &x->job.command, &faults,
                         &err) == TB_OK)
        return true;
    tb_answer_release(&x->reply.answer);
    tb_answer_failed(&x->reply.answer, &err, &faults);
    x->reply.ready = true;
    return false;
}

static void done(struct tb_job *job)
{
    struct tb_exchange *x =
        (struct tb_exchange *)(void *)((char *)job - offsetof(struct tb_exchange, job));

    tb_api_return(x->owner, x);
}

/* The job is the writer's, until done. */
static void post(struct tb_api *api, struct tb_exchange *x)
{
    x->job.done = done;
    x->soon = true;
    tb_flight_begin(api, x);
    if (tb_writer_post(api->options.edge->writer, &x->job) == TB_OK)
        return;
    tb_flight_cancel(api, x);
    tb_refuse_for_now(&x->reply, 503, 1, "Too many commands are waiting.");
}

void tb_command_serve(struct tb_api *api, struct tb_exchange *x)
{
    if (!parse(api, x) || !take_conditions(x))
        return;
    if (x->route->command != TB_CMD_PLACE)
        memcpy(x->job.command.order_id, x->order_id, sizeof(x->order_id));
    x->job.type = TB_JOB_COMMAND;
    x->job.arena = &x->arena;
    post(api, x);
}

static const char link_shape[] = "{\"state\":\"offline\"} or {\"state\":\"auto\"}";

/* The body's one member; false: refused. */
static bool parse_link(struct tb_api *api, struct tb_exchange *x, bool *ret_offline)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *root = NULL;
    struct tb_error err = {0};
    struct tb_str body = x->body.len > 0 ? tb_buf_str(&x->body) : TB_STR("");

    if (tb_json_parse(body, (int)api->options.depth_max, &root, &err) != TB_OK) {
        tb_refuse_error(&x->reply, &err);
        return false;
    }
    const struct tb_json *member = tb_json_get(root, "state");
    struct tb_str state = member != NULL ? tb_json_string(member) : TB_STR("");
    bool offline = tb_str_eq(state, TB_STR("offline"));
    if (tb_json_type(root) != TB_JSON_OBJECT || tb_json_count(root) != 1 ||
        (!offline && !tb_str_eq(state, TB_STR("auto")))) {
        struct tb_faults faults = {.list = {{TB_STR("/state"), tb_str_of(link_shape)}},
                                   .count = 1};
        tb_answer_problem(&x->reply.answer, 422, "The body must be one of two.", &faults);
        x->reply.ready = true;
        return false;
    }
    *ret_offline = offline;
    return true;
}

void tb_link_serve(struct tb_api *api, struct tb_exchange *x)
{
    if (!parse_link(api, x, &x->job.forced_offline))
        return;
    x->job.type = TB_JOB_LINK;
    post(api, x);
}

void tb_link_done(struct tb_api *api, struct tb_exchange *x)
{
    const struct tb_api_edge *edge = api->options.edge;
    struct tb_link_figures link = {0};

    if (x->job.code == TB_OK)
        edge->forced(api->options.ctx, x->job.forced_offline);
    if (x->reply.ready)
        return;
    if (x->job.code != TB_OK) {
        struct tb_error err = {0};
        (void)tb_error_set(&err, x->job.code, "the link setting could not be stored");
        tb_refuse_error(&x->reply, &err);
        return;
    }
    edge->link(api->options.ctx, &link);
    /* The relay turns a moment later: say what is now being carried out. */
    if (x->job.forced_offline)
        link.state = "forced-offline";
    else if (strcmp(link.state, "forced-offline") == 0)
        link.state = "connecting";
    tb_buf_addc(&x->reply.answer.body, '{');
    tb_json_member_str(&x->reply.answer.body, "link", tb_str_of(link.state));
    tb_buf_addc(&x->reply.answer.body, '}');
    tb_reply_done(&x->reply, 200);
}
