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
struct passage {
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

/* The order id that a person is shown: of the value, else of a header, else of the key. */
static void find_order_id(const struct passage *passage, char ret_order_id[TB_UUID_SIZE])
{
    if (passage->event.order_id[0] != '\0') {
        memcpy(ret_order_id, passage->event.order_id, TB_UUID_SIZE);
        return;
    }
    if (passage->headers.subject.ptr && tb_uuid_parse(passage->headers.subject, ret_order_id))
        return;
    if (passage->record->key.ptr && tb_uuid_parse(passage->record->key, ret_order_id))
        return;
    ret_order_id[0] = '\0';
}

/* The version of the value, else of the header. */
static int64_t find_version(const struct passage *passage)
{
    int64_t version = passage->event.version;

    if (version <= 0 && !tb_plan_parse_number(passage->headers.version, &version))
        return 0;
    return version;
}

static enum tb_code out_of_memory(struct tb_error *err)
{
    return tb_error_set(err, TB_INTERNAL, "out of memory while planning a batch");
}

static enum tb_code die(struct planning *run, const struct passage *passage,
                        enum tb_event_result result, const char *reason, const char *message,
                        struct tb_error *err)
{
    struct tb_plan *plan = run->plan;
    struct tb_plan_dead_letter *letter;

    if (!plan->dead_letters)
        plan->dead_letters =
            tb_arena_array(&plan->arena, run->batch->count, sizeof *plan->dead_letters);
    if (!plan->dead_letters)
        return out_of_memory(err);

    letter = &plan->dead_letters[plan->dead_letter_count];
    letter->record = passage->record;
    letter->first_offset = passage->first_offset;
    letter->redriven =
        passage->headers.redriven.ptr && passage->first_offset != letter->record->offset;
    letter->version = find_version(passage);
    letter->type = tb_plan_printable_type(passage->headers.type);
    letter->reason = reason;
    letter->message = tb_arena_copy(&plan->arena, tb_str_of(message));
    if (!letter->message.ptr)
        return out_of_memory(err);
    find_order_id(passage, letter->order_id);
    plan->dead_letter_count++;
    plan->results[result]++;
    return TB_OK;
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

/* Why a valid event of the right version does not fit the order; NULL if it does. Applied all the
 * same, it would make a document that cannot be read back from the view. */
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

/* Why the view refused this record, or an earlier one of the same event; NULL: it did not. A
 * repetition must not be tried anew: it would count in its day's sales behind later records. */
static const char *refusal(const struct planning *run, const struct passage *passage,
                           struct tb_planned_order *planned)
{
    const struct tb_plan_rules *rules = run->rules;

    for (size_t i = 0; i < rules->refusal_count; i++) {
        if (rules->refusals[i].offset != passage->record->offset)
            continue;
        planned->refused_version = passage->event.version;
        planned->refused_reason = rules->refusals[i].message;
    }
    return planned->refused_version == passage->event.version ? planned->refused_reason : NULL;
}

/* A producer that does not number its events leaves both unknown. */
static void note_origin(struct tb_planned_order *planned, const struct tb_plan_headers *headers)
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

static void keep_delta(struct tb_plan *plan, const struct tb_plan_sales_delta *change)
{
    if (change->orders || change->returns || change->cancelled || change->total_minor)
        plan->sales_deltas[plan->sales_delta_count++] = *change;
}

static void apply(struct planning *run, struct passage *passage, struct tb_planned_order *planned)
{
    struct tb_plan *plan = run->plan;
    int64_t occurred_at_ms = passage->event.occurred_at_ms;
    struct tb_plan_sales_delta change = {
        .planned = planned,
        .offset = passage->record->offset,
        .timestamp_ms = passage->record->timestamp_ms,
        .placed = planned->order.version == 0,
    };

    if (!change.placed)
        add_sales(&change, &planned->order, -1);
    tb_event_apply(&passage->event, &planned->order);
    add_sales(&change, &planned->order, 1);
    keep_delta(plan, &change);
    planned->changed = true;
    planned->last_offset = passage->record->offset;
    planned->received_at_ms = passage->record->timestamp_ms;
    note_origin(planned, &passage->headers);
    plan->occurred_at_ms[plan->results[TB_APPLIED]++] = occurred_at_ms;
}

static enum tb_code note_unknown(struct planning *run, const struct passage *passage,
                                 struct tb_error *err)
{
    return tb_plan_count_unknown_type(run->plan, passage->headers.type) ? TB_OK
                                                                        : out_of_memory(err);
}

/* All that can be done with an event of unknown type, or with a later event of a stub: a newer
 * build can rebuild the view from the log. */
static enum tb_code move_version(struct planning *run, const struct passage *passage,
                                 struct tb_planned_order *planned, struct tb_error *err)
{
    planned->stub = planned->stub || planned->order.version == 0;
    planned->order.version = passage->event.version;
    planned->changed = true;
    planned->last_offset = passage->record->offset;
    if (passage->unknown)
        return note_unknown(run, passage, err);
    run->plan->results[TB_UNKNOWN_TYPE]++;
    return TB_OK;
}

static enum tb_code apply_version_rule(struct planning *run, struct passage *passage,
                                       struct tb_error *err)
{
    struct tb_planned_order *planned = NULL;
    int64_t version = passage->event.version;
    const char *why;
    char message[96];

