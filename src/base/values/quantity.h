/* Quantities: a whole number with a unit, such as "64MiB" or "90d". */
#pragma once
#include "base/mem/buf.h"

struct tb_unit {
    const char *name;
    int64_t size; /* in the smallest unit: bytes or milliseconds */
};
/* Tables end with the name NULL. The larger units must come first: tb_quantity_add takes the first
 * that fits. */
extern const struct tb_unit tb_unit_none[];  /* a plain number */
extern const struct tb_unit tb_unit_bytes[]; /* GiB, MiB, KiB, or no unit: bytes */
/* d, h, m, s, ms. A number without a unit is read as seconds. Values are in milliseconds. */
extern const struct tb_unit tb_unit_durations[];

/* False if the text is malformed, negative, or too large. */
bool tb_quantity_parse(struct tb_str text, const struct tb_unit *units, int64_t *ret_value);
/* Writes the value in the largest unit in which it is a whole number; 0 in the smallest. */
void tb_quantity_add(struct tb_buf *out, const struct tb_unit *units, int64_t value);
