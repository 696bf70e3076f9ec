/* Unknown types: when to tell that events of a type came that this build does not know, so that
 * whoever runs it hears of each type and is not flooded.
 *
 * Thread:  one owner.
 * Memory:  a value; a bounded number of types is remembered, all others are told of as one.
 * Errors:  none.
 * Units:   milliseconds, monotonic. */
#pragma once
#include "order/event.h"

#define TB_UNKNOWN_TYPES_REPORT_MS 60000
/* A release brings a few types; more different ones are somebody's random bytes. */
#define TB_UNKNOWN_TYPES_MAX 16

struct tb_unknown_type {
    char type[TB_TEXT_MAX + 1]; /* "": all others */
    int64_t reported_ms;
    uint64_t count; /* since it was told of */
};
struct tb_unknown_types {
    struct tb_unknown_type list[TB_UNKNOWN_TYPES_MAX];
    size_t count;
    struct tb_unknown_type others;
};
/* count events of that type came (absent: of no type that can be shown). True: it is time to tell
 * of *ret_told, which counts anew from then on. */
bool tb_unknown_types_count(struct tb_unknown_types *types, struct tb_str type, uint64_t count,
                            int64_t now_ms, struct tb_unknown_type *ret_told);
