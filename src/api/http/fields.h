/* HTTP's small grammars: field values, targets, query strings. No sockets, no state.
 *
 * Thread:  pure.
 * Memory:  results are borrowed from the arguments unless said.
 * Errors:  false for what does not fit the grammar.
 * Units:   bytes. */
#pragma once
#include "base/mem/arena.h"
#include <stdint.h>

enum tb_method { TB_GET, TB_HEAD, TB_POST, TB_PUT, TB_DELETE, TB_OPTIONS, TB_METHOD_OTHER };
enum tb_method tb_method_parse(const char *text);
const char *tb_method_name(enum tb_method method);

bool tb_str_is(struct tb_str text,
               const char *lower);    /* ASCII case ignored; lower in lower case */
bool tb_is_token(struct tb_str text); /* RFC 9110, 5.6.2 */
/* Visible characters, spaces, tabs and bytes above 0x7f (RFC 9110, 5.5). */
bool tb_is_field_value(struct tb_str text);
/* Visible ASCII without '"', '<', '>', '\' and the like that no URI holds unescaped. */
bool tb_is_target(struct tb_str text);

/* The next item of a comma-separated list, blanks around it cut off; false: there is none. */
bool tb_list_next(struct tb_str *rest, struct tb_str *ret_item);
/* Is it one of the list's items? ASCII case ignored; lower in lower case. */
bool tb_list_has(struct tb_str list, const char *lower);
/* application/json or any +json, with no charset but utf-8. */
bool tb_media_type_is_json(struct tb_str value);
/* Idempotency-Key, bare or quoted: 1 to 255 visible ASCII characters. */
bool tb_idempotency_key_parse(struct tb_str value, struct tb_str *ret_key);
/* If-Match: "N" or *; *ret_any true for *. */
bool tb_if_match_parse(struct tb_str value, bool *ret_any, int64_t *ret_version);
bool tb_traceparent_valid(struct tb_str value); /* W3C Trace Context, level 1 */

/* %XX; in a query also + for a space. NUL and broken escapes are refused. Arena copy. */
bool tb_percent_decode(struct tb_str text, bool plus, struct tb_arena *arena,
                       struct tb_str *ret_text);

#define TB_PARAMS_MAX 16
struct tb_param {
    struct tb_str name, value;
};
struct tb_params {
    struct tb_param list[TB_PARAMS_MAX];
    size_t count;
};
/* Decoded pairs; TB_INVALID says what is wrong: an escape, a repeated or nameless one, too many,
 * or one that `allowed` (NULL-terminated) does not list. */
TB_CHECKED enum tb_code tb_params_parse(struct tb_str query, const char *const *allowed,
                                        struct tb_arena *arena, struct tb_params *ret_params,
                                        struct tb_error *err);
/* Absent when it is not there or empty. */
struct tb_str tb_param(const struct tb_params *params, const char *name);
/* Decimal digits only; between min and max. */
bool tb_digits_parse(struct tb_str text, int64_t min, int64_t max, int64_t *ret_value);
