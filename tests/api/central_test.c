/* Promise: a central answers queries and refuses commands; a view that is slow or unavailable
 * delays nobody else and leaves nobody without an answer; a long poll is answered when the version
 * is published, and within half a second when it is not. Method: a real API over a view that the
 * test controls. */
#include "api/fake_central.h"
#include "api/loop.h"
#include "api/work/query_pool.h"
#include <poll.h>
#include <stdio.h>
#include <string.h>

static struct fake_central central;
static struct client client;
static struct response got;

#define ONE "01a207ab-6d5e-71ec-b6c1-58b7ea3e8654"
#define TWO "01a207ab-6d5e-71ec-b6c1-58b7ea3e8655"

static void setup(void)
{
    fake_central_init(&central);
    fake_central_start(&central);
    client_connect(&client, central.port);
}

static void teardown(void)
{
    response_release(&got);
    client_close(&client);
    fake_central_stop(&central);
}

static void get(const char *target)
{
    ask(&client, "GET", target, "", NULL, &got);
}

static void check_body_has(const char *text)
{
    ck_assert_msg(strstr(got.body, text) != NULL, "no %s in %s", text, got.body);
}

START_TEST(queries_are_answered_and_commands_refused)
{
    fake_central_set_order(&central, ONE, 3);
    get("/orders/" ONE);
    ck_assert_int_eq(got.status, 200);
    ck_assert_str_eq(got.body, "{\"orderId\":\"" ONE "\",\"version\":3}");
    ck_assert_str_eq(response_header(&got, "ETag"), "\"3\"");
    get("/orders/" TWO);
    ck_assert_int_eq(got.status, 404);
    get("/orders");
    ck_assert_str_eq(got.body, "{\"orders\":[{}]}");
    ask(&client, "POST", "/orders", "", "{}", &got);
    ck_assert_int_eq(got.status, 405);
    ck_assert_str_eq(response_header(&got, "Allow"), "GET, HEAD, OPTIONS");
    ask(&client, "POST", "/orders/" ONE "/ship", "", "{}", &got);
    ck_assert_int_eq(got.status, 404);
    check_body_has("the edge that took the order");
    ask(&client, "PUT", "/orders/" ONE "/lines", "", "{}", &got);
    ck_assert_int_eq(got.status, 404);
    ask(&client, "PUT", "/link", "", "{\"state\":\"offline\"}", &got);
    ck_assert_int_eq(got.status, 404);
}
END_TEST

