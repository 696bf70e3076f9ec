/* JSON, strictly.
 *
 * Reading: RFC 8259 grammar, UTF-8 (no surrogates, no overlong forms), lone surrogate escapes
 * and NUL (raw or escaped) refused, duplicate keys refused, nothing behind the value, depth and
 * count limits. A number keeps its exact text: it is an integer only if it is written as one
 * (no fraction, no exponent) and lies within +-(2^53 - 1).
 *
 * Thread:  a document has one owner; the rest is pure.
 * Memory:  everything handed out is borrowed from its document.
 * Errors:  TB_INVALID with what is wrong and at which byte; TB_INTERNAL when out of memory.
 * Units:   bytes. */
#pragma once
#include "base/mem/buf.h"

#define TB_JSON_DEPTH_MAX 32
/* Tokens (values and keys): a body of 1 MiB with 1,000 lines needs about 9,000. */
#define TB_JSON_TOKENS_MAX 65536
#define TB_JSON_INT_MAX INT64_C(9007199254740991)

struct tb_json; /* a value */

/* depth_max at most TB_JSON_DEPTH_MAX. *ret_root is freed by tb_json_free. */
TB_CHECKED enum tb_code tb_json_parse(struct tb_str text, int depth_max, struct tb_json **ret_root,
                                      struct tb_error *err);
void tb_json_free(struct tb_json *root);   /* NULL is fine */
void tb_json_freep(struct tb_json **root); /* for TB_CLEANUP */

enum tb_json_type {
    TB_JSON_NULL,
    TB_JSON_BOOL,
    TB_JSON_NUMBER,
    TB_JSON_STRING,
    TB_JSON_ARRAY,
    TB_JSON_OBJECT,
};
enum tb_json_type tb_json_type(const struct tb_json *value);
const char *tb_json_type_name(enum tb_json_type type); /* "a string" */

/* Members and elements in order; NULL at the end. */
const struct tb_json *tb_json_first(const struct tb_json *container);
const struct tb_json *tb_json_next(const struct tb_json *value);
struct tb_str tb_json_key(const struct tb_json *member);
size_t tb_json_count(const struct tb_json *container);
/* Exact, case-sensitive; NULL if absent or not an object. */
const struct tb_json *tb_json_get(const struct tb_json *object, const char *key);

/* The text of a string; {NULL, 0} for any other type. Never holds a NUL. */
struct tb_str tb_json_string(const struct tb_json *value);
/* True if the value is an integer as above. */
bool tb_json_int(const struct tb_json *value, int64_t *ret_value);
bool tb_json_bool(const struct tb_json *value, bool *ret_value);
/* A number's exact text as it stood in the document (for decimal amounts); absent otherwise.
 * The text that was parsed must still be there. */
struct tb_str tb_json_number_text(const struct tb_json *value);
/* Writes the value compactly, numbers as they stood. */
void tb_json_print(struct tb_buf *out, const struct tb_json *value);

/* Bytes of the character at text (RFC 3629: no overlong form, no surrogate, nothing above
 * U+10FFFF); 0 if it is none or cut short by `left`. */
size_t tb_utf8_size(const char *text, size_t left);
bool tb_utf8_valid(struct tb_str text); /* whole characters all the way */

/* Writing: appends to a buffer. text must be UTF-8; control characters are escaped. */
void tb_json_add_string(struct tb_buf *out, struct tb_str text); /* with quotes; absent: null */
/* "key":"text" and the like, with a comma in front unless the last byte is { or [. */
void tb_json_member_key(struct tb_buf *out, const char *key);
void tb_json_member_str(struct tb_buf *out, const char *key, struct tb_str text);
void tb_json_member_int(struct tb_buf *out, const char *key, int64_t value);
void tb_json_member_bool(struct tb_buf *out, const char *key, bool value);
void tb_json_member_time(struct tb_buf *out, const char *key, int64_t time_ms);
