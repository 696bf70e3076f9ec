#include "query/projection/plan_priv.h"
#include <stdio.h>
#include <string.h>

/* The order after the records before this one; loaded when the batch first names it. */
static enum tb_code planned_order(struct tb_planning *run, const char *order_id,
                                  struct tb_planned_order **ret_planned, struct tb_error *err)
{
    struct tb_planned_order *planned = tb_plan_find(run->plan, order_id);

    if (!planned) {
        planned = tb_plan_new_order(run->plan);
        TB_TRY(run->load(run->load_ctx, order_id, &run->plan->arena, planned, err));
        memcpy(planned->order.order_id, order_id, TB_UUID_SIZE);
        tb_plan_insert(run->plan, planned);
    }
    *ret_planned = planned;
    return TB_OK;
}

static bool lines_fit(const struct tb_event *event, enum tb_order_kind kind)
{
    for (size_t i = 0; i < event->line_count; i++) {
        if ((event->lines[i].quantity > 0) != (kind == TB_SALE))
            return false;
    }
    return true;
}

/* Why a valid event of the right version does not fit the order; NULL if it does. If it were
 * applied, the order's document could not be decoded again. */
static const char *misfit(const struct tb_planned_order *planned, const struct tb_event *event)
{
    if (event->type == TB_EVENT_PLACED)
        return NULL; /* version 1: there is no order yet */
    if (planned->order.status != TB_PLACED)
        return "the order is no longer PLACED";
    if (event->type == TB_EVENT_TOTAL_CHANGED && !lines_fit(event, planned->order.kind))
        return "the quantities' signs are not those of the order's kind";
    return NULL;
}

/* Why the view refused this record, or an earlier copy of its event; NULL: it did not. A copy must
 * not be applied instead: it would count in its day's sales after later records. */
static const char *refusal(const struct tb_planning *run, const struct tb_plan_input *input,
                           struct tb_planned_order *planned)
{
    const struct tb_plan_rules *rules = run->rules;

    for (size_t i = 0; i < rules->refusal_count; i++) {
        if (rules->refusals[i].offset != input->record->offset)
            continue;
        planned->refused_version = input->event.version;
        planned->refused_reason = rules->refusals[i].message;
    }
    return planned->refused_version == input->event.version ? planned->refused_reason : NULL;
}

/* Notes which record changed the order. The epoch stays if the producer does not send one. */
static void note_change(const struct tb_plan_input *input, struct tb_planned_order *planned)
{
    int64_t sequence = 0;

    planned->changed = true;
    planned->last_offset = input->record->offset;
    planned->sequence = tb_plan_parse_number(input->headers.sequence, &sequence) ? sequence : 0;
    if (input->epoch[0] != '\0')
        memcpy(planned->epoch, input->epoch, sizeof planned->epoch);
}

/* Notes in what the record changes of sales that the order has it now. */
static void note_standing(struct tb_plan *plan, const struct tb_record *record,
                          const struct tb_planned_order *planned, int64_t from)
{
    for (size_t i = plan->sales_delta_count; i > 0; i--) {
        struct tb_plan_sales_delta *delta = &plan->sales_deltas[i - 1];

        if (delta->offset != record->offset)
            return;
        delta->from = from;
        delta->standing = tb_plan_standing(planned);
    }
}

static enum tb_code apply(struct tb_planning *run, struct tb_plan_input *input,
                          struct tb_planned_order *planned, struct tb_error *err)
{
    struct tb_plan *plan = run->plan;
    int64_t from = tb_plan_standing(planned);

    if (!tb_plan_apply_event(plan, &input->event, input->record, planned))
        return tb_plan_out_of_memory(err);
    tb_lineage_add(&planned->lineage, input->event.version, input->digest);
    note_standing(plan, input->record, planned, from);
    note_change(input, planned);
    planned->received_at_ms = input->record->timestamp_ms;
    plan->occurred_at_ms[plan->results[TB_APPLIED]++] = input->event.occurred_at_ms;
    return TB_OK;
}

enum tb_code tb_plan_count_unknown(struct tb_planning *run, const struct tb_plan_input *input,
                                   struct tb_error *err)
{
    return tb_plan_count_unknown_type(run->plan, input->headers.type) ? TB_OK
                                                                      : tb_plan_out_of_memory(err);
}

