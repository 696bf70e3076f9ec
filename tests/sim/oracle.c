#include "sim/oracle.h"
#include "sim/trace.h"
#include <stdio.h>
#include <string.h>

int oracle_add_op(struct oracle *oracle, const struct oracle_op *op)
{
    SIM_REQUIRE(oracle->op_count < ORACLE_OPS_MAX, "the oracle is too small for so many ops");
    oracle->ops[oracle->op_count] = *op;
    return oracle->op_count++;
}

int oracle_add_key(struct oracle *oracle, const char *text)
{
    struct oracle_key *key = &oracle->keys[oracle->key_count];

    SIM_REQUIRE(oracle->key_count < ORACLE_KEYS_MAX, "the oracle is too small for so many keys");
    *key = (struct oracle_key){.op = ORACLE_NONE, .effect_order = ORACLE_NONE};
    snprintf(key->text, sizeof key->text, "%s", text);
    return oracle->key_count++;
}

int oracle_add_order(struct oracle *oracle, int node, const char *id)
{
    struct oracle_order *order = &oracle->orders[oracle->order_count];

    SIM_REQUIRE(oracle->order_count < ORACLE_ORDERS_MAX,
                "the oracle is too small for so many orders");
    *order = (struct oracle_order){.node = node};
    snprintf(order->id, sizeof order->id, "%s", id);
    for (int v = 0; v <= ORACLE_VERSIONS_MAX; v++)
        order->events[v] = (struct oracle_event){ORACLE_NONE, ORACLE_NONE};
    return oracle->order_count++;
}

int oracle_find_order(const struct oracle *oracle, const char *id)
{
    for (int i = 0; i < oracle->order_count; i++)
        if (strcmp(oracle->orders[i].id, id) == 0)
            return i;
    return ORACLE_NONE;
}

int oracle_invoke(struct oracle *oracle, int op)
{
    SIM_REQUIRE(oracle->attempt_count < ORACLE_ATTEMPTS_MAX,
                "the oracle is too small for so many attempts");
    oracle->attempts[oracle->attempt_count] =
        (struct oracle_attempt){.op = op, .order = ORACLE_NONE};
    return oracle->attempt_count++;
}

int64_t oracle_lines_total(const struct oracle_op *op)
{
    int64_t total = 0;

    for (int i = 0; i < op->line_count; i++)
        total += op->quantity * (op->price + i);
    return total;
}

static void apply(const struct oracle *oracle, int op_index, struct oracle_state *state)
{
    const struct oracle_op *op = &oracle->ops[op_index];

    switch (op->type) {
    case ORACLE_PLACE:
        state->is_return = op->is_return;
        state->currency = op->currency;
        state->placed_op = op_index;
        state->address_op = op->has_address ? op_index : ORACLE_NONE;
        break;
    case ORACLE_ADDRESS:
        state->address_op = op_index;
        return;
    case ORACLE_SHIP:
        state->status = ORACLE_SHIPPED;
        return;
    case ORACLE_CANCEL:
        state->status = ORACLE_CANCELLED;
        return;
    case ORACLE_LINES:
        break;
    }
    state->total_minor = oracle_lines_total(op);
    state->line_op = op_index;
    state->line_count = op->line_count;
}

struct oracle_state oracle_state(const struct oracle *oracle, int order, int64_t version)
{
    struct oracle_state state = {.known = version > 0, .address_op = ORACLE_NONE};

    for (int64_t v = 1; v <= version && state.known; v++) {
        int op = oracle->orders[order].events[v].op;

        state.known = op != ORACLE_NONE;
        if (state.known)
            apply(oracle, op, &state);
    }
    return state;
}

static bool key_in_doubt(const struct oracle *oracle, int key, int op)
{
    for (int i = 0; i < oracle->attempt_count; i++) {
        const struct oracle_attempt *attempt = &oracle->attempts[i];

        if (oracle->ops[attempt->op].key == key && (op == ORACLE_NONE || attempt->op == op) &&
            attempt->outcome >= ORACLE_UNKNOWN)
            return true;
    }
    return false;
}

bool oracle_in_doubt(const struct oracle *oracle, int order)
{
    for (int64_t v = 1; v <= oracle->orders[order].max_version; v++)
        if (oracle->orders[order].events[v].op == ORACLE_NONE)
            return true;
    for (int i = 0; i < oracle->attempt_count; i++)
        if (oracle->attempts[i].outcome == ORACLE_UNKNOWN &&
            oracle->ops[oracle->attempts[i].op].order == order)
            return true;
    return false;
}

