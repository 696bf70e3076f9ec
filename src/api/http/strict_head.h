/* Strict head: finds what libmicrohttpd lets through in the head of a request and we refuse.
 *
 * libmicrohttpd forgives bare line feeds, folded lines, spaces before a colon, NUL bytes and
 * repeated lengths; attackers have used each to make two programs read different requests from the
 * same bytes. It reports how long the head was: if the fields, separated as the standard says, add
 * up to another length, then the head held something of that kind.
 *
 * Memory:  fields are borrowed.
 * Errors:  a fault is a sentence for the client; NULL: none.
 * Units:   bytes. */
#pragma once
#include "api/http/request.h"

struct tb_strict_head {
    struct tb_head *head;
    unsigned seen; /* fields that came, by bit */
    bool repeated; /* the current field came before */
    size_t size;   /* of the fields, as the standard separates them */
    const char *fault;
};
void tb_strict_head_init(struct tb_strict_head *check, struct tb_head *head);
/* name and value point into the head as it was received. */
void tb_strict_head_field(struct tb_strict_head *check, struct tb_str name, struct tb_str value);
/* Returns the fault. target is as sent; head_size as libmicrohttpd counted it. */
const char *tb_strict_head_finish(struct tb_strict_head *check, struct tb_host_allowlist *hosts,
                                  const char *method, struct tb_str target, const char *version,
                                  size_t head_size);
