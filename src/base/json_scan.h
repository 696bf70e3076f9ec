/* Strict pre-scan of a JSON text: everything cJSON does not check, and what it forgets.
 *
 * Thread:  pure.
 * Memory:  numbers borrow from the text; release a list that was given to a scan.
 * Errors:  TB_INVALID with what is wrong and at which byte; TB_INTERNAL when out of memory.
 * Units:   bytes, counted from 0. */
#pragma once
#include "base/buf.h"

/* Where a scan stands. */
struct tb_json_cursor {
    const char *text;
    size_t len, at;
    struct tb_error *err;
};
/* The byte at the cursor, or -1 at the end. */
static inline int tb_json_peek(const struct tb_json_cursor *in)
{
    return in->at < in->len ? (unsigned char)in->text[in->at] : -1;
}
enum tb_code tb_json_refuse_at(struct tb_json_cursor *in, size_t at, const char *what);
/* At the cursor; if that is the end, then that is what is wrong. */
enum tb_code tb_json_refuse(struct tb_json_cursor *in, const char *what);
/* From the opening quote to behind the closing one. */
TB_CHECKED enum tb_code tb_json_scan_string(struct tb_json_cursor *in, bool *ret_escapes);
/* Appends the string body [start, end), which has been scanned, with its escapes decoded. */
void tb_json_unescape(const struct tb_json_cursor *in, size_t start, size_t end,
                      struct tb_buf *out);

struct tb_json_number {
    struct tb_str text; /* as it stands in the document */
    int64_t value;      /* if it is an integer */
    bool integer;       /* no fraction, no exponent, within +-TB_JSON_INT_MAX */
};

/* An order of three lines has six numbers; only large ones need the heap. */
#define TB_JSON_NUMBERS_INLINE 32

/* The numbers of a document in the order in which they stand. */
struct tb_json_numbers {
    struct tb_json_number *heap; /* NULL while they fit in few */
    size_t count, cap;
    struct tb_json_number few[TB_JSON_NUMBERS_INLINE];
};

static inline struct tb_json_number *tb_json_numbers_items(struct tb_json_numbers *numbers)
{
    return numbers->heap ? numbers->heap : numbers->few;
}

void tb_json_numbers_init(struct tb_json_numbers *numbers);
void tb_json_numbers_release(struct tb_json_numbers *numbers);

/* numbers may be NULL; otherwise it is initialised and, whatever the outcome, released by
 * the caller. */
TB_CHECKED enum tb_code tb_json_scan(struct tb_str text, int depth_max,
                                     struct tb_json_numbers *numbers, struct tb_error *err);
