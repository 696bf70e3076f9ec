/* What every view promises of its dead letters, as cases that run against each of them.
 *
 * Thread:  one.
 * Memory:  the bed's view and reader are the caller's.
 * Errors:  a failed check assertion.
 * Units:   as view.h. */
#pragma once
#include "query/doubles/history.h"
#include "query/projection/view.h"

struct letters_bed {
    struct tb_view *view; /* empty */
    struct tb_view_reader *reader;
    struct fake_random random;
    struct tb_arena arena;
    struct tb_plan plan;
    int64_t next[TB_LOG_PARTITIONS]; /* offset of the next record */
};
void letters_bed_init(struct letters_bed *bed, struct tb_view *view,
                      struct tb_view_reader *reader);
void letters_bed_release(struct letters_bed *bed);

struct letters_case {
    const char *name;
    void (*run)(struct letters_bed *bed);
};
extern const struct letters_case letters_cases[];
extern const int letters_case_count;
