#include "cli/http/cjson.h"
#include "base/json/json.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* True: the text contains \u0000, which would end the C string early, or \u with wrong digits,
 * which cJSON reads as \u0000. */
static bool has_nul_escape(const char *text)
{
    static const char hex[] = "0123456789abcdefABCDEF";

    while ((text = strchr(text, '\\')) && text[1] != '\0') {
        if (text[1] == 'u' && (strspn(text + 2, hex) < 4 || strncmp(text + 2, "0000", 4) == 0))
            return true;
        text += 2;
    }
    return false;
}

cJSON *tb_cjson_parse(const struct tb_buf *text)
{
    struct tb_str str = tb_buf_str(text);

    if (!tb_buf_ok(text) || memchr(str.ptr, '\0', str.len) || !tb_utf8_valid(str) ||
        has_nul_escape(str.ptr))
        return NULL;
    /* The length includes the NUL, because cJSON checks that it follows the value. */
    return cJSON_ParseWithLengthOpts(str.ptr, str.len + 1, NULL, true);
}

void tb_cjson_freep(cJSON **root)
{
    cJSON_Delete(*root);
}

const cJSON *tb_cjson_get(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

const cJSON *tb_cjson_first(const cJSON *object, const char *name)
{
    const cJSON *value = tb_cjson_get(object, name);

    return value ? value->child : NULL;
}

struct tb_str tb_cjson_text(const cJSON *object, const char *name)
{
    return tb_str_of(cJSON_GetStringValue(tb_cjson_get(object, name)));
}

bool tb_cjson_int(const cJSON *object, const char *name, int64_t *ret_value)
{
    return tb_cjson_is_int(tb_cjson_get(object, name), ret_value);
}

bool tb_cjson_is_int(const cJSON *value, int64_t *ret_value)
{
    double number = cJSON_IsNumber(value) ? value->valuedouble : NAN;

    if (!(fabs(number) <= (double)TB_JSON_INT_MAX) || trunc(number) != number)
        return false;
    *ret_value = (int64_t)number;
    return true;
}

bool tb_cjson_is_sum(const cJSON *value, tb_sum *ret_minor)
{
    const char *text = cJSON_GetStringValue(value);
    int64_t minor = 0;

    if (text)
        return tb_sum_parse(tb_str_of(text), ret_minor);
    if (!tb_cjson_is_int(value, &minor))
        return false;
    *ret_minor = minor;
    return true;
}
