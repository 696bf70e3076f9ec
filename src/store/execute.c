#include "order/decide.h"
#include "store/store_priv.h"
#include <inttypes.h>
#include <stdio.h>

/* What no log has is kept: an order that was parked is still to be dealt with. */
#define NOT_PARKED " AND order_id NOT IN (SELECT order_id FROM parked)"

static const char *const sql[TB_STMT_COUNT] = {
    [TB_STMT_SAVEPOINT] = "SAVEPOINT command",
    [TB_STMT_RELEASE] = "RELEASE command",
    [TB_STMT_ROLLBACK_TO] = "ROLLBACK TO command",
    [TB_STMT_FIND_ANSWER] = "SELECT fingerprint, status, version, order_id, body FROM idempotency"
                            " WHERE key = :key",
    [TB_STMT_SAVE_ANSWER] =
        "INSERT INTO idempotency(key, fingerprint, status, version, order_id, body, created_at)"
        " VALUES(:key, :fingerprint, :status, :version, :order_id, :body, :created_at)",
    [TB_STMT_FIND_ORDER] = "SELECT number, version, status, kind, currency, total_minor, doc"
                           " FROM orders WHERE order_id = :order_id",
    [TB_STMT_INSERT_ORDER] =
        "INSERT INTO orders(number, order_id, version, status, kind, currency, total_minor,"
        " last_row, doc) VALUES(:number, :order_id, :version, :status, :kind, :currency,"
        " :total_minor, :last_row, :doc)",
    [TB_STMT_UPDATE_ORDER] = "UPDATE orders SET version = :version, status = :status,"
                             " total_minor = :total_minor, last_row = :last_row, doc = :doc"
                             " WHERE number = :number",
    [TB_STMT_INSERT_OUTBOX] =
        "INSERT INTO outbox(row, event_id, order_id, type, version, occurred_at, traceparent,"
        " payload) VALUES(:row, :event_id, :order_id, :type, :version, :occurred_at,"
        " :traceparent, :payload)",
    [TB_STMT_MOVE_CURSOR] =
        "INSERT INTO cursors(name, row, moved_at) VALUES(:name, :row, :at)"
        " ON CONFLICT(name) DO UPDATE SET row = excluded.row, moved_at = excluded.moved_at"
        " WHERE excluded.row > cursors.row",
    [TB_STMT_SET_FORCED_OFFLINE] = "UPDATE meta SET forced_offline = :forced",
    /* By row, never by time: the chunk ends at its last row that is old enough (or whose stamp is
     * so far ahead that it says nothing), and everything before it in commit order is older. */
    [TB_STMT_DELETE_OUTBOX] =
        "DELETE FROM outbox WHERE row <= (SELECT max(row) FROM"
        " (SELECT row, occurred_at FROM outbox WHERE row <= :acked" NOT_PARKED
        "  ORDER BY row LIMIT :chunk)"
        " WHERE occurred_at NOT BETWEEN :from AND :to)" NOT_PARKED,
    [TB_STMT_DELETE_ANSWERS] = "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency"
                               " WHERE created_at < :before ORDER BY created_at LIMIT :chunk)",
    [TB_STMT_MAY_EXPIRE] = "SELECT EXISTS(SELECT 1 FROM idempotency) OR"
                           " (SELECT min(row) FROM outbox) < (SELECT max(row) FROM outbox)",
    [TB_STMT_CURSOR] = "SELECT row FROM cursors WHERE name = :name",
    [TB_STMT_PARK_ORDER] =
        "INSERT INTO parked(cursor, order_id, row, reason, parked_at)"
        " VALUES(:cursor, :order_id, :row, :reason, :at) ON CONFLICT DO NOTHING",
};

enum tb_code tb_store_prepare(struct tb_store *store, struct tb_error *err)
{
    for (int i = 0; i < TB_STMT_COUNT; i++)
        TB_TRY(tb_stmt_prepare(&store->stmts[i], store->db, sql[i], err));
    return TB_OK;
}

void tb_store_finalize(struct tb_store *store)
{
    for (int i = 0; i < TB_STMT_COUNT; i++)
        tb_stmt_finalize(&store->stmts[i]);
}

/* The order as it stands: its columns in *ret_order, its document copied into the arena. */
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

static enum tb_code insert_outbox(struct tb_store *store, const struct tb_event *event,
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
    return tb_stmt_run(stmt, err);
}

static void bind_order(struct tb_store *store, struct tb_stmt *stmt, int64_t number,
                       const struct tb_order *order, struct tb_str doc)
{
    tb_stmt_bind_int64(stmt, ":number", number);
    tb_stmt_bind_int64(stmt, ":version", order->version);
    tb_stmt_bind_text(stmt, ":status", tb_str_of(tb_order_status_name(order->status)));
    tb_stmt_bind_int64(stmt, ":total_minor", order->total_minor);
    tb_stmt_bind_int64(stmt, ":last_row", store->last_row + 1);
    tb_stmt_bind_text(stmt, ":doc", doc);
}

/* The event's value is the order itself. */
static enum tb_code encode_placed(struct tb_store *store, const struct tb_event *event,
                                  struct tb_order *order, struct tb_error *err)
{
    tb_event_apply(event, order);
    tb_buf_clear(&store->doc);
    tb_order_encode(&store->doc, order);
    return tb_buf_ok(&store->doc) ? TB_OK : tb_error_set(err, TB_INTERNAL, "out of memory");
}

/* True: refused, since the log would refuse it later. */
static bool is_too_large(const struct tb_store *store, const struct tb_buf *payload,
                         struct tb_str traceparent, struct tb_answer *answer)
{
    if (store->event_max_bytes == 0 ||
        payload->len + traceparent.len <= (size_t)store->event_max_bytes)
        return false;
    tb_answer_problem(answer, 413, "The order is larger than the event log takes.", NULL);
    return true;
}

