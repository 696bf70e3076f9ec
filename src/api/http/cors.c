#include "api/http/cors.h"

static bool starts(struct tb_str text, struct tb_str lower)
{
    return text.len > lower.len && strncasecmp(text.ptr, lower.ptr, lower.len) == 0;
}

/* Cuts off the default port of the scheme. */
static struct tb_str without_port(struct tb_str host, struct tb_str port)
{
    if (host.len > port.len && memcmp(host.ptr + host.len - port.len, port.ptr, port.len) == 0)
        host.len -= port.len;
    return host;
}

static bool is_same_host(struct tb_str origin, struct tb_str host)
{
    static const struct {
        struct tb_str scheme, port;
    } kinds[] = {{TB_STR("http://"), TB_STR(":80")}, {TB_STR("https://"), TB_STR(":443")}};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!starts(origin, kinds[i].scheme))
            continue;
        struct tb_str page = {origin.ptr + kinds[i].scheme.len, origin.len - kinds[i].scheme.len};
        return tb_str_eq_nocase(without_port(page, kinds[i].port),
                                without_port(host, kinds[i].port));
    }
    return false;
}

enum tb_origin tb_cors_classify(struct tb_str origin, struct tb_str host, const char *listed)
{
    struct tb_str rest = tb_str_of(listed), item;

    if (!origin.ptr)
        return TB_ORIGIN_NONE;
    if (is_same_host(origin, host))
        return TB_ORIGIN_SAME;
    while (tb_list_next(&rest, &item)) {
        if (item.len > 0 && tb_str_eq_nocase(item, origin))
            return TB_ORIGIN_LISTED;
    }
    return TB_ORIGIN_FOREIGN;
}
