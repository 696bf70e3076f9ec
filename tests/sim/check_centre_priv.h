/* What the checkers of the far side share.
 *
 *   check_landed.c   the broker's log, and what is committed of it
 *   check_stored.c   the database, and what a central shows of it
 *   check_centre.c   a node's orders, and its second cursor
 *   check_arrived.c  after everything is mended: has everything arrived?
 *
 * Thread:  one.
 * Memory:  texts are the document's.
 * Errors:  sim_violation.
 * Units:   as sim.h. */
#pragma once
#include "sim/check_priv.h"

bool check_record_mark(const struct tb_record *record, struct check_mark *ret_mark);
/* NULL: there is no news of such an order. */
struct centre_order *check_find_order(struct centre *centre, struct tb_str id);
/* 0 and "" where there is none; path: as "lines.0.sku". */
int64_t check_int(const bson_t *doc, const char *key);
const char *check_str(const bson_t *doc, const char *path);
