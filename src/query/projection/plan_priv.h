/* Parts of planning: the table of a plan's orders (plan_index.c), the headers of a record
 * (record_headers.c), what becomes of an event (plan_judge.c), its effect on the order and on the
 * sales of its day (plan_sales.c), dead letters and unknown types (plan_dead.c).
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
    struct tb_str type, legacy_type, id, source, subject, version, sequence, store_sequence, epoch;
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

/* The call of tb_plan_batch. */
struct tb_planning {
    struct tb_plan *plan;
    const struct tb_log_batch *batch;
    const struct tb_plan_rules *rules;
    tb_plan_load_fn *load;
    void *load_ctx;
};

/* The record that is being planned. */
struct tb_plan_input {
    const struct tb_record *record;
    struct tb_plan_headers headers;
    struct tb_json *document;
    struct tb_event event;
    struct tb_str node;   /* that ce_source names; absent: none, or not a node's name */
    int64_t first_offset; /* of the dead letter that it was replayed for; its own offset: none */
    bool unknown;         /* of a type that this build does not know */
    uint32_t digest;      /* of the event's id; 0: it has none */
    char epoch[TB_EPOCH_SIZE]; /* "": the headers show none */
};

/* plan.c */
enum tb_code tb_plan_out_of_memory(struct tb_error *err);
/* The record becomes a dead letter, and is counted as the result. */
TB_CHECKED enum tb_code tb_plan_add_dead_letter(struct tb_planning *run,
                                                const struct tb_plan_input *input,
                                                enum tb_event_result result, const char *reason,
                                                const char *message, struct tb_error *err);

/* plan_event.c */
/* Plans an event, of which input->event is known, or only its order id and version. */
TB_CHECKED enum tb_code tb_plan_event(struct tb_planning *run, struct tb_plan_input *input,
                                      struct tb_error *err);
TB_CHECKED enum tb_code tb_plan_count_unknown(struct tb_planning *run,
                                              const struct tb_plan_input *input,
                                              struct tb_error *err);

/* plan_judge.c */
enum tb_judgement {
    TB_JUDGED_NEXT, /* it applies */
    TB_JUDGED_DUPLICATE,
    TB_JUDGED_GAP,
    TB_JUDGED_OTHER_EVENT, /* conflicts: the version is there with another event id; */
    TB_JUDGED_ENDED_EPOCH, /* the event is of an epoch that the order has left behind; */
    TB_JUDGED_OTHER_NODE   /* another node placed the order */
};
/* digest, epoch: of the event; 0 and "" if not known. */
enum tb_judgement tb_plan_judge_event(const struct tb_planned_order *planned, int64_t version,
                                      uint32_t digest, const char *epoch);
/* digest: of the id of the order's last event. */
TB_CHECKED enum tb_code tb_plan_judge_snapshot(const struct tb_planned_order *planned,
                                               const struct tb_event *snapshot, uint32_t digest,
                                               const char *epoch, enum tb_judgement *ret_judgement,
                                               struct tb_error *err);
/* True: the snapshot's epoch follows that of the order. Its store says so, or the order has not
 * left it behind. False if one of them is not known. */
bool tb_plan_follows(const struct tb_planned_order *planned, const struct tb_event *snapshot,
                     const char *epoch);

/* plan_sales.c */
/* Changes the order, and adds what that changes in the sales of its day. */
TB_CHECKED bool tb_plan_apply_event(struct tb_plan *plan, const struct tb_event *event,
                                    const struct tb_record *record,
                                    struct tb_planned_order *planned);

/* plan_dead.c */
/* The dead letter that the record was replayed for, by its first offset; the record's own offset
 * if it was not replayed. */
int64_t tb_plan_first_offset(const struct tb_record *record,
                             const struct tb_plan_headers *headers);
/* Types are shown to people: one that is not printable text is absent. */
struct tb_str tb_plan_printable_type(struct tb_str type);
TB_CHECKED bool tb_plan_count_unknown_type(struct tb_plan *plan, struct tb_str type);
