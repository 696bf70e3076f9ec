/* Allowlists: the host names that this server answers to, and the web pages that may use it.
 *
 * Both protect a till from web pages of other sites in its own browser. Such a page can make its
 * name resolve to our address (DNS rebinding): the browser then sends that name as Host, and we
 * refuse it. Without that trick a browser lets any page send requests to our loopback address, and
 * names the page as Origin: commands of foreign pages are refused (CORS).
 *
 * Thread:  the api thread.
 * Memory:  a host list owns a copy of the names.
 * Errors:  TB_INTERNAL: out of memory. */
#pragma once
#include "base/mem/buf.h"

struct tb_host_allowlist {
    struct tb_buf names; /* comma-separated, with or without a port */
    char last[80];       /* the Host that was allowed last: most requests have the same */
    size_t last_len;
};
/* listen_host is allowed unless it is a wildcard address, and so are loopback names and addresses.
 * allowed: more names, comma-separated; NULL: none. */
TB_CHECKED enum tb_code tb_host_allowlist_init(struct tb_host_allowlist *hosts,
                                               const char *listen_host, const char *allowed,
                                               struct tb_error *err);
void tb_host_allowlist_release(struct tb_host_allowlist *hosts);
bool tb_host_allowlist_allows(struct tb_host_allowlist *hosts, struct tb_str host);

enum tb_origin {
    TB_ORIGIN_NONE,   /* the request comes from no web page */
    TB_ORIGIN_SAME,   /* from a page of the host and port that the request goes to */
    TB_ORIGIN_LISTED, /* from a page that the operator listed */
    TB_ORIGIN_FOREIGN /* from any other page */
};
/* origin and host: the header fields as sent. listed: comma-separated, each item as a browser
 * sends it: "https://shop.example:8443", or "null" for a page from a file. */
enum tb_origin tb_origin_classify(struct tb_str origin, struct tb_str host, const char *listed);
