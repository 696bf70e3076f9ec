#include "api/work/request_job.h"
#include "api/http/problem.h"

/* The slowest disks of tills need this long for a commit. If a command takes longer, its request
 * is suspended instead of polled. */
#define POLL_FOR_MS 20

struct tb_job *tb_request_job_new(struct tb_request *req)
{
    struct tb_job_request *request_job = tb_request_data(req, sizeof *request_job);

    if (!request_job)
        return NULL;
    request_job->req = req;
    return &request_job->job;
}

struct tb_job *tb_request_job(const struct tb_request *req)
{
    return &((struct tb_job_request *)req->handler_data)->job;
}

static void refuse_slow(struct tb_request *req)
{
    tb_refuse_for_now(&req->reply, 503, 1,
                      "The command is not finished: whether it will be carried out is not known. "
                      "Repeat it with the same Idempotency-Key.");
}

/* The writer's thread calls it. */
static void post_completion(struct tb_job *job)
{
    struct tb_job_request *request_job = TB_CONTAINER_OF(job, struct tb_job_request, job);

    tb_completion_post(request_job->inflight, request_job->req);
}

void tb_request_job_post(struct tb_inflight *inflight, struct tb_writer *writer,
                         struct tb_request *req, void (*on_done)(struct tb_request *req))
{
    struct tb_job_request *request_job = req->handler_data;

    request_job->job.done = post_completion;
    request_job->inflight = inflight;
    req->on_done = on_done;
    req->on_timeout = refuse_slow;
    req->work_key = request_job->job.idempotency_key;
    req->poll_until_ms = inflight->now_ms + POLL_FOR_MS;
    tb_inflight_add(inflight, req);
    if (tb_writer_post(writer, &request_job->job) == TB_OK)
        return;
    tb_inflight_remove(inflight, req);
    tb_refuse_for_now(&req->reply, 503, 1, "Too many commands are waiting.");
}
