#include "api/http/host_allowlist.h"
#include "api/http/address_limit.h"
#include "api/http/fields.h"

static bool is_wildcard(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0 || strcmp(host, "") == 0;
}

static void add_host(struct tb_host_allowlist *hosts, struct tb_str host)
{
    if (host.len == 0)
        return;
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        tb_buf_addc(&hosts->names, (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
    }
    tb_buf_addc(&hosts->names, '\0');
}

enum tb_code tb_host_allowlist_init(struct tb_host_allowlist *hosts, const char *listen_host,
                                    const char *allowed, struct tb_error *err)
{
    struct tb_str rest = tb_str_of(allowed != NULL ? allowed : ""), host;

    *hosts = (struct tb_host_allowlist){0};
    if (listen_host != NULL && !is_wildcard(listen_host)) {
        if (strchr(listen_host, ':') != NULL)
            tb_buf_addf(&hosts->names, "[%s]%c", listen_host, '\0');
        else
            add_host(hosts, tb_str_of(listen_host));
    }
    while (tb_list_next(&rest, &host))
        add_host(hosts, host);
    if (!tb_buf_ok(&hosts->names)) {
        tb_host_allowlist_release(hosts);
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    }
    return TB_OK;
}

void tb_host_allowlist_release(struct tb_host_allowlist *hosts)
{
    tb_buf_release(&hosts->names);
}

/* Splits "name:port" and "[v6]:port"; false if that is not what it is. */
static bool split_host(struct tb_str host, struct tb_str *ret_name)
{
    size_t name_len = 0;
    int64_t port = 0;

    if (host.len > 0 && host.ptr[0] == '[') {
        const char *end = memchr(host.ptr, ']', host.len);
        if (end == NULL)
            return false;
        name_len = (size_t)(end - host.ptr) + 1;
    } else {
        const char *colon = host.len > 0 ? memchr(host.ptr, ':', host.len) : NULL;
        name_len = colon != NULL ? (size_t)(colon - host.ptr) : host.len;
    }
    *ret_name = (struct tb_str){host.ptr, name_len};
    if (name_len == 0)
        return false;
    if (name_len == host.len)
        return true;
    struct tb_str digits = {host.ptr + name_len + 1, host.len - name_len - 1};
    /* An empty port is the default one (RFC 3986, 3.2.3). */
    return host.ptr[name_len] == ':' && digits.len <= 5 &&
           (digits.len == 0 || tb_digits_parse(digits, 0, 65535, &port));
}

static bool is_loopback_name(struct tb_str name)
{
    char text[64];

    if (tb_str_is(name, "localhost") || tb_str_is(name, "localhost."))
        return true;
    if (name.len >= 2 && name.ptr[0] == '[')
        name = (struct tb_str){name.ptr + 1, name.len - 2};
    if (name.len == 0 || name.len >= sizeof(text))
        return false;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    return tb_address_text_is_loopback(text);
}

bool tb_host_allowlist_allows(struct tb_host_allowlist *hosts, struct tb_str host)
{
    struct tb_str name = {NULL, 0};

    if (hosts->last_len == host.len && host.len > 0 &&
        memcmp(hosts->last, host.ptr, host.len) == 0)
        return true;
    if (!split_host(host, &name))
        return false;
    bool good = is_loopback_name(name);
    for (size_t at = 0; !good && at < hosts->names.len;) {
        const char *entry = hosts->names.data + at;
        good = tb_str_is(name, entry) || tb_str_is(host, entry);
        at += strlen(entry) + 1;
    }
    if (good && host.len <= sizeof(hosts->last)) {
        memcpy(hosts->last, host.ptr, host.len);
        hosts->last_len = host.len;
    }
    return good;
}
