#include "base/json/scan.h"
#include "base/hash.h"
#include <stdlib.h>

/* Up to this many keys, each new key is compared with all earlier ones of its object. If there are
 * more, they are sorted at the object's end: to compare 60,000 keys in pairs takes minutes. */
#define LINEAR_KEYS_MAX 16
/* Keys of all objects that are open at one time; an order has fewer than 20. */
#define KEYS_INLINE 48

struct key {
    size_t start, len; /* in the text, or in unescaped */
    uint32_t hash;
    bool unescaped;
    size_t at; /* position in the text, for the error message */
};

struct scan {
    struct tb_json_input in;
    int depth, depth_max;
    size_t tokens;
    struct key *keys; /* a stack: the keys of the open objects; `few`, or on the heap */
    size_t key_count, key_cap;
    struct tb_buf unescaped; /* keys that hold escapes, decoded */
    struct tb_arena *arena;  /* of the tree */
    struct key few[KEYS_INLINE];
};

/* Reads one value, with the blanks around it, into the node. */
static enum tb_code scan_value(struct scan *scan, struct tb_json *node);

static enum tb_code refuse(struct scan *scan, const char *what)
{
    return tb_json_reject(&scan->in, what);
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

/* Orders by hash, then length, then bytes, so that equal keys are neighbours. */
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
    return tb_json_reject_at(&scan->in, key->at, "the same key twice in one object");
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

/* Appends a node to the container and makes it *last. */
static enum tb_code add_child(struct scan *scan, struct tb_json *container, struct tb_json **last)
{
    struct tb_json *child = tb_arena_alloc_raw(scan->arena, sizeof *child);

    if (!child)
        return out_of_memory(scan);
    *child = (struct tb_json){0};
    if (*last)
        (*last)->next = child;
    else
        container->child = child;
    container->count++;
    *last = child;
    return TB_OK;
}

static enum tb_code copy_text(struct scan *scan, const char *text, size_t len,
                              struct tb_str *ret_text)
{
    *ret_text = tb_arena_copy(scan->arena, (struct tb_str){text, len});
    return ret_text->ptr ? TB_OK : out_of_memory(scan);
}

/* Reads a key of the object whose keys begin at `first` in the stack. */
static enum tb_code scan_key(struct scan *scan, size_t first, struct tb_json *node)
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
    key->hash = tb_fnv1a(TB_FNV1A_START, bytes, key->len);
    TB_TRY(copy_text(scan, bytes, key->len, &node->key));

    if (scan->key_count - first > LINEAR_KEYS_MAX)
        return TB_OK;
    for (struct key *other = scan->keys + first; other < key; other++) {
        if (compare_keys(other, key, scan) == 0)
            return refuse_duplicate(scan, key);
    }
    return TB_OK;
}

/* Ends an object; compares its keys here if they were too many for scan_key to do it. */
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

static enum tb_code scan_object(struct scan *scan, struct tb_json *node)
{
    struct tb_json *member = NULL;
    size_t first = scan->key_count;

