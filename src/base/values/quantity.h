/* Quantities: a whole number with a unit, such as "64MiB" or "90d". */
#pragma once
#include "base/mem/buf.h"

struct tb_unit {
    const char *name;
    int64_t size;
};
/* Tables end with the name NULL. For writing, the larger units come first. */
extern const struct tb_unit tb_unit_none[];  /* a plain number */
extern const struct tb_unit tb_unit_bytes[]; /* GiB, MiB, KiB, or no unit: bytes */
/* d, h, m, s, ms, or no unit: seconds; the result is in milliseconds. */
extern const struct tb_unit tb_unit_durations[];

/* False if the text is malformed, negative, or too large. */
bool tb_quantity_parse(struct tb_str text, const struct tb_unit *units, int64_t *ret_value);
/* Writes the value in the largest unit in which it is a whole number. */
void tb_quantity_add(struct tb_buf *out, const struct tb_unit *units, int64_t value);