static void begin_get(struct client *one, const char *target)
{
    client_connect(one, central.port);
    client_print(one, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
}

/* A slow query delays no other request. */
START_TEST(a_slow_view_delays_no_other_request)
{
    struct client slow;

    fake_central_close_gate(&central);
    begin_get(&slow, "/orders/" ONE);
    fake_central_wait_blocked(&central, 1);
    get("/livez");
    ck_assert_int_eq(got.status, 200);
    ck_assert(client_quiet(&slow));
    fake_central_advance_ms(&central, 31000);
    client_read(&slow, &got, false); /* and it does not wait for ever either */
    ck_assert_int_eq(got.status, 503);
    ck_assert_ptr_nonnull(response_header(&got, "Retry-After"));
    client_close(&slow);
    fake_central_open_gate(&central);
    get("/orders/" TWO);
    ck_assert_int_eq(got.status, 404);
}
END_TEST

/* Returns when one of the clients can read something. */
static void wait_for_an_answer(const struct client *clients, size_t count)
{
    struct pollfd fds[TB_QUERY_QUEUE_MAX + 3];

    ck_assert_uint_le(count, TB_QUERY_QUEUE_MAX + 3);
    for (size_t i = 0; i < count; i++)
        fds[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
    ck_assert_int_gt(poll(fds, count, -1), 0);
}

START_TEST(too_many_queries_are_refused)
{
    struct client asking[TB_QUERY_QUEUE_MAX + 3];
    size_t answered = 0;

    fake_central_close_gate(&central);
    for (int i = 0; i < 2; i++)
        begin_get(&asking[i], "/orders/" ONE);
    fake_central_wait_blocked(&central, 2);
    for (int i = 2; i < TB_QUERY_QUEUE_MAX + 3; i++)
        begin_get(&asking[i], "/orders/" ONE);
    wait_for_an_answer(asking, TB_QUERY_QUEUE_MAX + 3); /* the refusal: so all have come */
    fake_central_open_gate(&central);
    for (int i = 0; i < TB_QUERY_QUEUE_MAX + 3; i++) {
        client_read(&asking[i], &got, false);
        answered += got.status == 404;
        if (got.status != 404)
            ck_assert_int_eq(got.status, 503);
        client_close(&asking[i]);
    }
    ck_assert_uint_eq(answered, TB_QUERY_QUEUE_MAX + 2);
}
END_TEST

/* Long polls do not all query at once, and none is refused. */
START_TEST(long_polls_outlast_a_crowd)
{
    struct client waiting[TB_QUERY_QUEUE_MAX + 8];

    fake_central_close_gate(&central);
    for (int i = 0; i < TB_QUERY_QUEUE_MAX + 8; i++)
        begin_get(&waiting[i], "/orders/" ONE "?wait=30");
    fake_central_wait_blocked(&central, 2);
    get("/livez"); /* most have come */
    fake_central_set_order(&central, ONE, 1);
    fake_central_open_gate(&central);
    for (int i = 0; i < TB_QUERY_QUEUE_MAX + 8; i++) {
        if (client_quiet(&waiting[i]))
            fake_central_advance_ms(&central, TB_VIEW_POLL_MS);
        client_read(&waiting[i], &got, false);
        ck_assert_int_eq(got.status, 200);
        client_close(&waiting[i]);
    }
}
END_TEST

static const char *const targets[] = {"/orders/" ONE,
                                      "/orders/" ONE "?minVersion=1&wait=5s",
                                      "/orders",
                                      "/orders/stats",
                                      "/nodes",
                                      "/readyz",
                                      "/healthz",
                                      "/dead-letters",
                                      "/dead-letters/order-events-2-17"};

START_TEST(an_unavailable_view_is_reported)
{
    fake_central_set_unavailable(&central, true);
    get(targets[_i]);
    ck_assert_int_eq(got.status, 503);
    ck_assert_ptr_nonnull(response_header(&got, "Retry-After"));
    fake_central_set_unavailable(&central, false);
    fake_central_set_order(&central, ONE, 1);
    get(targets[_i]);
    ck_assert_int_eq(got.status, 200);
}
END_TEST

START_TEST(a_long_poll_is_answered_when_its_version_is_published)
{
    struct client waiting[20], other;

    for (int i = 0; i < 20; i++)
        begin_get(&waiting[i], "/orders/" ONE "?minVersion=2&wait=30");
    begin_get(&other, "/orders/" TWO "?wait=30");
    while (fake_central_gets(&central) < 21)
        get("/livez");
    ck_assert(client_quiet(&waiting[19]));
    fake_central_set_order(&central, ONE, 2);
    tb_api_notify(central.api, ONE, 2, 0);
    for (int i = 0; i < 20; i++) {
        client_read(&waiting[i], &got, false);
        ck_assert_int_eq(got.status, 200);
        check_body_has("\"version\":2");
        client_close(&waiting[i]);
    }
    ck_assert(client_quiet(&other));
    tb_api_stop(central.api); /* nobody is left without an answer */
    client_read(&other, &got, false);
    ck_assert_int_eq(got.status, 202);
    client_close(&other);
}
END_TEST

/* The version is published while a query thread reads, and the read returns the old one. */
START_TEST(a_change_during_a_read_is_not_lost)
{
    struct client waiting;

    fake_central_close_gate(&central);
    begin_get(&waiting, "/orders/" ONE "?wait=30");
    fake_central_wait_blocked(&central, 1);
    tb_api_notify(central.api, ONE, 1, 0);
    get("/livez"); /* the changes have been delivered */
    fake_central_open_gate(&central);
    while (fake_central_gets(&central) < 2)
        get("/livez");
    fake_central_set_order(&central, ONE, 1);
    tb_api_notify(central.api, ONE, 1, 0);
    client_read(&waiting, &got, false);
    ck_assert_int_eq(got.status, 200);
    client_close(&waiting);
}
END_TEST

/* The version is in the view but is never published. */
START_TEST(unpublished_versions_are_found_by_the_view_poll)
{
    struct client one, two;

    begin_get(&one, "/orders/" ONE "?minVersion=7&wait=30");
    begin_get(&two, "/orders/" TWO "?minVersion=2&wait=30");
    while (fake_central_gets(&central) < 2)
        get("/livez");
    fake_central_set_order(&central, ONE, 6);
    fake_central_set_order(&central, TWO, 2);
    fake_central_advance_ms(&central, TB_VIEW_POLL_MS);
    client_read(&two, &got, false);
    ck_assert_int_eq(got.status, 200);
    ck_assert(client_quiet(&one));
    fake_central_set_order(&central, ONE, 7);
    fake_central_advance_ms(&central, TB_VIEW_POLL_MS);
    client_read(&one, &got, false);
    ck_assert_int_eq(got.status, 200);
    client_close(&one);
    client_close(&two);
}
END_TEST

/* The view poll reads nothing while no client waits. */
START_TEST(the_view_is_polled_only_while_somebody_waits)
{
    struct client waiting;

    begin_get(&waiting, "/orders/" ONE "?wait=1");
    fake_central_advance_ms(&central, 1000);
    client_read(&waiting, &got, false);
    ck_assert_int_eq(got.status, 202);
    client_close(&waiting);
    get("/livez");
    pthread_mutex_lock(&central.lock);
    uint64_t view_polls = central.view_polls;
    pthread_mutex_unlock(&central.lock);
    for (int i = 0; i < 20; i++) {
        fake_central_advance_ms(&central, TB_VIEW_POLL_MS);
        get("/livez");
    }
    pthread_mutex_lock(&central.lock);
    ck_assert_uint_le(central.view_polls, view_polls + 1); /* one may have been under way */
    pthread_mutex_unlock(&central.lock);
}
END_TEST

START_TEST(the_deadline_passes_during_a_read)
{
    struct client waiting;

    fake_central_close_gate(&central);
    begin_get(&waiting, "/orders/" ONE "?minVersion=1&wait=5s");
    fake_central_wait_blocked(&central, 1);
    fake_central_advance_ms(&central, 5000);
    client_read(&waiting, &got, false);
    ck_assert_int_eq(got.status, 202);
    ck_assert_str_eq(got.body, "{\"status\":\"pending\",\"version\":0}");
    fake_central_set_order(&central, ONE, 1);
    fake_central_open_gate(&central); /* what comes back now is nobody's */
    client_print(&waiting, "GET /orders/" ONE " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_read(&waiting, &got, false);
    ck_assert_int_eq(got.status, 200);
    client_close(&waiting);
}
END_TEST

/* A long poll lasts longer than a query may: it is queried again and again. */
START_TEST(a_long_poll_outlives_its_queries)
{
    struct client waiting;

    begin_get(&waiting, "/orders/" ONE "?wait=30");
    while (fake_central_gets(&central) < 1)
        get("/livez");
    for (int i = 0; i < 29; i++) {
        fake_central_advance_ms(&central, 1000);
        get("/livez");
    }
    ck_assert(client_quiet(&waiting));
    fake_central_set_order(&central, ONE, 1);
    tb_api_notify(central.api, ONE, 1, 0);
    client_read(&waiting, &got, false);
    ck_assert_int_eq(got.status, 200);
    client_close(&waiting);
}
END_TEST

START_TEST(digests_are_those_of_the_view)
{
    fake_central_set_order(&central, ONE, 3);
    fake_central_set_order(&central, TWO, 1);
    get("/orders/digests?limit=1");
    ck_assert_int_eq(got.status, 200);
    check_body_has("{\"digests\":[{\"orderId\":\"" ONE "\",\"node\":\"till1\",\"version\":3,"
                   "\"status\":\"PLACED\",\"totalMinor\":0,\"currency\":\"EUR\",\"hash\":\"");
    check_body_has("\"}],\"next\":\"" TWO "\"}");
    get("/orders/digests?start=" TWO);
    ck_assert_ptr_null(strstr(got.body, ONE));
    check_body_has("\"orderId\":\"" TWO "\"");
    check_body_has("}]}"); /* and no next */
    get("/orders/digests?of=view&limit=1");
    check_body_has(ONE);
    get("/orders/digests?of=store"); /* a central has none */
    ck_assert_int_eq(got.status, 400);
}
END_TEST

static void add_node(const char *name, enum tb_node_state state, int64_t through_ms)
{
    static struct tb_hole hole = {5, 7};
    static struct tb_epoch_report epoch = {
        .epoch = "00112233445566aa", .complete_through = 4, .last_sequence = 9, .holes = &hole};
    struct tb_node_report *node = &central.nodes[central.node_count++];

    snprintf(node->node, sizeof node->node, "%s", name);
    node->state = state;
    node->complete_through_at_ms = through_ms;
    node->pending = -1;
    epoch.hole_count = 1;
    node->epochs = &epoch;
    node->epoch_count = 1;
}

START_TEST(nodes_are_shown)
{
    add_node("till1", TB_NODE_BEHIND, 1795425003000);
    central.nodes[0].last_seen_at_ms = 1795425003660;
    central.nodes[0].pending = 5;
    central.nodes[0].oldest_pending_at_ms = 1795425003500;
    central.nodes[0].has_clock_offset = true;
    central.nodes[0].clock_offset_ms = -12;
    central.nodes[0].late_orders = 2;
    memcpy(central.nodes[0].complete_through_date, "2026-11-21", TB_DATE_SIZE);
    memcpy(central.nodes[0].business_date, "2026-11-22", TB_DATE_SIZE);
    central.nodes[0].day_ends_at_ms = 1795507200000;
    memcpy(central.nodes[0].version, "0.1.0", 6);
    add_node("till2", TB_NODE_SILENT, 0);
    get("/nodes");
    ck_assert_int_eq(got.status, 200);
    ck_assert_str_eq(
        got.body,
        "{\"summary\":{\"nodes\":2,\"current\":0,\"behind\":1,\"silent\":1,\"forked\":0,"
        "\"retired\":0},"
        "\"nodes\":[{\"node\":\"till1\",\"state\":\"behind\","
        "\"lastSeenAt\":\"2026-11-23T09:10:03.660Z\","
        "\"completeThroughAt\":\"2026-11-23T09:10:03.000Z\","
        "\"completeThroughDate\":\"2026-11-21\",\"businessDate\":\"2026-11-22\","
        "\"dayEndsAt\":\"2026-11-24T08:00:00.000Z\",\"pending\":5,"
        "\"oldestPendingAt\":\"2026-11-23T09:10:03.500Z\",\"clockOffsetMs\":-12,\"lateOrders\":2,"
        "\"version\":\"0.1.0\",\"epochs\":[{\"epoch\":\"00112233445566aa\",\"completeThrough\":4,"
        "\"lastSequence\":9,\"holes\":[[5,7]]}]},"
        "{\"node\":\"till2\",\"state\":\"silent\",\"lateOrders\":0,\"epochs\":["
        "{\"epoch\":\"00112233445566aa\",\"completeThrough\":4,\"lastSequence\":9,"
        "\"holes\":[[5,7]]}]}]}");
}
END_TEST

/* Follows a list of nodes page by page, and returns how many nodes the pages have together: each
 * once, in the order of their names. */
static int walk_nodes(const char *query, int page_max)
{
    char path[256], last[16] = "";
    int count = 0;

    snprintf(path, sizeof path, "/nodes?%s", query);
    for (;;) {
        const char *at, *next;
        int on_page = 0;

        get(path);
        ck_assert_int_eq(got.status, 200);
        check_body_has("\"summary\":{\"nodes\":50,\"current\":22,\"behind\":0,\"silent\":25,"
                       "\"forked\":1,\"retired\":2}");
        for (at = got.body; (at = strstr(at, "{\"node\":\"till")); at += 6) {
            char name[16];

            ck_assert_int_eq(sscanf(at, "{\"node\":\"%15[^\"]", name), 1);
            ck_assert_int_gt(strcmp(name, last), 0);
            memcpy(last, name, sizeof last);
            on_page++;
        }
        ck_assert_int_le(on_page, page_max);
        count += on_page;
        next = strstr(got.body, "\"next\":\"");
        if (!next)
            return count;
        ck_assert_int_eq(on_page, page_max);
        snprintf(path, sizeof path, "/nodes?%s&cursor=%.*s", query, (int)strcspn(next + 8, "\""),
                 next + 8);
    }
}

/* Pages have each node once, whatever their size; state= keeps to one state, and the summary is
 * always of all nodes. */
START_TEST(nodes_come_in_pages)
{
    char name[16];

    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "till%02d", i);
        add_node(name, i == 33 ? TB_NODE_FORKED : i % 2 ? TB_NODE_CURRENT : TB_NODE_SILENT, 1);
    }
    central.nodes[7].state = central.nodes[41].state = TB_NODE_RETIRED;
    ck_assert_int_eq(walk_nodes("", 100), 50);
    ck_assert_int_eq(walk_nodes("limit=7", 7), 50);
    ck_assert_int_eq(walk_nodes("limit=50", 50), 50);
    ck_assert_int_eq(walk_nodes("state=silent&limit=10", 10), 25);
    ck_assert_int_eq(walk_nodes("state=forked", 100), 1);
    ck_assert_int_eq(walk_nodes("state=behind", 100), 0);
    ck_assert_int_eq(walk_nodes("state=retired&limit=1", 1), 2);
    get("/nodes?state=well");
    ck_assert_int_eq(got.status, 400);
    check_body_has("one of current behind silent forked retired");
    get("/nodes?cursor=x");
    ck_assert_int_eq(got.status, 400);
    get("/nodes?limit=501");
    ck_assert_int_eq(got.status, 400);
}
END_TEST

/* A fleet of any size has series for 20 nodes: those that a person should look at. */
START_TEST(metrics_name_the_worst_nodes)
{
    char name[16];

    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "till%02d", i);
        add_node(name, i == 33 ? TB_NODE_FORKED : i % 2 ? TB_NODE_CURRENT : TB_NODE_SILENT, 1);
        central.nodes[i].last_seen_at_ms = 1795425003000 + (i * 7) % 50;
    }
    get("/metrics");
    check_body_has("\ntillbox_nodes{state=\"current\"} 24\n");
    check_body_has("\ntillbox_nodes{state=\"silent\"} 25\n");
    check_body_has("\ntillbox_nodes{state=\"forked\"} 1\n");
    check_body_has("\ntillbox_nodes{state=\"behind\"} 0\n");
    for (int i = 0; i < 50; i++) {
        /* Of the silent ones the 19 that are silent longest: 2 * 19 of 50 moments. */
        bool expected = i == 33 || (i % 2 == 0 && (i * 7) % 50 < 38);

        snprintf(name, sizeof name, "{node=\"till%02d\"", i);
        ck_assert_msg((strstr(got.body, name) != NULL) == expected, "%s", name);
    }
}
END_TEST