static enum tb_code write_placed(struct tb_store *store, const struct tb_event *event,
                                 const struct tb_order *order, struct tb_str traceparent,
                                 struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_INSERT_ORDER];
    int64_t number = store->last_number + 1;

    bind_order(store, stmt, number, order, tb_buf_str(&store->doc));
    tb_stmt_bind_text(stmt, ":order_id", tb_str_of(order->order_id));
    tb_stmt_bind_text(stmt, ":kind", tb_str_of(tb_order_kind_name(order->kind)));
    tb_stmt_bind_text(stmt, ":currency", tb_str_of(order->currency));
    TB_TRY(tb_stmt_run(stmt, err));
    TB_TRY(insert_outbox(store, event, tb_buf_str(&store->doc), traceparent, err));
    store->last_number = number;
    store->last_row++;
    return TB_OK;
}

static enum tb_code encode_changed(struct tb_store *store, const struct tb_event *event,
                                   struct tb_str doc, struct tb_order *order,
                                   struct tb_arena *arena, struct tb_error *err)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *json = NULL;

    if (tb_json_parse(doc, TB_JSON_DEPTH_MAX, &json, err) != TB_OK ||
        tb_order_decode(json, arena, order, err) != TB_OK)
        return tb_error_set(err, TB_CORRUPT, "order %s is damaged", event->order_id);
    tb_event_apply(event, order);
    tb_buf_clear(&store->doc);
    tb_buf_clear(&store->payload);
    tb_order_encode(&store->doc, order);
    tb_event_encode(&store->payload, event);
    if (!tb_buf_ok(&store->doc) || !tb_buf_ok(&store->payload))
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    return TB_OK;
}

static enum tb_code write_changed(struct tb_store *store, const struct tb_event *event,
                                  int64_t number, const struct tb_order *order,
                                  struct tb_str traceparent, struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_UPDATE_ORDER];

    bind_order(store, stmt, number, order, tb_buf_str(&store->doc));
    TB_TRY(tb_stmt_run(stmt, err));
    TB_TRY(insert_outbox(store, event, tb_buf_str(&store->payload), traceparent, err));
    store->last_row++;
    return TB_OK;
}

/* decide's refusal as an answer. */
static void refuse(struct tb_store *store, const struct tb_error *why, struct tb_answer *answer)
{
    tb_answer_from_error(answer, why, store->errors.count > 0 ? &store->errors : NULL);
}

static enum tb_code place(struct tb_store *store, const struct tb_command *command,
                          const struct tb_decide_context *context, struct tb_str traceparent,
                          struct tb_arena *arena, struct tb_answer *answer, struct tb_error *err)
{
    struct tb_order current = {0}, order = {0};
    struct tb_str doc = {0};
    struct tb_event event;
    struct tb_error why = {0};
    int64_t number = 0;
    bool found = false;

    if (command->order_id[0] != '\0')
        TB_TRY(find_order(store, command->order_id, arena, &number, &current, &doc, &found, err));
    if (tb_decide(command, found ? &current : NULL, context, arena, &event, &store->errors,
                  &why) != TB_OK) {
        refuse(store, &why, answer);
        return TB_OK;
    }
    TB_TRY(encode_placed(store, &event, &order, err));
    if (is_too_large(store, &store->doc, traceparent, answer))
        return TB_OK;
    TB_TRY(write_placed(store, &event, &order, traceparent, err));
    tb_answer_success(answer, command->type, &order);
    return TB_OK;
}

static enum tb_code change(struct tb_store *store, const struct tb_command *command,
                           const struct tb_decide_context *context, struct tb_str traceparent,
                           struct tb_arena *arena, struct tb_answer *answer, struct tb_error *err)
{
    struct tb_order order = {0};
    struct tb_str doc = {0};
    struct tb_event event;
    struct tb_error why = {0};
    int64_t number = 0;
    bool found = false;

    TB_TRY(find_order(store, command->order_id, arena, &number, &order, &doc, &found, err));
    if (tb_decide(command, found ? &order : NULL, context, arena, &event, &store->errors, &why) !=
        TB_OK) {
        refuse(store, &why, answer);
        return TB_OK;
    }
    TB_TRY(encode_changed(store, &event, doc, &order, arena, err));
    if (is_too_large(store, &store->payload, traceparent, answer))
        return TB_OK;
    TB_TRY(write_changed(store, &event, number, &order, traceparent, err));
    tb_answer_success(answer, command->type, &order);
    return TB_OK;
}

enum tb_code tb_store_execute(struct tb_store *store, const struct tb_command *command,
                              struct tb_str traceparent, struct tb_arena *arena,
                              struct tb_answer *answer, struct tb_error *err)
{
    char event_id[TB_UUID_SIZE], order_id[TB_UUID_SIZE], number[TB_ORDER_NUMBER_SIZE];
    struct tb_decide_context context = {
        .now_ms = tb_clock_wall_ms(store->clock),
        .event_id = event_id,
        .new_order_id = order_id,
        .order_number = number,
        .node = tb_str_of(store->node),
        .day_start_minutes = store->day_start_minutes,
    };

    store->errors.count = 0;
    tb_uuid_new(&store->ids, event_id);
    if (command->type != TB_CMD_PLACE)
        return change(store, command, &context, traceparent, arena, answer, err);
    tb_uuid_new(&store->ids, order_id);
    snprintf(number, sizeof number, "%s-%06" PRId64, store->node, store->last_number + 1);
    return place(store, command, &context, traceparent, arena, answer, err);
}
