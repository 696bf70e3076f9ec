#include "sim/sim.h"
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>

#define MS INT64_C(1000)
/* Clients leave an order alone before the oracle runs out of room for its versions. */
#define CHANGES_MAX (ORACLE_VERSIONS_MAX - 10)

static const char *const currencies[ORACLE_CURRENCIES] = {"EUR", "USD", "JPY"};
static const char *const paths[] = {"", "/address", "/lines", "/ship", "/cancel"};

/* A command under way, and all the memory it borrows. */
struct request {
    struct tb_job job; /* first: the writer returns a pointer to it */
    struct tb_arena arena;
    struct sim_node *node;
    int client, attempt;
    char traceparent[56], key[24];
};

static struct fake_random *random_of(struct sim *sim)
{
    return &sim->client_random;
}

/* sent_us: when its key was sent first. */
static int add_op(struct sim *sim, const struct oracle_op *op, int64_t sent_us)
{
    int index = oracle_add_op(&sim->oracle, op);

    sim->op_sent_us[index] = sent_us;
    return index;
}

static void add_lines(struct tb_buf *body, int op_index, const struct oracle_op *op)
{
    tb_buf_adds(body, "\"lines\":[");
    for (int i = 0; i < op->line_count; i++)
        tb_buf_addf(
            body, "%s{\"sku\":\"S%d-%d\",\"quantity\":%" PRId64 ",\"unitPriceMinor\":%" PRId64 "}",
            i > 0 ? "," : "", op_index, i, op->quantity, op->price + i);
    tb_buf_adds(body, "]");
}

static void add_address(struct tb_buf *body, int op_index)
{
    tb_buf_addf(body, "{\"line1\":\"A%d\",\"city\":\"Leeds\",\"country\":\"GB\"}", op_index);
}

static void write_body(struct tb_buf *body, const struct oracle *oracle, int op_index)
{
    const struct oracle_op *op = &oracle->ops[op_index];

    if (op->type == ORACLE_SHIP || op->type == ORACLE_CANCEL) {
        tb_buf_addf(body, "%s",
                    op->type == ORACLE_CANCEL ? "{\"reason\":\"changed my mind\"}" : "");
        return;
    }
    if (op->type == ORACLE_ADDRESS) {
        add_address(body, op_index);
        return;
    }
    tb_buf_addc(body, '{');
    if (op->type == ORACLE_PLACE) {
        if (op->order != ORACLE_NONE)
            tb_buf_addf(body, "\"orderId\":\"%s\",", oracle->orders[op->order].id);
        tb_buf_addf(body, "\"customerId\":\"C%d\",\"kind\":\"%s\",\"currency\":\"%s\",", op_index,
                    op->is_return ? "RETURN" : "SALE", currencies[op->currency]);
        if (op->has_address) {
            tb_buf_adds(body, "\"shippingAddress\":");
            add_address(body, op_index);
            tb_buf_addc(body, ',');
        }
    }
    add_lines(body, op_index, op);
    tb_buf_addc(body, '}');
}

static void fill_command(struct request *r, const struct oracle *oracle, int op_index)
{
    static const enum tb_command_type types[] = {TB_CMD_PLACE, TB_CMD_ADDRESS, TB_CMD_LINES,
                                                 TB_CMD_SHIP, TB_CMD_CANCEL};
    const struct oracle_op *op = &oracle->ops[op_index];
    const struct tb_command_context rules = {.currency = "EUR",
                                             .now_ms = tb_clock_wall_ms(&r->node->clock),
                                             .lines_max = TB_LINES_MAX,
                                             .depth_max = TB_JSON_DEPTH_MAX};
    const char *id = op->type == ORACLE_PLACE ? "" : oracle->orders[op->order].id;
    struct tb_buf body = {0};
    struct tb_field_errors faults = {.count = 0};
    struct tb_error err = {0};
    struct sha256_ctx sha;

    write_body(&body, oracle, op_index);
    SIM_REQUIRE(tb_command_parse(types[op->type], body.data ? tb_buf_str(&body) : TB_STR(""),
                                 &rules, &r->arena, &r->job.command, &faults, &err) == TB_OK,
                "a sound body was refused: %s: %s", err.text, body.data);
    sha256_init(&sha);
    sha256_update(&sha, strlen(id), (const uint8_t *)id);
    sha256_update(&sha, strlen(paths[op->type]), (const uint8_t *)paths[op->type]);
    sha256_update(&sha, body.len, (const uint8_t *)(body.data ? body.data : ""));
    sha256_digest(&sha, sizeof r->job.fingerprint, r->job.fingerprint);
    tb_buf_release(&body);
    if (op->type != ORACLE_PLACE)
        snprintf(r->job.command.order_id, TB_UUID_SIZE, "%.36s", id);
    r->job.command.has_expected_version = op->expected_version != ORACLE_NONE;
    r->job.command.expected_version = op->expected_version;
}

