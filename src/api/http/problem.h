/* Fills replies: refusals as application/problem+json, and successes.
 *
 * Thread:  any thread that may fill the reply.
 * Memory:  a refusal frees what was in the reply before. */
#pragma once
#include "api/http/request.h"

void tb_refuse(struct tb_reply *reply, int status, const char *format, ...) TB_PRINTF(3, 4);
/* As tb_refuse, with Retry-After. */
void tb_refuse_for_now(struct tb_reply *reply, int status, int retry_after_s, const char *detail);
/* 422. detail: what the body must be; fault: what is wrong at this JSON pointer of it. */
void tb_refuse_body(struct tb_reply *reply, const char *detail, const char *pointer,
                    const char *fault);
/* The status follows from the error's code. */
void tb_refuse_error(struct tb_reply *reply, const struct tb_error *err);
/* Completes a reply whose body the caller has appended to reply->answer.body. If memory was out
 * for the body, refuses with 503 instead. */
void tb_reply_done(struct tb_reply *reply, int status);
/* Allocates req->handler_data, zeroed. NULL: out of memory, and req is refused. */
void *tb_request_data(struct tb_request *req, size_t size);