    TB_TRY(planned_order(run, passage->event.order_id, &planned, err));
    if (version <= planned->order.version) {
        run->plan->results[TB_DUPLICATE]++;
        return TB_OK;
    }
    if (version > planned->order.version + 1) {
        snprintf(message, sizeof message, "version %lld came while the order stands at %lld",
                 (long long)version, (long long)planned->order.version);
        return die(run, passage, TB_GAP, TB_REASON_GAP, message, err);
    }
    why = refusal(run, passage, planned);
    if (why)
        return die(run, passage, TB_DEAD_LETTERED, "tillbox.apply", why, err);
    if (passage->unknown || planned->stub)
        return move_version(run, passage, planned, err);
    why = misfit(planned, &passage->event);
    if (why)
        return die(run, passage, TB_DEAD_LETTERED, "tillbox.apply", why, err);
    apply(run, passage, planned);
    return TB_OK;
}

/* The value of an event of unknown type may lack id and version; its headers may have them. */
static void complete_unknown(struct passage *passage)
{
    struct tb_event *event = &passage->event;

    if (event->order_id[0] == '\0' && passage->headers.subject.ptr &&
        !tb_uuid_parse(passage->headers.subject, event->order_id))
        event->order_id[0] = '\0';
    if (event->version <= 0 && !tb_plan_parse_number(passage->headers.version, &event->version))
        event->version = 0;
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
static const char *contradiction(const struct passage *passage)
{
    const struct tb_event *event = &passage->event;
    const struct tb_plan_headers *headers = &passage->headers;
    int64_t version = 0;

    if (headers->subject.ptr && event->order_id[0] != '\0' &&
        !is_order_id(headers->subject, event->order_id))
        return "ce_subject is not the value's orderId";
    if (headers->version.ptr && event->version != 0 &&
        (!tb_plan_parse_number(headers->version, &version) || version != event->version))
        return "ce_orderversion is not the value's version";
    return NULL;
}

static enum tb_code decode(struct planning *run, struct passage *passage, struct tb_error *err)
{
    struct tb_event_context context = {
        .type = passage->headers.type,
        .event_id = passage->headers.id,
        .currency = run->rules->currency,
        .node = tb_plan_source_node(passage->headers.source),
        .day_start_minutes = run->rules->day_start_minutes,
    };

    return tb_event_decode(passage->document, &context, &run->plan->arena, &passage->event, err);
}

/* Plans a record whose value is JSON. */
static enum tb_code judge(struct planning *run, struct passage *passage, struct tb_error *err)
{
    enum tb_code code = decode(run, passage, err);
    const char *why;

    if (code == TB_INVALID)
        return die(run, passage, TB_DEAD_LETTERED, "tillbox.invalid", err->text, err);
    if (code != TB_OK && code != TB_NOT_FOUND)
        return code;

    passage->unknown = code == TB_NOT_FOUND;
    if (passage->unknown)
        complete_unknown(passage);
    why = contradiction(passage);
    if (why)
        return die(run, passage, TB_DEAD_LETTERED, "tillbox.invalid", why, err);
    if (passage->unknown && (passage->event.order_id[0] == '\0' || passage->event.version == 0))
        return note_unknown(run, passage, err);
    return apply_version_rule(run, passage, err);
}

static enum tb_code read_value(struct planning *run, struct passage *passage, struct tb_error *err)
{
    const struct tb_record *record = passage->record;
    const char *why = NULL;
    enum tb_code code;

    if (!record->value.ptr)
        why = "the record has no value";
    else if (record->value.len > TB_EVENT_VALUE_MAX)
        why = "the value is over 4 MiB";
    else if (!passage->headers.type.ptr)
        why = "neither ce_type nor eventType tells the type";
    if (why)
        return die(run, passage, TB_DEAD_LETTERED, "tillbox.decode", why, err);

    code = tb_json_parse_in(record->value, TB_JSON_DEPTH_MAX, &run->plan->arena,
                            &passage->document, err);
    if (code == TB_INVALID) {
        struct tb_error undecoded = *err;

        *err = (struct tb_error){0};
        return die(run, passage, TB_DEAD_LETTERED, "tillbox.decode", undecoded.text, err);
    }
    return code == TB_OK ? judge(run, passage, err) : code;
}

static enum tb_code add_replayed(struct planning *run, const struct passage *passage,
                                 struct tb_error *err)
{
    struct tb_plan *plan = run->plan;

    if (!plan->replayed)
        plan->replayed = tb_arena_array(&plan->arena, run->batch->count, sizeof *plan->replayed);
    if (!plan->replayed)
        return out_of_memory(err);
    plan->replayed[plan->replayed_count++] =
        (struct tb_plan_replayed){passage->first_offset, passage->record->offset};
    return TB_OK;
}

static enum tb_code plan_record(struct planning *run, const struct tb_record *record,
                                struct tb_error *err)
{
    struct passage passage = {.record = record};
    size_t dead_letter_count = run->plan->dead_letter_count;

    tb_plan_read_headers(record, &passage.headers);
    passage.first_offset = tb_plan_first_offset(record, &passage.headers);
    tb_plan_add_origin(run->plan, record, &passage.headers);
    TB_TRY(read_value(run, &passage, err));
    if (passage.first_offset != record->offset &&
        run->plan->dead_letter_count == dead_letter_count)
        return add_replayed(run, &passage, err);
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
