/* Promise: a client can read orders, wait for them, list them and get their sums as documented; a
 * malformed query is refused, and the refusal says why. Method: a real node, whose relay does not
 * run while an order must stay invisible. */
#include "api/node.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    node.no_relay = true;
    node_start(&node);
    client_open(&client, &node);
}

static void teardown(void)
{
    response_release(&got);
    client_close(&client);
    node_stop(&node);
}

#define OTHER "01a207ab-6d5e-71ec-b6c1-58b7ea3e8654"

static void place(const char *body, char order_id[40])
{
    ask(&client, "POST", "/orders", "", body, &got);
    ck_assert_msg(got.status == 201, "%s", got.body);
    body_text(&got, "orderId", order_id, 40);
}

static void place_one(char order_id[40])
{
    place("{\"lines\":[{\"sku\":\"TEA\",\"quantity\":2,\"unitPriceMinor\":350}]}", order_id);
}

static void get(const char *order_id, const char *query)
{
    char target[256];

    snprintf(target, sizeof(target), "/orders/%s%s", order_id, query);
    ask(&client, "GET", target, "", NULL, &got);
}

START_TEST(order_is_read_back)
{
    char order_id[40];

    place_one(order_id);
    get(order_id, "?minVersion=1&wait=20s");
    ck_assert_int_eq(got.status, 200);
    ck_assert_str_eq(response_header(&got, "ETag"), "\"1\"");
    ck_assert_ptr_nonnull(strstr(got.body, order_id));
    ck_assert_ptr_nonnull(strstr(got.body, "\"delivery\":\""));
    while (strstr(got.body, "\"delivery\":\"delivered\"}") == NULL)
        get(order_id, ""); /* the cursor moves a moment later */
    get(OTHER, "");
    ck_assert_int_eq(got.status, 404);
}
END_TEST

START_TEST(invisible_order_is_pending)
{
    char order_id[40];

    place_one(order_id);
    get(order_id, "");
    ck_assert_int_eq(got.status, 404);
    get(order_id, "?minVersion=1");
    ck_assert_int_eq(got.status, 202);
    ck_assert_str_eq(got.body, "{\"status\":\"pending\",\"version\":0}");
    ck_assert_ptr_nonnull(response_header(&got, "Retry-After"));
    get(order_id, "?minVersion=1&wait=20ms");
    ck_assert_int_eq(got.status, 202);
    get(OTHER, "?minVersion=1&wait=20ms"); /* an unknown id waits too */
    ck_assert_int_eq(got.status, 202);
}
END_TEST

