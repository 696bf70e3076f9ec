/* The contract of view.h for dead letters, as cases that run against every view.
 *
 * Thread:  one.
 * Memory:  the bed's view and reader are the caller's.
 * Errors:  a failed check assertion.
 * Units:   as view.h. */
#pragma once
#include "query/doubles/history.h"
#include "query/projection/view.h"

struct dead_letter_bed {
    struct tb_view *view; /* empty */
    struct tb_view_reader *reader;
    struct fake_random random;
    struct tb_arena arena;
    struct tb_plan plan;
    int64_t next[TEST_PARTITIONS]; /* offset of the next record */
};
void dead_letter_bed_init(struct dead_letter_bed *bed, struct tb_view *view,
                          struct tb_view_reader *reader);
void dead_letter_bed_release(struct dead_letter_bed *bed);

struct dead_letter_case {
    const char *name;
    void (*run)(struct dead_letter_bed *bed);
};
extern const struct dead_letter_case dead_letter_cases[];
extern const int dead_letter_case_count;