/* For alerts on silent nodes; a node without a heartbeat has no such time. */
START_TEST(metrics_have_the_last_seen_time_of_nodes)
{
    add_node("till1", TB_NODE_CURRENT, 1795425003000);
    central.nodes[0].last_seen_at_ms = 1795425003660;
    add_node("till2", TB_NODE_SILENT, 0);
    get("/metrics");
    ck_assert_int_eq(got.status, 200);
    ck_assert_ptr_nonnull(strstr(
        got.body, "\ntillbox_node_last_seen_timestamp_seconds{node=\"till1\"} 1795425003.66"));
    ck_assert_ptr_null(strstr(got.body, "{node=\"till2\"}"));
}
END_TEST

/* Sums are complete through the moment through which every node is; who is not up to date is
 * named. */
START_TEST(stats_say_until_when_they_are_complete)
{
    get("/orders/stats");
    ck_assert_str_eq(got.body, "{\"asOf\":\"2026-11-23T09:10:03.660Z\",\"heldBackBy\":[],"
                               "\"totals\":[]}");
    add_node("till1", TB_NODE_CURRENT, 1795425003000);
    add_node("till2", TB_NODE_BEHIND, 1795425001000);
    get("/orders/stats");
    check_body_has("\"completeThrough\":\"2026-11-23T09:10:01.000Z\",\"heldBackBy\":[\"till2\"]");
    memcpy(central.nodes[0].complete_through_date, "2026-11-22", TB_DATE_SIZE);
    get("/orders/stats");
    ck_assert_ptr_null(strstr(got.body, "completeThroughDate")); /* till2's days are not known */
    memcpy(central.nodes[1].complete_through_date, "2026-11-21", TB_DATE_SIZE);
    get("/orders/stats");
    check_body_has("01.000Z\",\"completeThroughDate\":\"2026-11-21\",\"heldBackBy\":[\"till2\"]");
    add_node("till3", TB_NODE_SILENT, 0); /* nothing is known of it */
    get("/orders/stats");
    check_body_has("\"asOf\":\"2026-11-23T09:10:03.660Z\",\"heldBackBy\":[\"till2\",\"till3\"]");
}
END_TEST

