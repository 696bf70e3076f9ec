#include "api/context.h"
#include "api/http/problem.h"

bool tb_params_read(struct tb_request *req, const char *const *allowed,
                    struct tb_params *ret_params)
{
    struct tb_error err = {0};

    if (tb_params_parse(req->query, allowed, &req->arena, ret_params, &err) == TB_OK)
        return true;
    tb_refuse_error(&req->reply, &err);
    return false;
}

bool tb_params_none(struct tb_request *req)
{
    static const char *const allowed[] = {NULL};
    struct tb_params params;

    return tb_params_read(req, allowed, &params);
}

bool tb_param_refuse(struct tb_request *req, const char *name, const char *allowed)
{
    tb_refuse(&req->reply, 400, "Query parameter %s: %s.", name, allowed);
    return false;
}

bool tb_param_time(struct tb_request *req, const struct tb_params *params, const char *name,
                   bool *ret_has, int64_t *ret_ms)
{
    struct tb_str text = tb_param(params, name);

    if (text.ptr == NULL)
        return true;
    *ret_has = true;
    if (tb_date_valid(text)) {
        *ret_ms = tb_date_start_ms(text);
        return true;
    }
    if (tb_time_parse(text, ret_ms))
        return true;
    return tb_param_refuse(req, name,
                           "a time such as 2026-11-23T08:20:42Z (write a + as %2B) or a date");
}

bool tb_param_limit(struct tb_request *req, const struct tb_params *params, int max,
                    int *ret_limit)
{
    struct tb_str text = tb_param(params, "limit");
    int64_t limit = 0;

    if (text.ptr == NULL)
        return true;
    if (!tb_digits_parse(text, 1, max, &limit)) {
        tb_refuse(&req->reply, 400, "Query parameter limit: a whole number from 1 to %d.", max);
        return false;
    }
    *ret_limit = (int)limit;
    return true;
}
