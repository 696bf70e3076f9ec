#include "base/json_scan.h"
#include "base/json.h"
#include <stdlib.h>

/* Up to here a new key is compared with each earlier one of its object; beyond, the object's
 * keys are sorted once at its end, so that 60,000 keys in one object cost no square. */
#define LINEAR_KEYS_MAX 16
/* Keys of all open objects; an order has under 20 open at a time. */
#define KEYS_INLINE 48

struct key {
    size_t start, len; /* in the text, or in unescaped */
    uint32_t hash;
    bool unescaped;
    size_t at; /* where it stands in the text, for the report */
};

struct scan {
    const char *text;
    size_t len, at;
    int depth, depth_max;
    size_t tokens;
    struct key *keys; /* a stack: the keys of the open objects; few, or on the heap */
    size_t key_count, key_cap;
    struct tb_buf unescaped; /* keys that hold escapes, decoded */
    struct tb_json_numbers *numbers;
    struct tb_error *err;
    struct key few[KEYS_INLINE];
};

static enum tb_code scan_value(struct scan *scan);

static enum tb_code refuse_at(struct scan *scan, size_t at, const char *what)
{
    return tb_error_set(scan->err, TB_INVALID, "JSON, byte %zu: %s", at, what);
}

static enum tb_code refuse(struct scan *scan, const char *what)
{
    return refuse_at(scan, scan->at, scan->at < scan->len ? what : "the text ends too early");
}

static enum tb_code out_of_memory(struct scan *scan)
{
    return tb_error_set(scan->err, TB_INTERNAL, "out of memory reading JSON");
}

/* The byte at the cursor, or -1 at the end. */
static int peek(const struct scan *scan)
{
    return scan->at < scan->len ? (unsigned char)scan->text[scan->at] : -1;
}

static void skip_blanks(struct scan *scan)
{
    int c = peek(scan);

    while (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
        scan->at++;
        c = peek(scan);
    }
}

static enum tb_code count_token(struct scan *scan)
{
    if (++scan->tokens > TB_JSON_TOKENS_MAX)
        return refuse(scan, "too many values");
    return TB_OK;
}

/* Moves over one character of two to four bytes (RFC 3629: no overlong form, no surrogate,
 * nothing above U+10FFFF). */
static enum tb_code scan_multibyte(struct scan *scan)
{
    const unsigned char *p = (const unsigned char *)scan->text + scan->at;
    size_t left = scan->len - scan->at, size;
    unsigned char low = 0x80, high = 0xBF; /* of the second byte */

    if (p[0] >= 0xC2 && p[0] <= 0xDF)
        size = 2;
    else if (p[0] >= 0xE0 && p[0] <= 0xEF)
        size = 3;
    else if (p[0] >= 0xF0 && p[0] <= 0xF4)
        size = 4;
    else
        return refuse(scan, "not UTF-8");
    if (p[0] == 0xE0)
        low = 0xA0;
    else if (p[0] == 0xED)
        high = 0x9F;
    else if (p[0] == 0xF0)
        low = 0x90;
    else if (p[0] == 0xF4)
        high = 0x8F;
    if (left < size || p[1] < low || p[1] > high)
        return refuse(scan, "not UTF-8");
    for (size_t i = 2; i < size; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return refuse(scan, "not UTF-8");
    }
    scan->at += size;
    return TB_OK;
}

/* The four hex digits at `at`, or -1. */
static int32_t hex4(const struct scan *scan, size_t at)
{
    int32_t value = 0;

    if (scan->len - at < 4)
        return -1;
    for (size_t i = at; i < at + 4; i++) {
        char c = scan->text[i];

        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value * 16 + (c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
            value = value * 16 + (c - 'A') + 10;
        else
            return -1;
    }
    return value;
}

static enum tb_code scan_unicode_escape(struct scan *scan)
{
    int32_t unit = hex4(scan, scan->at + 2);

    if (unit < 0)
        return refuse(scan, "\\u needs four hex digits");
    if (unit == 0)
        return refuse(scan, "NUL is not allowed");
    if (unit >= 0xDC00 && unit <= 0xDFFF)
        return refuse(scan, "a lone surrogate is no character");
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        size_t next = scan->at + 6;
        int32_t low = -1;

        if (scan->len - next >= 6 && scan->text[next] == '\\' && scan->text[next + 1] == 'u')
            low = hex4(scan, next + 2);
        if (low < 0xDC00 || low > 0xDFFF)
            return refuse(scan, "a lone surrogate is no character");
        scan->at += 6;
    }
    scan->at += 6;
    return TB_OK;
}