/* It holds nothing back, no alert is about it, and it is counted apart; that it sends is told. */
START_TEST(a_retired_node_is_shown_and_waited_for_by_nobody)
{
    add_node("till1", TB_NODE_CURRENT, 1795425003000);
    add_node("till9", TB_NODE_SILENT, 0);
    central.nodes[1].last_seen_at_ms = 1795425003000;
    ask(&client, "POST", "/nodes/till9/retire", "", NULL, &got);
    ck_assert_int_eq(got.status, 200);
    check_body_has("{\"node\":\"till9\",\"state\":\"retired\","
                   "\"retiredAt\":\"2026-11-23T09:10:03.660Z\",\"retiredBy\":\"127.0.0.1:");
    check_body_has("\"lastSeenAt\":\"2026-11-23T09:10:03.000Z\",\"lateOrders\":0,\"epochs\":[{");
    ck_assert_str_eq(central.retired_by, central.nodes[1].retired.by);
    get("/orders/stats");
    check_body_has("\"completeThrough\":\"2026-11-23T09:10:03.000Z\",\"heldBackBy\":[]");
    get("/status");
    check_body_has(
        "\"nodes\":{\"current\":1,\"behind\":0,\"silent\":0,\"forked\":0,\"retired\":1}");
    ck_assert_ptr_null(strstr(got.body, "retiredSending"));
    get("/metrics");
    check_body_has("\ntillbox_nodes{state=\"silent\"} 0\n");
    check_body_has("\ntillbox_nodes{state=\"retired\"} 1\n");
    check_body_has("\ntillbox_nodes_retired_sending 0\n");
    ck_assert_ptr_null(strstr(got.body, "{node=\"till9\"}"));
    central.nodes[1].sends = true;
    get("/nodes");
    check_body_has("\"sends\":true");
    get("/status");
    check_body_has("\"retiredSending\":[\"till9\"]");
    get("/metrics");
    check_body_has("\ntillbox_nodes_retired_sending 1\n");
    central.nodes[1].sends = false;
    memset(central.retired_by, 0, sizeof central.retired_by);
    ask(&client, "POST", "/nodes/till9/unretire", "", NULL, &got);
    ck_assert_int_eq(got.status, 200);
    check_body_has("{\"node\":\"till9\",\"state\":\"silent\",\"lastSeenAt\":");
    ck_assert_int_eq(strncmp(central.retired_by, "127.0.0.1:", 10), 0);
    get("/orders/stats");
    check_body_has("\"heldBackBy\":[\"till9\"]");
}
END_TEST

