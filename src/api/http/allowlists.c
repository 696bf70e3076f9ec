#include "api/http/allowlists.h"
#include "api/http/address_limit.h"
#include "api/http/fields.h"

static bool is_wildcard(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0 || strcmp(host, "") == 0;
}

enum tb_code tb_host_allowlist_init(struct tb_host_allowlist *hosts, const char *listen_host,
                                    const char *allowed, struct tb_error *err)
{
    *hosts = (struct tb_host_allowlist){0};
    tb_buf_adds(&hosts->names, allowed ? allowed : "");
    if (listen_host && !is_wildcard(listen_host))
        tb_buf_addf(&hosts->names, strchr(listen_host, ':') ? ",[%s]" : ",%s", listen_host);
    if (tb_buf_ok(&hosts->names))
        return TB_OK;
    tb_host_allowlist_release(hosts);
    return tb_error_set(err, TB_INTERNAL, "out of memory");
}

void tb_host_allowlist_release(struct tb_host_allowlist *hosts)
{
    tb_buf_release(&hosts->names);
}

/* Finds the name in "name", "name:port" and "[v6]:port"; false for any other text. An empty port
 * means the default one (RFC 3986, 3.2.3). */
static bool split_host(struct tb_str text, struct tb_str *ret_name)
{
    bool has_brackets = text.len > 0 && text.ptr[0] == '[';
    const char *end = text.len > 0 ? memchr(text.ptr, has_brackets ? ']' : ':', text.len) : NULL;
    size_t name_len = end ? (size_t)(end - text.ptr) + has_brackets : text.len;
    int64_t port = 0;

    if (has_brackets && !end)
        return false;
    *ret_name = (struct tb_str){text.ptr, name_len};
    if (name_len == 0 || name_len == text.len)
        return name_len > 0;
    struct tb_str digits = {text.ptr + name_len + 1, text.len - name_len - 1};
    return text.ptr[name_len] == ':' && digits.len <= 5 &&
           (digits.len == 0 || tb_digits_parse(digits, 0, 65535, &port));
}

static bool is_loopback_name(struct tb_str name)
{
    char text[64];

    if (tb_str_is(name, "localhost") || tb_str_is(name, "localhost."))
        return true;
    if (name.len >= 2 && name.ptr[0] == '[')
        name = (struct tb_str){name.ptr + 1, name.len - 2};
    if (name.len == 0 || name.len >= sizeof text)
        return false;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    return tb_address_text_is_loopback(text);
}

bool tb_host_allowlist_allows(struct tb_host_allowlist *hosts, struct tb_str host)
{
    struct tb_str name;

    if (hosts->last_len == host.len && host.len > 0 &&
        memcmp(hosts->last, host.ptr, host.len) == 0)
        return true;
    if (!split_host(host, &name))
        return false;
    struct tb_str rest = tb_buf_str(&hosts->names), allowed;
    bool good = is_loopback_name(name);
    while (!good && tb_list_next(&rest, &allowed))
        good = tb_str_eq_nocase(name, allowed) || tb_str_eq_nocase(host, allowed);
    if (good && host.len <= sizeof hosts->last) {
        memcpy(hosts->last, host.ptr, host.len);
        hosts->last_len = host.len;
    }
    return good;
}

static bool starts(struct tb_str text, struct tb_str lower)
{
    return text.len > lower.len && strncasecmp(text.ptr, lower.ptr, lower.len) == 0;
}

/* Cuts off the port if it is the default one of the scheme. */
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

enum tb_origin tb_origin_classify(struct tb_str origin, struct tb_str host, const char *listed)
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
