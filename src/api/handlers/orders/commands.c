#include "api/handlers/context.h"
#include "api/http/problem.h"
#include "api/work/request_job.h"
#include <nettle/sha2.h>

/* A request that repeats an Idempotency-Key must have the same method, path and body. */
static void add_fingerprint(const struct tb_request *req, struct tb_job *job)
{
    struct sha256_ctx sha;
    const char *method = tb_method_name(req->method);

    sha256_init(&sha);
    sha256_update(&sha, strlen(method), (const uint8_t *)method);
    sha256_update(&sha, req->path.len, (const uint8_t *)req->path.ptr);
    sha256_update(&sha, 1, (const uint8_t *)"");
    if (req->body.len > 0)
        sha256_update(&sha, req->body.len, (const uint8_t *)req->body.data);
    sha256_digest(&sha, sizeof job->fingerprint, job->fingerprint);
}

/* Reads the header fields of a command. False: req is refused. */
static bool read_conditions(struct tb_request *req, struct tb_job *job)
{
    bool any = true;

    if (req->head.idempotency_key.ptr) {
        if (!tb_idempotency_key_parse(req->head.idempotency_key, &job->idempotency_key)) {
            tb_refuse(&req->reply, 400,
                      "Idempotency-Key must be 1 to 255 visible ASCII characters.");
            return false;
        }
        /* The head belongs to the connection, which may end before the writer is done. */
        job->idempotency_key = tb_arena_copy(&req->arena, job->idempotency_key);
        add_fingerprint(req, job);
    }
    if (req->head.traceparent.ptr && tb_traceparent_valid(req->head.traceparent))
        job->traceparent = tb_arena_copy(&req->arena, req->head.traceparent);
    if (req->head.if_match.ptr) {
        if (!tb_if_match_parse(req->head.if_match, &any, &job->command.expected_version)) {
            tb_refuse(&req->reply, 400, "If-Match must be \"N\" with the version N, or *.");
            return false;
        }
        job->command.has_expected_version = !any;
    }
    return true;
}

static bool parse_command(struct tb_request *req, struct tb_job *job)
{
    const struct tb_api_options *options = &req->api->options;
    const struct tb_command_context context = {
        .currency = options->edge->currency,
        .now_ms = tb_clock_wall_ms(options->clock),
        .lines_max = (size_t)options->edge->lines_max,
        .depth_max = (int)options->depth_max,
    };
    struct tb_field_errors errors;
    struct tb_error err = {0};

    errors.count = 0;
    if (tb_command_parse(req->command, tb_buf_str(&req->body), &context, &req->arena,
                         &job->command, &errors, &err) == TB_OK)
        return true;
    tb_answer_release(&req->reply.answer);
    tb_answer_from_error(&req->reply.answer, &err, &errors);
    return false;
}

static void on_command_done(struct tb_request *req)
{
    struct tb_job *job = tb_request_job(req);

    if (tb_request_awaits_reply(req))
        req->reply.answer = job->answer;
    else
        tb_answer_release(&job->answer);
}

void tb_order_command_serve(struct tb_request *req)
{
    struct tb_job *job = tb_request_job_new(req);

    if (!job || !parse_command(req, job) || !read_conditions(req, job))
        return;
    if (req->command != TB_CMD_PLACE)
        memcpy(job->command.order_id, req->order_id, sizeof req->order_id);
    job->type = TB_JOB_COMMAND;
    job->arena = &req->arena;
    tb_request_job_post(&req->api->inflight, req->api->options.edge->writer, req, on_command_done);
}
