/* Refusals: application/problem+json put into a reply.
 *
 * Thread:  whoever fills the reply.
 * Memory:  the reply owns its body; what was in it before is dropped.
 * Units:   HTTP status codes, seconds. */
#pragma once
#include "api/http/request.h"

void tb_refuse(struct tb_reply *reply, int status, const char *format, ...) TB_PRINTF(3, 4);
/* With Retry-After. */
void tb_refuse_for_now(struct tb_reply *reply, int status, int retry_after_s, const char *detail);
/* 422: what the body must be, and what is wrong at a JSON pointer in it. */
void tb_refuse_body(struct tb_reply *reply, const char *detail, const char *pointer,
                    const char *fault);
/* The status follows from the error's code. */
void tb_refuse_error(struct tb_reply *reply, const struct tb_error *err);
/* Completes a reply whose JSON was appended to reply->answer.body: 200 or another success. */
void tb_reply_done(struct tb_reply *reply, int status);
/* Allocates req->handler_data, zeroed. NULL: out of memory, and req is refused. */
void *tb_request_data(struct tb_request *req, size_t size);
