#include "base/values/node_status.h"
#include "query/projection/plan_priv.h"
#include <stdio.h>
#include <string.h>

const char *tb_event_result_name(enum tb_event_result result)
{
    static const char *const names[TB_EVENT_RESULT_COUNT] = {
        [TB_APPLIED] = "applied",      [TB_DUPLICATE] = "duplicate", [TB_GAP] = "gap",
        [TB_UNKNOWN_TYPE] = "unknown", [TB_DEAD_LETTERED] = "dead",  [TB_CONFLICTED] = "conflict",
        [TB_REPLACED] = "snapshot",    [TB_PARKED] = "parked",       [TB_LEFT_OUT] = "left-out",
    };

    return names[result];
}

/* Finds an order id to show to people: in the value, else in a header, else in the key. */
static void find_order_id(const struct tb_plan_input *input, char ret_order_id[TB_UUID_SIZE])
{
    if (input->event.order_id[0] != '\0') {
        memcpy(ret_order_id, input->event.order_id, TB_UUID_SIZE);
        return;
    }
    if (input->headers.subject.ptr && tb_uuid_parse(input->headers.subject, ret_order_id))
        return;
    if (input->record->key.ptr && tb_uuid_parse(input->record->key, ret_order_id))
        return;
    ret_order_id[0] = '\0';
}

/* Finds the version in the value, else in the header. */
static int64_t find_version(const struct tb_plan_input *input)
{
    int64_t version = input->event.version;

    if (version <= 0 && !tb_plan_parse_number(input->headers.version, &version))
        return 0;
    return version;
}

enum tb_code tb_plan_out_of_memory(struct tb_error *err)
{
    return tb_error_set(err, TB_INTERNAL, "out of memory while planning a batch");
}

/* letter: NULL if the replay succeeded. */
static enum tb_code add_outcome(struct tb_planning *run, const struct tb_plan_input *input,
                                const struct tb_plan_dead_letter *letter, struct tb_error *err)
{
    struct tb_plan *plan = run->plan;

    if (!plan->outcomes)
        plan->outcomes = tb_arena_array(&plan->arena, run->batch->count, sizeof *plan->outcomes);
    if (!plan->outcomes)
        return tb_plan_out_of_memory(err);
    plan->outcomes[plan->outcome_count++] =
        (struct tb_plan_outcome){input->first_offset, input->record->offset, letter};
    return TB_OK;
}

static bool is_parked(const struct tb_planning *run, const struct tb_plan_input *input)
{
    const struct tb_plan_rules *rules = run->rules;

    return rules->is_parked && input->first_offset == input->record->offset &&
           rules->is_parked(rules->parked_ctx, input->node);
}

enum tb_code tb_plan_add_dead_letter(struct tb_planning *run, const struct tb_plan_input *input,
                                     enum tb_event_result result, const char *reason,
                                     const char *message, struct tb_error *err)
{
    struct tb_plan *plan = run->plan;
    struct tb_plan_dead_letter *letter;

    if (result == TB_DEAD_LETTERED && !input->node.ptr && strcmp(reason, "tillbox.apply") != 0 &&
        is_parked(run, input)) {
        plan->results[TB_LEFT_OUT]++;
        return TB_OK;
    }
    if (!plan->dead_letters)
        plan->dead_letters =
            tb_arena_array(&plan->arena, run->batch->count, sizeof *plan->dead_letters);
    if (!plan->dead_letters)
        return tb_plan_out_of_memory(err);

    letter = &plan->dead_letters[plan->dead_letter_count];
    letter->record = input->record;
    letter->first_offset = input->first_offset;
    letter->redriven =
        input->headers.redriven.ptr && input->first_offset != letter->record->offset;
    letter->version = find_version(input);
    letter->occurred_at_ms = input->event.occurred_at_ms;
    letter->node = input->node;
    letter->type = tb_plan_printable_type(input->headers.type);
    letter->reason = reason;
    letter->message = tb_arena_copy(&plan->arena, tb_str_of(message));
    if (!letter->message.ptr)
        return tb_plan_out_of_memory(err);
    find_order_id(input, letter->order_id);
    plan->dead_letter_count++;
    plan->results[result]++;
    return add_outcome(run, input, letter, err);
}

/* The value of an event of unknown type may lack id and version; its headers may have them. */
static void complete_unknown(struct tb_plan_input *input)
{
    struct tb_event *event = &input->event;

    if (event->order_id[0] == '\0' && input->headers.subject.ptr &&
        !tb_uuid_parse(input->headers.subject, event->order_id))
        event->order_id[0] = '\0';
    event->version = find_version(input);
}

/* Upper and lower case are the same; comparing bytes first is cheap and nearly always enough. */
static bool is_order_id(struct tb_str text, const char *order_id)
{
    char parsed[TB_UUID_SIZE];

    if (tb_str_eq(text, (struct tb_str){order_id, TB_UUID_LEN}))
        return true;
    return tb_uuid_parse(text, parsed) && strcmp(parsed, order_id) == 0;
}

/* Whoever writes a copy elsewhere has it read, and counted, by another reader. */
static const char *misplacement(const struct tb_planning *run, const struct tb_plan_input *input)
{
    const struct tb_plan_partitions *partitions = run->rules->partitions;
    struct tb_str key = input->record->key;

    if (!partitions || partitions->count == 0)
        return NULL;
    if (!key.ptr)
        return "the record has no key, so that it belongs to no partition";
    for (size_t i = 0; i < partitions->count; i++) {
        if (tb_log_partition(key, partitions->counts[i]) == run->batch->partition)
            return NULL;
    }
    return "the record is not in the partition of its key";
}

