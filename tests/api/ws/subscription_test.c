/* Promise: a connection has exactly the topics that it subscribed to and did not give up, within
 * the limits, and leaves nothing behind. Method: random commands against a plain table of flags,
 * without sockets. */
#include "api/ws/conn.h"
#include "support/support.h"
#include <stdio.h>
#include <stdlib.h>

#define ORDERS 1500

static struct {
    struct tb_waiters waiters;
    struct tb_ws ws;
    struct tb_ws_conn conn;
} world;

static void setup(void)
{
    memset(&world, 0, sizeof world);
    tb_waiters_init(&world.waiters);
    world.ws.waiters = &world.waiters;
    world.conn.ws = &world.ws;
    world.conn.blocked = true; /* nothing is written */
}

static void teardown(void)
{
    tb_ws_release_subscriptions(&world.ws, &world.conn);
    ck_assert_uint_eq(world.ws.subscription_count, 0);
    ck_assert_uint_eq(world.conn.subscription_count, 0);
    ck_assert_ptr_null(world.ws.initial_reads.first);
    ck_assert_ptr_null(world.conn.changed.first);
    ck_assert_uint_eq(world.waiters.reader_count, 0);
    tb_waiters_release(&world.waiters);
}

static const char *id_of(int n)
{
    static char id[TB_UUID_SIZE];

    snprintf(id, sizeof id, "01a207ab-6d5e-71ec-b6c1-%012d", n);
    return id;
}

static size_t length(const struct tb_list *list)
{
    size_t count = 0;

    for (struct tb_list_node *node = list->first; node; node = node->next)
        count++;
    return count;
}

START_TEST(random_commands)
{
    static bool subscribed[ORDERS], changed[ORDERS];
    struct fake_random random;
    size_t count = 0, refused = 0;

    fake_random_init(&random, test_seed(21));
    for (int step = 0; step < 20000; step++) {
        int order = (int)fake_random_below(&random, ORDERS);
        switch (fake_random_below(&random, 4)) {
        case 0:
            tb_ws_unsubscribe(&world.ws, &world.conn, id_of(order));
            count -= subscribed[order];
            subscribed[order] = changed[order] = false;
            break;
        case 1:
            tb_waiters_notify(&world.waiters, id_of(order), step + 1);
            changed[order] = subscribed[order];
            break;
        default:
            if (tb_ws_subscribe(&world.ws, &world.conn, id_of(order)) == TB_OK) {
                count += !subscribed[order];
                subscribed[order] = true;
                break;
            }
            refused++;
            ck_assert(!subscribed[order]);
            ck_assert_uint_eq(count, TB_WS_TOPICS_MAX);
        }
        ck_assert_uint_eq(world.conn.subscription_count, count);
        ck_assert_uint_eq(world.ws.subscription_count, count);
        ck_assert_uint_eq(world.waiters.count, count);
    }
    ck_assert_uint_gt(refused, 0);
    count = 0;
    for (int i = 0; i < ORDERS; i++)
        count += changed[i];
    ck_assert_uint_ge(length(&world.conn.changed), count);            /* repeats are sent again */
    ck_assert_uint_ge(world.conn.bucket_count * 4, TB_WS_TOPICS_MAX); /* short chains */
}
END_TEST

/* All connections together have a limit too: it bounds the memory. */
START_TEST(subscriptions_of_all_connections)
{
    world.ws.subscription_count = TB_WS_SUBSCRIPTIONS_MAX - 1;
    ck_assert_int_eq(tb_ws_subscribe(&world.ws, &world.conn, id_of(1)), TB_OK);
    ck_assert_int_eq(tb_ws_subscribe(&world.ws, &world.conn, id_of(2)), TB_UNAVAILABLE);
    ck_assert_int_eq(tb_ws_subscribe(&world.ws, &world.conn, id_of(1)), TB_OK);
    ck_assert_int_eq(tb_ws_subscribe_all(&world.ws, &world.conn), TB_OK);
    tb_ws_unsubscribe(&world.ws, &world.conn, id_of(1));
    ck_assert_int_eq(tb_ws_subscribe(&world.ws, &world.conn, id_of(2)), TB_OK);
    tb_ws_unsubscribe(&world.ws, &world.conn, id_of(2));
    world.ws.subscription_count = 0;
}
END_TEST

/* After an unsubscribe the order is neither read nor sent. */
START_TEST(given_up_before_it_was_read)
{
    char ids[4][TB_UUID_SIZE];

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(tb_ws_subscribe(&world.ws, &world.conn, id_of(i)), TB_OK);
    tb_waiters_notify(&world.waiters, id_of(1), 5);
    tb_ws_unsubscribe(&world.ws, &world.conn, id_of(1));
    ck_assert(!tb_ws_has_changes(&world.ws, &world.conn));
    ck_assert_uint_eq(tb_ws_take_initial_reads(&world.ws, ids, 4), 2);
    ck_assert_str_eq(ids[0], id_of(0)); /* in turn */
    ck_assert_str_eq(ids[1], id_of(2));
    ck_assert(!tb_ws_has_initial_reads(&world.ws));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ws_subscription");
    TCase *tc = tcase_create("subscription");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, random_commands);
    tcase_add_test(tc, subscriptions_of_all_connections);
    tcase_add_test(tc, given_up_before_it_was_read);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