static void free_request(struct request *r)
{
    tb_answer_release(&r->job.answer);
    tb_arena_release(&r->arena);
    free(r);
}

/* The client continues; if the outcome is unknown it may repeat the command. */
static void client_done(struct sim *sim, int client, int op, bool unsure)
{
    struct sim_client *c = &sim->clients[client];
    int64_t pause_us = (int64_t)sim_below(random_of(sim), 60) * MS;

    if (!sim->healed && (sim->fault_classes & EDGE_FAULT_ANSWER) &&
        sim_chance(random_of(sim), 10)) {
        sim_cover(COVER_ANSWER_LATE, 1);
        pause_us += (int64_t)sim_below(random_of(sim), 8000) * MS;
    }
    if (unsure && op >= sim->oracle_first_op && sim_chance(random_of(sim), 80)) {
        c->again_op = op;
        pause_us *= 10;
    }
    if (--c->waiting == 0)
        c->due_us = sim->now_us + pause_us;
}

static void report_answer(struct request *r)
{
    struct tb_answer *answer = &r->job.answer;
    struct oracle_answer reported = {
        .status = answer->status,
        .version = answer->version,
        .order_id = answer->order_id,
        .replayed = answer->replayed,
        .body = answer->body.data ? answer->body.data : "",
        .body_len = answer->body.len,
        .nothing_stored = r->job.code != TB_OK,
    };

    tb_buf_addc(&answer->body, '\0'); /* the oracle searches the text with strstr */
    reported.body = answer->body.data;
    sim_trace("%s attempt %d: %d version %" PRId64 "%s%s", r->node->name, r->attempt,
              answer->status, answer->version, answer->replayed ? " replayed" : "",
              reported.nothing_stored ? ", nothing stored" : "");
    SIM_REQUIRE(answer->status != 500, "attempt %d got 500: %s", r->attempt, reported.body);
    sim_cover(COVER_ANSWER_503, reported.nothing_stored && answer->status == 503);
    sim_cover(COVER_ANSWER_507, reported.nothing_stored && answer->status == 507);
    oracle_answered(&r->node->sim->oracle, r->attempt, &reported);
}

static void on_done(struct tb_job *job)
{
    struct request *r = (struct request *)job;
    struct sim_node *node = r->node;
    struct sim *sim = node->sim;
    bool gone = node->dying || node->disk.power_off, unsure = gone || job->code == TB_UNKNOWN;
    bool lost = !unsure && !sim->healed && (sim->fault_classes & EDGE_FAULT_ANSWER) &&
                sim_chance(random_of(sim), 10);

    sim_cover(COVER_ANSWER_UNKNOWN, !gone && job->code == TB_UNKNOWN);
    sim_cover(COVER_ANSWER_LOST, lost);
    if (unsure || lost) {
        sim_trace("%s attempt %d: %s", node->name, r->attempt,
                  gone   ? "no answer"
                  : lost ? "the answer is lost"
                         : "unknown");
        oracle_outcome_unknown(&sim->oracle, r->attempt);
    } else {
        report_answer(r);
    }
    client_done(sim, r->client, sim->oracle.attempts[r->attempt].op, unsure || lost);
    free_request(r);
}

