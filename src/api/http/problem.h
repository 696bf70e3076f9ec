/* Problems: refusals as application/problem+json, put into a reply.
 *
 * Thread:  the reply's.
 * Memory:  the reply owns its body.
 * Errors:  none.
 * Units:   HTTP status codes, seconds. */
#pragma once
#include "api/http/request.h"

void tb_refuse(struct tb_reply *reply, int status, const char *format, ...) TB_PRINTF(3, 4);
/* With Retry-After. */
void tb_refuse_for_now(struct tb_reply *reply, int status, int retry_after_s, const char *detail);
/* 422: what the body must be, and what is wrong at a JSON pointer in it. */
void tb_refuse_body(struct tb_reply *reply, const char *detail, const char *pointer,
                    const char *fault);
/* As the error says. */
void tb_refuse_error(struct tb_reply *reply, const struct tb_error *err);
/* 200 or another success with a JSON body that was appended to reply->answer.body. */
void tb_reply_done(struct tb_reply *reply, int status);
