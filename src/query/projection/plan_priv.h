/* Parts of planning: the table of a plan's orders (plan_index.c), the headers of a record
 * (record_headers.c), dead letters and unknown types (plan_dead.c).
 *
 * Memory:  the plan's; after tb_plan_clear the next batch uses the tables again.
 * Errors:  false when out of memory. */
#pragma once
#include "query/projection/plan.h"

/* plan_index.c */
/* Reserves room for a batch of count records. */
TB_CHECKED bool tb_plan_reserve(struct tb_plan *plan, size_t count);
/* The order of that id; NULL if the batch has not named it yet. */
struct tb_planned_order *tb_plan_find(const struct tb_plan *plan, const char *order_id);
/* An empty order. Set its order_id, then call tb_plan_insert. */
struct tb_planned_order *tb_plan_new_order(struct tb_plan *plan);
void tb_plan_insert(struct tb_plan *plan, struct tb_planned_order *fresh);

/* record_headers.c */
/* The headers that a plan reads; absent ones are {NULL, 0}. type is ce_type, else eventType. */
struct tb_plan_headers {
    struct tb_str type, legacy_type, id, source, subject, version, sequence, epoch;
    struct tb_str replay_of, redriven;
};
void tb_plan_read_headers(const struct tb_record *record, struct tb_plan_headers *ret_headers);
/* Adds the record's origin if its headers show it. */
void tb_plan_add_origin(struct tb_plan *plan, const struct tb_record *record,
                        const struct tb_plan_headers *headers);
/* Decimal digits only, 0 to 2^53 - 1. */
bool tb_plan_parse_number(struct tb_str text, int64_t *ret_value);
/* "till1" of "/nodes/till1"; absent for any other source. */
struct tb_str tb_plan_source_node(struct tb_str source);

/* plan_dead.c */
/* The dead letter that the record was replayed for, by its first offset; the record's own offset
 * if it was not replayed. */
int64_t tb_plan_first_offset(const struct tb_record *record,
                             const struct tb_plan_headers *headers);
/* Types are shown to people: one that is not printable text is absent. */
struct tb_str tb_plan_printable_type(struct tb_str type);
TB_CHECKED bool tb_plan_count_unknown_type(struct tb_plan *plan, struct tb_str type);
