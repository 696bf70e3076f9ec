#include "cli/engine/canonical.h"
#include "base/json/json.h"
#include <stdlib.h>
#include <string.h>

static int compare_keys(const void *left, const void *right)
{
    struct tb_str a = tb_json_key(*(const struct tb_json *const *)left);
    struct tb_str b = tb_json_key(*(const struct tb_json *const *)right);
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* The members of an object by their keys, the elements of an array as they come. NULL: out of
 * memory. */
static const struct tb_json **children_of(const struct tb_json *container, struct tb_arena *arena)
{
    size_t count = tb_json_count(container);
    const struct tb_json **children = tb_arena_array(arena, count + 1, sizeof *children);
    const struct tb_json *child = tb_json_first(container);

    if (!children)
        return NULL;
    for (size_t i = 0; child; child = tb_json_next(child))
        children[i++] = child;
    if (tb_json_type(container) == TB_JSON_OBJECT)
        qsort(children, count, sizeof *children, compare_keys);
    return children;
}

/* False: out of memory. */
static bool add_value(struct tb_buf *out, const struct tb_json *value, struct tb_arena *arena)
{
    bool object = tb_json_type(value) == TB_JSON_OBJECT;
    const struct tb_json **children;
    int64_t number = 0;

    if (tb_json_int(value, &number)) {
        tb_buf_add_int(out, number);
        return true;
    }
    if (!object && tb_json_type(value) != TB_JSON_ARRAY) {
        tb_json_print(out, value);
        return true;
    }
    children = children_of(value, arena);
    if (!children)
        return false;
    tb_buf_addc(out, object ? '{' : '[');
    for (; *children; children++) {
        tb_json_separate(out);
        if (object) {
            tb_json_add_string(out, tb_json_key(*children));
            tb_buf_addc(out, ':');
        }
        if (!add_value(out, *children, arena))
            return false;
    }
    tb_buf_addc(out, object ? '}' : ']');
    return true;
}

enum tb_code tb_canonical_add(struct tb_buf *out, struct tb_str text, struct tb_error *err)
{
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_json *root = NULL;

    TB_TRY(tb_json_parse_in(text, TB_JSON_DEPTH_MAX, &arena, &root, err));
    if (!add_value(out, root, &arena) || !tb_buf_ok(out))
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    return TB_OK;
}
