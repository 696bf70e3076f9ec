/* Answers: the HTTP response to a command. The store saves it under the idempotency key, so that a
 * repeat of the command gets the same bytes.
 *
 * Memory:  an answer owns its body; tb_answer_release frees it.
 * Errors:  if memory runs out, the answer has status 503 and no body. */
#pragma once
#include "order/command.h"
#include "order/event.h"

struct tb_answer {
    int status;                  /* 201, 200, 409, ... */
    int64_t version;             /* ETag; 0: none */
    char order_id[TB_UUID_SIZE]; /* Location of a 201; "" otherwise */
    bool replayed;               /* Idempotency-Replayed: true */
    int retry_after_s;           /* Retry-After; 0: none */
    struct tb_buf body; /* application/json below 400, application/problem+json from 400 */
};
void tb_answer_release(struct tb_answer *answer);

/* Makes a 201 or 200 for a command that was executed; `order` is the order after its event. */
void tb_answer_success(struct tb_answer *answer, enum tb_command_type type,
                       const struct tb_order *order);
/* Makes application/problem+json (RFC 9457): type, title (the reason phrase of the status),
 * status, detail, and the errors if there are any. errors may be NULL. */
void tb_answer_problem(struct tb_answer *answer, int status, const char *detail,
                       const struct tb_field_errors *errors);
/* Makes a problem with the status that fits the error: TB_INVALID 422 with field errors, 400
 * without; TB_NOT_FOUND 404; TB_CONFLICT err->native, or 409 if that is 0; TB_BUSY,
 * TB_UNAVAILABLE, TB_UNKNOWN 503; TB_FULL 507; else 500. */
void tb_answer_from_error(struct tb_answer *answer, const struct tb_error *err,
                          const struct tb_field_errors *errors);
const char *tb_http_reason(int status); /* "Created"; "" if not known */
