/* JSON: a strict reader, and a writer.
 *
 * The reader accepts RFC 8259 in UTF-8. It rejects lone surrogates, NUL (raw or escaped),
 * duplicate keys, anything behind the value, and documents that are too deep or have too many
 * values. A number keeps its exact text. It is an integer only if it is written as one (no
 * fraction, no exponent) and lies within +-(2^53 - 1).
 *
 * Thread:  one thread at a time uses a document.
 * Memory:  values and texts are borrowed from their document.
 * Errors:  TB_INVALID with what is wrong and at which byte; TB_INTERNAL when out of memory. */
#pragma once
#include "base/mem/arena.h"

#define TB_JSON_DEPTH_MAX 32
/* Values and keys of a document; a body of 1 MiB with 1,000 lines has about 9,000. */
#define TB_JSON_TOKENS_MAX 65536
#define TB_JSON_INT_MAX INT64_C(9007199254740991)

struct tb_json; /* a value */

/* Parses a whole text; depth_max is at most TB_JSON_DEPTH_MAX. tb_json_free frees *ret_root. */
TB_CHECKED enum tb_code tb_json_parse(struct tb_str text, int depth_max, struct tb_json **ret_root,
                                      struct tb_error *err);
/* The same, but the document lives in the arena and is freed with it. */
TB_CHECKED enum tb_code tb_json_parse_in(struct tb_str text, int depth_max, struct tb_arena *arena,
                                         struct tb_json **ret_root, struct tb_error *err);
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

/* Members or elements in the order of the text; NULL at the end. */
const struct tb_json *tb_json_first(const struct tb_json *container);
const struct tb_json *tb_json_next(const struct tb_json *value);
struct tb_str tb_json_key(const struct tb_json *member);
size_t tb_json_count(const struct tb_json *container);
/* The member with exactly this key; NULL: there is none, or it is no object. */
const struct tb_json *tb_json_get(const struct tb_json *object, const char *key);

/* The text of a string, which never contains a NUL; {NULL, 0} for any other type. */
struct tb_str tb_json_string(const struct tb_json *value);
/* False if the value is no integer as defined above. */
bool tb_json_int(const struct tb_json *value, int64_t *ret_value);
bool tb_json_bool(const struct tb_json *value, bool *ret_value);
/* The exact text of a number, for decimal amounts; {NULL, 0} for any other type. It is borrowed
 * from the text that was parsed. */
struct tb_str tb_json_number_text(const struct tb_json *value);
/* Writes the value without blanks, and numbers as they were written. */
void tb_json_print(struct tb_buf *out, const struct tb_json *value);

/* Returns the size of the UTF-8 character at text (RFC 3629: no overlong form, no surrogate,
 * nothing above U+10FFFF); 0: there is none, or it does not end within `left` bytes. */
size_t tb_utf8_size(const char *text, size_t left);
bool tb_utf8_valid(struct tb_str text);

/* The writer appends to a buffer. text must be UTF-8; control characters are escaped. */
void tb_json_add_string(struct tb_buf *out, struct tb_str text); /* with quotes; absent: null */
/* Appends a comma unless the last byte is { or [. Call it before other code appends a value. */
void tb_json_separate(struct tb_buf *out);
/* Opens an object or array with '{' or '[': as a member if key is not NULL, else as an element. */
void tb_json_open(struct tb_buf *out, const char *key, char bracket);
/* These write "key":value, with a comma in front unless the last byte is { or [. */
void tb_json_member_key(struct tb_buf *out, const char *key);
void tb_json_member_str(struct tb_buf *out, const char *key, struct tb_str text);
void tb_json_member_int(struct tb_buf *out, const char *key, int64_t value);
void tb_json_member_bool(struct tb_buf *out, const char *key, bool value);
void tb_json_member_time(struct tb_buf *out, const char *key, int64_t time_ms);
