/* Shared by the checkers of the centre.
 *
 *   check_broker_log.c     every append to the broker's log, every commit of an offset
 *   check_database.c       every write to the database, and what a central serves from it
 *   check_centre.c         a node's orders at the centre, and the node's Kafka cursor
 *   check_days.c           which orders came after the end of their day
 *   retirement.c           which nodes are retired
 *   check_resent.c         at the end: does the broker's log have what it once had?
 *   check_centre_final.c   at the end: has everything arrived?
 *
 * Thread:  one.
 * Memory:  texts belong to the document.
 * Errors:  sim_violation.
 * Units:   as sim.h. */
#pragma once
#include "sim/check_priv.h"

bool check_record_mark(const struct tb_record *record, struct check_mark *ret_mark);
int64_t check_record_version(const struct tb_record *record); /* of its order */
bool check_record_is_snapshot(const struct tb_record *record);
/* The last version that the edge can deliver: rows after a refused one stay parked. */
int64_t check_centre_deliverable(const struct sim *sim, const struct centre_order *order);
void check_centre_resent(struct sim *sim); /* check_resent.c */
/* NULL: nothing of the order has arrived. */
struct centre_order *check_find_order(struct centre *centre, struct tb_str id);
/* check_days.c: a document of `nodes` is written; at the end, all days. */
void check_centre_see_node(struct sim *sim, const bson_t *doc);
void check_centre_days(struct sim *sim);
/* retirement.c: the same of a node's retirement. old: NULL if the document is new. */
void check_centre_retirement(struct sim *sim, const bson_t *old, const bson_t *doc);
void check_centre_retired(struct sim *sim, const struct tb_node_report_list *list);
/* 0 and "" if the field is missing. path: such as "lines.0.sku". */
int64_t check_int(const bson_t *doc, const char *key);
const char *check_str(const bson_t *doc, const char *path);
