#include "base/json/scan.h"

/* The nodes and texts of a document take about this many times its bytes, if its values are about
 * twelve bytes long, as those of an order are. */
#define CHUNK_PER_BYTE 8
#define CHUNK_MIN ((size_t)512)
#define CHUNK_MAX ((size_t)256 << 10)

/* A document is in its own arena: with one malloc for each node, reading takes twice as long. */
struct document {
    struct tb_json root; /* first: tb_json_free finds the document by it */
    struct tb_arena arena;
};

enum tb_code tb_json_parse(struct tb_str text, int depth_max, struct tb_json **ret_root,
                           struct tb_error *err)
{
    size_t size = text.len < CHUNK_MAX / CHUNK_PER_BYTE ? text.len * CHUNK_PER_BYTE : CHUNK_MAX;
    struct tb_arena arena = {.chunk_size = size < CHUNK_MIN ? CHUNK_MIN : size};
    struct document *document = tb_arena_alloc(&arena, sizeof *document);
    enum tb_code code;

    if (!document)
        return tb_error_set(err, TB_INTERNAL, "out of memory reading JSON");
    code = tb_json_scan(text, depth_max, &arena, &document->root, err);
    if (code != TB_OK) {
        tb_arena_release(&arena);
        return code;
    }
    document->arena = arena;
    *ret_root = &document->root;
    return TB_OK;
}

enum tb_code tb_json_parse_in(struct tb_str text, int depth_max, struct tb_arena *arena,
                              struct tb_json **ret_root, struct tb_error *err)
{
    struct tb_json *root = tb_arena_alloc(arena, sizeof *root);

    if (!root)
        return tb_error_set(err, TB_INTERNAL, "out of memory reading JSON");
    TB_TRY(tb_json_scan(text, depth_max, arena, root, err));
    *ret_root = root;
    return TB_OK;
}

void tb_json_free(struct tb_json *root)
{
    if (!root)
        return;
    struct tb_arena arena = ((struct document *)(void *)root)->arena;
    tb_arena_release(&arena);
}

void tb_json_freep(struct tb_json **root)
{
    tb_json_free(*root);
    *root = NULL;
}

enum tb_json_type tb_json_type(const struct tb_json *value)
{
    return (enum tb_json_type)value->type;
}

const char *tb_json_type_name(enum tb_json_type type)
{
    static const char *const names[] = {
        [TB_JSON_NULL] = "null",       [TB_JSON_BOOL] = "true or false",
        [TB_JSON_NUMBER] = "a number", [TB_JSON_STRING] = "a string",
        [TB_JSON_ARRAY] = "an array",  [TB_JSON_OBJECT] = "an object",
    };

    return names[type];
}

const struct tb_json *tb_json_first(const struct tb_json *container)
{
    return container->child;
}

const struct tb_json *tb_json_next(const struct tb_json *value)
{
    return value->next;
}

struct tb_str tb_json_key(const struct tb_json *member)
{
    return member->key;
}

size_t tb_json_count(const struct tb_json *container)
{
    return container->count;
}

const struct tb_json *tb_json_get(const struct tb_json *object, const char *key)
{
    struct tb_str wanted = tb_str_of(key);

    if (object->type != TB_JSON_OBJECT)
        return NULL;
    for (const struct tb_json *member = object->child; member; member = member->next) {
        if (tb_str_eq(member->key, wanted))
            return member;
    }
    return NULL;
}

struct tb_str tb_json_string(const struct tb_json *value)
{
    return value->type == TB_JSON_STRING ? value->text : (struct tb_str){NULL, 0};
}

bool tb_json_int(const struct tb_json *value, int64_t *ret_value)
{
    if (!value->integer)
        return false;
    *ret_value = value->value;
    return true;
}

bool tb_json_bool(const struct tb_json *value, bool *ret_value)
{
    if (value->type != TB_JSON_BOOL)
        return false;
    *ret_value = value->value != 0;
    return true;
}

struct tb_str tb_json_number_text(const struct tb_json *value)
{
    return value->type == TB_JSON_NUMBER ? value->text : (struct tb_str){NULL, 0};
}
