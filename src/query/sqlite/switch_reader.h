/* A reader of the view that is served, which may be switched to another view at any time.
 *
 * The caller opens a reader of the next view and hands it over; the next call uses it, so no query
 * fails on the way. Switch all readers while nobody writes either view and both have the same
 * events: then no reader sees an older state.
 *
 * Thread:  used by its owner; switched from one other thread at a time.
 * Memory:  owns the readers that it was given; freed by the ops' free.
 * Errors:  those of the current reader.
 * Units:   as view.h. */
#pragma once
#include "query/projection/view.h"

struct tb_switch_reader;
/* On failure the caller still owns first. */
TB_CHECKED enum tb_code tb_switch_reader_new(struct tb_view_reader *first,
                                             struct tb_switch_reader **ret_moving,
                                             struct tb_error *err);
struct tb_view_reader *tb_switch_reader_base(struct tb_switch_reader *moving);
void tb_switch_reader_switch(struct tb_switch_reader *moving, struct tb_view_reader *next);
