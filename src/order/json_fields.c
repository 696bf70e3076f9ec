#include "order/json_fields.h"
#include <stdarg.h>
#include <stdio.h>

/* Room for the base, an index, and a key of at most TB_TEXT_MAX bytes, each of which may need an
 * escape. */
#define POINTER_SIZE (2 * TB_TEXT_MAX + 64)
#define DETAIL_SIZE 160

static void make_pointer(const struct tb_field_reader *reader, const char *key,
                         char ret_pointer[POINTER_SIZE])
{
    const char *base = reader->base ? reader->base : "";
    char *end = ret_pointer;

    if (!reader->base || reader->index < 0)
        end += snprintf(end, POINTER_SIZE, "%s", base);
    else
        end += snprintf(end, POINTER_SIZE, "%s/%lld", base, (long long)reader->index);
    if (!key)
        return;
    *end++ = '/';
    for (; *key; key++) {
        /* RFC 6901: ~ and / in a name are written as ~0 and ~1. */
        if (*key == '~' || *key == '/') {
            *end++ = '~';
            *end++ = *key == '~' ? '0' : '1';
        } else {
            *end++ = *key;
        }
    }
    *end = '\0';
}

void tb_field_reader_fail(struct tb_field_reader *reader, const char *key, const char *format, ...)
{
    char pointer[POINTER_SIZE], detail[DETAIL_SIZE];
    va_list args;

    reader->error_count++;
    if (!reader->errors && reader->error_count > 1)
        return;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    make_pointer(reader, key, pointer);
    if (reader->errors)
        tb_field_error_add(reader->errors, reader->arena, pointer, detail);
    else
        tb_error_set(reader->err, TB_INVALID, "%s %s", pointer[0] ? pointer : "the value", detail);
}

enum tb_code tb_field_reader_end(struct tb_field_reader *reader, const char *what)
{
    if (reader->out_of_memory)
        return tb_error_set(reader->err, TB_INTERNAL, "out of memory while reading %s", what);
    if (reader->error_count == 0)
        return TB_OK;
    if (!reader->errors)
        return tb_error_wrap(reader->err, "%s", what);
    return tb_error_set(reader->err, TB_INVALID,
                        reader->error_count == 1 ? "%s has a fault: correct it and send it again"
                                                 : "%s has faults: correct them and send it again",
                        what);
}

static size_t find_field(const struct tb_field *fields, size_t count, struct tb_str key,
                         size_t expected)
{
    for (size_t tried = 0, i = expected; tried < count; tried++, i++) {
        if (i >= count)
            i = 0;
        if (fields[i].name.len == key.len && memcmp(fields[i].name.ptr, key.ptr, key.len) == 0)
            return i;
    }
    return count;
}

bool tb_field_read_members(struct tb_field_reader *reader, const struct tb_json *object,
                           const struct tb_field *fields, size_t count,
                           struct tb_members *ret_members)
{
    size_t expected = 0;

    TB_ASSERT(count <= TB_FIELDS_MAX);
    ret_members->fields = fields;
    memset(ret_members->values, 0, count * sizeof *ret_members->values);
    if (tb_json_type(object) != TB_JSON_OBJECT) {
        tb_field_reader_fail(reader, NULL, "must be an object, not %s",
                             tb_json_type_name(tb_json_type(object)));
        return false;
    }
    for (const struct tb_json *member = tb_json_first(object); member;
         member = tb_json_next(member)) {
        struct tb_str key = tb_json_key(member);
        size_t i = find_field(fields, count, key, expected);

        if (i < count) {
            ret_members->values[i] = member;
            expected = i + 1;
        } else if (reader->reject_unknown && key.len <= TB_TEXT_MAX) {
            tb_field_reader_fail(reader, key.ptr, "is not a field that is known here");
        } else if (reader->reject_unknown) {
            /* The name is too long for the pointer in the answer. */
            tb_field_reader_fail(reader, NULL,
                                 "has a field that is not known here, its name %zu bytes long",
                                 key.len);
        }
    }
    return true;
}

static bool chars_ok(struct tb_str text, enum tb_charset chars)
{
    if (chars == TB_CHARS_ANY)
        return true;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool capital = c >= 'A' && c <= 'Z';

        if (chars == TB_CHARS_PRINT
                ? c < 0x20 || c == 0x7f
                : !capital && (chars == TB_CHARS_CAPITALS ||
                               !((c >= '0' && c <= '9') || c == '_' || c == '-')))
            return false;
    }
    return true;
}

static void reject_text(struct tb_field_reader *reader, const struct tb_field *field,
                        struct tb_str text)
{
    static const char *const must[] = {
        [TB_CHARS_ANY] = "must be text",
        [TB_CHARS_PRINT] = "must not hold control characters",
        [TB_CHARS_SOURCE] = "must consist of A-Z, 0-9, _ and -",
        [TB_CHARS_CAPITALS] = "must consist of capital letters A-Z",
    };
    size_t min = (size_t)field->min, max = (size_t)field->max;