static const struct {
    const char *target, *body;
    int status;
} refused_retirements[] = {
    {"/nodes/till2/retire", NULL, 404},
    {"/nodes/till2/unretire", NULL, 404},
    {"/nodes/till.1/retire", NULL, 404},
    {"/nodes/a-name-of-more-than-thirty-two-letters/retire", NULL, 404},
    {"/nodes//retire", NULL, 404},
    {"/nodes/till1/retire?force=1", NULL, 400},
    {"/nodes/till1/retire", "{}", 422},
};

START_TEST(retirements_are_refused)
{
    add_node("till1", TB_NODE_CURRENT, 1795425003000);
    ask(&client, "POST", refused_retirements[_i].target, "", refused_retirements[_i].body, &got);
    ck_assert_int_eq(got.status, refused_retirements[_i].status);
    ck_assert_int_eq(central.nodes[0].state, TB_NODE_CURRENT);
    fake_central_set_unavailable(&central, true);
    ask(&client, "POST", "/nodes/till1/retire", "", NULL, &got);
    ck_assert_int_eq(got.status, 503);
    ck_assert_ptr_nonnull(response_header(&got, "Retry-After"));
    ck_assert_int_eq(central.nodes[0].state, TB_NODE_CURRENT);
}
END_TEST

static void hold_some(void)
{
    for (int p = 0; p < TEST_PARTITIONS; p++)
        central.ends[p] = -1;
    central.ends[1] = 10;
    central.committed[1] = 4;
    central.ends[4] = 5;
    central.committed[4] = -1;
}

