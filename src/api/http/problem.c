#include "api/http/problem.h"
#include <stdio.h>

static void clear(struct tb_reply *reply)
{
    tb_answer_release(&reply->answer);
    tb_buf_release(&reply->link);
}

void tb_refuse(struct tb_reply *reply, int status, const char *format, ...)
{
    char detail[240];
    va_list args;

    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    clear(reply);
    tb_answer_problem(&reply->answer, status, detail, NULL);
}

void tb_refuse_for_now(struct tb_reply *reply, int status, int retry_after_s, const char *detail)
{
    tb_refuse(reply, status, "%s", detail);
    reply->answer.retry_after_s = retry_after_s;
}

void tb_refuse_body(struct tb_reply *reply, const char *detail, const char *pointer,
                    const char *fault)
{
    struct tb_field_errors faults = {.list = {{tb_str_of(pointer), tb_str_of(fault)}}, .count = 1};

    clear(reply);
    tb_answer_problem(&reply->answer, 422, detail, &faults);
}

void tb_refuse_error(struct tb_reply *reply, const struct tb_error *err)
{
    clear(reply);
    tb_answer_from_error(&reply->answer, err, NULL);
}

void tb_reply_done(struct tb_reply *reply, int status)
{
    if (!tb_buf_ok(&reply->answer.body)) {
        tb_refuse_for_now(reply, 503, 1, "Out of memory.");
        return;
    }
    reply->answer.status = status;
}

void *tb_request_data(struct tb_request *req, size_t size)
{
    req->handler_data = tb_arena_alloc(&req->arena, size);
    if (!req->handler_data)
        tb_refuse_for_now(&req->reply, 503, 1, "Out of memory.");
    return req->handler_data;
}