    if (min == max && text.len != min)
        tb_field_reader_fail(reader, field->name.ptr, "must have %zu characters", min);
    else if (text.len < min)
        tb_field_reader_fail(reader, field->name.ptr, "must not be empty");
    else if (text.len > max)
        tb_field_reader_fail(reader, field->name.ptr, "must have at most %zu bytes, not %zu", max,
                             text.len);
    else
        tb_field_reader_fail(reader, field->name.ptr, "%s", must[field->chars]);
}

bool tb_field_is_present(struct tb_field_reader *reader, const struct tb_members *members, int i)
{
    if (!members->values[i] && members->fields[i].required)
        tb_field_reader_fail(reader, members->fields[i].name.ptr, "is missing");
    return members->values[i];
}

/* True: member i is present and has this type. Else an error was recorded, unless it is absent and
 * optional. */
static bool has_type(struct tb_field_reader *reader, const struct tb_members *members, int i,
                     enum tb_json_type type, const char *type_name)
{
    if (!tb_field_is_present(reader, members, i))
        return false;
    if (tb_json_type(members->values[i]) == type)
        return true;
    tb_field_reader_fail(reader, members->fields[i].name.ptr, "must be %s, not %s", type_name,
                         tb_json_type_name(tb_json_type(members->values[i])));
    return false;
}

bool tb_field_read_text(struct tb_field_reader *reader, const struct tb_members *members, int i,
                        struct tb_str *ret_text)
{
    const struct tb_field *field = &members->fields[i];

    *ret_text = (struct tb_str){NULL, 0};
    if (!has_type(reader, members, i, TB_JSON_STRING, "a string"))
        return false;
    struct tb_str text = tb_json_string(members->values[i]);
    if (text.len < (size_t)field->min || text.len > (size_t)field->max ||
        !chars_ok(text, field->chars)) {
        reject_text(reader, field, text);
        return false;
    }
    if (reader->copy) {
        text = tb_arena_copy(reader->arena, text);
        reader->out_of_memory |= !text.ptr;
    }
    *ret_text = text;
    return true;
}

bool tb_field_read_int(struct tb_field_reader *reader, const struct tb_members *members, int i,
                       int64_t *ret_value)
{
    const struct tb_field *field = &members->fields[i];
    int64_t number;

    if (!has_type(reader, members, i, TB_JSON_NUMBER, "a whole number"))
        return false;
    if (!tb_json_int(members->values[i], &number)) {
        tb_field_reader_fail(reader, field->name.ptr,
                             "must be a whole number without fraction or exponent, within "
                             "+-9007199254740991");
    } else if (number < field->min || number > field->max) {
        tb_field_reader_fail(reader, field->name.ptr, "must be from %lld to %lld",
                             (long long)field->min, (long long)field->max);
    } else {
        *ret_value = number;
        return true;
    }
    return false;
}

bool tb_field_read_time(struct tb_field_reader *reader, const struct tb_members *members, int i,
                        int64_t *ret_ms)
{
    if (!has_type(reader, members, i, TB_JSON_STRING, "a string"))
        return false;
    if (tb_time_parse(tb_json_string(members->values[i]), ret_ms))
        return true;
    tb_field_reader_fail(reader, members->fields[i].name.ptr,
                         "must be an RFC 3339 time such as 2026-11-23T08:20:42.123Z");
    return false;
}

bool tb_field_read_uuid(struct tb_field_reader *reader, const struct tb_members *members, int i,
                        char ret_uuid[TB_UUID_SIZE])
{
    if (!has_type(reader, members, i, TB_JSON_STRING, "a string"))
        return false;
    if (tb_uuid_parse(tb_json_string(members->values[i]), ret_uuid))
        return true;
    tb_field_reader_fail(reader, members->fields[i].name.ptr,
                         "must be a UUID such as 0191d2c0-5e6f-7a1b-8c2d-3e4f5a6b7c8d");
    return false;
}

void *tb_field_read_array(struct tb_field_reader *reader, const struct tb_members *members, int i,
                          size_t max, size_t element_size, size_t *ret_count)
{
    const char *name = members->fields[i].name.ptr;

    if (!has_type(reader, members, i, TB_JSON_ARRAY, "an array"))
        return NULL;
    size_t count = tb_json_count(members->values[i]);
    if (count == 0 || count > max) {
        tb_field_reader_fail(reader, name, "must have 1 to %zu %s, not %zu", max, name, count);
        return NULL;
    }
    void *elements = tb_arena_array(reader->arena, count, element_size);
    reader->out_of_memory |= !elements;
    if (elements)
        *ret_count = count;
    return elements;
}
