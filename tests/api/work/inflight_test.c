/* Promise: a request at a worker is answered in time even if the worker is not, and a late result
 * does no harm. Method: workers that are blocked; a clock that the test moves. */
#include "api/node.h"
#include "api/work/query_pool.h"
#include "store/writer_priv.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct node node;
static struct client client;
static struct response got;

/* A view whose lists block until the gate is open. */
static struct {
    struct tb_view_reader base;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    int running;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static enum tb_code gated_list(struct tb_view_reader *reader, const struct tb_list_filter *filter,
                               tb_listed_order_fn *each, void *ctx, bool *ret_more,
                               struct tb_error *err)
{
    (void)reader;
    pthread_mutex_lock(&gate.lock);
    gate.running++;
    pthread_cond_broadcast(&gate.changed);
    while (!gate.open)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    return node.query_view->ops->list(node.query_view, filter, each, ctx, ret_more, err);
}

static void wait_for_running(int count)
{
    pthread_mutex_lock(&gate.lock);
    while (gate.running < count)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void open_gate(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void setup(void)
{
    static const struct tb_view_reader_ops ops = {.list = gated_list};

    node_init(&node);
    node.no_writer = true;
    gate.base.ops = &ops;
    node.other_query_view = &gate.base;
    node_start(&node);
    client_open(&client, &node);
}

static void teardown(void)
{
    response_release(&got);
    client_close(&client);
    open_gate();
    node_stop(&node);
}

#define ORDER "{\"lines\":[{\"sku\":\"TEA\",\"quantity\":2,\"unitPriceMinor\":350}]}"

static void send_order(struct client *one, const char *key)
{
    client_open(one, &node);
    client_print(one,
                 "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                 "%s%s\r\nContent-Length: %zu\r\n\r\n" ORDER,
                 key != NULL ? "Idempotency-Key: " : "X: y", key != NULL ? key : "",
                 strlen(ORDER));
}

static void wait_for_posted(size_t count)
{
    while (tb_mailbox_count(&node.writer->mailbox) < count)
        usleep(1000);
}

static void pass_s(int64_t seconds)
{
    atomic_fetch_add(&node.ahead_us, seconds * 1000000);
}

START_TEST(commands_that_take_too_long)
{
    struct client first, repeat, plain, after;

    send_order(&first, "k");
    wait_for_posted(1);
    send_order(&repeat, "k");
    send_order(&plain, NULL);
    wait_for_posted(3);
    ck_assert(client_quiet(&repeat));
    pass_s(11);
    client_read(&repeat, &got, false); /* the first still runs */
    ck_assert_int_eq(got.status, 409);
    ck_assert_ptr_nonnull(response_header(&got, "Retry-After"));
    ck_assert(client_quiet(&first));
    ck_assert(client_quiet(&plain));
    pass_s(20);
    client_read(&first, &got, false);
    ck_assert_int_eq(got.status, 503);
    ck_assert_ptr_nonnull(strstr(got.body, "Idempotency-Key"));
    client_read(&plain, &got, false);
    ck_assert_int_eq(got.status, 503);
    node_run_writer(&node); /* the answers come, and nobody wants them any more */
    send_order(&after, "k");
    client_read(&after, &got, false);
    ck_assert_int_eq(got.status, 201); /* known by now: the same order */
    ck_assert_str_eq(response_header(&got, "Idempotency-Replayed"), "true");
    client_close(&first);
    client_close(&repeat);
    client_close(&plain);
    client_close(&after);
}
END_TEST

static void send_list(struct client *one)
{
    client_open(one, &node);
    client_print(one, "GET /orders HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

START_TEST(waiting_lists_delay_no_command_and_have_a_limit)
{
    struct client lists[TB_QUERY_QUEUE_MAX + 2];

    send_list(&lists[0]);
    wait_for_running(1);
    for (int i = 1; i < TB_QUERY_QUEUE_MAX + 2; i++)
        send_list(&lists[i]);
    /* One of them finds no room; which one is the network's choice. */
    int refused = -1;
    while (refused < 0) {
        for (int i = 0; i < TB_QUERY_QUEUE_MAX + 2 && refused < 0; i++) {
            struct pollfd fd = {.fd = lists[i].fd, .events = POLLIN};
            if (poll(&fd, 1, 1) == 1)
                refused = i;
        }
    }
    client_read(&lists[refused], &got, false);
    ck_assert_int_eq(got.status, 503);
    ck_assert_ptr_nonnull(response_header(&got, "Retry-After"));
    node_run_writer(&node);
    ask(&client, "POST", "/orders", "", ORDER, &got); /* meanwhile orders are taken */
    ck_assert_int_eq(got.status, 201);
    open_gate();
    for (int i = 0; i < TB_QUERY_QUEUE_MAX + 2; i++) {
        if (i != refused) {
            client_read(&lists[i], &got, false);
            ck_assert_int_eq(got.status, 200);
        }
        client_close(&lists[i]);
    }
}
END_TEST

START_TEST(a_list_that_takes_too_long)
{
    struct client list;

    send_list(&list);
    wait_for_running(1);
    pass_s(31);
    client_read(&list, &got, false);
    ck_assert_int_eq(got.status, 503);
    client_close(&list);
    open_gate(); /* its answer comes late, and goes nowhere */
    ask(&client, "GET", "/livez", "", NULL, &got);
}
END_TEST

START_TEST(stop_does_not_wait_for_a_list)
{
    struct client list;

    send_list(&list);
    wait_for_running(1);
    tb_api_stop(node.api);
    pass_s(4);
    client_read(&list, &got, false);
    ck_assert_int_eq(got.status, 503);
    client_close(&list);
    node_stop_api(&node);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inflight");
    TCase *tc = tcase_create("inflight");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, commands_that_take_too_long);
    tcase_add_test(tc, waiting_lists_delay_no_command_and_have_a_limit);
    tcase_add_test(tc, a_list_that_takes_too_long);
    tcase_add_test(tc, stop_does_not_wait_for_a_list);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