    TB_TRY(open_container(scan));
    for (bool more = peek(scan) != '}'; more;) {
        TB_TRY(add_child(scan, node, &member));
        TB_TRY(scan_key(scan, first, member));
        skip_blanks(scan);
        if (peek(scan) != ':')
            return refuse(scan, "a colon belongs here");
        scan->in.at++;
        TB_TRY(scan_value(scan, member));
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

static enum tb_code scan_array(struct scan *scan, struct tb_json *node)
{
    struct tb_json *element = NULL;

    TB_TRY(open_container(scan));
    for (bool more = peek(scan) != ']'; more;) {
        TB_TRY(add_child(scan, node, &element));
        TB_TRY(scan_value(scan, element));
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

/* Skips digits; false if there are none. */
static bool scan_digits(struct scan *scan)
{
    size_t start = scan->in.at;

    while (peek(scan) >= '0' && peek(scan) <= '9')
        scan->in.at++;
    return scan->in.at > start;
}

static void set_number(struct scan *scan, size_t start, bool integer, struct tb_json *node)
{
    struct tb_str text = {scan->in.text + start, scan->in.at - start};
    bool minus = text.ptr[0] == '-';

    node->text = text;
    /* Every number within the limits has at most 17 characters, with its sign. */
    if (!integer || text.len > 17)
        return;
    for (size_t i = minus; i < text.len; i++)
        node->value = node->value * 10 + (text.ptr[i] - '0');
    node->integer = node->value <= TB_JSON_INT_MAX;
    if (minus)
        node->value = -node->value;
}

static enum tb_code scan_number(struct scan *scan, struct tb_json *node)
{
    size_t start = scan->in.at;
    bool integer = true;

    if (peek(scan) != '-' && (peek(scan) < '0' || peek(scan) > '9'))
        return refuse(scan, "a value belongs here");
    if (peek(scan) == '-')
        scan->in.at++;
    if (peek(scan) == '0')
        scan->in.at++; /* a digit behind it is rejected as a missing comma */
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
    set_number(scan, start, integer, node);
    return TB_OK;
}

static enum tb_code scan_text(struct scan *scan, struct tb_json *node)
{
    size_t start = scan->in.at + 1, before = scan->unescaped.len;
    bool escapes = false;

    TB_TRY(tb_json_scan_string(&scan->in, &escapes));
    if (!escapes)
        return copy_text(scan, scan->in.text + start, scan->in.at - 1 - start, &node->text);
    tb_json_unescape(&scan->in, start, scan->in.at - 1, &scan->unescaped);
    if (!tb_buf_ok(&scan->unescaped))
        return out_of_memory(scan);
    TB_TRY(
        copy_text(scan, scan->unescaped.data + before, scan->unescaped.len - before, &node->text));
    scan->unescaped.len = before;
    return TB_OK;
}

static enum tb_code scan_word(struct scan *scan, const char *word)
{
    for (; *word; word++, scan->in.at++) {
        if (peek(scan) != *word)
            return refuse(scan, "a value belongs here");
    }
    return TB_OK;
}

static enum tb_code scan_value(struct scan *scan, struct tb_json *node)
{
    enum tb_code code;

    skip_blanks(scan);
    TB_TRY(count_token(scan));
    switch (peek(scan)) {
    case '{':
        node->type = TB_JSON_OBJECT;
        code = scan_object(scan, node);
        break;
    case '[':
        node->type = TB_JSON_ARRAY;
        code = scan_array(scan, node);
        break;
    case '"':
        node->type = TB_JSON_STRING;
        code = scan_text(scan, node);
        break;
    case 't':
        node->type = TB_JSON_BOOL;
        node->value = 1;
        code = scan_word(scan, "true");
        break;
    case 'f':
        node->type = TB_JSON_BOOL;
        code = scan_word(scan, "false");
        break;
    case 'n':
        node->type = TB_JSON_NULL;
        code = scan_word(scan, "null");
        break;
    default:
        node->type = TB_JSON_NUMBER;
        code = scan_number(scan, node);
    }
    skip_blanks(scan);
    return code;
}

enum tb_code tb_json_scan(struct tb_str text, int depth_max, struct tb_arena *arena,
                          struct tb_json *root, struct tb_error *err)
{
    struct scan scan; /* not zeroed: `few` is a kilobyte that needs no zeroes */
    enum tb_code code;

    TB_ASSERT(depth_max >= 0 && depth_max <= TB_JSON_DEPTH_MAX);
    scan.in = (struct tb_json_input){text.ptr, text.len, 0, err};
    scan.depth = 0;
    scan.depth_max = depth_max;
    scan.tokens = 0;
    scan.keys = scan.few;
    scan.key_count = 0;
    scan.key_cap = KEYS_INLINE;
    scan.unescaped = (struct tb_buf){0};
    scan.arena = arena;

    code = scan_value(&scan, root);
    if (code == TB_OK && scan.in.at < scan.in.len)
        code = refuse(&scan, "something behind the value");
    if (scan.keys != scan.few)
        free(scan.keys);
    tb_buf_release(&scan.unescaped);
    return code;
}
