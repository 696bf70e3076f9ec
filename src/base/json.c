#include "base/json.h"
#include "base/json_scan.h"
#include <cjson/cJSON.h>

/* In a node's type, above the bits that cJSON uses: valuedouble is an exact integer. */
#define TYPE_INTEGER (1 << 16)

/* cJSON's node. A number's valuestring borrows its text from the document (and its valueint
 * is that text's length): cJSON_IsReference keeps cJSON_Delete from freeing it. */
struct tb_json {
    cJSON node;
};

/* Gives each number node below and behind `node` its text, in document order. */
static void keep_numbers(cJSON *node, const struct tb_json_number **next)
{
    for (; node; node = node->next) {
        if (node->type == cJSON_Number) {
            const struct tb_json_number *number = (*next)++;

            node->valuestring = (char *)(uintptr_t)number->text.ptr;
            node->valueint = (int)number->text.len;
            node->valuedouble = (double)number->value;
            node->type |= cJSON_IsReference | (number->integer ? TYPE_INTEGER : 0);
        } else if (node->child) {
            keep_numbers(node->child, next);
        }
    }
}

/* Behind the scan cJSON refuses nothing but, for want of memory, the tree. (1.7.15 as it was
 * released also stumbles over numbers of 64 characters and more; Debian's is mended.) */
enum tb_code tb_json_parse(struct tb_str text, int depth_max, struct tb_json **ret_root,
                           struct tb_error *err)
{
    if (text.len > INT32_MAX) /* a node holds the length of its number in an int */
        return tb_error_set(err, TB_INVALID, "JSON: more than 2 GiB");

    TB_CLEANUP(tb_json_numbers_release) struct tb_json_numbers numbers;
    const struct tb_json_number *next;
    cJSON *root;

    tb_json_numbers_init(&numbers);
    TB_TRY(tb_json_scan(text, depth_max, &numbers, err));
    root = cJSON_ParseWithLengthOpts(text.ptr, text.len, NULL, 0);
    if (!root)
        return tb_error_set(err, TB_INTERNAL, "out of memory reading JSON");
    next = tb_json_numbers_items(&numbers);
    keep_numbers(root, &next);
    TB_ASSERT(next == tb_json_numbers_items(&numbers) + numbers.count);
    *ret_root = (struct tb_json *)root;
    return TB_OK;
}

enum tb_code tb_json_check(struct tb_str text, int depth_max, struct tb_error *err)
{
    return tb_json_scan(text, depth_max, NULL, err);
}

void tb_json_free(struct tb_json *root)
{
    cJSON_Delete((cJSON *)root);
}

void tb_json_freep(struct tb_json **root)
{
    tb_json_free(*root);
    *root = NULL;
}

enum tb_json_type tb_json_type(const struct tb_json *value)
{
    switch (value->node.type & 0xFF) {
    case cJSON_False:
    case cJSON_True:
        return TB_JSON_BOOL;
    case cJSON_Number:
        return TB_JSON_NUMBER;
    case cJSON_String:
        return TB_JSON_STRING;
    case cJSON_Array:
        return TB_JSON_ARRAY;
    case cJSON_Object:
        return TB_JSON_OBJECT;
    default:
        return TB_JSON_NULL;
    }
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
    return (const struct tb_json *)container->node.child;
}

const struct tb_json *tb_json_next(const struct tb_json *value)
{
    return (const struct tb_json *)value->node.next;
}

struct tb_str tb_json_key(const struct tb_json *member)
{
    return tb_str_of(member->node.string);
}

size_t tb_json_count(const struct tb_json *container)
{
    size_t count = 0;

    for (const cJSON *node = container->node.child; node; node = node->next)
        count++;
    return count;
}

const struct tb_json *tb_json_get(const struct tb_json *object, const char *key)
{
    if (tb_json_type(object) != TB_JSON_OBJECT)
        return NULL;
    for (const cJSON *node = object->node.child; node; node = node->next) {
        if (strcmp(node->string, key) == 0)
            return (const struct tb_json *)node;
    }
    return NULL;
}

struct tb_str tb_json_string(const struct tb_json *value)
{
    if (tb_json_type(value) != TB_JSON_STRING)
        return (struct tb_str){NULL, 0};
    return tb_str_of(value->node.valuestring);
}

bool tb_json_int(const struct tb_json *value, int64_t *ret_value)
{
    if (!(value->node.type & TYPE_INTEGER))
        return false;
    *ret_value = (int64_t)value->node.valuedouble;
    return true;
}

bool tb_json_bool(const struct tb_json *value, bool *ret_value)
{
    if (tb_json_type(value) != TB_JSON_BOOL)
        return false;
    *ret_value = (value->node.type & 0xFF) == cJSON_True;
    return true;
}

struct tb_str tb_json_number_text(const struct tb_json *value)
{
    if (tb_json_type(value) != TB_JSON_NUMBER)
        return (struct tb_str){NULL, 0};
    return (struct tb_str){value->node.valuestring, (size_t)value->node.valueint};
}
