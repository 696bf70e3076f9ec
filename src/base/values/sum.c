#include "base/values/sum.h"
#include "base/json/json.h"

/* All sums of so many digits fit. */
#define DIGITS_MAX 38

__extension__ typedef unsigned __int128 magnitude;

void tb_sum_format(tb_sum sum, char ret_text[TB_SUM_SIZE])
{
    magnitude rest = sum < 0 ? -(magnitude)sum : (magnitude)sum;
    char digits[TB_SUM_SIZE];
    size_t at = sizeof digits;

    digits[--at] = '\0';
    do {
        digits[--at] = (char)('0' + (int)(rest % 10));
        rest /= 10;
    } while (rest > 0);
    if (sum < 0)
        digits[--at] = '-';
    memcpy(ret_text, digits + at, sizeof digits - at);
}

bool tb_sum_parse(struct tb_str text, tb_sum *ret_sum)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    size_t at = negative;
    tb_sum sum = 0;

    if (at == text.len || text.len - at > DIGITS_MAX)
        return false;
    for (; at < text.len; at++) {
        if (text.ptr[at] < '0' || text.ptr[at] > '9')
            return false;
        sum = sum * 10 + (text.ptr[at] - '0');
    }
    *ret_sum = negative ? -sum : sum;
    return true;
}

bool tb_sum_int64(tb_sum sum, int64_t *ret_value)
{
    if (sum < INT64_MIN || sum > INT64_MAX)
        return false;
    *ret_value = (int64_t)sum;
    return true;
}

void tb_sum_add_member(struct tb_buf *out, const char *key, tb_sum sum)
{
    char text[TB_SUM_SIZE];

    if (sum >= -TB_JSON_INT_MAX && sum <= TB_JSON_INT_MAX) {
        tb_json_member_int(out, key, (int64_t)sum);
        return;
    }
    tb_sum_format(sum, text);
    tb_json_member_str(out, key, tb_str_of(text));
    tb_json_member_str(out, "exact", TB_STR("string"));
}
