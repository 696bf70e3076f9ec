/* Random histories with random poison in them, and people who look into the dead letters, mend and
 * replay them in any order: what every view must come to.
 *
 * Thread:  one.
 * Memory:  the view and the reader are the caller's.
 * Errors:  a failed check assertion.
 * Units:   as view.h. */
#pragma once
#include "query/projection/view.h"

/* Faults first: processes that die, records that are lost on their way, replays of what is not
 * mended. Then all is mended, and the view is the fold of the events. */
void replay_heals(struct tb_view *view, struct tb_view_reader *reader, uint64_t seed,
                  size_t orders);
