/* Places in a log that may be replaced.
 *
 * A topic that is deleted and made anew, restored from a snapshot, truncated or renamed gives old
 * offsets to other records. Each such log of a partition is a generation, from 1. An offset with
 * its generation is one number, and all of a later generation are above all of an earlier one.
 * Those of the first generation are the log's own offsets. So what a view stores by such numbers
 * needs no further key.
 *
 * Thread:  pure.
 * Units:   Unix milliseconds. */
#pragma once
#include "bridge/log/log.h"

/* Room for the offsets of one generation. With 9 bits of generations the number stays below 2^53,
 * so that JSON carries it. */
#define TB_LOG_GENERATION_BITS 44

static inline int64_t tb_log_generation(int64_t offset)
{
    return 1 + (offset >> TB_LOG_GENERATION_BITS);
}
/* The offset in the log itself. */
static inline int64_t tb_log_offset(int64_t offset)
{
    return offset & ((INT64_C(1) << TB_LOG_GENERATION_BITS) - 1);
}
static inline int64_t tb_log_with_generation(int64_t generation, int64_t offset)
{
    return ((generation - 1) << TB_LOG_GENERATION_BITS) + offset;
}

#define TB_LOG_EVENT_ID_SIZE 65

/* Where a view stands in a partition. */
struct tb_log_place {
    int64_t next;        /* the offset to read next; -1: the view has not read the partition */
    int64_t last_offset; /* of the last record before it; -1: not known */
    int64_t last_at_ms;  /* its timestamp */
    char last_event_id[TB_LOG_EVENT_ID_SIZE]; /* its header ce_id, cut; "": it has none */
};
#define TB_LOG_NO_PLACE                                                                           \
    (struct tb_log_place)                                                                         \
    {                                                                                             \
        .next = -1, .last_offset = -1                                                             \
    }
/* The place behind a record. */
void tb_log_place_set(struct tb_log_place *place, const struct tb_record *record);