START_TEST(status_and_metrics_show_the_partitions_read_here)
{
    hold_some();
    get("/status");
    ck_assert_str_eq(got.body,
                     "{\"role\":\"central\",\"group\":\"tillbox-central\",\"partitions\":["
                     "{\"partition\":1,\"committed\":4,\"end\":10,\"lag\":6,\"generation\":1},"
                     "{\"partition\":4,\"committed\":0,\"end\":5,\"lag\":5,\"generation\":1}],"
                     "\"deadLetters\":3,\"nodes\":{\"current\":0,\"behind\":0,\"silent\":0,"
                     "\"forked\":0,\"retired\":0},\"asOf\":\"2026-11-23T09:10:03.660Z\","
                     "\"version\":\"" TB_VERSION "\"}");
    get("/metrics");
    check_body_has("kafka_consumer_lag{topic=\"order-events\",partition=\"1\","
                   "group=\"tillbox-central\"} 6\n");
    ck_assert_ptr_null(strstr(got.body, "partition=\"0\""));
    ck_assert_ptr_null(strstr(got.body, "tillbox_outbox"));
    check_body_has("tillbox_dead_letters 3\n");
    check_body_has("tillbox_http_requests_total{route=\"/status\",code=\"200\"} 1\n");
}
END_TEST

