/* Reading the JSON of an answer with cJSON.
 *
 * cJSON keeps every number as a double. All integers of the API lie within +-(2^53 - 1), where a
 * double is exact; tb_cjson_int refuses everything else.
 *
 * Thread:  pure.
 * Memory:  cJSON_Delete or TB_CLEANUP(tb_cjson_freep) frees the document; texts are borrowed from
 * it. Errors:  NULL, {NULL, 0} or false for a value that is missing or has another type. */
#pragma once
#include "base/mem/buf.h"
#include <cjson/cJSON.h>

/* NULL: not JSON, nested more than CJSON_NESTING_LIMIT deep, out of memory, or a text that cJSON
 * would misread: not UTF-8, NUL characters (raw or escaped), bytes after the value. */
cJSON *tb_cjson_parse(const struct tb_buf *text);
void tb_cjson_freep(cJSON **root);

/* Members of an object, which may be NULL. Names are case-sensitive. */
const cJSON *tb_cjson_get(const cJSON *object, const char *name);
/* The first element or member of the member `name`; element->next is the following one. */
const cJSON *tb_cjson_first(const cJSON *object, const char *name);
struct tb_str tb_cjson_text(const cJSON *object, const char *name);
bool tb_cjson_int(const cJSON *object, const char *name, int64_t *ret_value);

/* False: not an integer within +-(2^53 - 1). value may be NULL. */
bool tb_cjson_is_int(const cJSON *value, int64_t *ret_value);
/* The same for an amount, which beyond 2^53 is a decimal string. */
bool tb_cjson_is_amount(const cJSON *value, int64_t *ret_minor);
