/* Rules: how the fields of commands, events and documents are read and judged. One code for all
 * three, so that what a till may not say, an event may not say either.
 *
 * Private to src/order.
 *
 * Thread:  pure.
 * Memory:  texts are copied into the arena when the reader says so, else borrowed from the JSON.
 * Errors:  a fault is noted in the reader and reading goes on; tb_field_reader_end gives the
 * verdict. Units:   as in order.h. */
#pragma once
#include "order/command.h"
#include "order/order.h"

struct tb_field_reader {
    struct tb_arena *arena;
    struct tb_field_errors
        *errors; /* a command: all faults are listed; NULL: the first is kept in err */
    struct tb_error *err;
    bool copy;           /* texts outlive the JSON */
    bool refuse_unknown; /* an unknown field is a fault */
    size_t error_count;
    bool out_of_memory;
};

/* Where an object stands in the body: "" and -1 is the body itself, "/lines" and 0 its first line.
 */
struct tb_field_path {
    const char *base;
    int64_t index; /* -1: none */
};
#define TB_FIELD_PATH_ROOT ((struct tb_field_path){"", -1})

/* key NULL: the object itself. The text follows the field's name: "must be ...". */
void tb_field_reader_fail(struct tb_field_reader *reader, struct tb_field_path at, const char *key,
                          const char *format, ...) TB_PRINTF(4, 5);
/* TB_OK without faults; else *reader->err is filled. */
TB_CHECKED enum tb_code tb_field_reader_end(struct tb_field_reader *reader, const char *what);

struct tb_field_name {
    const char *name;
    size_t len;
};
#define TB_FIELD_NAME(literal)                                                                    \
    {                                                                                             \
        (literal), sizeof(literal) - 1                                                            \
    }
/* One pass over the object's members: ret_members[i] is the one named fields[i], or NULL. Quickest
 * when the members come in the order of fields. False (and a fault) if it is not an object. */
bool tb_field_read_members(struct tb_field_reader *reader, struct tb_field_path at,
                           const struct tb_json *object, const struct tb_field_name *fields,
                           size_t count, const struct tb_json **ret_members);

enum tb_charset {
    TB_CHARS_ANY,     /* JSON's escapes make control characters legal in free text */
    TB_CHARS_PRINT,   /* no control characters: ids end up in URLs, headers and on receipts */
    TB_CHARS_SOURCE,  /* A-Z 0-9 _ - */
    TB_CHARS_CAPITALS /* A-Z */
};
struct tb_text_field {
    const char *key;
    size_t min, max; /* bytes */
    enum tb_charset chars;
    bool required;
};
/* False: absent (a fault if required) or faulty; *ret_text is then absent. */
bool tb_field_read_text(struct tb_field_reader *reader, struct tb_field_path at,
                        const struct tb_json *value, const struct tb_text_field *rule,
                        struct tb_str *ret_text);
/* Required; false: a fault, *ret_value is untouched. */
bool tb_field_read_int(struct tb_field_reader *reader, struct tb_field_path at, const char *key,
                       const struct tb_json *value, int64_t min, int64_t max, int64_t *ret_value);
/* Below: value NULL is a fault if required. */
bool tb_field_read_time(struct tb_field_reader *reader, struct tb_field_path at, const char *key,
                        const struct tb_json *value, bool required, int64_t *ret_ms);
bool tb_field_read_uuid(struct tb_field_reader *reader, struct tb_field_path at, const char *key,
                        const struct tb_json *value, bool required, char ret_uuid[TB_UUID_SIZE]);
bool tb_order_read_kind(struct tb_field_reader *reader, const struct tb_json *value, bool required,
                        enum tb_order_kind *ret_kind);
bool tb_order_read_currency(struct tb_field_reader *reader, const struct tb_json *value,
                            bool required, char ret_code[4]);
bool tb_order_read_source(struct tb_field_reader *reader, const struct tb_json *value,
                          bool required, struct tb_str *ret_source);
bool tb_order_read_customer(struct tb_field_reader *reader, const struct tb_json *value,
                            struct tb_str *ret_customer);
bool tb_order_read_placed_at(struct tb_field_reader *reader, const char *key,
                             const struct tb_json *value, bool required, int64_t *ret_ms);
/* lines_max bounds the count. Signs are judged by tb_order_check_signs once the kind is known. */
void tb_order_read_lines(struct tb_field_reader *reader, const struct tb_json *value,
                         size_t lines_max, struct tb_line **ret_lines, size_t *ret_count);
void tb_order_check_signs(struct tb_field_reader *reader, const char *base,
                          const struct tb_line *lines, size_t count, enum tb_order_kind kind);
/* Only when no fault was found so far: a sum over faulty lines says nothing. */
void tb_order_check_total(struct tb_field_reader *reader, const char *base,
                          const struct tb_line *lines, size_t count, int64_t *ret_total_minor);
void tb_order_read_address(struct tb_field_reader *reader, struct tb_field_path at,
                           const struct tb_json *value, struct tb_address *ret_address);

/* The document without lastEventId and updatedAt: what two copies of an order share. */
void tb_order_encode_content(struct tb_buf *out, const struct tb_order *order);
/* Reads a document into the reader, which may go on with its own checks. */
void tb_order_read(struct tb_field_reader *reader, const struct tb_json *json,
                   struct tb_order *ret_order);
/* The upcast of OrderPlaced.v1, in event_v1.c. */
struct tb_event_context;
void tb_order_read_v1(struct tb_field_reader *reader, const struct tb_json *json,
                      const struct tb_event_context *context, struct tb_order *ret_order);
/* "12.50" with 2 digits is 1250. False: not exact in so many digits (unless cut), or beyond
 * 2^53 - 1. */
bool tb_decimal_scale(struct tb_str text, int digits, bool cut, int64_t *ret_value);
