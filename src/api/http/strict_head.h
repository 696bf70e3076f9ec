/* Guard: what the HTTP library lets through and we do not.
 *
 * The library forgives bare line feeds, folded lines, spaces before a colon, NUL bytes and
 * repeated lengths; each has been used to make two programs see different requests in the same
 * bytes. It tells how long the head was: a head whose fields, separated as the standard has it,
 * add up to another length held something of that kind.
 *
 * Thread:  pure; struct tb_host_allowlist is read-only but for a memo of the last good Host (api
 * thread). Memory:  fields are borrowed. Errors:  a fault is a sentence for the client; NULL:
 * none. Units:   bytes. */
#pragma once
#include "api/http/host_allowlist.h"
#include "api/http/request.h"

struct tb_strict_head {
    struct tb_head *head;
    unsigned host_count, origin_count, ws_key_count, ws_version_count;
    unsigned length_count, encoding_count, key_count, match_count, type_count;
    size_t size; /* of the fields as they should have been sent */
    const char *fault;
};
void tb_strict_head_init(struct tb_strict_head *guard, struct tb_head *head);
/* name and value point into the head as it was received. */
void tb_strict_head_field(struct tb_strict_head *guard, struct tb_str name, struct tb_str value);
/* target is what stood in the request line; head_size as the library counted. */
const char *tb_strict_head_finish(struct tb_strict_head *guard, struct tb_host_allowlist *hosts,
                                  const char *method, struct tb_str target, const char *version,
                                  size_t head_size);
