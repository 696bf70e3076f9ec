/* Promise: the link is set, and a log that is not configured is reported until it is forgotten.
 * Method: a real node without Kafka, whose store remembers that it once had it. */
#include "api/node.h"
#include "store/store_priv.h"
#include <stdio.h>

#define ORDER "{\"lines\":[{\"sku\":\"TEA\",\"quantity\":2,\"unitPriceMinor\":350}]}"
#define WAITING                                                                                   \
    "2 events wait for the log kafka, which is not configured: configure it again, or `tillbox "  \
    "link forget kafka`"

static struct node node;
static struct client client;
static struct response got;

static void setup(void)
{
    node_init(&node);
    node_start(&node);
    client_open(&client, &node);
}

static void setup_with_memory(void)
{
    char path[160];
    const struct tb_store_options options = {
        .path = path, .node = "till1", .clock = &tb_clock_system, .random = &tb_random_system};
    struct tb_store *store = NULL;
    struct tb_error err = {0};

    node_init(&node);
    snprintf(path, sizeof path, "%s/store.db", node.dir);
    ck_ok(tb_store_open(&options, &store, &err));
    ck_ok(tb_db_exec(store->db, "INSERT INTO cursors VALUES('kafka', 0, 0)", &err));
    tb_store_free(store);
    node_start(&node);
    client_open(&client, &node);
}

static void teardown(void)
{
    response_release(&got);
    client_close(&client);
    node_stop(&node);
}

static void ck_get(const char *target, int status, const char *text, bool has)
{
    ask(&client, "GET", target, "", NULL, &got);
    ck_assert_int_eq(got.status, status);
    ck_assert_msg((strstr(got.body, text) != NULL) == has, "%s: %s", target, got.body);
}

static void ck_forget(const char *target, int status, const char *body)
{
    ask(&client, "DELETE", target, "", NULL, &got);
    ck_assert_int_eq(got.status, status);
    if (body)
        ck_assert_str_eq(got.body, body);
}

START_TEST(link_is_stored_and_carried_out)
{
    ask(&client, "PUT", "/link", "", "{\"state\":\"offline\"}", &got);
    ck_assert_int_eq(got.status, 200);
    ck_assert_str_eq(got.body, "{\"link\":\"forced-offline\"}");
    ck_assert_int_eq(atomic_load(&node.forced), 1);
    ask(&client, "PUT", "/link", "", "{\"state\":\"auto\"}", &got);
    ck_assert_int_eq(got.status, 200);
    ck_assert_int_eq(atomic_load(&node.forced), 2);
    static const struct {
        const char *body;
        int status;
    } bad[] = {{"{\"state\":\"on\"}", 422},
               {"{}", 422},
               {"[]", 422},
               {"{\"state\":\"auto\",\"x\":1}", 422},
               {"{\"state\":1}", 422},
               {"{\"state\":\"auto\"", 400},
               {"", 400}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ask(&client, "PUT", "/link", "", bad[i].body, &got);
        ck_assert_int_eq(got.status, bad[i].status);
    }
    ck_assert_int_eq(atomic_load(&node.forced), 2);
}
END_TEST

/* Without such a log nothing is said of any. */
START_TEST(a_node_that_never_had_kafka_says_nothing)
{
    ask(&client, "POST", "/orders", "", ORDER, &got);
    ck_get("/status", 200, "unconfiguredLogs", false);
    ck_get("/metrics", 200, "tillbox_unconfigured_log_pending", false);
    ck_get("/healthz", 200, "\"delivery\":{\"status\":\"pass\"}", true);
    ck_forget("/link/kafka", 200,
              "{\"log\":\"kafka\",\"forgotten\":false,\"events\":0,\"parkedOrders\":0}");
}
END_TEST

/* The events count as pending, and health fails, until the log is forgotten. The node stays ready:
 * it sells. */
