#include "api/handlers/context.h"
#include "api/http/problem.h"
#include "api/http/query_string.h"
#include "api/work/request_job.h"
#include <inttypes.h>

/* GET /link/parked lists the orders of which the log has refused an event. POST /link/unpark asks
 * the relay to send them again: the writer stores the request, then the relay is told. */

static void add_order(struct tb_buf *out, const struct tb_api_edge *edge,
                      const struct tb_parked_details *parked)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf number = {0};

    tb_json_open(out, NULL, '{');
    tb_json_member_str(out, "orderId", tb_str_of(parked->order.order_id));
    tb_buf_addf(&number, "%s-%06" PRId64, edge->node, parked->order.number);
    if (parked->order.number > 0 && tb_buf_ok(&number))
        tb_json_member_str(out, "orderNumber", tb_buf_str(&number));
    tb_json_member_time(out, "parkedAt", parked->at_ms);
    tb_json_member_int(out, "bytes", parked->order.bytes);
    tb_json_member_str(out, "reason", tb_str_of(parked->reason));
    tb_json_member_bool(out, "sending", parked->order.unpark > 0);
    tb_buf_addc(out, '}');
}

enum tb_code tb_parked_query(struct tb_api *api, const struct tb_query_context *context,
                             struct tb_request *req, struct tb_reply *reply, struct tb_error *err)
{
    const struct tb_api_edge *edge = api->options.edge;
    struct tb_buf *out = &reply->answer.body;
    struct tb_parked_details parked = {0};
    enum tb_code code;

    (void)req;
    tb_buf_addc(out, '{');
    tb_json_open(out, "parked", '[');
    for (;;) { /* no more than the relay parks */
        code = tb_outbox_next_parked(context->outbox, TB_CURSOR_KAFKA, parked.order.order_id,
                                     &parked, err);
        if (code != TB_OK)
            break;
        add_order(out, edge, &parked);
    }
    if (code != TB_NOT_FOUND)
        return code;
    *err = (struct tb_error){0};
    tb_buf_adds(out, "]}");
    return TB_OK;
}

static void on_requested(struct tb_request *req)
{
    const struct tb_job *job = tb_request_job(req);
    struct tb_api *api = req->api;

    if (job->code == TB_OK && job->order_count > 0)
        api->options.edge->unpark(api->options.ctx);
    if (!tb_request_awaits_reply(req))
        return;
    if (job->code != TB_OK) {
        tb_refuse_sending(req, job);
    } else if (job->order_id[0] && job->order_count == 0) {
        tb_refuse(&req->reply, 404, "This order is not parked.");
    } else {
        tb_buf_addc(&req->reply.answer.body, '{');
        tb_json_member_int(&req->reply.answer.body, "orders", job->order_count);
        tb_buf_addc(&req->reply.answer.body, '}');
        tb_reply_done(&req->reply, 202);
    }
}

void tb_unpark_serve(struct tb_request *req)
{
    struct tb_str order_id = tb_param(req->params, "orderId");
    struct tb_job *job = tb_request_job_new(req);

    if (!job)
        return;
    if (order_id.ptr && !tb_uuid_parse(order_id, job->order_id)) {
        (void)tb_param_refuse(req, "orderId", "an order's id, which is a UUID");
        return;
    }
    job->type = TB_JOB_UNPARK;
    memcpy(job->log, TB_CURSOR_KAFKA, sizeof TB_CURSOR_KAFKA);
    tb_request_job_post(&req->api->inflight, req->api->options.edge->writer, req, on_requested);
}