/* Sends one attempt at an operation. */
static void post(struct sim *sim, int client, int op_index)
{
    const struct oracle_op *op = &sim->oracle.ops[op_index];
    struct sim_node *node = &sim->nodes[op->node];
    struct request *r = calloc(1, sizeof *r);

    if (!r)
        abort();
    *r = (struct request){.job = {.type = TB_JOB_COMMAND, .done = on_done},
                          .node = node,
                          .client = client,
                          .attempt = oracle_invoke(&sim->oracle, op_index)};
    sim->clients[client].waiting++;
    sim_trace("client %d asks %s: attempt %d of op %d, type %d, order %d, key %d", client,
              node->name, r->attempt, op_index, (int)op->type, op->order, op->key);
    r->job.arena = &r->arena;
    fill_command(r, &sim->oracle, op_index);
    snprintf(r->traceparent, sizeof r->traceparent, "00-%032x-%016x-01", r->attempt + 1, 1);
    r->job.traceparent = tb_str_of(r->traceparent);
    if (op->key != ORACLE_NONE && sim->mutant != SIM_MUTANT_NO_IDEMPOTENCY) {
        snprintf(r->key, sizeof r->key, "%s", sim->oracle.keys[op->key].text);
        r->job.idempotency_key = tb_str_of(r->key);
    }
    if (node->up && tb_writer_post(node->writer, &r->job) == TB_OK) {
        sim_wake(node, SIM_WRITER, 4 * MS);
        return;
    }
    sim_cover(COVER_NOT_REACHED, 1);
    oracle_not_done(&sim->oracle, r->attempt);
    client_done(sim, client, op_index, true);
    free_request(r);
}

/* Choosing an operation. */

static void new_id(struct sim *sim, char ret_id[40])
{
    uint64_t a = fake_random_u64(random_of(sim)), b = fake_random_u64(random_of(sim));

    snprintf(ret_id, 40, "%08x-%04x-4%03x-8%03x-%012" PRIx64, (unsigned)(a >> 32),
             (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff), (unsigned)(b >> 52),
             b & UINT64_C(0xffffffffffff));
}

static void draw_lines(struct sim *sim, struct oracle_op *op)
{
    int64_t most = sim_chance(random_of(sim), 5) ? 1000000 : 20;

    op->line_count = (int)sim_below(random_of(sim), 3) + 1;
    op->quantity = (int64_t)sim_below(random_of(sim), (uint64_t)most) + 1;
    op->price = (int64_t)sim_below(random_of(sim), 100000);
    if (op->is_return)
        op->quantity = -op->quantity;
}

static int new_place(struct sim *sim, int node, int key)
{
    struct oracle_op op = {.type = ORACLE_PLACE,
                           .node = node,
                           .order = ORACLE_NONE,
                           .key = key,
                           .expected_version = ORACLE_NONE,
                           .is_return = sim_chance(random_of(sim), 15),
                           .currency = (int)sim_below(random_of(sim), ORACLE_CURRENCIES),
                           .has_address = sim_chance(random_of(sim), 40)};
    char id[40];

    draw_lines(sim, &op);
    if (sim_chance(random_of(sim), 25)) {
        new_id(sim, id);
        op.order = oracle_add_order(&sim->oracle, node, id);
    }
    return add_op(sim, &op, sim->now_us);
}

static int some_order(struct sim *sim, int node)
{
    const struct oracle *oracle = &sim->oracle;

    for (int tries = 0; tries < 8 && oracle->order_count > 0; tries++) {
        int order = (int)sim_below(random_of(sim), (uint64_t)oracle->order_count);

        if (oracle->orders[order].node == node && oracle->orders[order].max_version < CHANGES_MAX)
            return order;
    }
    return ORACLE_NONE;
}

static int new_change(struct sim *sim, int order, int key)
{
    static const enum oracle_type types[] = {ORACLE_ADDRESS, ORACLE_ADDRESS, ORACLE_LINES,
                                             ORACLE_LINES,   ORACLE_LINES,   ORACLE_SHIP,
                                             ORACLE_CANCEL,  ORACLE_PLACE};
    const struct oracle_order *o = &sim->oracle.orders[order];
    struct oracle_state state = oracle_state(&sim->oracle, order, o->max_version);
    struct oracle_op op = {.type = types[sim_below(random_of(sim), 8)],
                           .node = o->node,
                           .order = order,
                           .key = key,
                           .expected_version = ORACLE_NONE,
                           .is_return = state.is_return};

    if (op.type == ORACLE_LINES && sim_chance(random_of(sim), 8))
        op.is_return =
            !op.is_return; /* a sale with negative quantities, or a return with positive ones */
    draw_lines(sim, &op);
    if (op.type != ORACLE_PLACE && sim_chance(random_of(sim), 25))
        op.expected_version = o->max_version + (int64_t)sim_below(random_of(sim), 3) - 1;
    if (op.expected_version < 1)
        op.expected_version = ORACLE_NONE;
    return add_op(sim, &op, sim->now_us);
}