/* Other processes read all partitions, or the group lost them: then the view may be incomplete. */
START_TEST(a_process_that_reads_no_partition_reports_no_age)
{
    for (int p = 0; p < TEST_PARTITIONS; p++)
        central.ends[p] = central.committed[p] = 7;
    get("/metrics");
    check_body_has("projection_freshness_seconds{view=\"mongodb\"} 0.000\n");
    for (int p = 0; p < TEST_PARTITIONS; p++)
        central.ends[p] = -1;
    get("/metrics");
    ck_assert_ptr_null(strstr(got.body, "projection_freshness_seconds{"));
    get("/healthz");
    check_body_has("\"log\":{\"status\":\"pass\"}");
}
END_TEST

/* The status is answered even when everything else fails. */
START_TEST(status_reports_the_problem)
{
    fake_central_set_unavailable(&central, true);
    hold_some();
    get("/status");
    ck_assert_int_eq(got.status, 200);
    check_body_has("\"problem\":\"MongoDB is away\"");
    ck_assert_ptr_null(strstr(got.body, "deadLetters")); /* not known: not 0 */
    snprintf(central.problem, sizeof central.problem, "no broker answers");
    central.log_away = true;
    get("/status");
    ck_assert_int_eq(got.status, 200);
    check_body_has("\"problem\":\"no broker answers\"");
    check_body_has("\"partitions\":[]");
    get("/metrics");
    ck_assert_int_eq(got.status, 200);
    ck_assert_ptr_null(strstr(got.body, "kafka_consumer_lag{"));
    ck_assert_ptr_null(strstr(got.body, "tillbox_dead_letters "));
}
END_TEST

START_TEST(health_names_the_failing_check)
{
    hold_some();
    central.log_away = true;
    atomic_store(&central.stats.failing, true);
    snprintf(central.problem, sizeof central.problem, "no broker answers");
    get("/readyz"); /* what is in the view can be read */
    ck_assert_int_eq(got.status, 200);
    get("/healthz");
    ck_assert_int_eq(got.status, 503);
    check_body_has("\"view\":{\"status\":\"pass\"}");
    check_body_has("\"log\":{\"status\":\"fail\"");
    check_body_has("\"consumer\":{\"status\":\"fail\",\"detail\":\"no broker answers\"}");
}
END_TEST

/* A connection does not outlive so much time. */
static void pass_ms(int64_t ms)
{
    client_close(&client);
    fake_central_advance_ms(&central, ms);
    client_connect(&client, central.port);
}

/* Nothing fails, but a partition does not move on. Those that move are not named. */
START_TEST(a_partition_that_stands_still_is_named)
{
    hold_some();
    get("/healthz");
    ck_assert_int_eq(got.status, 200);
    pass_ms(59000);
    get("/healthz");
    ck_assert_int_eq(got.status, 200);
    get("/metrics");
    check_body_has("tillbox_view_stalled_seconds 0.000\n");
    central.ends[1] = 12;
    central.committed[4] = 1;
    pass_ms(6000);
    get("/healthz");
    ck_assert_int_eq(got.status, 503);
    check_body_has(
        "\"progress\":{\"status\":\"fail\",\"detail\":\"partition 1 stands still for 65 s: "
        "the view lacks 8 of its events\"}");
    get("/metrics");
    check_body_has("tillbox_view_stalled_seconds 65.");
    central.committed[1] = 5;
    get("/healthz");
    ck_assert_int_eq(got.status, 200);
    central.committed[1] = 12;
    central.committed[4] = 5;
    pass_ms(600000);
    get("/healthz");
    ck_assert_int_eq(got.status, 200);
    central.ends[1] = 13; /* new, after a long time without any */
    get("/healthz");
    ck_assert_int_eq(got.status, 200);
}
END_TEST

