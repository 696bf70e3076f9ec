/* Counts events of unknown types, and says when to report each type, so that the operator hears of
 * every type but not of every event.
 *
 * Thread:  one owner.
 * Memory:  a plain value; TB_UNKNOWN_TYPES_MAX types are counted separately, all others as one.
 * Units:   milliseconds, monotonic. */
#pragma once
#include "order/event.h"

#define TB_UNKNOWN_TYPES_REPORT_MS 60000
/* A new release adds a few types; a larger number comes from damaged records. */
#define TB_UNKNOWN_TYPES_MAX 16

struct tb_unknown_type {
    char type[TB_TEXT_MAX + 1]; /* "": all others */
    int64_t reported_ms;
    uint64_t count; /* since the last report */
};
struct tb_unknown_types {
    struct tb_unknown_type list[TB_UNKNOWN_TYPES_MAX];
    size_t count;
    struct tb_unknown_type others;
};
/* Adds count events of the type (absent: of no printable type). True: *ret_due is to be reported
 * now; its count starts anew. */
bool tb_unknown_types_count(struct tb_unknown_types *types, struct tb_str type, uint64_t count,
                            int64_t now_ms, struct tb_unknown_type *ret_due);