/* For an event of unknown type and for later events of a stub. A newer build, which knows the
 * type, can rebuild the view from the log. */
static enum tb_code set_version(struct tb_planning *run, const struct tb_plan_input *input,
                                struct tb_planned_order *planned, struct tb_error *err)
{
    planned->stub = planned->stub || planned->order.version == 0;
    planned->order.version = input->event.version;
    tb_lineage_add(&planned->lineage, input->event.version, input->digest);
    note_change(input, planned);
    if (input->unknown)
        return tb_plan_count_unknown(run, input, err);
    run->plan->results[TB_UNKNOWN_TYPE]++;
    return TB_OK;
}

static enum tb_code add_conflict(struct tb_planning *run, const struct tb_plan_input *input,
                                 const struct tb_planned_order *planned,
                                 enum tb_judgement judgement, struct tb_error *err)
{
    char message[128];

    if (judgement == TB_JUDGED_OTHER_NODE)
        snprintf(message, sizeof message, "the order was placed by node %.*s, not by this one",
                 (int)planned->order.node.len, planned->order.node.ptr);
    else if (judgement == TB_JUDGED_ENDED_EPOCH)
        snprintf(message, sizeof message, "epoch %s of the node has ended without this event",
                 input->epoch);
    else
        snprintf(message, sizeof message, "version %lld is there with another event id",
                 (long long)input->event.version);
    return tb_plan_add_dead_letter(run, input, TB_CONFLICTED, TB_REASON_CONFLICT, message, err);
}

static enum tb_code add_gap(struct tb_planning *run, const struct tb_plan_input *input,
                            const struct tb_planned_order *planned, struct tb_error *err)
{
    char message[96];

    snprintf(message, sizeof message, "version %lld came while the order stands at %lld",
             (long long)input->event.version, (long long)planned->order.version);
    return tb_plan_add_dead_letter(run, input, TB_GAP, TB_REASON_GAP, message, err);
}

static enum tb_code add_snapshot(struct tb_planning *run, const struct tb_plan_input *input,
                                 const struct tb_planned_order *planned, struct tb_error *err)
{
    struct tb_plan *plan = run->plan;
    struct tb_plan_snapshot *snapshot;

    if (!plan->snapshots)
        plan->snapshots = tb_arena_array(&plan->arena, run->batch->count, sizeof *plan->snapshots);
    if (!plan->snapshots)
        return tb_plan_out_of_memory(err);
    snapshot = &plan->snapshots[plan->snapshot_count++];
    *snapshot = (struct tb_plan_snapshot){
        .order_id = planned->order.order_id,
        .version = input->event.version < planned->order.version ? input->event.version
                                                                 : planned->order.version,
        .offset = input->record->offset,
    };
    memcpy(snapshot->epoch, input->epoch, sizeof snapshot->epoch);
    if (!tb_plan_parse_number(input->headers.store_sequence, &snapshot->store_sequence))
        snapshot->store_sequence = 0;
    return TB_OK;
}

/* Only a snapshot ends an epoch, because only its store knows what it has and what it has not. */
static void end_epochs(const struct tb_plan_input *input, struct tb_planned_order *planned)
{
    const struct tb_event *event = &input->event;
    struct tb_lineage *lineage = &planned->lineage;

    for (size_t i = 0; i < event->earlier_epoch_count; i++) {
        char epoch[TB_EPOCH_SIZE] = "";

        memcpy(epoch, event->earlier_epochs[i].ptr, TB_EPOCH_SIZE - 1);
        tb_lineage_add_epoch(lineage, epoch);
    }
    if (input->epoch[0] != '\0' && strcmp(planned->epoch, input->epoch) != 0)
        tb_lineage_add_epoch(lineage, planned->epoch);
    tb_lineage_remove_epoch(lineage, input->epoch);
}

/* The history goes on if the snapshot is ahead within the order's epoch; else it is another one.
 */
static enum tb_code replace(struct tb_planning *run, const struct tb_plan_input *input,
                            struct tb_planned_order *planned, struct tb_error *err)
{
    const struct tb_event *event = &input->event;
    bool goes_on =
        event->version > planned->order.version && !tb_plan_follows(planned, event, input->epoch);
    int64_t from = tb_plan_standing(planned);

