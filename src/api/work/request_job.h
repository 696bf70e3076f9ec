/* Request job: the job that the writer runs for a request.
 *
 * Thread:  the api thread. Between post and on_done only the writer uses the job.
 * Memory:  the job is the request's handler_data, in its arena.
 * Errors:  when the writer's queue is full, the request is refused with 503. */
#pragma once
#include "api/work/inflight.h"
#include "store/writer.h"

struct tb_job_request {
    struct tb_job job;
    struct tb_request *req;
    struct tb_inflight *inflight;
};
/* Allocates the job of req, zeroed. NULL: req is refused. */
struct tb_job *tb_request_job_new(struct tb_request *req);
struct tb_job *tb_request_job(const struct tb_request *req);
/* Gives the writer the job, which the caller has filled except `done`. on_done, which the api
 * thread calls, reads the outcome in the job. */
void tb_request_job_post(struct tb_inflight *inflight, struct tb_writer *writer,
                         struct tb_request *req, void (*on_done)(struct tb_request *req));
