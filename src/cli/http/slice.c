#include "cli/http/slice.h"

static size_t skip_blank(struct tb_str text, size_t at)
{
    while (at < text.len && strchr(" \t\r\n", text.ptr[at]) && text.ptr[at])
        at++;
    return at;
}

/* at is the opening quote; the place behind the closing one, or text.len. */
static size_t skip_string(struct tb_str text, size_t at)
{
    for (at++; at < text.len; at++) {
        if (text.ptr[at] == '\\')
            at++;
        else if (text.ptr[at] == '"')
            return at + 1;
    }
    return text.len;
}

/* Behind the value that starts at `at`. */
static size_t skip_value(struct tb_str text, size_t at)
{
    size_t depth = 0;

    while (at < text.len) {
        char c = text.ptr[at];

        if (c == '"') {
            at = skip_string(text, at);
            if (depth == 0)
                return at;
            continue;
        }
        if (depth == 0 && (c == ',' || c == ']' || c == '}'))
            return at;
        depth += c == '[' || c == '{';
        depth -= c == ']' || c == '}';
        at++;
        if (depth == 0 && (c == ']' || c == '}'))
            return at;
    }
    return at;
}

static struct tb_str trimmed(struct tb_str text, size_t from, size_t to)
{
    while (to > from && strchr(" \t\r\n", text.ptr[to - 1]) && text.ptr[to - 1])
        to--;
    return (struct tb_str){text.ptr + from, to - from};
}

bool tb_slice_member(struct tb_str object, const char *name, struct tb_str *ret_value)
{
    size_t at = skip_blank(object, 0);

    if (at >= object.len || object.ptr[at] != '{')
        return false;
    for (at++;; at++) { /* each time behind the brace or a comma */
        size_t key = skip_blank(object, at);
        size_t key_end, value;

        if (key >= object.len || object.ptr[key] != '"')
            return false;
        key_end = skip_string(object, key);
        value = skip_blank(object, key_end);
        if (value >= object.len || object.ptr[value] != ':')
            return false;
        value = skip_blank(object, value + 1);
        at = skip_value(object, value);
        if (tb_str_eq((struct tb_str){object.ptr + key + 1, key_end - key - 2}, tb_str_of(name))) {
            *ret_value = trimmed(object, value, at);
            return true;
        }
        at = skip_blank(object, at);
        if (at >= object.len || object.ptr[at] != ',')
            return false;
    }
}

bool tb_slice_element(struct tb_str array, size_t *cursor, struct tb_str *ret_element)
{
    size_t at = skip_blank(array, *cursor);
    size_t end;

    /* The bracket before the first, a comma before every other. */
    if (at >= array.len || array.ptr[at] != (*cursor == 0 ? '[' : ','))
        return false;
    at = skip_blank(array, at + 1);
    end = skip_value(array, at);
    if (end == at)
        return false;
    *ret_element = trimmed(array, at, end);
    *cursor = end;
    return true;
}