    if (!tb_plan_apply_event(run->plan, event, input->record, planned))
        return tb_plan_out_of_memory(err);
    (goes_on ? tb_lineage_add : tb_lineage_replace)(&planned->lineage, event->version,
                                                    input->digest);
    note_standing(run->plan, input->record, planned, from);
    end_epochs(input, planned);
    note_change(input, planned);
    planned->received_at_ms = input->record->timestamp_ms;
    planned->stub = false;
    planned->whole = true;
    run->plan->results[TB_REPLACED]++;
    return TB_OK;
}

static enum tb_code plan_snapshot(struct tb_planning *run, struct tb_plan_input *input,
                                  struct tb_planned_order *planned, struct tb_error *err)
{
    enum tb_judgement judgement;
    const char *why;

    TB_TRY(tb_plan_judge_snapshot(planned, &input->event, input->digest, input->epoch, &judgement,
                                  err));
    if (judgement != TB_JUDGED_NEXT && judgement != TB_JUDGED_DUPLICATE)
        return add_conflict(run, input, planned, judgement, err);
    if (judgement == TB_JUDGED_DUPLICATE) {
        run->plan->results[TB_DUPLICATE]++;
        return add_snapshot(run, input, planned, err);
    }
    why = refusal(run, input, planned);
    if (why)
        return tb_plan_add_dead_letter(run, input, TB_DEAD_LETTERED, "tillbox.apply", why, err);
    TB_TRY(replace(run, input, planned, err));
    return add_snapshot(run, input, planned, err);
}

/* Only the node that placed an order has more to say of it. */
static bool is_of_other_node(const struct tb_planned_order *planned,
                             const struct tb_plan_input *input)
{
    struct tb_str sender =
        input->node.ptr || input->unknown ? input->node : input->event.order.node;

    return planned->order.version > 0 && !planned->stub && planned->order.node.ptr && sender.ptr &&
           !tb_str_eq(planned->order.node, sender);
}

static enum tb_code plan_event(struct tb_planning *run, struct tb_plan_input *input,
                               struct tb_planned_order *planned, struct tb_error *err)
{
    enum tb_judgement judgement =
        is_of_other_node(planned, input)
            ? TB_JUDGED_OTHER_NODE
            : tb_plan_judge_event(planned, input->event.version, input->digest, input->epoch);
    const char *why;

    if (judgement == TB_JUDGED_DUPLICATE) {
        run->plan->results[TB_DUPLICATE]++;
        return TB_OK;
    }
    if (judgement == TB_JUDGED_GAP)
        return add_gap(run, input, planned, err);
    if (judgement != TB_JUDGED_NEXT)
        return add_conflict(run, input, planned, judgement, err);
    why = refusal(run, input, planned);
    if (why)
        return tb_plan_add_dead_letter(run, input, TB_DEAD_LETTERED, "tillbox.apply", why, err);
    if (input->unknown || planned->stub)
        return set_version(run, input, planned, err);
    why = misfit(planned, &input->event);
    if (why)
        return tb_plan_add_dead_letter(run, input, TB_DEAD_LETTERED, "tillbox.apply", why, err);
    return apply(run, input, planned, err);
}

/* The id that tells the event from others: of a snapshot, that of the order's last event. */
static uint32_t digest_of(const struct tb_plan_input *input)
{
    const struct tb_event *event = &input->event;
    char id[TB_UUID_SIZE];

    if (!input->unknown && event->type == TB_EVENT_SNAPSHOT)
        return tb_event_digest(tb_str_of(event->order.last_event_id));
    if (event->event_id[0] != '\0')
        return tb_event_digest(tb_str_of(event->event_id));
    /* An event of unknown type is not decoded, and other programs' ids need not be UUIDs. */
    if (tb_uuid_parse(input->headers.id, id))
        return tb_event_digest(tb_str_of(id));
    return tb_event_digest(input->headers.id);
}

enum tb_code tb_plan_event(struct tb_planning *run, struct tb_plan_input *input,
                           struct tb_error *err)
{
    struct tb_planned_order *planned = NULL;

    TB_TRY(planned_order(run, input->event.order_id, &planned, err));
    input->digest = digest_of(input);
    if (tb_epoch_valid(input->headers.epoch))
        memcpy(input->epoch, input->headers.epoch.ptr, TB_EPOCH_SIZE - 1);
    if (!input->unknown && input->event.type == TB_EVENT_SNAPSHOT)
        return plan_snapshot(run, input, planned, err);
    return plan_event(run, input, planned, err);
}
