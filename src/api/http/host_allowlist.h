/* Host allowlist: the names that this server answers to.
 *
 * A web page of a foreign name can make the name resolve to our address (DNS rebinding); the
 * browser then sends that name as Host, and is refused.
 *
 * Thread:  the api thread: the last good Host is remembered.
 * Memory:  owns a copy of the names.
 * Errors:  TB_INTERNAL: out of memory. */
#pragma once
#include "base/mem/buf.h"

struct tb_host_allowlist {
    struct tb_buf names; /* comma-separated, with or without a port */
    char last[80];       /* the last good Host */
    size_t last_len;
};
/* listen_host: NULL or a wildcard adds nothing. allowed: comma-separated. Loopback names and
 * addresses are always allowed. */
TB_CHECKED enum tb_code tb_host_allowlist_init(struct tb_host_allowlist *hosts,
                                               const char *listen_host, const char *allowed,
                                               struct tb_error *err);
void tb_host_allowlist_release(struct tb_host_allowlist *hosts);
bool tb_host_allowlist_allows(struct tb_host_allowlist *hosts, struct tb_str host);
