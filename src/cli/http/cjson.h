/* Reads the JSON of an answer with cJSON.
 *
 * cJSON stores every number as a double. All integers of the API lie within +-(2^53 - 1), where a
 * double is exact; tb_cjson_int refuses any other number.
 *
 * Memory:  cJSON_Delete or TB_CLEANUP(tb_cjson_freep) frees the document; texts borrow from it.
 * Errors:  NULL, {NULL, 0} or false if a value is missing or has another type. */
#pragma once
#include "base/values/sum.h"
#include <cjson/cJSON.h>

/* Returns NULL if the text is not JSON, is nested more than CJSON_NESTING_LIMIT deep, or would be
 * misread by cJSON: not UTF-8, NUL characters (raw or escaped), bytes after the value. Also
 * returns NULL if memory runs out. */
cJSON *tb_cjson_parse(const struct tb_buf *text);
void tb_cjson_freep(cJSON **root);

/* These look up a member of an object, which may be NULL. Names are case-sensitive. */
const cJSON *tb_cjson_get(const cJSON *object, const char *name);
/* Returns the first element of the array `name`; element->next is the following one. */
const cJSON *tb_cjson_first(const cJSON *object, const char *name);
struct tb_str tb_cjson_text(const cJSON *object, const char *name);
bool tb_cjson_int(const cJSON *object, const char *name, int64_t *ret_value);

/* False: value is NULL or no integer within +-(2^53 - 1). */
bool tb_cjson_is_int(const cJSON *value, int64_t *ret_value);
/* The same for a sum, which the server sends as a decimal string if it is beyond 2^53. */
bool tb_cjson_is_sum(const cJSON *value, tb_sum *ret_minor);
