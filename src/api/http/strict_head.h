/* Strict head: parses the head of a request, and finds faults in it that libmicrohttpd accepts.
 *
 * libmicrohttpd accepts bare line feeds, folded lines, spaces before a colon, NUL bytes and
 * repeated lengths; attackers have used each of these to make two programs read different requests
 * from the same bytes. But it reports the length of the head. If the fields, separated as the
 * standard demands, add up to another length, the head has such a fault.
 *
 * Memory:  the texts in struct tb_head are parts of the head as it was received.
 * Errors:  a fault is a sentence for the client; NULL: there is none. */
#pragma once
#include "api/http/request.h"

struct tb_strict_head {
    struct tb_head *head;
    unsigned seen; /* a bit for each field of the table that has come */
    bool repeated; /* the current field has come before */
    size_t size;   /* of the fields, as the standard separates them */
    const char *fault;
};
void tb_strict_head_init(struct tb_strict_head *check, struct tb_head *head);
/* name and value point into the head as it was received. */
void tb_strict_head_field(struct tb_strict_head *check, struct tb_str name, struct tb_str value);
/* Returns the first fault. target: as sent; head_size: as libmicrohttpd has counted it. */
const char *tb_strict_head_finish(struct tb_strict_head *check, struct tb_host_allowlist *hosts,
                                  const char *method, struct tb_str target, const char *version,
                                  size_t head_size);
