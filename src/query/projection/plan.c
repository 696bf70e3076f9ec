#include "query/projection/plan_priv.h"
#include <stdio.h>
#include <string.h>

/* The call of tb_plan_batch. */
struct planning {
    struct tb_plan *plan;
    const struct tb_log_batch *batch;
    const struct tb_plan_rules *rules;
    tb_plan_load_fn *load;
    void *load_ctx;
};

/* The record that is being planned. */
struct input {
    const struct tb_record *record;
    struct tb_plan_headers headers;
    struct tb_json *document;
    struct tb_event event;
    int64_t first_offset; /* of the dead letter that it was replayed for; its own offset: none */
    bool unknown;         /* of a type that this build does not know */
};

const char *tb_event_result_name(enum tb_event_result result)
{
    static const char *const names[TB_EVENT_RESULT_COUNT] = {
        [TB_APPLIED] = "applied",      [TB_DUPLICATE] = "duplicate", [TB_GAP] = "gap",
        [TB_UNKNOWN_TYPE] = "unknown", [TB_DEAD_LETTERED] = "dead",
    };

    return names[result];
}

/* Finds an order id to show to people: in the value, else in a header, else in the key. */
static void find_order_id(const struct input *input, char ret_order_id[TB_UUID_SIZE])
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
static int64_t find_version(const struct input *input)
{
    int64_t version = input->event.version;

    if (version <= 0 && !tb_plan_parse_number(input->headers.version, &version))
        return 0;
    return version;
}

static enum tb_code out_of_memory(struct tb_error *err)
{
    return tb_error_set(err, TB_INTERNAL, "out of memory while planning a batch");
}

/* letter: NULL if the replay succeeded. */
static enum tb_code add_outcome(struct planning *run, const struct input *input,
                                const struct tb_plan_dead_letter *letter, struct tb_error *err)
{
    struct tb_plan *plan = run->plan;

    if (!plan->outcomes)
        plan->outcomes = tb_arena_array(&plan->arena, run->batch->count, sizeof *plan->outcomes);
    if (!plan->outcomes)
        return out_of_memory(err);
    plan->outcomes[plan->outcome_count++] =
        (struct tb_plan_outcome){input->first_offset, input->record->offset, letter};
    return TB_OK;
}

static enum tb_code add_dead_letter(struct planning *run, const struct input *input,
                                    enum tb_event_result result, const char *reason,
                                    const char *message, struct tb_error *err)
{
    struct tb_plan *plan = run->plan;
    struct tb_plan_dead_letter *letter;

    if (!plan->dead_letters)
        plan->dead_letters =
            tb_arena_array(&plan->arena, run->batch->count, sizeof *plan->dead_letters);
    if (!plan->dead_letters)
        return out_of_memory(err);

    letter = &plan->dead_letters[plan->dead_letter_count];
    letter->record = input->record;
    letter->first_offset = input->first_offset;
    letter->redriven =
        input->headers.redriven.ptr && input->first_offset != letter->record->offset;
    letter->version = find_version(input);
    letter->type = tb_plan_printable_type(input->headers.type);
    letter->reason = reason;
    letter->message = tb_arena_copy(&plan->arena, tb_str_of(message));
    if (!letter->message.ptr)
        return out_of_memory(err);
    find_order_id(input, letter->order_id);
    plan->dead_letter_count++;
    plan->results[result]++;
    return add_outcome(run, input, letter, err);
}