/* Many clients wait and one order becomes visible: exactly those that wait for it are answered. */
START_TEST(waiting_readers_wake)
{
    struct client waiting[30], other;
    char order_id[40];

    place_one(order_id);
    for (int i = 0; i < 30; i++) {
        client_open(&waiting[i], &node);
        client_print(&waiting[i],
                     "GET /orders/%s?minVersion=1&wait=30 HTTP/1.1\r\nHost: localhost\r\n\r\n",
                     order_id);
    }
    client_open(&other, &node);
    client_print(&other, "GET /orders/" OTHER "?wait=30 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ck_assert(client_quiet(&waiting[29]));
    node_run_relay(&node);
    for (int i = 0; i < 30; i++) {
        client_read(&waiting[i], &got, false);
        ck_assert_int_eq(got.status, 200);
        client_close(&waiting[i]);
    }
    ck_assert(client_quiet(&other));
    tb_api_stop(node.api); /* answers the clients that wait */
    client_read(&other, &got, false);
    ck_assert_int_eq(got.status, 202);
    client_close(&other);
}
END_TEST

/* A view in which an order becomes visible right after the first read of it. */
static enum tb_code get_too_early(struct tb_view_reader *reader, struct tb_str order_id,
                                  struct tb_buf *ret_doc, int64_t *ret_version,
                                  struct tb_error *err)
{
    enum tb_code code =
        node.api_view->ops->get(node.api_view, order_id, ret_doc, ret_version, err);

    (void)reader;
    if (!node.running[2]) {
        node_run_relay(&node);
        while (atomic_load(&node.told) == 0) /* the notification comes before anybody waits */
            usleep(1000);
    }
    return code;
}

START_TEST(no_version_is_missed_between_read_and_wait)
{
    static const struct tb_view_reader_ops ops = {.get = get_too_early};
    static struct tb_view_reader early = {&ops};
    char order_id[40];

    node_init(&node);
    node.no_relay = true;
    node.other_view = &early;
    node_start(&node);
    client_open(&client, &node);
    place_one(order_id);
    get(order_id, "?minVersion=1&wait=30");
    ck_assert_int_eq(got.status, 200);
    teardown();
}
END_TEST

static enum tb_code get_nothing(struct tb_view_reader *reader, struct tb_str order_id,
                                struct tb_buf *ret_doc, int64_t *ret_version, struct tb_error *err)
{
    (void)reader, (void)order_id, (void)ret_doc, (void)ret_version;
    return tb_error_set(err, TB_NOT_FOUND, "an old copy of the view has no such order");
}

static enum tb_code get_latest(struct tb_view_reader *reader, struct tb_str order_id,
                               struct tb_buf *ret_doc, int64_t *ret_version, struct tb_error *err)
{
    (void)reader;
    return node.api_view->ops->get(node.api_view, order_id, ret_doc, ret_version, err);
}

/* A view that may read from an old copy does not where a client waits for a version. */
START_TEST(who_waits_for_a_version_gets_the_latest)
{
    static const struct tb_view_reader_ops ops = {.get = get_nothing, .get_latest = get_latest};
    static struct tb_view_reader old = {&ops};
    char order_id[40];

    node_init(&node);
    node.other_view = &old;
    node_start(&node);
    client_open(&client, &node);
    place_one(order_id);
    get(order_id, "?minVersion=1&wait=30");
    ck_assert_int_eq(got.status, 200);
    get(order_id, "?minVersion=1");
    ck_assert_int_eq(got.status, 200);
    get(order_id, "?wait=30");
    ck_assert_int_eq(got.status, 200);
    get(order_id, "");
    ck_assert_int_eq(got.status, 404);
    teardown();
}
END_TEST

static const struct {
    const char *target;
    const char *names; /* part of the detail */
} wrong[] = {
    {"/orders/" OTHER "?minVersion=0", "minVersion"},
    {"/orders/" OTHER "?minVersion=-1", "minVersion"},
    {"/orders/" OTHER "?minVersion=x", "minVersion"},
    {"/orders/" OTHER "?minVersion=9007199254740992", "minVersion"},
    {"/orders/" OTHER "?minVersion=1&wait=31s", "wait"},
    {"/orders/" OTHER "?minVersion=1&wait=30001ms", "wait"},
    {"/orders/" OTHER "?minVersion=1&wait=soon", "wait"},
    {"/orders/" OTHER "?minVersion=1&wait=-1s", "wait"},
    {"/orders/" OTHER "?minVersion=1&minVersion=2", "minVersion"},
    {"/orders/" OTHER "?version=1", "version"},
    {"/orders?limit=0", "limit"},
    {"/orders?limit=501", "limit"},
    {"/orders?limit=1.5", "limit"},
    {"/orders?status=LOST", "status"},
    {"/orders?status=placed", "status"},
    {"/orders?from=yesterday", "from"},
    {"/orders?to=2026-02-30", "to"},
    {"/orders?businessDate=2026-11-23T00:00:00Z", "businessDate"},
    {"/orders?cursor=abc", "cursor"},
    {"/orders?customer=C-1", "customer"},
    {"/orders?limit=%3", "limit"},
    {"/orders/stats?groupBy=month", "groupBy"},
    {"/orders/stats?limit=1", "limit"},
    {"/orders/stats?from=x", "from"},
};

START_TEST(malformed_query_is_refused_with_the_reason)
{
    ask(&client, "GET", wrong[_i].target, "", NULL, &got);
    ck_assert_int_eq(got.status, 400);
    ck_assert_ptr_nonnull(strstr(got.body, wrong[_i].names));
    ask(&client, "GET", "/livez", "", NULL, &got);
    ck_assert_int_eq(got.status, 200);
}
END_TEST

static const char *const right[] = {
    "/orders?limit=1",
    "/orders?limit=500",
    "/orders?customerId=&status=&node=&source=&businessDate=&from=&to=&cursor=",
    "/orders?from=2026-11-23&to=2026-11-24",
    "/orders?from=2026-11-23T00:00:00Z&to=2026-11-23T00:00:00.5%2B01:00",
    "/orders?status=CANCELLED&node=till1&source=POS&businessDate=2026-11-23&customerId=C%201",
    "/orders/stats?groupBy=node&from=2026-11-23",
    "/orders/stats?",
};

START_TEST(wellformed_query_is_answered)
{
    ask(&client, "GET", right[_i], "", NULL, &got);
    ck_assert_msg(got.status == 200, "%s", got.body);
}
END_TEST

static size_t count(const char *text, const char *what)
{
    size_t n = 0;

    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what))
        n++;
    return n;
}

