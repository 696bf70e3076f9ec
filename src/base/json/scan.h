/* The scan of a JSON text: checks the grammar and our limits, and builds the tree.
 *
 * Memory:  numbers borrow from the text; everything else is in the arena.
 * Errors:  as json.h; bytes are counted from 0. */
#pragma once
#include "base/json/json.h"
#include "base/mem/arena.h"

struct tb_json {
    struct tb_json *next, *child; /* child: the first of a container */
    struct tb_str key;            /* of a member */
    struct tb_str text;           /* of a string; of a number as it stands in the document */
    int64_t value;                /* of an integer; 1 for true */
    uint32_t count;               /* of a container: its members or elements */
    uint8_t type;                 /* enum tb_json_type */
    bool integer;                 /* no fraction, no exponent, within +-TB_JSON_INT_MAX */
};

/* The text that is scanned, and how far the scan has come. */
struct tb_json_input {
    const char *text;
    size_t len, at;
    struct tb_error *err;
};
/* The byte at the current position, or -1 at the end. */
static inline int tb_json_peek(const struct tb_json_input *in)
{
    return in->at < in->len ? (unsigned char)in->text[in->at] : -1;
}
enum tb_code tb_json_reject_at(struct tb_json_input *in, size_t at, const char *what);
/* Rejects the byte at the current position; at the end of the text it reports that the text ends
 * too early, whatever `what` says. */
enum tb_code tb_json_reject(struct tb_json_input *in, const char *what);
/* Scans from the opening quote to behind the closing one. */
TB_CHECKED enum tb_code tb_json_scan_string(struct tb_json_input *in, bool *ret_escapes);
/* Decodes the escapes of the string body [start, end), which has been scanned, into out. */
void tb_json_unescape(const struct tb_json_input *in, size_t start, size_t end,
                      struct tb_buf *out);

/* Scans the whole text into *root, with all nodes below it in the arena. */
TB_CHECKED enum tb_code tb_json_scan(struct tb_str text, int depth_max, struct tb_arena *arena,
                                     struct tb_json *root, struct tb_error *err);
