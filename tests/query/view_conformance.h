/* The contract of view.h as cases that run against every view: SQLite, MongoDB, and the view in
 * memory that other tests use. The cases for dead letters are in dead_letter_cases.h.
 *
 * Thread:  one; a case keeps its state in static memory.
 * Memory:  view and reader are the caller's, and empty at first.
 * Errors:  a failed check assertion. */
#pragma once
#include "query/projection/view.h"

struct view_case {
    const char *name;
    void (*run)(void);
};
extern const struct view_case view_cases[];
extern const int view_case_count;
void view_case_run(int index, struct tb_view *view, struct tb_view_reader *reader);