/* A key has one effect, whichever attempt made it. */
static void note_key_effect(struct oracle *oracle, int op, int order, int64_t version)
{
    struct oracle_key *key;

    if (oracle->ops[op].key == ORACLE_NONE)
        return;
    key = &oracle->keys[oracle->ops[op].key];
    if (key->effect_order == ORACLE_NONE) {
        key->effect_order = order;
        key->effect_version = version;
    }
    SIM_REQUIRE(key->effect_order == order && key->effect_version == version,
                "I3: key %s has two effects: order %s version %" PRId64 " and order %s version"
                " %" PRId64,
                key->text, oracle->orders[key->effect_order].id, key->effect_version,
                oracle->orders[order].id, version);
}

/* attempt NONE: it is not known which attempt of the operation made the event. */
static void note_event(struct oracle *oracle, int order, int64_t version, int op, int attempt)
{
    struct oracle_order *o = &oracle->orders[order];
    struct oracle_event *event;

    SIM_REQUIRE(version >= 1 && version <= ORACLE_VERSIONS_MAX,
                "I2: order %s has version %" PRId64, o->id, version);
    event = &o->events[version];
    SIM_REQUIRE(event->op == ORACLE_NONE || event->op == op,
                "I1: order %s version %" PRId64 " is of op %d, was acknowledged to op %d", o->id,
                version, op, event->op);
    SIM_REQUIRE(event->attempt == ORACLE_NONE || attempt == ORACLE_NONE ||
                    event->attempt == attempt,
                "I2: order %s version %" PRId64 " is of attempt %d, was of attempt %d", o->id,
                version, attempt, event->attempt);
    event->op = op;
    note_key_effect(oracle, op, order, version);
    if (version > o->max_version)
        o->max_version = version;
    if (attempt == ORACLE_NONE)
        return;
    event->attempt = attempt;
    struct oracle_attempt *a = &oracle->attempts[attempt];
    SIM_REQUIRE(a->order == ORACLE_NONE || (a->order == order && a->version == version),
                "I2: attempt %d had an effect twice: order %s version %" PRId64
                " and order %s version %" PRId64,
                attempt, oracle->orders[a->order].id, a->version, o->id, version);
    a->order = order;
    a->version = version;
}

/* Checks the rules of idempotency keys. True: the answer belongs to another attempt, and
 * nothing else follows from it. */
static bool judge_key(struct oracle *oracle, int attempt, const struct oracle_answer *answer,
                      uint64_t hash)
{
    int op = oracle->attempts[attempt].op;
    struct oracle_key *key;

    SIM_REQUIRE(oracle->ops[op].key != ORACLE_NONE || !answer->replayed,
                "I3: attempt %d without a key got a replayed answer", attempt);
    if (oracle->ops[op].key == ORACLE_NONE)
        return false;
    key = &oracle->keys[oracle->ops[op].key];
    if (key->answered && key->op != op) {
        SIM_REQUIRE(answer->status == 422, "I3: key %s with another body got %d, not 422",
                    key->text, answer->status);
        sim_cover(COVER_ANSWER_422_KEY, 1);
        return true;
    }
    if (key->answered) {
        SIM_REQUIRE(answer->replayed, "I3: the repeat of key %s was carried out (%d)", key->text,
                    answer->status);
        SIM_REQUIRE(answer->status == key->status && answer->version == key->version &&
                        strcmp(answer->order_id, key->order_id) == 0 && hash == key->body_hash,
                    "I3: the repeat of key %s got %d version %" PRId64 ", the first answer was %d"
                    " version %" PRId64,
                    key->text, answer->status, answer->version, key->status, key->version);
        return true;
    }
    SIM_REQUIRE(!answer->replayed || key_in_doubt(oracle, oracle->ops[op].key, op),
                "I3: key %s got a replayed answer before it had any", key->text);
    SIM_REQUIRE(answer->replayed || key->effect_order == ORACLE_NONE || answer->status == 422,
                "I3: key %s was carried out, and its repeat got %d anew", key->text,
                answer->status);
    return false;
}

