#include "order/decide.h"
#include "store/store_priv.h"
#include <inttypes.h>
#include <stdio.h>

/* Reads the order: its columns into *ret_order, its document into the arena. */
static enum tb_code find_order(struct tb_store *store, const char *order_id,
                               struct tb_arena *arena, int64_t *ret_number,
                               struct tb_order *ret_order, struct tb_str *ret_doc, bool *ret_found,
                               struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_FIND_ORDER];
    bool row = false;

    tb_stmt_bind_text(stmt, ":order_id", tb_str_of(order_id));
    TB_TRY(tb_stmt_step(stmt, &row, err));
    *ret_found = row;
    if (!row)
        return TB_OK;

    struct tb_str currency = tb_stmt_text(stmt, 4);
    *ret_number = tb_stmt_int64(stmt, 0);
    *ret_order = (struct tb_order){.version = tb_stmt_int64(stmt, 1),
                                   .total_minor = tb_stmt_int64(stmt, 5)};
    snprintf(ret_order->order_id, sizeof ret_order->order_id, "%s", order_id);
    bool sound = tb_order_status_parse(tb_stmt_text(stmt, 2), &ret_order->status) &&
                 tb_order_kind_parse(tb_stmt_text(stmt, 3), &ret_order->kind) && currency.len == 3;
    if (sound)
        memcpy(ret_order->currency, currency.ptr, 3);
    *ret_doc = tb_arena_copy(arena, tb_stmt_text(stmt, 6));
    tb_stmt_reset(stmt);
    if (!sound)
        return tb_error_set(err, TB_CORRUPT, "order %s is damaged", order_id);
    if (!ret_doc->ptr)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    return TB_OK;
}

/* Applies the event to the order and encodes the new document into store->doc. The payload is the
 * event's value: when an order is placed, that is the document itself. */
static enum tb_code apply(struct tb_store *store, const struct tb_event *event, struct tb_str doc,
                          struct tb_arena *arena, struct tb_order *order,
                          struct tb_str *ret_payload, struct tb_error *err)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *json = NULL;

    if (event->type != TB_EVENT_PLACED &&
        (tb_json_parse(doc, TB_JSON_DEPTH_MAX, &json, err) != TB_OK ||
         tb_order_decode(json, arena, order, err) != TB_OK))
        return tb_error_set(err, TB_CORRUPT, "order %s is damaged", event->order_id);
    tb_event_apply(event, order);
    tb_buf_clear(&store->doc);
    tb_buf_clear(&store->payload);
    tb_order_encode(&store->doc, order);
    if (event->type != TB_EVENT_PLACED)
        tb_event_encode(&store->payload, event);
    if (!tb_buf_ok(&store->doc) || !tb_buf_ok(&store->payload))
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    *ret_payload = tb_buf_str(event->type == TB_EVENT_PLACED ? &store->doc : &store->payload);
    return TB_OK;
}

/* number 0: a new order, which gets the next number. */
static enum tb_code write_order(struct tb_store *store, int64_t number,
                                const struct tb_order *order, struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[number ? TB_STMT_UPDATE_ORDER : TB_STMT_INSERT_ORDER];

    tb_stmt_bind_int64(stmt, ":number", number ? number : store->last_number + 1);
    if (!number)
        tb_stmt_bind_text(stmt, ":order_id", tb_str_of(order->order_id));
    tb_stmt_bind_int64(stmt, ":version", order->version);
    tb_stmt_bind_text(stmt, ":status", tb_str_of(tb_order_status_name(order->status)));
    if (!number) {
        tb_stmt_bind_text(stmt, ":kind", tb_str_of(tb_order_kind_name(order->kind)));
        tb_stmt_bind_text(stmt, ":currency", tb_str_of(order->currency));
    }
    tb_stmt_bind_int64(stmt, ":total_minor", order->total_minor);
    tb_stmt_bind_int64(stmt, ":last_row", store->last_row + 1);
    tb_stmt_bind_text(stmt, ":doc", tb_buf_str(&store->doc));
    return tb_stmt_run(stmt, err);
}

static enum tb_code write_outbox(struct tb_store *store, const struct tb_event *event,
                                 struct tb_str payload, struct tb_str traceparent,
                                 struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_INSERT_OUTBOX];

    tb_stmt_bind_int64(stmt, ":row", store->last_row + 1);
    tb_stmt_bind_text(stmt, ":event_id", tb_str_of(event->event_id));
    tb_stmt_bind_text(stmt, ":order_id", tb_str_of(event->order_id));
    tb_stmt_bind_text(stmt, ":type", tb_str_of(tb_event_type_name(event->type)));
    tb_stmt_bind_int64(stmt, ":version", event->version);
    tb_stmt_bind_int64(stmt, ":occurred_at", event->occurred_at_ms);
    tb_stmt_bind_text(stmt, ":traceparent", traceparent);
    tb_stmt_bind_text(stmt, ":payload", payload);
    tb_stmt_bind_int64(stmt, ":uptime", tb_uptime_ms(&store->uptime, store->options.clock));
    return tb_stmt_run(stmt, err);
}

static enum tb_code execute(struct tb_store *store, const struct tb_command *command,
                            const struct tb_decide_context *context, struct tb_str traceparent,
                            struct tb_arena *arena, struct tb_answer *answer, struct tb_error *err)
{
    struct tb_order order = {0};
    struct tb_str doc = {0}, payload;
    struct tb_event event;
    struct tb_error refusal = {0};
    int64_t number = 0;
    bool found = false;

    if (command->order_id[0])
        TB_TRY(find_order(store, command->order_id, arena, &number, &order, &doc, &found, err));
    if (tb_decide(command, found ? &order : NULL, context, arena, &event, &store->errors,
                  &refusal) != TB_OK) {
        tb_answer_from_error(answer, &refusal, store->errors.count > 0 ? &store->errors : NULL);
        return TB_OK;
    }
    TB_TRY(apply(store, &event, doc, arena, &order, &payload, err));
    if (store->options.event_max_bytes > 0 &&
        payload.len + traceparent.len > (size_t)store->options.event_max_bytes) {
        tb_answer_problem(answer, 413, "The order is larger than the event log takes.", NULL);
        return TB_OK;
    }
    TB_TRY(write_order(store, number, &order, err));
    TB_TRY(write_outbox(store, &event, payload, traceparent, err));
    if (!found)
        store->last_number++;
    store->last_row++;
    tb_answer_success(answer, command->type, &order);
    return TB_OK;
}

enum tb_code tb_store_execute(struct tb_store *store, const struct tb_command *command,
                              struct tb_str traceparent, struct tb_arena *arena,
                              struct tb_answer *answer, struct tb_error *err)
{
    char event_id[TB_UUID_SIZE], order_id[TB_UUID_SIZE] = "", number[TB_ORDER_NUMBER_SIZE] = "";
    struct tb_decide_context context = {
        .now_ms = tb_clock_wall_ms(store->options.clock),
        .event_id = event_id,
        .new_order_id = order_id,
        .order_number = number,
        .node = tb_str_of(store->node),
        .day_start_minutes = store->options.day_start_minutes,
    };

    tb_uuid_new(&store->ids, event_id);
    if (command->type == TB_CMD_PLACE) {
        tb_uuid_new(&store->ids, order_id);
        snprintf(number, sizeof number, "%s-%06" PRId64, store->node, store->last_number + 1);
    }
    return execute(store, command, &context, traceparent, arena, answer, err);
}