static int new_op(struct sim *sim, int key)
{
    int node = (int)sim_below(random_of(sim), (uint64_t)sim->node_count);
    int order = sim_chance(random_of(sim), 55) ? some_order(sim, node) : ORACLE_NONE;

    return order == ORACLE_NONE ? new_place(sim, node, key) : new_change(sim, order, key);
}

static int new_key(struct sim *sim)
{
    char text[24];

    snprintf(text, sizeof text, "key-%d", sim->oracle.key_count);
    return oracle_add_key(&sim->oracle, text);
}

/* Uses a key again for another request at the same node. */
static int other_body(struct sim *sim, int op)
{
    struct oracle_op other = sim->oracle.ops[op];

    sim_cover(COVER_OTHER_BODY, 1);
    /* Operations with the same key must differ in their body, since the oracle counts them as
     * different. */
    if (other.type == ORACLE_SHIP || other.type == ORACLE_CANCEL || other.type == ORACLE_ADDRESS)
        other.type = ORACLE_LINES;
    other.price = 100000 + sim->oracle.op_count;
    return add_op(sim, &other, sim->op_sent_us[op]);
}

/* An earlier operation that has a key; NONE if the random tries found none. */
static int some_keyed_op(struct sim *sim)
{
    for (int tries = 0; tries < 5 && sim->oracle.op_count > sim->oracle_first_op; tries++) {
        int op = sim->oracle_first_op +
                 (int)sim_below(random_of(sim),
                                (uint64_t)(sim->oracle.op_count - sim->oracle_first_op));

        if (sim->oracle.ops[op].key != ORACLE_NONE)
            return op;
    }
    return ORACLE_NONE;
}

static void read_something(struct sim *sim)
{
    int node = (int)sim_below(random_of(sim), (uint64_t)sim->node_count);
    int order = some_order(sim, node);

    if (order != ORACLE_NONE && sim->nodes[node].up)
        check_read(&sim->nodes[node], order);
}

void client_step(struct sim *sim, int client)
{
    struct sim_client *c = &sim->clients[client];
    unsigned roll = (unsigned)sim_below(random_of(sim), 100);
    int op = c->again_op;

    c->due_us = SIM_NEVER;
    c->again_op = ORACLE_NONE;
    if (roll < 20)
        read_something(sim);
    if (op == ORACLE_NONE && roll < 10)
        op = some_keyed_op(sim);
    if (op != ORACLE_NONE && sim->oracle.ops[op].key != ORACLE_NONE && roll % 10 == 0)
        op = other_body(sim, op);
    if (op == ORACLE_NONE && sim->ops_left > 0) {
        sim->ops_left--;
        op = new_op(sim, sim_chance(random_of(sim), 65) ? new_key(sim) : ORACLE_NONE);
    }
    if (op == ORACLE_NONE)
        return; /* nothing left to do */
    post(sim, client, op);
    if (sim->oracle.ops[op].key != ORACLE_NONE && (sim->fault_classes & EDGE_FAULT_SENT_TWICE) &&
        sim_chance(random_of(sim), 20)) {
        sim_cover(COVER_SENT_TWICE, 1);
        post(sim, client, op);
    }
}

/* The link command. It is no order command, so the oracle does not know it. */

static void on_link_done(struct tb_job *job)
{
    struct request *r = (struct request *)job;
    struct sim_node *node = r->node;

    if (node->dying || node->disk.power_off || job->code == TB_UNKNOWN) {
        node->link_known = false;
    } else if (job->code == TB_OK) {
        sim_trace("%s link %s", node->name, job->forced_offline ? "offline" : "auto");
        node->link_known = true;
        node->link_forced = job->forced_offline;
        if (node->kafka)
            tb_kafka_uplink_set_offline(node->kafka, job->forced_offline);
        else
            tb_relay_set_offline(node->relay, job->forced_offline);
        sim_cover(COVER_RELAY_OFFLINE, job->forced_offline);
        sim_wake(node, node->kafka ? SIM_KAFKA : SIM_RELAY, 3 * MS);
    }
    free_request(r);
}

void client_link(struct sim_node *node, bool offline)
{
    struct request *r = calloc(1, sizeof *r);

    if (!r)
        abort();
    *r = (struct request){
        .job = {.type = TB_JOB_LINK, .done = on_link_done, .forced_offline = offline},
        .node = node};
    if (tb_writer_post(node->writer, &r->job) == TB_OK)
        sim_wake(node, SIM_WRITER, 4 * MS);
    else
        free_request(r);
}
