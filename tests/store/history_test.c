/* Promise: every history of commands, repeats and restarts has the outcome that the rules demand.
 * Method: seeded histories against a model, for which an order is (version, status) and a key is
 * its first answer; every answer is compared, and the tables at the end. */
#include "store/fixture.h"
#include "store/writer_priv.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ORDERS_MAX 400
#define KEYS_MAX 400
#define BATCH_MAX 12
#define ROUNDS 60

static struct fixture f;

struct model_order {
    char id[TB_UUID_SIZE];
    int64_t version;
    enum tb_order_status status;
};
struct model_key {
    enum tb_command_type type;
    int order;
    int64_t expected_version;
    unsigned body;
    int status;
    int64_t version;
    char *answer; /* the first answer's bytes, once they are known */
};

static struct {
    struct fake_random random;
    struct model_order orders[ORDERS_MAX];
    int order_count; /* ids in use; version 0: not placed */
    struct model_key keys[KEYS_MAX];
    int key_count;
    int64_t events;
} m;

/* One command with what the model expects of it. */
struct trial {
    struct request request;
    int key; /* -1: none */
    int status;
    int64_t version;
    bool replayed;
};

static unsigned below(unsigned bound)
{
    return (unsigned)fake_random_below(&m.random, bound);
}

static int some_order(void)
{
    if (m.order_count == 0 || below(4) == 0) {
        struct model_order *order = &m.orders[m.order_count];

        ck_assert_int_lt(m.order_count, ORDERS_MAX);
        *order = (struct model_order){.version = 0};
        snprintf(order->id, sizeof order->id, "01890000-0000-7000-8000-%012d", m.order_count);
        return m.order_count++;
    }
    return (int)below((unsigned)m.order_count);
}

/* The rules, written down a second time. */
static void judge(struct trial *trial, enum tb_command_type type, struct model_order *order,
                  int64_t expected_version)
{
    trial->version = 0;
    if (type == TB_CMD_PLACE) {
        trial->status = order->version > 0 ? 409 : 201;
    } else if (order->version == 0) {
        trial->status = 404;
    } else if (expected_version > 0 && expected_version != order->version) {
        trial->status = 412;
    } else {
        trial->status = order->status == TB_PLACED ? 200 : 409;
    }
    if (trial->status >= 300)
        return;
    trial->version = ++order->version;
    m.events++;
    if (type == TB_CMD_SHIP)
        order->status = TB_SHIPPED;
    if (type == TB_CMD_CANCEL)
        order->status = TB_CANCELLED;
}

static void remember(struct trial *trial, enum tb_command_type type, int order,
                     int64_t expected_version, unsigned body)
{
    if (trial->status >= 300 && trial->status != 409 && trial->status != 412) {
        trial->key = -1; /* free for another request */
        return;
    }
    m.keys[trial->key] = (struct model_key){.type = type,
                                            .order = order,
                                            .expected_version = expected_version,
                                            .body = body,
                                            .status = trial->status,
                                            .version = trial->version};
}

static void fill(struct trial *trial, enum tb_command_type type, int order,
                 int64_t expected_version, int key, unsigned body)
{
    struct request *r = &trial->request;
    char text[20];

    snprintf(text, sizeof text, "key-%d", key);
    if (type == TB_CMD_PLACE)
        request_place(r, m.orders[order].id, key >= 0 ? text : NULL, body);
    else
        request_change(r, type, m.orders[order].id, key >= 0 ? text : NULL, body);
    r->job.idempotency_key = key >= 0 ? tb_str_of(r->key) : (struct tb_str){0};
    r->job.command.has_expected_version = expected_version > 0;
    r->job.command.expected_version = expected_version;
}

/* Repeats an earlier request, exactly or with another body under its key. */
static void repeat(struct trial *trial)
{
    int key = (int)below((unsigned)m.key_count);
    const struct model_key *known = &m.keys[key];
    bool other = below(3) == 0;

    trial->key = key;
    fill(trial, known->type, known->order, known->expected_version, key,
         known->body + (other ? 1 : 0));
    trial->status = other ? 422 : known->status;
    trial->version = other ? 0 : known->version;
    trial->replayed = !other;
}

static void invent(struct trial *trial)
{
    enum tb_command_type type =
        below(2) ? TB_CMD_PLACE : (enum tb_command_type)below(TB_CMD_COUNT);
    int order = some_order();
    int64_t expected_version = type != TB_CMD_PLACE && below(3) == 0 ? 1 + below(3) : 0;
    unsigned body = 1000 + 10 * below(50);
    bool keyed = below(2) && m.key_count < KEYS_MAX;

    trial->key = keyed ? m.key_count : -1;
    trial->replayed = false;
    fill(trial, type, order, expected_version, trial->key, body);
    judge(trial, type, &m.orders[order], expected_version);
    if (keyed)
        remember(trial, type, order, expected_version, body);
    m.key_count += trial->key >= 0;
}

static void check(const struct trial *trial)
{
    const struct tb_answer *answer = &trial->request.job.answer;

    ck_assert_int_eq(trial->request.done, 1);
    ck_assert_int_eq(answer->status, trial->status);
    ck_assert_int_eq(answer->version, trial->version);
    ck_assert_int_eq(answer->replayed, trial->replayed);
    if (trial->key < 0 || trial->status == 422)
        return;
    struct model_key *known = &m.keys[trial->key];
    if (!known->answer)
        known->answer = strdup(answer->body.data);
    ck_assert_str_eq(known->answer, answer->body.data);
}

static void round_of_commands(void)
{
    static struct trial trials[BATCH_MAX];
    unsigned count = 1 + below(BATCH_MAX);

    for (unsigned i = 0; i < count; i++) {
        if (m.key_count > 0 && below(4) == 0)
            repeat(&trials[i]);
        else
            invent(&trials[i]);
        ck_assert_int_eq(tb_writer_post(f.writer, &trials[i].request.job), TB_OK);
        if (below(3) == 0)
            tb_writer_step(f.writer);
    }
    tb_writer_step(f.writer);
    for (unsigned i = 0; i < count; i++) {
        check(&trials[i]);
        request_release(&trials[i].request);
    }
}

static void disturb(void)
{
    switch (below(5)) {
    case 0:
        fixture_reopen(&f);
        break;
    case 1: /* within what keys are kept for */
        f.clock.wall_ms += (int64_t)below(7200000) - 3600000;
        break;
    case 2:
        tb_writer_post_cursor(f.writer, TB_CURSOR_INPROC, (int64_t)below(500), 1);
        break;
    default:
        break;
    }
}

START_TEST(history_follows_the_rules)
{
    uint64_t seed = test_seed(100 + (uint64_t)_i);

    memset(&m, 0, sizeof m);
    fake_random_init(&m.random, seed);
    fixture_init(&f);
    fixture_open(&f);
    for (int round = 0; round < ROUNDS; round++) {
        round_of_commands();
        disturb();
    }
    fixture_check_consistent(&f);
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM outbox"), m.events);
    for (int i = 0; i < m.order_count; i++) {
        char sql[200];

        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM orders WHERE order_id = '%s' AND version = %" PRId64
                 " AND status = '%s'",
                 m.orders[i].id, m.orders[i].version, tb_order_status_name(m.orders[i].status));
        ck_assert_int_eq(fixture_query(&f, sql), m.orders[i].version > 0);
    }
    for (int i = 0; i < m.key_count; i++)
        free(m.keys[i].answer);
    fixture_release(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store/history");
    TCase *tc = tcase_create("histories");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, history_follows_the_rules, 0, 8);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
