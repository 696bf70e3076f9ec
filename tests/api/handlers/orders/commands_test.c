/* Promise: a command gets one reply, with its real outcome, whatever its client does meanwhile.
 * Method: a real store, whose writer does not run while a command must stay unanswered. */
#include "api/node.h"
#include "store/writer_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct node node;
static struct client client;
static struct response got;

static void setup(void)
{
    node_init(&node);
    node_start(&node);
    client_open(&client, &node);
}

static void setup_held(void)
{
    node_init(&node);
    node.no_writer = true;
    node_start(&node);
    client_open(&client, &node);
}

static void teardown(void)
{
    response_release(&got);
    client_close(&client);
    node_stop(&node);
}

#define ORDER "{\"lines\":[{\"sku\":\"TEA\",\"quantity\":2,\"unitPriceMinor\":350}]}"
#define ADDRESS "{\"line1\":\"a\",\"city\":\"b\",\"country\":\"DE\"}"
#define OTHER "01a207ab-6d5e-71ec-b6c1-58b7ea3e8654"

static void place(char order_id[40])
{
    ask(&client, "POST", "/orders", "", ORDER, &got);
    ck_assert_int_eq(got.status, 201);
    body_text(&got, "orderId", order_id, 40);
}

START_TEST(life_of_an_order)
{
    char order_id[40], target[128];

    place(order_id);
    snprintf(target, sizeof(target), "/orders/%s", order_id);
    ck_assert_str_eq(response_header(&got, "Location"), target);
    ck_assert_str_eq(response_header(&got, "ETag"), "\"1\"");
    ck_assert_str_eq(response_header(&got, "Content-Type"), "application/json");
    ck_assert_str_eq(response_header(&got, "Cache-Control"), "no-store");
    ck_assert_str_eq(response_header(&got, "X-Content-Type-Options"), "nosniff");
    ck_assert_ptr_nonnull(response_header(&got, "Date"));
    snprintf(target, sizeof(target), "/orders/%s/address", order_id);
    ask(&client, "PUT", target, "If-Match: \"1\"\r\n", ADDRESS, &got);
    ck_assert_int_eq(got.status, 200);
    ck_assert_str_eq(response_header(&got, "ETag"), "\"2\"");
    ck_assert_ptr_null(response_header(&got, "Location"));
    ask(&client, "PUT", target, "If-Match: \"1\"\r\n", ADDRESS, &got);
    ck_assert_int_eq(got.status, 412);
    ask(&client, "PUT", target, "If-Match: *\r\n", ADDRESS, &got);
    ck_assert_int_eq(got.status, 200);
    snprintf(target, sizeof(target), "/orders/%s/lines", order_id);
    ask(&client, "PUT", target, "", ORDER, &got);
    ck_assert_int_eq(got.status, 200);
    ck_assert_ptr_nonnull(strstr(got.body, "\"totalMinor\":700"));
    snprintf(target, sizeof(target), "/orders/%s/ship", order_id);
    ask(&client, "POST", target, "", NULL, &got);
    ck_assert_int_eq(got.status, 200);
    ck_assert_ptr_nonnull(strstr(got.body, "SHIPPED"));
    snprintf(target, sizeof(target), "/orders/%s/cancel", order_id);
    ask(&client, "POST", target, "", "{\"reason\":\"late\"}", &got);
    ck_assert_int_eq(got.status, 409);
    ask(&client, "POST", "/orders/" OTHER "/cancel", "", NULL, &got);
    ck_assert_int_eq(got.status, 404);
}
END_TEST

START_TEST(repeats_get_the_first_answer_byte_for_byte)
{
    static const char *const same[] = {"k-1", "\"k-1\""}; /* with and without quotes: one key */
    char extra[64], first[1024];

    ask(&client, "POST", "/orders", "Idempotency-Key: k-1\r\n", ORDER, &got);
    ck_assert_int_eq(got.status, 201);
    ck_assert_ptr_null(response_header(&got, "Idempotency-Replayed"));
    snprintf(first, sizeof(first), "%s", got.body);
    for (int i = 0; i < 2; i++) {
        snprintf(extra, sizeof(extra), "Idempotency-Key: %s\r\n", same[i]);
        ask(&client, "POST", "/orders", extra, ORDER, &got);
        ck_assert_int_eq(got.status, 201);
        ck_assert_str_eq(response_header(&got, "Idempotency-Replayed"), "true");
        ck_assert_ptr_nonnull(response_header(&got, "Location"));
        ck_assert_str_eq(got.body, first);
    }
    ask(&client, "POST", "/orders", "Idempotency-Key: k-1\r\n", " " ORDER, &got);
    ck_assert_int_eq(got.status, 422); /* other bytes */
    ask(&client, "POST", "/orders/" OTHER "/cancel", "Idempotency-Key: k-1\r\n", NULL, &got);
    ck_assert_int_eq(got.status, 422); /* another route */
}
END_TEST

START_TEST(full_disk_refuses_with_507)
{
    atomic_store(&node.disk_free, 1 << 20);
    ask(&client, "POST", "/orders", "", ORDER, &got);
    ck_assert_int_eq(got.status, 507);
    ck_assert_ptr_nonnull(response_header(&got, "Retry-After"));
    ask(&client, "GET", "/healthz", "", NULL, &got);
    ck_assert_int_eq(got.status, 503);
    ask(&client, "GET", "/readyz", "", NULL, &got);
    ck_assert_int_eq(got.status, 200);
    ask(&client, "GET", "/status", "", NULL, &got);
    ck_assert_ptr_nonnull(
        strstr(got.body, "\"disk\":{\"freeBytes\":1048576,\"state\":\"reserve\"}"));
    atomic_store(&node.disk_free, INT64_C(1) << 40);
    ask(&client, "POST", "/orders", "", ORDER, &got);
    ck_assert_int_eq(got.status, 201); /* without a restart */
}
END_TEST

