#include "api/problem.h"
#include <stdio.h>

void tb_refuse(struct tb_exchange *x, int status, const char *format, ...)
{
    char detail[240];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    tb_answer_release(&x->reply.answer);
    tb_answer_problem(&x->reply.answer, status, detail, NULL);
    x->reply.ready = true;
}

void tb_refuse_for_now(struct tb_exchange *x, int status, int retry_after_s, const char *detail)
{
    tb_refuse(x, status, "%s", detail);
    x->reply.answer.retry_after_s = retry_after_s;
}

void tb_refuse_error(struct tb_exchange *x, const struct tb_error *err)
{
    tb_answer_release(&x->reply.answer);
    tb_answer_failed(&x->reply.answer, err, NULL);
    x->reply.ready = true;
}

void tb_reply_done(struct tb_exchange *x, int status)
{
    if (!tb_buf_ok(&x->reply.answer.body)) {
        tb_refuse_for_now(x, 503, 1, "Out of memory.");
        return;
    }
    x->reply.answer.status = status;
    x->reply.ready = true;
}