/* An event that has arrived and is not in the view is no health, and is named. */
START_TEST(a_conflict_is_named)
{
    get("/healthz");
    ck_assert_int_eq(got.status, 200);
    get("/status");
    ck_assert_ptr_null(strstr(got.body, "\"conflicts\""));
    central.has_conflict = true;
    get("/status");
    check_body_has("\"conflicts\":[{\"deadLetter\":\"order-events-2-17\",\"node\":\"till2\","
                   "\"message\":\"version 1 is there with another event id\"}]");
    get("/healthz");
    ck_assert_int_eq(got.status, 503);
    check_body_has("\"events\":{\"status\":\"fail\",\"detail\":\"node till2: the view lacks an "
                   "event: version 1 is there with another event id (dead letter "
                   "order-events-2-17)\"}");
    get("/readyz");
    ck_assert_int_eq(got.status, 200);
}
END_TEST

/* As on an edge, but the log is a broker, which may be unreachable. */
START_TEST(dead_letters_are_replayed_and_dropped)
{
    static const char target[] = "/dead-letters/order-events-2-17/replay";

    get("/dead-letters?limit=1");
    ck_assert_int_eq(got.status, 200);
    check_body_has("\"id\":\"order-events-2-17\"");
    check_body_has("\"next\":");
    ask(&client, "POST", target, "", "{\"value\":{\"a\": 1.50}}", &got);
    ck_assert_int_eq(got.status, 202);
    ck_assert_str_eq(central.sent, "{\"a\":1.50}"); /* numbers as they stood */
    ask(&client, "DELETE", "/dead-letters/order-events-2-17", "", NULL, &got);
    ck_assert_int_eq(got.status, 409);
    fake_central_set_unavailable(&central, true);
    ask(&client, "POST", target, "", NULL, &got);
    ck_assert_int_eq(got.status, 503);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("api/central");
    TCase *tc = tcase_create("central");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, queries_are_answered_and_commands_refused);
    tcase_add_test(tc, a_slow_view_delays_no_other_request);
    tcase_add_test(tc, too_many_queries_are_refused);
    tcase_add_test(tc, long_polls_outlast_a_crowd);
    tcase_add_loop_test(tc, an_unavailable_view_is_reported, 0,
                        (int)(sizeof targets / sizeof *targets));
    tcase_add_test(tc, dead_letters_are_replayed_and_dropped);
    tcase_add_test(tc, a_long_poll_is_answered_when_its_version_is_published);
    tcase_add_test(tc, a_change_during_a_read_is_not_lost);
    tcase_add_test(tc, unpublished_versions_are_found_by_the_view_poll);
    tcase_add_test(tc, the_view_is_polled_only_while_somebody_waits);
    tcase_add_test(tc, the_deadline_passes_during_a_read);
    tcase_add_test(tc, a_long_poll_outlives_its_queries);
    tcase_add_test(tc, digests_are_those_of_the_view);
    tcase_add_test(tc, nodes_are_shown);
    tcase_add_test(tc, nodes_come_in_pages);
    tcase_add_test(tc, metrics_name_the_worst_nodes);
    tcase_add_test(tc, metrics_have_the_last_seen_time_of_nodes);
    tcase_add_test(tc, stats_say_until_when_they_are_complete);
    tcase_add_test(tc, a_retired_node_is_shown_and_waited_for_by_nobody);
    tcase_add_loop_test(tc, retirements_are_refused, 0,
                        (int)(sizeof refused_retirements / sizeof *refused_retirements));
    tcase_add_test(tc, status_and_metrics_show_the_partitions_read_here);
    tcase_add_test(tc, a_process_that_reads_no_partition_reports_no_age);
    tcase_add_test(tc, status_reports_the_problem);
    tcase_add_test(tc, health_names_the_failing_check);
    tcase_add_test(tc, a_partition_that_stands_still_is_named);
    tcase_add_test(tc, a_conflict_is_named);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