/* The order after the records before this one; loaded when the batch first names it. */
static enum tb_code planned_order(struct planning *run, const char *order_id,
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
static const char *refusal(const struct planning *run, const struct input *input,
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

/* Epoch and sequence stay unknown if the producer does not send them. */
static void set_origin(struct tb_planned_order *planned, const struct tb_plan_headers *headers)
{
    int64_t sequence = 0;
    size_t size = headers->epoch.len == sizeof planned->epoch - 1 ? headers->epoch.len : 0;

    planned->sequence = tb_plan_parse_number(headers->sequence, &sequence) ? sequence : 0;
    if (size > 0)
        memcpy(planned->epoch, headers->epoch.ptr, size);
    planned->epoch[size] = '\0';
}

/* Adds the order to the sales of its day, or with sign -1 takes it out. */
static void add_sales(struct tb_plan_sales_delta *change, const struct tb_order *order, int sign)
{
    bool cancelled = order->status == TB_CANCELLED;

    change->orders += order->kind == TB_SALE ? sign : 0;
    change->returns += order->kind == TB_RETURN ? sign : 0;
    change->cancelled += cancelled ? sign : 0;
    change->total_minor += cancelled ? 0 : sign * order->total_minor;
}

static void apply(struct planning *run, struct input *input, struct tb_planned_order *planned)
{
    struct tb_plan *plan = run->plan;
    struct tb_plan_sales_delta change = {
        .planned = planned,
        .offset = input->record->offset,
        .timestamp_ms = input->record->timestamp_ms,
        .placed = planned->order.version == 0,
    };

    if (!change.placed)
        add_sales(&change, &planned->order, -1);
    tb_event_apply(&input->event, &planned->order);
    add_sales(&change, &planned->order, 1);
    if (change.orders || change.returns || change.cancelled || change.total_minor)
        plan->sales_deltas[plan->sales_delta_count++] = change;
    planned->changed = true;
    planned->last_offset = input->record->offset;
    planned->received_at_ms = input->record->timestamp_ms;
    set_origin(planned, &input->headers);
    plan->occurred_at_ms[plan->results[TB_APPLIED]++] = input->event.occurred_at_ms;
}

static enum tb_code count_unknown(struct planning *run, const struct input *input,
                                  struct tb_error *err)
{
    return tb_plan_count_unknown_type(run->plan, input->headers.type) ? TB_OK : out_of_memory(err);
}

/* For an event of unknown type and for later events of a stub. A newer build, which knows the
 * type, can rebuild the view from the log. */
static enum tb_code set_version(struct planning *run, const struct input *input,
                                struct tb_planned_order *planned, struct tb_error *err)
{
    planned->stub = planned->stub || planned->order.version == 0;
    planned->order.version = input->event.version;
    planned->changed = true;
    planned->last_offset = input->record->offset;
    if (input->unknown)
        return count_unknown(run, input, err);
    run->plan->results[TB_UNKNOWN_TYPE]++;
    return TB_OK;
}

static enum tb_code apply_version_rule(struct planning *run, struct input *input,
                                       struct tb_error *err)
{
    struct tb_planned_order *planned = NULL;
    int64_t version = input->event.version;
    const char *why;
    char message[96];

    TB_TRY(planned_order(run, input->event.order_id, &planned, err));
    if (version <= planned->order.version) {
        run->plan->results[TB_DUPLICATE]++;
        return TB_OK;
    }
    if (version > planned->order.version + 1) {
        snprintf(message, sizeof message, "version %lld came while the order stands at %lld",
                 (long long)version, (long long)planned->order.version);
        return add_dead_letter(run, input, TB_GAP, TB_REASON_GAP, message, err);
    }
    why = refusal(run, input, planned);
    if (why)
        return add_dead_letter(run, input, TB_DEAD_LETTERED, "tillbox.apply", why, err);
    if (input->unknown || planned->stub)
        return set_version(run, input, planned, err);
    why = misfit(planned, &input->event);
    if (why)
        return add_dead_letter(run, input, TB_DEAD_LETTERED, "tillbox.apply", why, err);
    apply(run, input, planned);
    return TB_OK;
}

/* The value of an event of unknown type may lack id and version; its headers may have them. */
static void complete_unknown(struct input *input)
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

/* Says which header contradicts the value; NULL: none does. */
static const char *contradiction(const struct input *input)
{
    const struct tb_event *event = &input->event;
    const struct tb_plan_headers *headers = &input->headers;
    int64_t version = 0;

    if (headers->subject.ptr && event->order_id[0] != '\0' &&
        !is_order_id(headers->subject, event->order_id))
        return "ce_subject is not the value's orderId";
    if (headers->version.ptr && event->version != 0 &&
        (!tb_plan_parse_number(headers->version, &version) || version != event->version))
        return "ce_orderversion is not the value's version";
    return NULL;
}

/* Plans a record whose value is JSON. */
static enum tb_code plan_document(struct planning *run, struct input *input, struct tb_error *err)
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
        return add_dead_letter(run, input, TB_DEAD_LETTERED, "tillbox.invalid", err->text, err);
    if (code != TB_OK && code != TB_NOT_FOUND)
        return code;

    input->unknown = code == TB_NOT_FOUND;
    if (input->unknown)
        complete_unknown(input);
    why = contradiction(input);
    if (why)
        return add_dead_letter(run, input, TB_DEAD_LETTERED, "tillbox.invalid", why, err);
    if (input->unknown && (input->event.order_id[0] == '\0' || input->event.version == 0))
        return count_unknown(run, input, err);
    return apply_version_rule(run, input, err);
}

static enum tb_code plan_value(struct planning *run, struct input *input, struct tb_error *err)
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
        return add_dead_letter(run, input, TB_DEAD_LETTERED, "tillbox.decode", why, err);

    code = tb_json_parse_in(record->value, TB_JSON_DEPTH_MAX, &run->plan->arena, &input->document,
                            err);
    if (code == TB_INVALID)
        return add_dead_letter(run, input, TB_DEAD_LETTERED, "tillbox.decode", err->text, err);
    return code == TB_OK ? plan_document(run, input, err) : code;
}

static enum tb_code plan_record(struct planning *run, const struct tb_record *record,
                                struct tb_error *err)
{
    struct input input = {.record = record};
    size_t dead_letter_count = run->plan->dead_letter_count;

    tb_plan_read_headers(record, &input.headers);
    input.first_offset = tb_plan_first_offset(record, &input.headers);
    tb_plan_add_origin(run->plan, record, &input.headers);
    TB_TRY(plan_value(run, &input, err));
    if (input.first_offset != record->offset && run->plan->dead_letter_count == dead_letter_count)
        return add_outcome(run, &input, NULL, err);
    return TB_OK;
}

enum tb_code tb_plan_batch(struct tb_plan *plan, const struct tb_log_batch *batch,
                           const struct tb_plan_rules *rules, tb_plan_load_fn *load,
                           void *load_ctx, struct tb_error *err)
{
    struct planning run = {plan, batch, rules, load, load_ctx};

    TB_ASSERT(batch->count > 0);
    if (!tb_plan_reserve(plan, batch->count))
        return out_of_memory(err);
    plan->partition = batch->partition;
    for (size_t i = 0; i < batch->count; i++)
        TB_TRY(plan_record(&run, &batch->records[i], err));
    plan->next_offset = batch->records[batch->count - 1].offset + 1;
    return TB_OK;
}
