/* Reads and checks the fields of JSON objects. Commands, events and documents all use it, so that
 * an event cannot contain what a command may not.
 *
 * Private to src/order.
 *
 * Memory:  texts are copied into the arena if reader->copy, else borrowed from the JSON.
 * Errors:  a wrong field is recorded in the reader and reading goes on; tb_field_reader_end
 * returns the verdict. Units:   as in order.h. */
#pragma once
#include "order/command.h"
#include "order/order.h"

struct tb_field_reader {
    struct tb_arena *arena;
    struct tb_field_errors *errors; /* gets every error; NULL: err gets the first */
    struct tb_error *err;
    bool copy;           /* texts must outlive the JSON */
    bool reject_unknown; /* an unknown field is an error */
    size_t error_count;
    bool out_of_memory;
    /* The object that is being read. NULL: the whole value; "/lines" and 0: its first line;
     * "/lines" and -1: the array itself. */
    const char *base;
    int64_t index;
};
static inline void tb_field_reader_enter(struct tb_field_reader *reader, const char *base,
                                         int64_t index)
{
    reader->base = base;
    reader->index = index;
}
/* Records an error of the field `key` (NULL: of the object itself). The text continues the name of
 * the field: "must be ...". */
void tb_field_reader_fail(struct tb_field_reader *reader, const char *key, const char *format, ...)
    TB_PRINTF(3, 4);
/* TB_OK if no error was recorded; else *reader->err is filled. what: "the body". */
TB_CHECKED enum tb_code tb_field_reader_end(struct tb_field_reader *reader, const char *what);

struct tb_field_name {
    const char *name;
    size_t len;
};
#define TB_FIELD_NAME(literal)                                                                    \
    {                                                                                             \
        (literal), sizeof(literal) - 1                                                            \
    }
/* Finds all members of the object in one pass: ret_members[i] is the one named fields[i], or NULL.
 * Fastest if the members come in the order of `fields`. False, with an error recorded, if the
 * value is not an object. */
bool tb_field_read_members(struct tb_field_reader *reader, const struct tb_json *object,
                           const struct tb_field_name *fields, size_t count,
                           const struct tb_json **ret_members);

enum tb_charset {
    TB_CHARS_ANY,     /* free text, control characters included: JSON can escape them */
    TB_CHARS_PRINT,   /* no control characters: ids are used in URLs, headers and on receipts */
    TB_CHARS_SOURCE,  /* A-Z 0-9 _ - */
    TB_CHARS_CAPITALS /* A-Z */
};
struct tb_text_field {
    const char *key;
    size_t min, max; /* bytes */
    enum tb_charset chars;
    bool required;
};
/* All of these return true if the field is present and right. False: it is absent, which is an
 * error only if it is required, or it is wrong, which is always an error; the result is then
 * untouched, but for *ret_text, which is absent. */
bool tb_field_read_text(struct tb_field_reader *reader, const struct tb_json *value,
                        const struct tb_text_field *field, struct tb_str *ret_text);
bool tb_field_read_int(struct tb_field_reader *reader, const char *key,
                       const struct tb_json *value, int64_t min, int64_t max, int64_t *ret_value);
bool tb_field_read_time(struct tb_field_reader *reader, const char *key,
                        const struct tb_json *value, bool required, int64_t *ret_ms);
bool tb_field_read_uuid(struct tb_field_reader *reader, const char *key,
                        const struct tb_json *value, bool required, char ret_uuid[TB_UUID_SIZE]);
/* True if there is a value of any type. */
bool tb_field_is_present(struct tb_field_reader *reader, const char *key,
                         const struct tb_json *value, bool required);
/* Allocates an array in the arena for the elements of a required JSON array, which must have 1 to
 * `max`; NULL: an error was recorded. unit: "lines", for its text. */
void *tb_field_read_array(struct tb_field_reader *reader, const char *key,
                          const struct tb_json *value, const char *unit, size_t max,
                          size_t element_size, size_t *ret_count);
