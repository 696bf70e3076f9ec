/* Query strings: percent-decoding, and the parameters that several handlers read.
 *
 * Memory:  decoded texts are copies in the arena. */
#pragma once
#include "api/http/request.h"

/* Decodes %XX, and + as a space if `plus`. False: an escaped NUL, a broken escape, or out of
 * memory. */
bool tb_percent_decode(struct tb_str text, bool plus, struct tb_arena *arena,
                       struct tb_str *ret_text);

#define TB_PARAMS_MAX 16
struct tb_query_param {
    struct tb_str name, value;
};
struct tb_params {
    struct tb_query_param list[TB_PARAMS_MAX];
    size_t count;
};
/* The value; absent when there is no such parameter or it is empty. */
struct tb_str tb_param(const struct tb_params *params, const char *name);

/* In the following, false means: req is refused. */

/* Sets req->params from the query string. Each parameter may be given once, and only if it is in
 * `allowed`: at most TB_PARAMS_MAX names with a blank between two. */
TB_CHECKED bool tb_params_read(struct tb_request *req, const char *allowed);
/* Reads "limit", from 1 to max; absent: its value when it is not given. */
TB_CHECKED bool tb_param_limit(struct tb_request *req, int absent, int max, int *ret_limit);
/* Reads a time, or a date, which means the local midnight at its start. If the parameter is
 * absent, the results stay as they are. */
TB_CHECKED bool tb_param_time(struct tb_request *req, const char *name, bool *ret_has,
                              int64_t *ret_ms);
/* Refuses req: the parameter must be what `allowed` says. Returns false. */
bool tb_param_refuse(struct tb_request *req, const char *name, const char *allowed);