static enum tb_code scan_escape(struct scan *scan)
{
    if (scan->len - scan->at < 2)
        return refuse_at(scan, scan->len, "the text ends too early");
    switch (scan->text[scan->at + 1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        scan->at += 2;
        return TB_OK;
    case 'u':
        return scan_unicode_escape(scan);
    default:
        return refuse(scan, "an escape that JSON does not have");
    }
}

/* From the opening quote to behind the closing one. */
static enum tb_code scan_string(struct scan *scan, bool *ret_escapes)
{
    bool escapes = false;

    scan->at++;
    for (;;) {
        int c = peek(scan);

        if (c == '"')
            break;
        if (c >= 0x80) {
            TB_TRY(scan_multibyte(scan));
        } else if (c == '\\') {
            escapes = true;
            TB_TRY(scan_escape(scan));
        } else if (c < 0x20) { /* or the end */
            return refuse(scan, c == 0 ? "NUL is not allowed" : "a raw control character");
        } else {
            scan->at++;
        }
    }
    scan->at++;
    *ret_escapes = escapes;
    return TB_OK;
}

static void add_utf8(struct tb_buf *out, uint32_t c)
{
    if (c < 0x80) {
        tb_buf_addc(out, (char)c);
    } else if (c < 0x800) {
        tb_buf_addc(out, (char)(0xC0 | (c >> 6)));
        tb_buf_addc(out, (char)(0x80 | (c & 0x3F)));
    } else if (c < 0x10000) {
        tb_buf_addc(out, (char)(0xE0 | (c >> 12)));
        tb_buf_addc(out, (char)(0x80 | ((c >> 6) & 0x3F)));
        tb_buf_addc(out, (char)(0x80 | (c & 0x3F)));
    } else {
        tb_buf_addc(out, (char)(0xF0 | (c >> 18)));
        tb_buf_addc(out, (char)(0x80 | ((c >> 12) & 0x3F)));
        tb_buf_addc(out, (char)(0x80 | ((c >> 6) & 0x3F)));
        tb_buf_addc(out, (char)(0x80 | (c & 0x3F)));
    }
}

/* Decodes the string body [start, end), which has been scanned and is valid. */
static void unescape(struct scan *scan, size_t start, size_t end)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    size_t at = start;

    while (at < end) {
        if (scan->text[at] != '\\') {
            tb_buf_addc(&scan->unescaped, scan->text[at++]);
            continue;
        }
        char c = scan->text[at + 1];
        if (c != 'u') {
            const char *found = strchr(from, c);

            tb_buf_addc(&scan->unescaped, found ? to[found - from] : c);
            at += 2;
            continue;
        }
        uint32_t unit = (uint32_t)hex4(scan, at + 2);
        at += 6;
        if (unit >= 0xD800 && unit <= 0xDBFF) {
            uint32_t low = (uint32_t)hex4(scan, at + 2);

            unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
            at += 6;
        }
        add_utf8(&scan->unescaped, unit);
    }
}

static const char *key_bytes(const struct scan *scan, const struct key *key)
{
    return (key->unescaped ? scan->unescaped.data : scan->text) + key->start;
}

/* By hash, then length, then bytes: equal keys become neighbours. */
static int compare_keys(const void *left, const void *right, void *ctx)
{
    const struct key *a = left, *b = right;

    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return a->len ? memcmp(key_bytes(ctx, a), key_bytes(ctx, b), a->len) : 0;
}

static enum tb_code refuse_duplicate(struct scan *scan, const struct key *key)
{
    return refuse_at(scan, key->at, "the same key twice in one object");
}

static struct key *push_key(struct scan *scan)
{
    if (scan->key_count == scan->key_cap) {
        size_t cap = scan->key_cap * 2;
        struct key *heap = scan->keys == scan->few ? NULL : scan->keys;
        struct key *grown = realloc(heap, cap * sizeof *grown);

        if (!grown)
            return NULL;
        if (!heap)
            memcpy(grown, scan->few, scan->key_count * sizeof *grown);
        scan->keys = grown;
        scan->key_cap = cap;
    }
    return &scan->keys[scan->key_count++];
}

