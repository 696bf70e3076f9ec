#include "base/json/json.h"
#include "base/json/scan.h"
#include <ctype.h>

size_t tb_utf8_size(const char *text, size_t left)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t size;
    unsigned char low = 0x80, high = 0xBF; /* of the second byte */

    if (left == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xC2 && p[0] <= 0xDF)
        size = 2;
    else if (p[0] >= 0xE0 && p[0] <= 0xEF)
        size = 3;
    else if (p[0] >= 0xF0 && p[0] <= 0xF4)
        size = 4;
    else
        return 0;
    if (p[0] == 0xE0)
        low = 0xA0;
    else if (p[0] == 0xED)
        high = 0x9F;
    else if (p[0] == 0xF0)
        low = 0x90;
    else if (p[0] == 0xF4)
        high = 0x8F;
    if (left < size || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    }
    return size;
}

bool tb_utf8_valid(struct tb_str text)
{
    while (text.len > 0) {
        size_t size = tb_utf8_size(text.ptr, text.len);

        if (size == 0)
            return false;
        text.ptr += size;
        text.len -= size;
    }
    return true;
}

enum tb_code tb_json_reject_at(struct tb_json_input *in, size_t at, const char *what)
{
    return tb_error_set(in->err, TB_INVALID, "JSON, byte %zu: %s", at, what);
}

enum tb_code tb_json_reject(struct tb_json_input *in, const char *what)
{
    return tb_json_reject_at(in, in->at, in->at < in->len ? what : "the text ends too early");
}

/* The value of the four hex digits at `at`; -1: there are none. */
static int32_t hex4(const struct tb_json_input *in, size_t at)
{
    int32_t value = 0;

    if (in->len - at < 4)
        return -1;
    for (size_t i = at; i < at + 4; i++) {
        int c = (unsigned char)in->text[i];

        if (!isxdigit(c))
            return -1;
        value = value * 16 + (c <= '9' ? c - '0' : tolower(c) - 'a' + 10);
    }
    return value;
}

static enum tb_code scan_unicode_escape(struct tb_json_input *in)
{
    int32_t unit = hex4(in, in->at + 2);

    if (unit < 0)
        return tb_json_reject(in, "\\u needs four hex digits");
    if (unit == 0)
        return tb_json_reject(in, "NUL is not allowed");
    if (unit >= 0xDC00 && unit <= 0xDFFF)
        return tb_json_reject(in, "a lone surrogate is no character");
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        size_t next = in->at + 6;
        int32_t low = -1;

        if (in->len - next >= 6 && in->text[next] == '\\' && in->text[next + 1] == 'u')
            low = hex4(in, next + 2);
        if (low < 0xDC00 || low > 0xDFFF)
            return tb_json_reject(in, "a lone surrogate is no character");
        in->at += 6;
    }
    in->at += 6;
    return TB_OK;
}

static enum tb_code scan_escape(struct tb_json_input *in)
{
    if (in->len - in->at < 2)
        return tb_json_reject_at(in, in->len, "the text ends too early");
    switch (in->text[in->at + 1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        in->at += 2;
        return TB_OK;
    case 'u':
        return scan_unicode_escape(in);
    default:
        return tb_json_reject(in, "an escape that JSON does not have");
    }
}

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define EACH_BYTE UINT64_C(0x0101010101010101)

/* Are all eight bytes ASCII characters that need no decoding? They are tested together:
 * subtracting n sets the highest bit of a byte below n; xor with c makes a byte that equals c 0.
 */
static bool eight_plain(const char *text)
{
    uint64_t word, quote, backslash;

    memcpy(&word, text, sizeof word);
    quote = word ^ EACH_BYTE * '"';
    backslash = word ^ EACH_BYTE * '\\';
    return ((word | (word - EACH_BYTE * 0x20) | (quote - EACH_BYTE) | (backslash - EACH_BYTE)) &
            HIGH_BITS) == 0;
}

/* The position behind the characters that need no decoding, which are nearly all. */
static size_t skip_plain(const struct tb_json_input *in)
{
    const char *text = in->text;
    size_t at = in->at, len = in->len;

    while (len - at >= 8 && eight_plain(text + at))
        at += 8;
    for (; at < len; at++) {
        unsigned char c = (unsigned char)text[at];

        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
            break;
    }
    return at;
}

enum tb_code tb_json_scan_string(struct tb_json_input *in, bool *ret_escapes)
{
    bool escapes = false;

    in->at++;
    for (;;) {
        in->at = skip_plain(in);
        int c = tb_json_peek(in);

        if (c == '"')
            break;
        if (c >= 0x80) {
            size_t size = tb_utf8_size(in->text + in->at, in->len - in->at);

            if (size == 0)
                return tb_json_reject(in, "not UTF-8");
            in->at += size;
        } else if (c == '\\') {
            escapes = true;
            TB_TRY(scan_escape(in));
        } else { /* or the end */
            return tb_json_reject(in, c == 0 ? "NUL is not allowed" : "a raw control character");
        }
    }
    in->at++;
    *ret_escapes = escapes;
    return TB_OK;
}

static void add_utf8(struct tb_buf *out, uint32_t c)
{
    static const uint32_t lead[] = {0, 0xC0, 0xE0, 0xF0};
    unsigned more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;

    tb_buf_addc(out, (char)(lead[more] | c >> 6 * more));
    while (more-- > 0)
        tb_buf_addc(out, (char)(0x80 | (c >> 6 * more & 0x3F)));
}

void tb_json_unescape(const struct tb_json_input *in, size_t start, size_t end, struct tb_buf *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    size_t at = start;

    while (at < end) {
        if (in->text[at] != '\\') {
            tb_buf_addc(out, in->text[at++]);
            continue;
        }
        char c = in->text[at + 1];
        if (c != 'u') {
            const char *found = strchr(from, c);

            tb_buf_addc(out, found ? to[found - from] : c);
            at += 2;
            continue;
        }
        uint32_t unit = (uint32_t)hex4(in, at + 2);
        at += 6;
        if (unit >= 0xD800 && unit <= 0xDBFF) {
            uint32_t low = (uint32_t)hex4(in, at + 2);

            unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
            at += 6;
        }
        add_utf8(out, unit);
    }
}
