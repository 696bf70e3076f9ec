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
struct tb_param {
    struct tb_str name, value;
};
struct tb_params {
    struct tb_param list[TB_PARAMS_MAX];
    size_t count;
};
/* The value; absent when there is no such parameter or it is empty. */
struct tb_str tb_param(const struct tb_params *params, const char *name);

/* The following read the query string of a request. False: req is refused with 400. */
/* Decodes the parameters. Each may be given once, and only if `allowed` (NULL-terminated, at most
 * TB_PARAMS_MAX names) lists it. */
TB_CHECKED bool tb_params_read(struct tb_request *req, const char *const *allowed,
                               struct tb_params *ret_params);
TB_CHECKED bool tb_params_none(struct tb_request *req); /* there must be none */
/* Parameter "limit", from 1 to max. If it is absent, *ret_limit stays as it is. */
TB_CHECKED bool tb_param_limit(struct tb_request *req, const struct tb_params *params, int max,
                               int *ret_limit);
/* A time, or a date, which means the local midnight at which it begins. If the parameter is
 * absent, the results stay as they are. */
TB_CHECKED bool tb_param_time(struct tb_request *req, const struct tb_params *params,
                              const char *name, bool *ret_has, int64_t *ret_ms);
/* Refuses req: the parameter must be what `allowed` says. Returns false. */
bool tb_param_refuse(struct tb_request *req, const char *name, const char *allowed);