/* A key of the object whose keys begin at `first` in the stack. */
static enum tb_code scan_key(struct scan *scan, size_t first)
{
    size_t start = scan->at;
    bool escapes = false;

    if (peek(scan) != '"')
        return refuse(scan, "a key in quotes belongs here");
    TB_TRY(count_token(scan));
    TB_TRY(scan_string(scan, &escapes));

    struct key *key = push_key(scan);
    if (!key)
        return out_of_memory(scan);
    *key = (struct key){.start = start + 1, .len = scan->at - start - 2, .at = start};
    if (escapes) {
        key->start = scan->unescaped.len;
        key->unescaped = true;
        unescape(scan, start + 1, scan->at - 1);
        if (!tb_buf_ok(&scan->unescaped))
            return out_of_memory(scan);
        key->len = scan->unescaped.len - key->start;
    }

    const char *bytes = key_bytes(scan, key);
    uint32_t hash = 2166136261; /* FNV-1a */
    for (size_t i = 0; i < key->len; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 16777619;
    key->hash = hash;

    if (scan->key_count - first > LINEAR_KEYS_MAX)
        return TB_OK;
    for (struct key *other = scan->keys + first; other < key; other++) {
        if (compare_keys(other, key, scan) == 0)
            return refuse_duplicate(scan, key);
    }
    return TB_OK;
}

/* At the end of an object: compares its keys if there were too many to do it one by one. */
static enum tb_code close_keys(struct scan *scan, size_t first)
{
    struct key *keys = scan->keys + first;
    size_t count = scan->key_count - first;

    if (count > LINEAR_KEYS_MAX) {
        qsort_r(keys, count, sizeof *keys, compare_keys, scan);
        for (size_t i = 1; i < count; i++) {
            if (compare_keys(&keys[i - 1], &keys[i], scan) == 0)
                return refuse_duplicate(scan, &keys[keys[i].at > keys[i - 1].at ? i : i - 1]);
        }
    }
    scan->key_count = first;
    return TB_OK;
}

static enum tb_code open_container(struct scan *scan)
{
    if (scan->depth == scan->depth_max)
        return refuse(scan, "nested too deeply");
    scan->depth++;
    scan->at++;
    skip_blanks(scan);
    return TB_OK;
}

static enum tb_code scan_object(struct scan *scan)
{
    size_t first = scan->key_count;

    TB_TRY(open_container(scan));
    for (bool more = peek(scan) != '}'; more;) {
        TB_TRY(scan_key(scan, first));
        skip_blanks(scan);
        if (peek(scan) != ':')
            return refuse(scan, "a colon belongs here");
        scan->at++;
        TB_TRY(scan_value(scan));
        more = peek(scan) == ',';
        if (!more && peek(scan) != '}')
            return refuse(scan, "a comma or } belongs here");
        if (more) {
            scan->at++;
            skip_blanks(scan);
        }
    }
    scan->at++;
    scan->depth--;
    return close_keys(scan, first);
}

static enum tb_code scan_array(struct scan *scan)
{
    TB_TRY(open_container(scan));
    for (bool more = peek(scan) != ']'; more;) {
        TB_TRY(scan_value(scan));
        more = peek(scan) == ',';
        if (!more && peek(scan) != ']')
            return refuse(scan, "a comma or ] belongs here");
        if (more)
            scan->at++;
    }
    scan->at++;
    scan->depth--;
    return TB_OK;
}

/* One digit or more. */
static bool scan_digits(struct scan *scan)
{
    size_t start = scan->at;

    while (peek(scan) >= '0' && peek(scan) <= '9')
        scan->at++;
    return scan->at > start;
}

static enum tb_code keep_number(struct scan *scan, size_t start, bool integer)
{
    struct tb_json_numbers *numbers = scan->numbers;
    struct tb_json_number number = {.text = {scan->text + start, scan->at - start}};

