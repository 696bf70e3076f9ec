/* A moving reader: asks the view that is served, whichever that is at the moment.
 *
 * Whoever moves the view offers a reader of the next one, opened before, so that no question fails
 * on the way: the next call asks that one. Offered to all moving readers while nobody writes
 * either view, with the same events in both, no reader sees time go back.
 *
 * Thread:  asked by its owner; offered from any other, one at a time.
 * Memory:  owns the readers that it was given; freed by the ops' free, and what was offered with
 *          it.
 * Errors:  those of the reader that it asks.
 * Units:   as view.h. */
#pragma once
#include "query/projection/view.h"

struct tb_switch_reader;
/* On failure first is still the caller's. */
TB_CHECKED enum tb_code tb_switch_reader_new(struct tb_view_reader *first,
                                             struct tb_switch_reader **ret_moving,
                                             struct tb_error *err);
struct tb_view_reader *tb_switch_reader_base(struct tb_switch_reader *moving);
void tb_switch_reader_switch(struct tb_switch_reader *moving, struct tb_view_reader *next);