/* All pages together have every order once, both by cursor and by Link header. */
START_TEST(pages_are_whole)
{
    char order_id[40], target[512] = "/orders?customerId=C-7&limit=4", seen[16384] = "";
    size_t pages = 0;

    for (int i = 0; i < 10; i++)
        place("{\"customerId\":\"C-7\",\"lines\":[{\"sku\":\"T\",\"quantity\":1,"
              "\"unitPriceMinor\":1}]}",
              order_id);
    place(
        "{\"customerId\":\"C-8\",\"lines\":[{\"sku\":\"T\",\"quantity\":1,\"unitPriceMinor\":1}]}",
        order_id);
    get(order_id, "?wait=20");
    do
        ask(&client, "GET", "/orders?limit=500", "", NULL, &got);
    while (count(got.body, "\"orderNumber\"") < 11);
    ck_assert_uint_eq(count(got.body, "\"delivery\":\""), 11);
    while (target[0] != '\0') {
        ask(&client, "GET", target, "", NULL, &got);
        ck_assert_int_eq(got.status, 200);
        strncat(seen, got.body, sizeof(seen) - strlen(seen) - 1);
        pages++;
        const char *link = response_header(&got, "Link");
        ck_assert_int_eq(link != NULL, strstr(got.body, "\"next\":\"") != NULL);
        target[0] = '\0';
        if (link != NULL) {
            ck_assert_ptr_nonnull(strstr(link, ">; rel=\"next\""));
            ck_assert_int_eq(sscanf(link, "<%500[^>]>", target), 1);
        }
    }
    ck_assert_uint_eq(pages, 3);
    ck_assert_uint_eq(count(seen, "\"orderNumber\""), 10);
    for (int i = 1; i <= 10; i++) {
        char number[64];
        snprintf(number, sizeof(number), "\"till1-%06d\"", i);
        ck_assert_uint_eq(count(seen, number), 1);
    }
}
END_TEST

/* Every order of the store has a digest, whether it is visible in the view or not. */
START_TEST(digests_are_those_of_the_store)
{
    char ids[5][40], target[128] = "/orders/digests?limit=2", seen[8192] = "";
    size_t pages = 0;

    for (int i = 0; i < 5; i++)
        place_one(ids[i]);
    get(ids[0], "");
    ck_assert_int_eq(got.status, 404); /* the view stands still */
    while (target[0] != '\0') {
        const char *next;

        ask(&client, "GET", target, "", NULL, &got);
        ck_assert_int_eq(got.status, 200);
        strncat(seen, got.body, sizeof(seen) - strlen(seen) - 1);
        pages++;
        next = strstr(got.body, "\"next\":\"");
        target[0] = '\0';
        if (next != NULL)
            snprintf(target, sizeof(target), "/orders/digests?limit=2&start=%.36s", next + 8);
    }
    ck_assert_uint_eq(pages, 3);
    for (int i = 0; i < 5; i++)
        ck_assert_ptr_nonnull(strstr(seen, ids[i]));
    ck_assert_uint_eq(count(seen, "\"delivery\":\"pending\"}"), 5);
    ck_assert_uint_eq(count(seen, "\"version\":1,\"status\":\"PLACED\",\"totalMinor\":700,"
                                  "\"currency\":\"EUR\",\"hash\":\""),
                      5);
    ask(&client, "GET", "/orders/digests?of=view", "", NULL, &got);
    ck_assert_str_eq(got.body, "{\"digests\":[]}");
    ask(&client, "GET", "/orders/digests?of=store&limit=1", "", NULL, &got);
    ck_assert_uint_eq(count(got.body, "\"kind\":\"SALE\",\"businessDate\":\"2"), 1);
    ask(&client, "GET", "/orders/digests?of=log", "", NULL, &got);
    ck_assert_int_eq(got.status, 400);
    ask(&client, "GET", "/orders/digests?start=nobody", "", NULL, &got);
    ck_assert_int_eq(got.status, 400);
    ask(&client, "GET", "/orders/digests?limit=1001", "", NULL, &got);
    ck_assert_int_eq(got.status, 400);
}
END_TEST

