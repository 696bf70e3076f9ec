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
    struct tb_json_cursor in;
    int depth, depth_max;
    size_t tokens;
    struct key *keys; /* a stack: the keys of the open objects; few, or on the heap */
    size_t key_count, key_cap;
    struct tb_buf unescaped; /* keys that hold escapes, decoded */
    struct tb_json_numbers *numbers;
    struct key few[KEYS_INLINE];
};

static enum tb_code scan_value(struct scan *scan);

static enum tb_code refuse(struct scan *scan, const char *what)
{
    return tb_json_refuse(&scan->in, what);
}

static enum tb_code out_of_memory(struct scan *scan)
{
    return tb_error_set(scan->in.err, TB_INTERNAL, "out of memory reading JSON");
}

static int peek(const struct scan *scan)
{
    return tb_json_peek(&scan->in);
}

static void skip_blanks(struct scan *scan)
{
    int c = peek(scan);

    while (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
        scan->in.at++;
        c = peek(scan);
    }
}

static enum tb_code count_token(struct scan *scan)
{
    if (++scan->tokens > TB_JSON_TOKENS_MAX)
        return refuse(scan, "too many values");
    return TB_OK;
}

static const char *key_bytes(const struct scan *scan, const struct key *key)
{
    return (key->unescaped ? scan->unescaped.data : scan->in.text) + key->start;
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
    return tb_json_refuse_at(&scan->in, key->at, "the same key twice in one object");
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
    size_t start = scan->in.at;
    bool escapes = false;

    if (peek(scan) != '"')
        return refuse(scan, "a key in quotes belongs here");
    TB_TRY(count_token(scan));
    TB_TRY(tb_json_scan_string(&scan->in, &escapes));

    struct key *key = push_key(scan);
    if (!key)
        return out_of_memory(scan);
    *key = (struct key){.start = start + 1, .len = scan->in.at - start - 2, .at = start};
    if (escapes) {
        key->start = scan->unescaped.len;
        key->unescaped = true;
        tb_json_unescape(&scan->in, start + 1, scan->in.at - 1, &scan->unescaped);
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
    scan->in.at++;
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
        scan->in.at++;
        TB_TRY(scan_value(scan));
        more = peek(scan) == ',';
        if (!more && peek(scan) != '}')
            return refuse(scan, "a comma or } belongs here");
        if (more) {
            scan->in.at++;
            skip_blanks(scan);
        }
    }
    scan->in.at++;
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
            scan->in.at++;
    }
    scan->in.at++;
    scan->depth--;
    return TB_OK;
}

/* One digit or more. */
static bool scan_digits(struct scan *scan)
{
    size_t start = scan->in.at;

    while (peek(scan) >= '0' && peek(scan) <= '9')
        scan->in.at++;
    return scan->in.at > start;
}

static enum tb_code keep_number(struct scan *scan, size_t start, bool integer)
{
    struct tb_json_numbers *numbers = scan->numbers;
    struct tb_json_number number = {.text = {scan->in.text + start, scan->in.at - start}};

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
    tb_json_numbers_items(numbers)[numbers->count++] = number;
    return TB_OK;
}

static enum tb_code scan_number(struct scan *scan)
{
    size_t start = scan->in.at;
    bool integer = true;

    if (peek(scan) == '-')
        scan->in.at++;
    if (peek(scan) == '0')
        scan->in.at++; /* a digit behind it is caught as a missing comma or end */
    else if (!scan_digits(scan))
        return refuse(scan, "a digit belongs here");
    if (peek(scan) == '.') {
        integer = false;
        scan->in.at++;
        if (!scan_digits(scan))
            return refuse(scan, "a digit belongs here");
    }
    if (peek(scan) == 'e' || peek(scan) == 'E') {
        integer = false;
        scan->in.at++;
        if (peek(scan) == '+' || peek(scan) == '-')
            scan->in.at++;
        if (!scan_digits(scan))
            return refuse(scan, "a digit belongs here");
    }
    return keep_number(scan, start, integer);
}

static enum tb_code scan_word(struct scan *scan, const char *word)
{
    for (; *word; word++, scan->in.at++) {
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
        code = tb_json_scan_string(&scan->in, &escapes);
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
    scan.in = (struct tb_json_cursor){text.ptr, text.len, 0, err};
    scan.depth = 0;
    scan.depth_max = depth_max;
    scan.tokens = 0;
    scan.keys = scan.few;
    scan.key_count = 0;
    scan.key_cap = KEYS_INLINE;
    scan.unescaped = (struct tb_buf){0};
    scan.numbers = numbers;

    code = scan_value(&scan);
    if (code == TB_OK && scan.in.at < scan.in.len)
        code = refuse(&scan, "something behind the value");
    if (scan.keys != scan.few)
        free(scan.keys);
    tb_buf_release(&scan.unescaped);
    return code;
}