    if (!numbers)
        return TB_OK;
    if (numbers->count == numbers->cap) {
        size_t cap = numbers->cap * 2;
        struct tb_json_number *grown = realloc(numbers->heap, cap * sizeof *grown);

        if (!grown)
            return out_of_memory(scan);
        if (!numbers->heap)
            memcpy(grown, numbers->few, sizeof numbers->few);
        numbers->heap = grown;
        numbers->cap = cap;
    }
    /* 17 characters hold every number within the bounds, with its sign. */
    if (integer && number.text.len <= 17) {
        bool minus = number.text.ptr[0] == '-';

        for (size_t i = minus; i < number.text.len; i++)
            number.value = number.value * 10 + (number.text.ptr[i] - '0');
        number.integer = number.value <= TB_JSON_INT_MAX;
        if (minus)
            number.value = -number.value;
    }
    if (number.text.len > numbers->longest)
        numbers->longest = number.text.len;
    tb_json_numbers_items(numbers)[numbers->count++] = number;
    return TB_OK;
}

static enum tb_code scan_number(struct scan *scan)
{
    size_t start = scan->at;
    bool integer = true;

    if (peek(scan) == '-')
        scan->at++;
    if (peek(scan) == '0')
        scan->at++; /* a digit behind it is caught as a missing comma or end */
    else if (!scan_digits(scan))
        return refuse(scan, "a digit belongs here");
    if (peek(scan) == '.') {
        integer = false;
        scan->at++;
        if (!scan_digits(scan))
            return refuse(scan, "a digit belongs here");
    }
    if (peek(scan) == 'e' || peek(scan) == 'E') {
        integer = false;
        scan->at++;
        if (peek(scan) == '+' || peek(scan) == '-')
            scan->at++;
        if (!scan_digits(scan))
            return refuse(scan, "a digit belongs here");
    }
    return keep_number(scan, start, integer);
}

static enum tb_code scan_word(struct scan *scan, const char *word)
{
    for (; *word; word++, scan->at++) {
        if (peek(scan) != *word)
            return refuse(scan, "a value belongs here");
    }
    return TB_OK;
}

/* One value with the blanks around it. */
static enum tb_code scan_value(struct scan *scan)
{
    bool escapes;
    enum tb_code code;

    skip_blanks(scan);
    TB_TRY(count_token(scan));
    switch (peek(scan)) {
    case '{':
        code = scan_object(scan);
        break;
    case '[':
        code = scan_array(scan);
        break;
    case '"':
        code = scan_string(scan, &escapes);
        break;
    case 't':
        code = scan_word(scan, "true");
        break;
    case 'f':
        code = scan_word(scan, "false");
        break;
    case 'n':
        code = scan_word(scan, "null");
        break;
    default:
        if (peek(scan) != '-' && (peek(scan) < '0' || peek(scan) > '9'))
            return refuse(scan, "a value belongs here");
        code = scan_number(scan);
    }
    if (code == TB_OK)
        skip_blanks(scan);
    return code;
}

void tb_json_numbers_init(struct tb_json_numbers *numbers)
{
    numbers->heap = NULL;
    numbers->count = 0;
    numbers->cap = TB_JSON_NUMBERS_INLINE;
    numbers->longest = 0;
}

void tb_json_numbers_release(struct tb_json_numbers *numbers)
{
    free(numbers->heap);
    numbers->heap = NULL;
}

enum tb_code tb_json_scan(struct tb_str text, int depth_max, struct tb_json_numbers *numbers,
                          struct tb_error *err)
{
    struct scan scan; /* a kilobyte of `few` needs no zeroes */
    enum tb_code code;

    TB_ASSERT(depth_max >= 0 && depth_max <= TB_JSON_DEPTH_MAX);
    scan.text = text.ptr;
    scan.len = text.len;
    scan.at = 0;
    scan.depth = 0;
    scan.depth_max = depth_max;
    scan.tokens = 0;
    scan.keys = scan.few;
    scan.key_count = 0;
    scan.key_cap = KEYS_INLINE;
    scan.unescaped = (struct tb_buf){0};
    scan.numbers = numbers;
    scan.err = err;

    code = scan_value(&scan);
    if (code == TB_OK && scan.at < scan.len)
        code = refuse(&scan, "something behind the value");
    if (scan.keys != scan.few)
        free(scan.keys);
    tb_buf_release(&scan.unescaped);
    return code;
}