START_TEST(stats_say_until_when_they_are_complete)
{
    char order_id[40], as_of[32], again[32];

    ask(&client, "GET", "/orders/stats", "", NULL, &got);
    ck_assert_int_eq(got.status, 200);
    ck_assert_ptr_null(strstr(got.body, "groups"));
    place_one(order_id);
    ask(&client, "GET", "/orders/stats?groupBy=status", "", NULL, &got);
    body_text(&got, "asOf", as_of, sizeof(as_of));
    usleep(5000); /* time passes, but the order is still not in the sums */
    ask(&client, "GET", "/orders/stats?groupBy=status", "", NULL, &got);
    body_text(&got, "asOf", again, sizeof(again));
    ck_assert_str_eq(again, as_of);
    ck_assert_ptr_nonnull(strstr(got.body, "\"groups\":[]"));
    node_run_relay(&node);
    get(order_id, "?wait=20");
    ask(&client, "GET", "/orders/stats?groupBy=status", "", NULL, &got);
    ck_assert_ptr_nonnull(strstr(got.body,
                                 "\"totals\":[{\"currency\":\"EUR\",\"orders\":1,\"returns\":0,"
                                 "\"cancelled\":0,\"totalMinor\":700}]"));
    ck_assert_ptr_nonnull(
        strstr(got.body, "\"groups\":[{\"key\":\"PLACED\",\"currency\":\"EUR\""));
}
END_TEST

START_TEST(status_is_read_at_the_moment)
{
    char order_id[40];

    ask(&client, "GET", "/status", "", NULL, &got);
    ck_assert_ptr_nonnull(strstr(got.body, "\"node\":\"till1\""));
    ck_assert_ptr_nonnull(strstr(got.body, "\"pending\":0,"));
    ck_assert_ptr_null(strstr(got.body, "oldestPendingAgeSeconds"));
    place_one(order_id);
    ask(&client, "GET", "/status", "", NULL, &got);
    ck_assert_ptr_nonnull(strstr(got.body, "\"pending\":1,\"oldestPendingAgeSeconds\":"));
    ck_assert_ptr_nonnull(strstr(got.body, "\"lastSequence\":1,\"deliveredSequence\":0,"));
    ck_assert_ptr_nonnull(strstr(got.body, "\"deadLetters\":0,"));
    node_run_relay(&node);
    do
        ask(&client, "GET", "/status", "", NULL, &got);
    while (strstr(got.body, "\"pending\":0,") == NULL);
    ck_assert_ptr_nonnull(strstr(got.body, "\"deliveredSequence\":1,"));
    ck_assert_ptr_nonnull(strstr(got.body, "\"lastDeliveredAt\":\""));
}
END_TEST

