/* What a plan keeps behind its header: orders by id, the parsed values they borrow from, and how
 * a record's headers are read.
 *
 * Thread:  as plan.h.
 * Memory:  orders and values belong to the plan; clear keeps their tables for the next batch.
 * Errors:  false when out of memory.
 * Units:   none. */
#pragma once
#include "query/projection/plan.h"

/* Room for the orders and documents of a batch of count records. */
TB_CHECKED bool tb_plan_reserve(struct tb_plan *plan, size_t count);
/* The batch's order of that id; NULL if it has not been named yet. */
struct tb_planned_order *tb_plan_find(const struct tb_plan *plan, const char *order_id);
/* An empty order that is not in the plan yet; room is reserved. */
struct tb_planned_order *tb_plan_new_order(struct tb_plan *plan);
/* Adds the fresh one: its order.order_id is set now and not in the plan yet. */
void tb_plan_insert(struct tb_plan *plan, struct tb_planned_order *fresh);
/* The plan frees it when it is cleared; room is reserved. */
void tb_plan_own_document(struct tb_plan *plan, struct tb_json *document);

/* The headers that a view reads; absent ones are {NULL, 0}. type is ce_type, else eventType. */
struct tb_plan_headers {
    struct tb_str type, legacy_type, id, source, subject, version, sequence, epoch;
    struct tb_str replay_of, redriven;
};
void tb_plan_read_headers(const struct tb_record *record, struct tb_plan_headers *ret_headers);
/* For completeness: a record that came is not missing, whether it is applied or not. */
void tb_plan_add_origin(struct tb_plan *plan, const struct tb_record *record,
                        const struct tb_plan_headers *headers);

/* plan_letters.c: dead letters and what is not known. */
/* The letter that the record was sent again for; its own offset if it was for none. */
int64_t tb_plan_first_offset(const struct tb_record *record,
                             const struct tb_plan_headers *headers);
/* A type is shown to people: one that is not plain text is absent. */
struct tb_str tb_plan_printable_type(struct tb_str type);
/* Counts an event of unknown type; false when out of memory. */
TB_CHECKED bool tb_plan_count_unknown_type(struct tb_plan *plan, struct tb_str type);

/* Decimal digits only, 0 to 2^53 - 1. */
bool tb_plan_parse_number(struct tb_str text, int64_t *ret_value);
/* "/nodes/till1" is from till1; any other source is a stranger's and absent here. */
struct tb_str tb_plan_source_node(struct tb_str source);