static void remember(struct oracle *oracle, int op, const struct oracle_answer *answer,
                     uint64_t hash)
{
    struct oracle_key *key;

    if (oracle->ops[op].key == ORACLE_NONE || answer->status == 404 || answer->status == 422)
        return;
    key = &oracle->keys[oracle->ops[op].key];
    key->answered = true;
    key->op = op;
    key->status = answer->status;
    key->version = answer->version;
    key->body_hash = hash;
    snprintf(key->order_id, sizeof key->order_id, "%s", answer->order_id);
}

static void judge_placed(struct oracle *oracle, int attempt, const struct oracle_answer *answer)
{
    int op = oracle->attempts[attempt].op, order = oracle->ops[op].order;
    char total[48];

    SIM_REQUIRE(answer->status == 201 && answer->version == 1, "a place got %d version %" PRId64,
                answer->status, answer->version);
    snprintf(total, sizeof total, "\"totalMinor\":%" PRId64 ",",
             oracle_lines_total(&oracle->ops[op]));
    SIM_REQUIRE(strstr(answer->body, total), "I6: the answer does not say %s", total);
    if (order == ORACLE_NONE) {
        order = oracle_find_order(oracle, answer->order_id);
        SIM_REQUIRE(order == ORACLE_NONE || answer->replayed, "order id %s was given out twice",
                    answer->order_id);
        if (order == ORACLE_NONE)
            order = oracle_add_order(oracle, oracle->ops[op].node, answer->order_id);
    }
    SIM_REQUIRE(strcmp(oracle->orders[order].id, answer->order_id) == 0,
                "order %s was asked for, %s was placed", oracle->orders[order].id,
                answer->order_id);
    SIM_REQUIRE(answer->replayed || oracle->orders[order].max_version == 0,
                "order %s was placed again", answer->order_id);
    note_event(oracle, order, 1, op, answer->replayed ? ORACLE_NONE : attempt);
    sim_cover(COVER_PLACED, !answer->replayed);
}

static void judge_changed(struct oracle *oracle, int attempt, const struct oracle_answer *answer)
{
    int op_index = oracle->attempts[attempt].op;
    const struct oracle_op *op = &oracle->ops[op_index];
    struct oracle_order *order = &oracle->orders[op->order];
    struct oracle_state state = oracle_state(oracle, op->order, order->max_version);

    SIM_REQUIRE(answer->status == 200, "a change got %d", answer->status);
    SIM_REQUIRE(op->expected_version == ORACLE_NONE || answer->version == op->expected_version + 1,
                "If-Match %" PRId64 " was passed by version %" PRId64, op->expected_version,
                answer->version);
    if (!answer->replayed) {
        SIM_REQUIRE(answer->version > order->max_version,
                    "I1: order %s had version %" PRId64 ", a change made it %" PRId64, order->id,
                    order->max_version, answer->version);
        if (!oracle_in_doubt(oracle, op->order)) {
            SIM_REQUIRE(answer->version == order->max_version + 1,
                        "I4: order %s goes from version"
                        " %" PRId64 " to %" PRId64,
                        order->id, order->max_version, answer->version);
            SIM_REQUIRE(state.status == ORACLE_PLACED, "order %s changed in its last state",
                        order->id);
        }
    }
    note_event(oracle, op->order, answer->version, op_index,
               answer->replayed ? ORACLE_NONE : attempt);
    sim_cover(COVER_CHANGED, !answer->replayed);
}

/* A refusal must be right for the order's state, unless the state is in doubt. */
static void judge_refused(struct oracle *oracle, int attempt, const struct oracle_answer *answer)
{
    int op_index = oracle->attempts[attempt].op;
    const struct oracle_op *op = &oracle->ops[op_index];
    struct oracle_state state = {0};
    int64_t top = 0;
    bool unsure =
        answer->replayed || (op->order != ORACLE_NONE && oracle_in_doubt(oracle, op->order));
    bool just = false;

    if (op->order != ORACLE_NONE) {
        top = oracle->orders[op->order].max_version;
        state = oracle_state(oracle, op->order, top);
    }
    switch (answer->status) {
    case 404:
        just = op->type != ORACLE_PLACE && top == 0;
        sim_cover(COVER_ANSWER_404, 1);
        break;
    case 409:
        just = op->type == ORACLE_PLACE ? top > 0 : top > 0 && state.status != ORACLE_PLACED;
        sim_cover(COVER_ANSWER_409, 1);
        break;
    case 412:
        just = top > 0 && op->expected_version != ORACLE_NONE && op->expected_version != top;
        sim_cover(COVER_ANSWER_412, 1);
        break;
    case 422:
        just = op->type == ORACLE_LINES && top > 0 && (op->quantity < 0) != state.is_return;
        if (just || unsure)
            sim_cover(COVER_ANSWER_422_LINES, 1);
        /* Or the key belongs to another request whose outcome is unknown. */
        just = just || (op->key != ORACLE_NONE && key_in_doubt(oracle, op->key, ORACLE_NONE));
        break;
    default:
        break;
    }
    SIM_REQUIRE(just || unsure,
                "attempt %d (type %d, order %s at version %" PRId64 ", status %d) got %d", attempt,
                (int)op->type, op->order == ORACLE_NONE ? "new" : oracle->orders[op->order].id,
                top, (int)state.status, answer->status);
}