START_TEST(metrics_are_prometheus_text)
{
    static const char *const wanted[] = {
        "\nkafka_consumer_lag{topic=\"order-events\",partition=\"0\",group=\"tillbox-edge\"} 0\n",
        "\ntillbox_outbox_pending 1\n",
        "\ntillbox_outbox_oldest_pending_timestamp_seconds 1",
        "\nprojection_freshness_seconds{view=\"sqlite\"} ",
        "\ntillbox_orders_total{command=\"place\",result=\"done\"} 1\n",
        "\ntillbox_commit_seconds_count 1\n",
        "\ntillbox_commit_batch_size_count 1\n",
        "\ntillbox_relay_sent_total 0\n",
        "\ntillbox_relay_state{state=\"running\"} 1\n",
        "\ntillbox_projection_events_total{result=\"applied\"} 0\n",
        "\ntillbox_dead_letters 0\n",
        "\ntillbox_end_to_end_seconds_count 0\n",
        "\ntillbox_end_to_end_unknown_total 0\n",
        "\ntillbox_http_requests_total{route=\"/orders\",code=\"201\"} 1\n",
        "\ntillbox_http_requests_total{route=\"/orders/{id}\",code=\"404\"} 1\n",
        "\ntillbox_http_requests_total{route=\"other\",code=\"404\"} 1\n",
        "\ntillbox_disk_free_bytes 1099511627776\n",
        "\ntillbox_build_info{version=\"",
        "\nprocess_resident_memory_bytes ",
        "\nprocess_cpu_seconds_total ",
        "\nprocess_open_fds ",
        "\nprocess_start_time_seconds 1",
    };
    char order_id[40];

    place_one(order_id);
    get(OTHER, "");
    ask(&client, "GET", "/nothing", "", NULL, &got);
    ask(&client, "GET", "/metrics", "", NULL, &got);
    ck_assert_int_eq(got.status, 200);
    ck_assert_str_eq(response_header(&got, "Content-Type"),
                     "text/plain; version=0.0.4; charset=utf-8");
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        ck_assert_msg(strstr(got.body, wanted[i]) != NULL, "%s is missing in\n%s", wanted[i],
                      got.body);
    /* Each name is declared once, in front of its samples. */
    for (char *line = strtok(got.body, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        ck_assert(line[0] == '#' || strchr(line, ' ') != NULL);
        ck_assert_ptr_null(strstr(line, " -1"));
        ck_assert_ptr_null(strstr(line, "nan"));
    }
    atomic_store(&node.disk_free, -1);
    ask(&client, "GET", "/metrics", "", NULL, &got);
    ck_assert_ptr_null(
        strstr(got.body, "tillbox_disk_free_bytes")); /* not known: absent, never 0 */
}
END_TEST

START_TEST(health)
{
    static const char *const targets[] = {"/livez", "/readyz", "/healthz"};

    for (int i = 0; i < 3; i++) {
        ask(&client, "GET", targets[i], "", NULL, &got);
        ck_assert_int_eq(got.status, 200);
        ck_assert_str_eq(response_header(&got, "Content-Type"), "application/json");
        ck_assert_ptr_nonnull(strstr(got.body, "{\"status\":\"pass\",\"checks\":{"));
    }
    ck_assert_ptr_nonnull(strstr(got.body, "\"store\":{\"status\":\"pass\"}"));
    ck_assert_ptr_nonnull(strstr(got.body, "\"view\":{\"status\":\"pass\"}"));
}
END_TEST

/* Whoever holds a file up is named; without the write lock of the store no order can be taken. */
START_TEST(health_names_who_holds_the_files_up)
{
    static const struct {
        struct tb_hold hold;
        int ready;
        const char *told, *metric;
    } cases[] = {
        {{"store.db", "/data/store.db", "sqlite3", 4711, true, 12000, 4096},
         503,
         "/data/store.db: sqlite3 (pid 4711) has the write lock for 12 s",
         "\ntillbox_file_held_up_seconds{file=\"store.db\",holds=\"write-lock\"} 12\n"},
        {{"store.db", "/data/store.db", "sqlite3", 4711, false, 61000, 4096},
         200,
         "/data/store.db: sqlite3 (pid 4711) reads an old state for 61 s",
         "\ntillbox_file_held_up_seconds{file=\"store.db\",holds=\"snapshot\"} 61\n"},
        {{"log.db", "/data/log.db", "", 0, true, 1000, 0},
         200,
         "/data/log.db: another program, or a query of this node, has the write lock for 1 s",
         "\ntillbox_file_held_up_seconds{file=\"log.db\",holds=\"write-lock\"} 1\n"},
    };

    node.hold = cases[_i].hold;
    atomic_store(&node.has_hold, true);
    ask(&client, "GET", "/readyz", "", NULL, &got);
    ck_assert_int_eq(got.status, cases[_i].ready);
    ask(&client, "GET", "/healthz", "", NULL, &got);
    ck_assert_int_eq(got.status, 503);
    ck_assert_msg(strstr(got.body, cases[_i].told) != NULL, "%s", got.body);
    ask(&client, "GET", "/metrics", "", NULL, &got);
    ck_assert_msg(strstr(got.body, cases[_i].metric) != NULL, "%s", got.body);
    ask(&client, "GET", "/status", "", NULL, &got);
    ck_assert_ptr_nonnull(strstr(got.body, "\"heldUpBy\":[{\"file\":\""));
    ck_assert_ptr_nonnull(strstr(got.body, "\"path\":\"/data/"));
    ck_assert_int_eq(strstr(got.body, "\"pid\":4711") != NULL, cases[_i].hold.pid != 0);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

static TCase *held_case(void)
{
    TCase *tc = tcase_create("held");

    tcase_add_checked_fixture(tc, setup_held, teardown);
    tcase_add_test(tc, invisible_order_is_pending);
    tcase_add_test(tc, waiting_readers_wake);
    tcase_add_loop_test(tc, malformed_query_is_refused_with_the_reason, 0, COUNT(wrong));
    tcase_add_loop_test(tc, wellformed_query_is_answered, 0, COUNT(right));
    tcase_add_test(tc, digests_are_those_of_the_store);
    tcase_add_test(tc, stats_say_until_when_they_are_complete);
    tcase_add_test(tc, status_is_read_at_the_moment);
    tcase_add_test(tc, metrics_are_prometheus_text);
    tcase_add_test(tc, health);
    tcase_add_loop_test(tc, health_names_who_holds_the_files_up, 0, 3);
    return tc;
}

int main(void)
{
    Suite *suite = suite_create("queries");
    TCase *tc = tcase_create("queries");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, order_is_read_back);
    tcase_add_test(tc, pages_are_whole);
    suite_add_tcase(suite, tc);
    suite_add_tcase(suite, held_case());
    tc = tcase_create("early");
    tcase_add_test(tc, no_version_is_missed_between_read_and_wait);
    tcase_add_test(tc, who_waits_for_a_version_gets_the_latest);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
