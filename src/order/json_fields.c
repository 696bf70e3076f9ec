#include "order/json_fields.h"
#include <stdarg.h>
#include <stdio.h>

/* base, an index, a key of at most TB_TEXT_MAX bytes of which each may need an escape. */
#define POINTER_SIZE (2 * TB_TEXT_MAX + 64)
#define DETAIL_SIZE 160

static void make_pointer(char out[POINTER_SIZE], struct tb_field_path at, const char *key)
{
    int len = at.index < 0 ? snprintf(out, POINTER_SIZE, "%s", at.base)
                           : snprintf(out, POINTER_SIZE, "%s/%lld", at.base, (long long)at.index);
    char *end = out + len;

    if (!key)
        return;
    *end++ = '/';
    for (; *key; key++) {
        /* RFC 6901: ~ and / inside a name are ~0 and ~1. */
        if (*key == '~' || *key == '/') {
            *end++ = '~';
            *end++ = *key == '~' ? '0' : '1';
        } else {
            *end++ = *key;
        }
    }
    *end = '\0';
}

void tb_field_reader_fail(struct tb_field_reader *reader, struct tb_field_path at, const char *key,
                          const char *format, ...)
{
    char pointer[POINTER_SIZE], detail[DETAIL_SIZE];
    va_list args;

    reader->error_count++;
    if (!reader->errors && reader->error_count > 1)
        return;
    va_start(args, format);
    (void)vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    make_pointer(pointer, at, key);
    if (reader->errors)
        tb_field_error_add(reader->errors, reader->arena, pointer, "%s", detail);
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

static size_t find_field(const struct tb_field_name *fields, size_t count, struct tb_str key,
                         size_t expected)
{
    for (size_t tried = 0, i = expected; tried < count; tried++, i++) {
        if (i >= count)
            i = 0;
        if (fields[i].len == key.len && memcmp(fields[i].name, key.ptr, key.len) == 0)
            return i;
    }
    return count;
}

bool tb_field_read_members(struct tb_field_reader *reader, struct tb_field_path at,
                           const struct tb_json *object, const struct tb_field_name *fields,
                           size_t count, const struct tb_json **ret_members)
{
    size_t expected = 0;

    memset(ret_members, 0, count * sizeof(*ret_members));
    if (tb_json_type(object) != TB_JSON_OBJECT) {
        tb_field_reader_fail(reader, at, NULL, "must be an object, not %s",
                             tb_json_type_name(tb_json_type(object)));
        return false;
    }
    for (const struct tb_json *m = tb_json_first(object); m; m = tb_json_next(m)) {
        struct tb_str key = tb_json_key(m);
        size_t i = find_field(fields, count, key, expected);

        if (i < count) {
            ret_members[i] = m;
            expected = i + 1;
        } else if (reader->refuse_unknown && key.len <= TB_TEXT_MAX) {
            tb_field_reader_fail(reader, at, key.ptr, "is not a field that is known here");
        } else if (reader->refuse_unknown) {
            /* Too long to be told back: the answer must not grow with nonsense. */
            tb_field_reader_fail(reader, at, NULL,
                                 "has a field that is not known here, its name %zu "
                                 "bytes long",
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

static void text_fault(struct tb_field_reader *reader, struct tb_field_path at,
                       const struct tb_text_field *rule, struct tb_str text)
{
    static const char *const must[] = {
        [TB_CHARS_ANY] = "must be text",
        [TB_CHARS_PRINT] = "must not hold control characters",
        [TB_CHARS_SOURCE] = "must consist of A-Z, 0-9, _ and -",
        [TB_CHARS_CAPITALS] = "must consist of capital letters A-Z",
    };

    if (rule->min == rule->max && text.len != rule->min)
        tb_field_reader_fail(reader, at, rule->key, "must have %zu characters", rule->min);
    else if (text.len < rule->min)
        tb_field_reader_fail(reader, at, rule->key, "must not be empty");
    else if (text.len > rule->max)
        tb_field_reader_fail(reader, at, rule->key, "must have at most %zu bytes, not %zu",
                             rule->max, text.len);
    else
        tb_field_reader_fail(reader, at, rule->key, "%s", must[rule->chars]);
}

static bool is_string(struct tb_field_reader *reader, struct tb_field_path at, const char *key,
                      const struct tb_json *value, bool required)
{
    if (!value) {
        if (required)
            tb_field_reader_fail(reader, at, key, "is missing");
        return false;
    }
    if (tb_json_type(value) == TB_JSON_STRING)
        return true;
    tb_field_reader_fail(reader, at, key, "must be a string, not %s",
                         tb_json_type_name(tb_json_type(value)));
    return false;
}

bool tb_field_read_text(struct tb_field_reader *reader, struct tb_field_path at,
                        const struct tb_json *value, const struct tb_text_field *rule,
                        struct tb_str *ret_text)
{
    *ret_text = (struct tb_str){NULL, 0};
    if (!is_string(reader, at, rule->key, value, rule->required))
        return false;
    struct tb_str text = tb_json_string(value);
    if (text.len < rule->min || text.len > rule->max || !chars_ok(text, rule->chars)) {
        text_fault(reader, at, rule, text);
        return false;
    }
    if (reader->copy) {
        text = tb_arena_copy(reader->arena, text);
        reader->out_of_memory |= !text.ptr;
    }
    *ret_text = text;
    return true;
}

bool tb_field_read_int(struct tb_field_reader *reader, struct tb_field_path at, const char *key,
                       const struct tb_json *value, int64_t min, int64_t max, int64_t *ret_value)
{
    int64_t number;

    if (!value) {
        tb_field_reader_fail(reader, at, key, "is missing");
    } else if (tb_json_type(value) != TB_JSON_NUMBER) {
        tb_field_reader_fail(reader, at, key, "must be a whole number, not %s",
                             tb_json_type_name(tb_json_type(value)));
    } else if (!tb_json_int(value, &number)) {
        tb_field_reader_fail(reader, at, key,
                             "must be a whole number without fraction or exponent, within "
                             "+-9007199254740991");
    } else if (number < min || number > max) {
        tb_field_reader_fail(reader, at, key, "must be from %lld to %lld", (long long)min,
                             (long long)max);
    } else {
        *ret_value = number;
        return true;
    }
    return false;
}

bool tb_field_read_time(struct tb_field_reader *reader, struct tb_field_path at, const char *key,
                        const struct tb_json *value, bool required, int64_t *ret_ms)
{
    if (!is_string(reader, at, key, value, required))
        return false;
    if (tb_time_parse(tb_json_string(value), ret_ms))
        return true;
    tb_field_reader_fail(reader, at, key,
                         "must be an RFC 3339 time such as 2026-11-23T08:20:42.123Z");
    return false;
}

bool tb_field_read_uuid(struct tb_field_reader *reader, struct tb_field_path at, const char *key,
                        const struct tb_json *value, bool required, char ret_uuid[TB_UUID_SIZE])
{
    if (!is_string(reader, at, key, value, required))
        return false;
    if (tb_uuid_parse(tb_json_string(value), ret_uuid))
        return true;
    tb_field_reader_fail(reader, at, key,
                         "must be a UUID such as 0191d2c0-5e6f-7a1b-8c2d-3e4f5a6b7c8d");
    return false;
}
