#include "base/json/json.h"
#include "base/time/timefmt.h"

static void print_container(struct tb_buf *out, const struct tb_json *container)
{
    bool object = tb_json_type(container) == TB_JSON_OBJECT;
    const struct tb_json *member = tb_json_first(container);

    tb_buf_addc(out, object ? '{' : '[');
    for (; member; member = tb_json_next(member)) {
        tb_json_separate(out);
        if (object) {
            tb_json_add_string(out, tb_json_key(member));
            tb_buf_addc(out, ':');
        }
        tb_json_print(out, member);
    }
    tb_buf_addc(out, object ? '}' : ']');
}

void tb_json_print(struct tb_buf *out, const struct tb_json *value)
{
    bool flag = false;

    switch (tb_json_type(value)) {
    case TB_JSON_NULL:
        tb_buf_adds(out, "null");
        break;
    case TB_JSON_BOOL:
        (void)tb_json_bool(value, &flag);
        tb_buf_adds(out, flag ? "true" : "false");
        break;
    case TB_JSON_NUMBER:
        tb_buf_add_str(out, tb_json_number_text(value));
        break;
    case TB_JSON_STRING:
        tb_json_add_string(out, tb_json_string(value));
        break;
    case TB_JSON_ARRAY:
    case TB_JSON_OBJECT:
        print_container(out, value);
        break;
    }
}

static void add_escaped(struct tb_buf *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char shorts[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

    if (c == '"' || c == '\\' || shorts[c]) {
        escape[1] = c < 0x20 ? shorts[c] : (char)c;
        tb_buf_add(out, escape, 2);
    } else {
        tb_buf_add(out, escape, sizeof escape);
    }
}

void tb_json_add_string(struct tb_buf *out, struct tb_str text)
{
    size_t from = 0;

    if (!text.ptr) {
        tb_buf_adds(out, "null");
        return;
    }
    tb_buf_addc(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c < 0x20 || c == '"' || c == '\\') {
            tb_buf_add(out, text.ptr + from, i - from);
            add_escaped(out, c);
            from = i + 1;
        }
    }
    tb_buf_add(out, text.ptr + from, text.len - from);
    tb_buf_addc(out, '"');
}

void tb_json_separate(struct tb_buf *out)
{
    char last = out->len ? out->data[out->len - 1] : '{';

    if (last != '{' && last != '[')
        tb_buf_addc(out, ',');
}

void tb_json_member_key(struct tb_buf *out, const char *key)
{
    tb_json_separate(out);
    tb_json_add_string(out, tb_str_of(key));
    tb_buf_addc(out, ':');
}

void tb_json_open(struct tb_buf *out, const char *key, char bracket)
{
    if (key)
        tb_json_member_key(out, key);
    else
        tb_json_separate(out);
    tb_buf_addc(out, bracket);
}

void tb_json_member_str(struct tb_buf *out, const char *key, struct tb_str text)
{
    tb_json_member_key(out, key);
    tb_json_add_string(out, text);
}

void tb_json_member_int(struct tb_buf *out, const char *key, int64_t value)
{
    tb_json_member_key(out, key);
    tb_buf_add_int(out, value);
}

void tb_json_member_bool(struct tb_buf *out, const char *key, bool value)
{
    tb_json_member_key(out, key);
    tb_buf_adds(out, value ? "true" : "false");
}

void tb_json_member_time(struct tb_buf *out, const char *key, int64_t time_ms)
{
    char text[TB_TIME_SIZE];

    tb_time_format(time_ms, text);
    tb_json_member_str(out, key, tb_str_of(text));
}
