#include "base/values/quantity.h"

const struct tb_unit tb_unit_none[] = {{"", 1}, {0}};
const struct tb_unit tb_unit_bytes[] = {
    {"GiB", INT64_C(1) << 30}, {"MiB", INT64_C(1) << 20}, {"KiB", INT64_C(1) << 10}, {"", 1}, {0}};
const struct tb_unit tb_unit_durations[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {"", 1000}, {0}};

bool tb_quantity_parse(struct tb_str text, const struct tb_unit *units, int64_t *ret_value)
{
    int64_t value = 0;
    size_t at = 0;

    for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, text.ptr[at] - '0', &value))
            return false;
    }
    struct tb_str name = {text.ptr + at, text.len - at};
    for (; at > 0 && units->name; units++) {
        if (!tb_str_eq(name, tb_str_of(units->name)))
            continue;
        if (__builtin_mul_overflow(value, units->size, &value))
            return false;
        *ret_value = value;
        return true;
    }
    return false;
}

void tb_quantity_add(struct tb_buf *out, const struct tb_unit *units, int64_t value)
{
    while (value % units->size != 0 || (value == 0 && units[1].name && units->size > 1))
        units++;
    tb_buf_add_int(out, value / units->size);
    tb_buf_adds(out, units->name);
}