static int64_t orders_taken(void)
{
    const struct tb_writer_stats *stats = tb_writer_stats(node.writer);

    return (int64_t)tb_counter_get(&stats->commands[TB_CMD_PLACE][TB_RESULT_DONE]);
}

static void send_order(struct client *one)
{
    client_print(one,
                 "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                 "Content-Length: %zu\r\n\r\n" ORDER,
                 strlen(ORDER));
}

static void wait_for_posted(size_t count)
{
    while (tb_mailbox_count(&node.writer->mailbox) < count)
        usleep(1000);
}

/* The writer has the job: it must outlive the connection, and its answer must not be sent to the
 * next request. */
START_TEST(client_gone_while_its_command_waits)
{
    struct client gone;

    for (int i = 0; i < 20; i++) {
        client_open(&gone, &node);
        send_order(&gone);
        wait_for_posted((size_t)i + 1);
        if (i % 3 == 1)
            shutdown(gone.fd, SHUT_WR); /* the client still reads */
        if (i % 3 == 2) {
            const struct linger reset = {1, 0};
            setsockopt(gone.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        }
        client_close(&gone);
        ask(&client, "GET", "/livez", "", NULL, &got); /* the node still serves others */
        ck_assert_int_eq(got.status, 200);
    }
    node_run_writer(&node);
    ask(&client, "POST", "/orders", "", ORDER, &got);
    ck_assert_int_eq(got.status, 201);
    ck_assert_int_eq(orders_taken(), 21); /* all commands were carried out */
}
END_TEST

START_TEST(half_closed_client_gets_its_answer)
{
    send_order(&client);
    wait_for_posted(1);
    shutdown(client.fd, SHUT_WR);
    node_run_writer(&node);
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 201);
    ck_assert(client_ended(&client));
}
END_TEST

static _Atomic int returned;

static void on_return(struct tb_job *job)
{
    (void)job;
    atomic_fetch_add(&returned, 1);
}

/* A full queue refuses at once, and accepts again when the writer goes on. */
START_TEST(full_queue_refuses_with_503)
{
    struct tb_job *jobs = calloc(TB_WRITER_QUEUE_MAX, sizeof(*jobs));

    ck_assert_ptr_nonnull(jobs);
    for (int i = 0; i < TB_WRITER_QUEUE_MAX; i++) {
        jobs[i].type = TB_JOB_LINK;
        jobs[i].done = on_return;
        ck_assert_int_eq(tb_writer_post(node.writer, &jobs[i]), TB_OK);
    }
    ask(&client, "POST", "/orders", "", ORDER, &got);
    ck_assert_int_eq(got.status, 503);
    ck_assert_str_eq(response_header(&got, "Retry-After"), "1");
    node_run_writer(&node);
    while (atomic_load(&returned) < TB_WRITER_QUEUE_MAX)
        usleep(1000);
    ask(&client, "POST", "/orders", "", ORDER, &got);
    ck_assert_int_eq(got.status, 201);
    free(jobs);
}
END_TEST

/* A stop while the writer has commands: they are answered, then the API ends. */
START_TEST(stop_answers_what_was_taken)
{
    struct client many[10], idle;

    client_open(&idle, &node);
    ask(&idle, "GET", "/livez", "", NULL, &got);
    for (int i = 0; i < 10; i++) {
        client_open(&many[i], &node);
        send_order(&many[i]);
    }
    wait_for_posted(10);
    tb_api_stop(node.api);
    ck_assert(client_ended(&idle)); /* at once: it had no request */
    client_close(&idle);
    node_run_writer(&node);
    for (int i = 0; i < 10; i++) {
        client_read(&many[i], &got, false);
        ck_assert_int_eq(got.status, 201);
        ck_assert_str_eq(response_header(&got, "Connection"), "close");
        ck_assert(client_ended(&many[i]));
        client_close(&many[i]);
    }
    node_stop_api(&node);
}
END_TEST

/* A writer that does not answer: the API ends anyway. Its reply says that the outcome is unknown.
 */
START_TEST(stop_does_not_wait_for_ever)
{
    send_order(&client);
    wait_for_posted(1);
    node_stop_api(&node);
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 503);
    ck_assert_ptr_nonnull(response_header(&got, "Retry-After"));
    ck_assert(client_ended(&client));
}
END_TEST

static TCase *held_case(void)
{
    TCase *tc = tcase_create("held");

    tcase_add_checked_fixture(tc, setup_held, teardown);
    tcase_add_test(tc, client_gone_while_its_command_waits);
    tcase_add_test(tc, half_closed_client_gets_its_answer);
    tcase_add_test(tc, full_queue_refuses_with_503);
    tcase_add_test(tc, stop_answers_what_was_taken);
    tcase_add_test(tc, stop_does_not_wait_for_ever);
    return tc;
}

int main(void)
{
    Suite *suite = suite_create("commands");
    TCase *tc = tcase_create("commands");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, life_of_an_order);
    tcase_add_test(tc, repeats_get_the_first_answer_byte_for_byte);
    tcase_add_test(tc, full_disk_refuses_with_507);
    suite_add_tcase(suite, tc);
    suite_add_tcase(suite, held_case());
    return test_main(suite);
}
