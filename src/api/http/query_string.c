#include "api/http/query_string.h"
#include "api/http/problem.h"
#include "base/time/timefmt.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool tb_percent_decode(struct tb_str text, bool plus, struct tb_arena *arena,
                       struct tb_str *ret_text)
{
    char *out = tb_arena_alloc(arena, text.len + 1);
    size_t len = 0;

    if (!out)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
            int low = high >= 0 ? hex_value(text.ptr[i + 2]) : -1;
            if (low < 0 || (high == 0 && low == 0))
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        out[len++] = c;
    }
    *ret_text = (struct tb_str){out, len};
    return true;
}

static bool listed(const char *names, struct tb_str name)
{
    for (struct tb_str rest = tb_str_of(names); rest.ptr;) {
        if (tb_str_eq(tb_str_cut(&rest, ' '), name))
            return name.len > 0;
    }
    return false;
}

struct tb_str tb_param(const struct tb_params *params, const char *name)
{
    for (size_t i = 0; i < params->count; i++) {
        if (tb_str_eq(params->list[i].name, tb_str_of(name)) && params->list[i].value.len > 0)
            return params->list[i].value;
    }
    return (struct tb_str){NULL, 0};
}

/* Names the parameter if its name can be printed. Returns false. */
static bool refuse_param(struct tb_request *req, struct tb_str name, const char *why)
{
    if (tb_is_token(name) && name.len <= 40)
        tb_refuse(&req->reply, 400, "query parameter %.*s: %s", (int)name.len, name.ptr, why);
    else
        tb_refuse(&req->reply, 400, "a query parameter: %s", why);
    return false;
}

bool tb_params_read(struct tb_request *req, const char *allowed)
{
    struct tb_params *params = tb_arena_alloc(&req->arena, sizeof *params);
    struct tb_str rest = req->query_string;

    req->params = params;
    if (!params) {
        tb_refuse_for_now(&req->reply, 503, 1, "Out of memory.");
        return false;
    }
    while (rest.ptr) {
        struct tb_str value = tb_str_cut(&rest, '&');
        struct tb_str name = tb_str_cut(&value, '=');
        struct tb_query_param param = {.value = {"", 0}};
        if (name.len == 0 && !value.ptr)
            continue; /* "a=1&&b=2" and a bare '?' */
        if (!tb_percent_decode(name, true, &req->arena, &param.name) ||
            !tb_percent_decode(value, true, &req->arena, &param.value))
            return refuse_param(req, name, "a broken %-escape");
        if (!listed(allowed, param.name))
            return refuse_param(req, param.name, "unknown here");
        for (size_t i = 0; i < params->count; i++) {
            if (tb_str_eq(params->list[i].name, param.name))
                return refuse_param(req, param.name, "given twice");
        }
        TB_ASSERT(params->count < TB_PARAMS_MAX); /* `allowed` has no more names */
        params->list[params->count++] = param;
    }
    return true;
}

bool tb_param_refuse(struct tb_request *req, const char *name, const char *allowed)
{
    tb_refuse(&req->reply, 400, "Query parameter %s: %s.", name, allowed);
    return false;
}

bool tb_param_time(struct tb_request *req, const char *name, bool *ret_has, int64_t *ret_ms)
{
    struct tb_str text = tb_param(req->params, name);

    if (!text.ptr)
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

bool tb_param_limit(struct tb_request *req, int absent, int max, int *ret_limit)
{
    struct tb_str text = tb_param(req->params, "limit");
    int64_t limit = absent;

    if (text.ptr && !tb_digits_parse(text, 1, max, &limit)) {
        tb_refuse(&req->reply, 400, "Query parameter limit: a whole number from 1 to %d.", max);
        return false;
    }
    *ret_limit = (int)limit;
    return true;
}
