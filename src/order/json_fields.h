/* Reads and checks the fields of JSON objects, in commands, events and documents alike. So the
 * same limits hold for all three. Private to src/order.
 *
 * Memory:  texts are copied into the arena if reader->copy, else borrowed from the JSON.
 * Errors:  a wrong field is recorded in the reader, and reading goes on. tb_field_reader_end
 *          returns an error if any field was wrong. */
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
    /* Pointer to the object that is being read. NULL: the whole value; "/lines" and 0: the first
     * line; "/lines" and -1: the array itself. */
    const char *base;
    int64_t index;
};
static inline void tb_field_reader_enter(struct tb_field_reader *reader, const char *base,
                                         int64_t index)
{
    reader->base = base;
    reader->index = index;
}
/* Records an error of the field `key`; NULL: of the object itself. The text stands behind the name
 * of the field: "must be ...". */
void tb_field_reader_fail(struct tb_field_reader *reader, const char *key, const char *format, ...)
    TB_PRINTF(3, 4);
/* Returns TB_OK if no error was recorded; else fills *reader->err. what: "the body". */
TB_CHECKED enum tb_code tb_field_reader_end(struct tb_field_reader *reader, const char *what);

enum tb_charset {
    TB_CHARS_ANY,     /* free text, control characters included: JSON can escape them */
    TB_CHARS_PRINT,   /* no control characters: ids are used in URLs, headers and on receipts */
    TB_CHARS_SOURCE,  /* A-Z 0-9 _ - */
    TB_CHARS_CAPITALS /* A-Z */
};
/* The name of a field, and the values that are allowed. */
struct tb_field {
    struct tb_str name;
    bool required;
    enum tb_charset chars; /* of a text */
    int64_t min, max;      /* of a number; of a text: of its bytes */
};
#define TB_FIELD(name, ...)                                                                       \
    {                                                                                             \
        {name, sizeof name - 1}, ##__VA_ARGS__                                                    \
    }
#define TB_REQUIRED .required = true
#define TB_TEXT(min_, max_, chars_) .chars = (chars_), .min = (min_), .max = (max_)
#define TB_RANGE(min_, max_) .min = (min_), .max = (max_)

/* The members of an object: values[i] is the one that fields[i] names, or NULL. */
#define TB_FIELDS_MAX 16
struct tb_members {
    const struct tb_field *fields;
    const struct tb_json *values[TB_FIELDS_MAX];
};
/* Finds all members in one pass; fastest if they come in the order of `fields`. False: the value
 * is not an object, and an error was recorded. */
bool tb_field_read_members(struct tb_field_reader *reader, const struct tb_json *object,
                           const struct tb_field *fields, size_t count,
                           struct tb_members *ret_members);

/* These read member i. True: it is present and right. False: it is wrong or absent; an error was
 * recorded unless the absent member is optional. Then the result is untouched, except that
 * *ret_text is set to absent. */
bool tb_field_read_text(struct tb_field_reader *reader, const struct tb_members *members, int i,
                        struct tb_str *ret_text);
bool tb_field_read_int(struct tb_field_reader *reader, const struct tb_members *members, int i,
                       int64_t *ret_value);
bool tb_field_read_time(struct tb_field_reader *reader, const struct tb_members *members, int i,
                        int64_t *ret_ms);
bool tb_field_read_uuid(struct tb_field_reader *reader, const struct tb_members *members, int i,
                        char ret_uuid[TB_UUID_SIZE]);
/* True: the member is present, with any type. False: an error was recorded if it is required. */
bool tb_field_is_present(struct tb_field_reader *reader, const struct tb_members *members, int i);
/* Allocates memory in the arena for the elements of a JSON array, which must have 1 to `max`.
 * NULL: as False above, or out of memory. */
void *tb_field_read_array(struct tb_field_reader *reader, const struct tb_members *members, int i,
                          size_t max, size_t element_size, size_t *ret_count);
