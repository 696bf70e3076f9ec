/* Fields of an answer, which may lack any of them: the answer is somebody else's.
 *
 * Thread:  pure.
 * Memory:  borrowed from the document.
 * Errors:  absent, false or NULL for what is missing or of another type.
 * Units:   none. */
#pragma once
#include "base/json/json.h"

/* object may be NULL in all of them. */
static inline const struct tb_json *tb_field(const struct tb_json *object, const char *key)
{
    return object ? tb_json_get(object, key) : NULL;
}
static inline struct tb_str tb_field_text(const struct tb_json *object, const char *key)
{
    const struct tb_json *value = tb_field(object, key);

    return value ? tb_json_string(value) : (struct tb_str){NULL, 0};
}
static inline bool tb_field_int(const struct tb_json *object, const char *key, int64_t *ret_value)
{
    const struct tb_json *value = tb_field(object, key);

    return value && tb_json_int(value, ret_value);
}
/* The first element of an array, or member of an object. */
static inline const struct tb_json *tb_field_first(const struct tb_json *object, const char *key)
{
    const struct tb_json *value = tb_field(object, key);

    return value ? tb_json_first(value) : NULL;
}
