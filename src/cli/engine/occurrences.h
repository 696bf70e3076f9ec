/* Occurrences: how often each content has come, exactly, as long as the different contents are few
 * enough.
 *
 * A content is known by the first half of its SHA-256: that two of them share it will not happen.
 *
 * Memory:  20 bytes a slot; at least a quarter of the slots is empty. At most 80 MiB, and 120 MiB
 *          for a moment, while the table grows to that.
 * Errors:  TB_FULL, TB_INTERNAL (out of memory): nothing was counted. */
#pragma once
#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

/* A year of a busy till: more lines than anybody imports at once, in memory that every machine
 * has.
 */
#define TB_OCCURRENCES_MAX 3145728

struct tb_occurrence;
struct tb_occurrences {
    size_t max; /* different contents; the table is full with so many */
    /* Zeroed at the start: */
    struct tb_occurrence *slots;
    size_t capacity, used;
};

/* Counts the content with this digest once more. *ret_count: how often it has come, this time
 * included. */
TB_CHECKED enum tb_code tb_occurrences_add(struct tb_occurrences *occurrences,
                                           const uint8_t digest[32], uint32_t *ret_count,
                                           struct tb_error *err);
void tb_occurrences_release(struct tb_occurrences *occurrences);
