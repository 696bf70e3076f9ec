#include "api/http/fields.h"
#include "base/values/quantity.h"

static const char *const method_names[] = {
    [TB_GET] = "GET",       [TB_HEAD] = "HEAD",       [TB_POST] = "POST",      [TB_PUT] = "PUT",
    [TB_DELETE] = "DELETE", [TB_OPTIONS] = "OPTIONS", [TB_METHOD_OTHER] = "-",
};

const char *tb_method_name(enum tb_method method)
{
    return method_names[method];
}

enum tb_method tb_method_parse(const char *text)
{
    enum tb_method method = TB_METHOD_OTHER;

    (void)tb_name_find(tb_str_of(text), tb_method_name, TB_METHOD_OTHER, &method);
    return method;
}

bool tb_str_eq_nocase(struct tb_str a, struct tb_str b)
{
    return a.ptr && b.ptr && a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

bool tb_str_is(struct tb_str text, const char *wanted)
{
    return tb_str_eq_nocase(text, tb_str_of(wanted));
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_token_char(unsigned char c)
{
    char lower = (char)(c | 0x20);

    return is_digit((char)c) || (c < 0x80 && lower >= 'a' && lower <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_value_char(unsigned char c)
{
    return (c >= 0x20 || c == '\t') && c != 0x7f;
}

static bool is_target_char(unsigned char c)
{
    return c > 0x20 && c < 0x7f && !strchr("\"<>\\^`{|}#", c);
}

static bool is_visible_char(unsigned char c)
{
    return c > 0x20 && c < 0x7f;
}

static bool all_are(struct tb_str text, bool (*is)(unsigned char c))
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is((unsigned char)text.ptr[i]))
            return false;
    }
    return true;
}

bool tb_is_token(struct tb_str text)
{
    return text.len > 0 && all_are(text, is_token_char);
}

bool tb_is_field_value(struct tb_str text)
{
    return all_are(text, is_value_char);
}

bool tb_is_target(struct tb_str text)
{
    return text.len > 0 && all_are(text, is_target_char);
}

static struct tb_str trim(struct tb_str text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

struct tb_str tb_str_cut(struct tb_str *rest, char separator)
{
    struct tb_str part = *rest;
    const char *at = rest->len > 0 ? memchr(rest->ptr, separator, rest->len) : NULL;

    if (!at) {
        *rest = (struct tb_str){NULL, 0};
        return part;
    }
    part.len = (size_t)(at - part.ptr);
    rest->ptr = at + 1;
    rest->len -= part.len + 1;
    return part;
}

bool tb_list_next(struct tb_str *rest, struct tb_str *ret_item)
{
    if (!rest->ptr)
        return false;
    *ret_item = trim(tb_str_cut(rest, ','));
    return true;
}

bool tb_list_has(struct tb_str list, const char *wanted)
{
    struct tb_str item;

    while (tb_list_next(&list, &item)) {
        if (tb_str_is(item, wanted))
            return true;
    }
    return false;
}

static bool charset_ok(struct tb_str parameter)
{
    struct tb_str value = parameter;
    struct tb_str name = trim(tb_str_cut(&value, '='));

    if (!tb_str_is(name, "charset"))
        return true;
    value = trim(value);
    return tb_str_is(value, "utf-8") || tb_str_is(value, "\"utf-8\"");
}

bool tb_media_type_is_json(struct tb_str value)
{
    struct tb_str rest = value;
    struct tb_str type = trim(tb_str_cut(&rest, ';'));
    const char *slash = type.len > 0 ? memchr(type.ptr, '/', type.len) : NULL;

    if (!slash)
        return false;
    struct tb_str suffix = {type.ptr + type.len, 0};
    if (type.len >= 5) /* "+json" */
        suffix = (struct tb_str){type.ptr + type.len - 5, 5};
    if (!tb_str_is(type, "application/json") && !tb_str_is(suffix, "+json"))
        return false;
    while (rest.ptr) {
        if (!charset_ok(tb_str_cut(&rest, ';')))
            return false;
    }
    return true;
}

bool tb_idempotency_key_parse(struct tb_str value, struct tb_str *ret_key)
{
    struct tb_str key = trim(value);

    if (key.len > 0 && key.ptr[0] == '"') {
        if (key.len < 2 || key.ptr[key.len - 1] != '"')
            return false;
        key.ptr++;
        key.len -= 2;
        if (key.len > 0 && memchr(key.ptr, '"', key.len))
            return false;
    }
    if (key.len < 1 || key.len > 255 || !all_are(key, is_visible_char))
        return false;
    *ret_key = key;
    return true;
}

bool tb_digits_parse(struct tb_str text, int64_t min, int64_t max, int64_t *ret_value)
{
    int64_t value;

    if (text.len > 18 || !tb_quantity_parse(text, tb_unit_none, &value) || value < min ||
        value > max)
        return false;
    *ret_value = value;
    return true;
}

bool tb_if_match_parse(struct tb_str value, bool *ret_any, int64_t *ret_version)
{
    struct tb_str tag = trim(value);
    int64_t version = 0;

    if (tag.len == 1 && tag.ptr[0] == '*') {
        *ret_any = true;
        return true;
    }
    if (tag.len < 3 || tag.ptr[0] != '"' || tag.ptr[tag.len - 1] != '"' || tag.ptr[1] == '0')
        return false;
    if (!tb_digits_parse((struct tb_str){tag.ptr + 1, tag.len - 2}, 1, INT64_MAX, &version))
        return false;
    *ret_any = false;
    *ret_version = version;
    return true;
}

/* Are these `count` lower-case hex digits, and not all of them `invalid`? */
static bool is_hex(const char *text, size_t count, char invalid)
{
    bool good = false;

    for (size_t i = 0; i < count; i++) {
        if (!is_digit(text[i]) && !(text[i] >= 'a' && text[i] <= 'f'))
            return false;
        good = good || text[i] != invalid;
    }
    return good;
}

bool tb_traceparent_valid(struct tb_str value)
{
    const char *t = value.ptr;

    /* 00-<32 digits>-<16>-<2>; versions after 00 may append fields. */
    if (value.len < 55 || !is_hex(t, 2, 'f') || t[2] != '-' || !is_hex(t + 3, 32, '0') ||
        t[35] != '-' || !is_hex(t + 36, 16, '0') || t[52] != '-' || !is_hex(t + 53, 2, '-'))
        return false;
    if (t[0] == '0' && t[1] == '0')
        return value.len == 55;
    return value.len == 55 || (t[55] == '-' && value.len <= 255 && tb_is_target(value));
}