START_TEST(a_log_that_is_not_configured_is_reported)
{
    ck_get("/status", 200, "\"unconfiguredLogs\":[{\"log\":\"kafka\",\"pending\":0,\"parked\":0}]",
           true);
    ck_get("/healthz", 200, "\"delivery\":{\"status\":\"pass\"}", true);
    ask(&client, "POST", "/orders", "", ORDER, &got);
    ask(&client, "POST", "/orders", "", ORDER, &got);
    ck_get("/status", 200, "\"pending\":2,\"oldestPendingAgeSeconds\":0,\"", true);
    ck_get("/status", 200, "\"log\":\"kafka\",\"pending\":2,", true);
    ck_get("/status", 200, "\"parked\":0,\"problem\":\"" WAITING "\"}]", true);
    ck_get("/metrics", 200, "\ntillbox_outbox_pending 2\n", true);
    ck_get("/metrics", 200, "\ntillbox_outbox_oldest_pending_timestamp_seconds ", true);
    ck_get("/metrics", 200, "\ntillbox_unconfigured_log_pending{log=\"kafka\"} 2\n", true);
    ck_get("/healthz", 503, "\"delivery\":{\"status\":\"fail\",\"detail\":\"" WAITING "\"}", true);
    ck_get("/readyz", 200, "delivery", false);
    ck_forget("/link/kafka", 200,
              "{\"log\":\"kafka\",\"forgotten\":true,\"events\":2,\"parkedOrders\":0}");
    ck_forget("/link/kafka", 200,
              "{\"log\":\"kafka\",\"forgotten\":false,\"events\":0,\"parkedOrders\":0}");
    ck_get("/status", 200, "unconfiguredLogs", false);
    ck_get("/healthz", 200, "\"delivery\":{\"status\":\"pass\"}", true);
}
END_TEST

START_TEST(only_a_known_log_that_is_not_configured_is_forgotten)
{
    static const char *const unknown[] = {"/link/kafak", "/link/KAFKA", "/link/%ff",
                                          "/link/kafka-kafka-kafka-kafka-kafka-kafka"};

    ck_forget("/link/inproc", 409, NULL);
    ck_assert_ptr_nonnull(strstr(got.body, "not configured"));
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        ck_forget(unknown[i], 404, NULL);
    ask(&client, "POST", "/orders", "", ORDER, &got);
    ck_get("/status", 200, "\"log\":\"kafka\",\"pending\":1,", true);
}
END_TEST

/* There is nothing to list. What is parked can be sent again only while its log is configured. */
START_TEST(nothing_is_parked_without_kafka)
{
    ck_get("/link/parked", 200, "{\"parked\":[]}", true);
    ck_get("/healthz", 200, "\"parked\":{\"status\":\"pass\"}", true);
    ask(&client, "POST", "/link/unpark", "", NULL, &got);
    ck_assert_int_eq(got.status, 409);
    ask(&client, "POST", "/link/unpark?orderId=x", "", NULL, &got);
    ck_assert_int_eq(got.status, 400);
    ask(&client, "POST", "/resend", "", NULL, &got);
    ck_assert_int_eq(got.status, 409);
    ask(&client, "POST", "/resend?since=never", "", NULL, &got);
    ck_assert_int_eq(got.status, 400);
    ck_get("/status", 200, "\"resend\"", false);
    ck_get("/healthz", 200, "\"resend\":{\"status\":\"pass\"}", true);
    ck_get("/metrics", 200, "\ntillbox_resending 0\n", true);
    ask(&client, "GET", "/link/unpark", "", NULL, &got);
    ck_assert_int_eq(got.status, 405);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("link");
    TCase *never = tcase_create("never had kafka"), *had = tcase_create("had kafka");

    tcase_add_checked_fixture(never, setup, teardown);
    tcase_add_test(never, link_is_stored_and_carried_out);
    tcase_add_test(never, a_node_that_never_had_kafka_says_nothing);
    tcase_add_test(never, nothing_is_parked_without_kafka);
    suite_add_tcase(suite, never);
    tcase_add_checked_fixture(had, setup_with_memory, teardown);
    tcase_add_test(had, a_log_that_is_not_configured_is_reported);
    tcase_add_test(had, only_a_known_log_that_is_not_configured_is_forgotten);
    suite_add_tcase(suite, had);
    return test_main(suite);
}