/* Says why the node of ce_source is not that of the value; NULL: it is, or one of them is not
 * told. */
static const char *false_source(const struct tb_plan_input *input)
{
    const struct tb_event *event = &input->event;

    if (input->unknown || !event->order.node.ptr)
        return NULL;
    if (!tb_node_name_valid(event->order.node))
        return "the value's node is not 1 to 32 letters, digits and -";
    if (input->headers.source.ptr && !tb_str_eq(input->node, event->order.node))
        return "ce_source is not the value's node";
    return NULL;
}

/* Says what contradicts the value; NULL: nothing does. */
static const char *contradiction(const struct tb_planning *run, const struct tb_plan_input *input)
{
    const struct tb_event *event = &input->event;
    const struct tb_plan_headers *headers = &input->headers;
    const char *why = false_source(input);
    int64_t version = 0;

    if (headers->subject.ptr && event->order_id[0] != '\0' &&
        !is_order_id(headers->subject, event->order_id))
        return "ce_subject is not the value's orderId";
    if (headers->version.ptr && event->version != 0 &&
        (!tb_plan_parse_number(headers->version, &version) || version != event->version))
        return "ce_orderversion is not the value's version";
    return why ? why : misplacement(run, input);
}

/* Plans a record whose value is JSON. */
static enum tb_code plan_document(struct tb_planning *run, struct tb_plan_input *input,
                                  struct tb_error *err)
{
    const struct tb_event_context context = {
        .type = input->headers.type,
        .event_id = input->headers.id,
        .currency = run->rules->currency,
        .node = tb_plan_source_node(input->headers.source),
        .day_start_minutes = run->rules->day_start_minutes,
    };
    enum tb_code code =
        tb_event_decode(input->document, &context, &run->plan->arena, &input->event, err);
    const char *why;

    if (code == TB_INVALID)
        return tb_plan_add_dead_letter(run, input, TB_DEAD_LETTERED, "tillbox.invalid", err->text,
                                       err);
    if (code != TB_OK && code != TB_NOT_FOUND)
        return code;

    input->unknown = code == TB_NOT_FOUND;
    if (input->unknown)
        complete_unknown(input);
    why = contradiction(run, input);
    if (why)
        return tb_plan_add_dead_letter(run, input, TB_DEAD_LETTERED, "tillbox.invalid", why, err);
    if (input->unknown && (input->event.order_id[0] == '\0' || input->event.version == 0))
        return tb_plan_count_unknown(run, input, err);
    return tb_plan_event(run, input, err);
}

static enum tb_code plan_value(struct tb_planning *run, struct tb_plan_input *input,
                               struct tb_error *err)
{
    const struct tb_record *record = input->record;
    const char *why = NULL;
    enum tb_code code;

    if (!record->value.ptr)
        why = "the record has no value";
    else if (record->value.len > TB_EVENT_VALUE_MAX)
        why = "the value is over 4 MiB";
    else if (!input->headers.type.ptr)
        why = "neither ce_type nor eventType tells the type";
    if (why)
        return tb_plan_add_dead_letter(run, input, TB_DEAD_LETTERED, "tillbox.decode", why, err);

    code = tb_json_parse_in(record->value, TB_JSON_DEPTH_MAX, &run->plan->arena, &input->document,
                            err);
    if (code == TB_INVALID)
        return tb_plan_add_dead_letter(run, input, TB_DEAD_LETTERED, "tillbox.decode", err->text,
                                       err);
    return code == TB_OK ? plan_document(run, input, err) : code;
}

static enum tb_code plan_record(struct tb_planning *run, const struct tb_record *record,
                                struct tb_error *err)
{
    struct tb_plan_input input = {.record = record};
    size_t dead_letter_count = run->plan->dead_letter_count;

    tb_plan_read_headers(record, &input.headers);
    input.first_offset = tb_plan_first_offset(record, &input.headers);
    input.node = tb_plan_source_node(input.headers.source);
    if (!tb_node_name_valid(input.node))
        input.node = (struct tb_str){0};
    tb_plan_add_origin(run->plan, record, &input.headers);
    if (input.node.ptr && is_parked(run, &input))
        return tb_plan_add_dead_letter(run, &input, TB_PARKED, TB_REASON_PARKED,
                                       record->value.ptr
                                           ? "too many records of its node became dead letters "
                                             "within a minute; it follows by itself"
                                           : "too many records of its node became dead letters "
                                             "within a minute; it has no value: drop it",
                                       err);
    TB_TRY(plan_value(run, &input, err));
    if (input.first_offset != record->offset && run->plan->dead_letter_count == dead_letter_count)
        return add_outcome(run, &input, NULL, err);
    return TB_OK;
}

enum tb_code tb_plan_batch(struct tb_plan *plan, const struct tb_log_batch *batch,
                           const struct tb_plan_rules *rules, tb_plan_load_fn *load,
                           void *load_ctx, struct tb_error *err)
{
    struct tb_planning run = {plan, batch, rules, load, load_ctx};

    TB_ASSERT(batch->count > 0);
    if (!tb_plan_reserve(plan, batch->count))
        return tb_plan_out_of_memory(err);
    plan->partition = batch->partition;
    for (size_t i = 0; i < batch->count; i++)
        TB_TRY(plan_record(&run, &batch->records[i], err));
    plan->first_offset = batch->records[0].offset;
    plan->next_offset = batch->records[batch->count - 1].offset + 1;
    tb_log_place_set(&plan->place, &batch->records[batch->count - 1]);
    return TB_OK;
}
