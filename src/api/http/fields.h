/* Parsers and checks for the values of HTTP header fields, and for targets and numbers.
 *
 * Memory:  a resulting text is a part of the argument.
 * Errors:  false: the text is malformed. */
#pragma once
#include "base/mem/arena.h"
#include <stdint.h>

enum tb_method { TB_GET, TB_HEAD, TB_POST, TB_PUT, TB_DELETE, TB_OPTIONS, TB_METHOD_OTHER };
enum tb_method tb_method_parse(const char *text);
const char *tb_method_name(enum tb_method method);

/* Are they equal but for the case of ASCII letters? An absent text equals no other. */
bool tb_str_eq_nocase(struct tb_str a, struct tb_str b);
bool tb_str_is(struct tb_str text, const char *wanted); /* the same, with a C string */
bool tb_is_token(struct tb_str text);                   /* RFC 9110, 5.6.2 */
/* Visible characters, spaces, tabs and bytes above 0x7f (RFC 9110, 5.5). */
bool tb_is_field_value(struct tb_str text);
/* Visible ASCII characters, without those that a URI must escape ('"', '<', '>', '\' and others).
 */
bool tb_is_target(struct tb_str text);

/* Returns the part before the next separator; *rest becomes the part after it, absent at the end.
 */
struct tb_str tb_str_cut(struct tb_str *rest, char separator);
/* The next item of a comma-separated list, without the blanks around it; false: there is none. */
bool tb_list_next(struct tb_str *rest, struct tb_str *ret_item);
/* Is one of the items equal to `wanted` but for case? */
bool tb_list_has(struct tb_str list, const char *wanted);
/* application/json or any +json, with no charset but utf-8. */
bool tb_media_type_is_json(struct tb_str value);
/* Idempotency-Key, bare or quoted: 1 to 255 visible ASCII characters. */
bool tb_idempotency_key_parse(struct tb_str value, struct tb_str *ret_key);
/* If-Match: a version in quotes, or `*`: then *ret_any is true and *ret_version is not set. */
bool tb_if_match_parse(struct tb_str value, bool *ret_any, int64_t *ret_version);
bool tb_traceparent_valid(struct tb_str value); /* W3C Trace Context, level 1 */
/* At most 18 decimal digits and nothing else; the number is from min to max. */
bool tb_digits_parse(struct tb_str text, int64_t min, int64_t max, int64_t *ret_value);