static uint64_t hash_of(const char *text, size_t len)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
    return hash;
}

void oracle_answered(struct oracle *oracle, int attempt, const struct oracle_answer *answer)
{
    struct oracle_attempt *a = &oracle->attempts[attempt];
    uint64_t hash = hash_of(answer->body, answer->body_len);

    SIM_REQUIRE(a->outcome == ORACLE_PENDING, "attempt %d was answered twice", attempt);
    if (answer->nothing_stored) {
        a->outcome = ORACLE_NOT_DONE;
        return;
    }
    a->outcome = answer->status >= 400 ? ORACLE_REFUSED
                 : answer->replayed    ? ORACLE_REPLAYED
                                       : ORACLE_DONE;
    sim_cover(COVER_REPLAYED, answer->replayed);
    if (judge_key(oracle, attempt, answer, hash))
        return;
    if (answer->status >= 400)
        judge_refused(oracle, attempt, answer);
    else if (oracle->ops[a->op].type == ORACLE_PLACE)
        judge_placed(oracle, attempt, answer);
    else
        judge_changed(oracle, attempt, answer);
    remember(oracle, a->op, answer, hash);
}

void oracle_outcome_unknown(struct oracle *oracle, int attempt)
{
    oracle->attempts[attempt].outcome = ORACLE_UNKNOWN;
}

void oracle_not_done(struct oracle *oracle, int attempt)
{
    oracle->attempts[attempt].outcome = ORACLE_NOT_DONE;
}

int oracle_saw_event(struct oracle *oracle, int node, const char *order_id, int64_t version,
                     int attempt, enum oracle_type type)
{
    int order = oracle_find_order(oracle, order_id);

    SIM_REQUIRE(attempt >= 0 && attempt < oracle->attempt_count,
                "I2: order %s version %" PRId64 " is of no command ever sent", order_id, version);
    const struct oracle_attempt *a = &oracle->attempts[attempt];
    const struct oracle_op *op = &oracle->ops[a->op];
    SIM_REQUIRE(op->node == node && op->type == type,
                "I2: order %s version %" PRId64 " at node %d is not what attempt %d asked",
                order_id, version, node, attempt);
    SIM_REQUIRE(a->outcome == ORACLE_DONE || a->outcome == ORACLE_UNKNOWN ||
                    a->outcome == ORACLE_RESOLVED_DONE,
                "I2: order %s version %" PRId64 " is of attempt %d, whose outcome is %d", order_id,
                version, attempt, (int)a->outcome);
    if (order == ORACLE_NONE) {
        SIM_REQUIRE(op->type == ORACLE_PLACE && op->order == ORACLE_NONE,
                    "I2: order %s was never placed", order_id);
        order = oracle_add_order(oracle, node, order_id);
    }
    SIM_REQUIRE(op->order == ORACLE_NONE || op->order == order, "I2: attempt %d changed order %s",
                attempt, order_id);
    note_event(oracle, order, version, a->op, attempt);
    return order;
}

void oracle_resolve_unknown(struct oracle *oracle, int node)
{
    for (int i = 0; i < oracle->attempt_count; i++) {
        struct oracle_attempt *attempt = &oracle->attempts[i];

        if (attempt->outcome != ORACLE_UNKNOWN || oracle->ops[attempt->op].node != node)
            continue;
        attempt->outcome =
            attempt->order == ORACLE_NONE ? ORACLE_RESOLVED_NOT_DONE : ORACLE_RESOLVED_DONE;
        sim_cover(attempt->order == ORACLE_NONE ? COVER_RESOLVED_NOT_DONE : COVER_RESOLVED_DONE,
                  1);
    }
}
