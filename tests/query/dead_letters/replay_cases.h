/* Random histories in which some values are damaged. People replay the dead letters in any order,
 * with the right values. Every view must have every order in the end.
 *
 * Thread:  one.
 * Memory:  the view and the reader are the caller's.
 * Errors:  a failed check assertion.
 * Units:   as view.h. */
#pragma once
#include "query/projection/view.h"

/* First with faults: restarts, lost records, replays with the damaged value. Then every dead
 * letter is replayed with the right value, and the view must have every order. */
void replay_case_run(struct tb_view *view, struct tb_view_reader *reader, uint64_t seed,
                     size_t orders);
