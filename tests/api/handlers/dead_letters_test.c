/* Promise: over HTTP a dead letter can be read, replayed with a corrected value, and dropped.
 * After a replay, the later events of the order, which waited for it, are applied without another
 * request. Method: a whole node; the test appends records to its log that no till would write. */
#include "api/handlers/cursor.h"
#include "api/handlers/dead_letters.h"
#include "api/node.h"
#include "base/json/json.h"
#include "bridge/log/append_queue.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORDER "019ab0c1-0000-7000-8000-000000000001"
#define OTHER "019ab0c1-0000-7000-8000-000000000002"
#define PLACED(id)                                                                                \
    "{\"orderId\":\"" id "\",\"version\":1,\"status\":\"PLACED\",\"kind\":\"SALE\","              \
    "\"totalMinor\":700,\"currency\":\"EUR\",\"placedAt\":\"2026-01-02T03:04:05.678Z\","          \
    "\"businessDate\":\"2026-01-02\",\"node\":\"till1\",\"source\":\"POS\","                      \
    "\"lines\":[{\"sku\":\"TEA-1\",\"quantity\":2,\"unitPriceMinor\":350}]}"
#define SHIPPED(id)                                                                               \
    "{\"orderId\":\"" id "\",\"version\":2,\"occurredAt\":\"2026-01-02T03:04:06.000Z\"}"

static struct node node;
static struct client client;
static struct response got;

static void setup(void)
{
    node_init(&node);
    node_start(&node);
    client_open(&client, &node);
}

static void teardown(void)
{
    response_release(&got);
    client_close(&client);
    node_stop(&node);
}

/* Appends to the node's log, as another producer might. */
static void put(const char *key, const char *type, struct tb_str value)
{
    const struct tb_header headers[] = {{TB_STR("ce_type"), tb_str_of(type)},
                                        {TB_STR("ce_id"), TB_STR("an-event")},
                                        {TB_STR("raw"), TB_STR("\xff\x00")},
                                        {TB_STR("twice"), TB_STR("1")},
                                        {TB_STR("twice"), {0}}};
    const struct tb_record record = {
        .key = tb_str_of(key), .value = value, .headers = headers, .header_count = 5};
    struct tb_error err = {0};

    ck_ok(tb_append_queue_send(node.append_queue, &record, 20000, &err));
}

static void put_text(const char *key, const char *type, const char *value)
{
    put(key, type, tb_str_of(value));
}

static void get(const char *target)
{
    ask(&client, "GET", target, "", NULL, &got);
}

static void check_has(const char *text)
{
    ck_assert_msg(strstr(got.body, text) != NULL, "no %s in %s", text, got.body);
}

/* Reads a list until it contains the text, for 20 s at most. */
static void wait_for(const char *target, const char *text)
{
    int64_t until_ms = tb_clock_mono_ms(&tb_clock_system) + 20000;

    do {
        get(target);
        ck_assert_int_eq(got.status, 200);
        if (strstr(got.body, text) != NULL)
            return;
    } while (tb_clock_mono_ms(&tb_clock_system) < until_ms);
    ck_abort_msg("%s never said %s, but %s", target, text, got.body);
}

static size_t count_of(const char *text)
{
    size_t count = 0;

    for (const char *at = got.body; (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

/* Reads a list until it has `count` dead letters. Records of different orders are in different
 * partitions, and the consumer may read these in any sequence: so the dead letter of one order
 * does not prove that another order's is visible too. */
static void wait_for_dead_letters(const char *target, size_t count)
{
    int64_t until_ms = tb_clock_mono_ms(&tb_clock_system) + 20000;

    do {
        get(target);
        ck_assert_int_eq(got.status, 200);
        ck_assert_uint_le(count_of("\"id\":"), count);
        if (count_of("\"id\":") == count)
            return;
    } while (tb_clock_mono_ms(&tb_clock_system) < until_ms);
    ck_abort_msg("%s never had %zu letters, but %s", target, count, got.body);
}

/* The id of the first dead letter of a list. */
static void first_id(const char *target, char ret_id[TB_DEAD_LETTER_ID_SIZE])
{
    const char *at;

    get(target);
    ck_assert_int_eq(got.status, 200);
    at = strstr(got.body, "\"id\":\"");
    ck_assert_msg(at != NULL, "%s", got.body);
    (void)snprintf(ret_id, TB_DEAD_LETTER_ID_SIZE, "%.*s", (int)strcspn(at + 6, "\""), at + 6);
}

static void command(const char *method, const char *id, const char *more, const char *body)
{
    char target[400];

    (void)snprintf(target, sizeof(target), "/dead-letters/%s%s", id, more);
    ask(&client, method, target, "", body, &got);
}

static void check_open_count(const char *count)
{
    char text[40];

    (void)snprintf(text, sizeof(text), "\"deadLetters\":%s,", count);
    get("/status");
    check_has(text);
}

/* Appends an OrderPlaced that is cut off in the middle, and a later event of the order. */
static void put_broken_order(const char *order_id)
{
    char placed[sizeof(PLACED(ORDER))];

    (void)snprintf(placed, sizeof(placed), "%.*s", 60, PLACED(ORDER));
    put_text(order_id, "OrderPlaced.v2", placed);
    put_text(order_id, "OrderShipped.v1",
             strcmp(order_id, ORDER) == 0 ? SHIPPED(ORDER) : SHIPPED(OTHER));
}

START_TEST(a_dead_letter_is_shown_with_all_its_parts)
{
    char id[TB_DEAD_LETTER_ID_SIZE], target[TB_DEAD_LETTER_ID_SIZE + 20];

    put_text(ORDER, "OrderShipped.v1", SHIPPED(ORDER));
    wait_for("/dead-letters", ORDER);
    first_id("/dead-letters", id);
    ck_assert_int_eq(strncmp(id, "order-events-", 13), 0);
    (void)snprintf(target, sizeof(target), "/dead-letters/%s", id);
    get(target);
    ck_assert_int_eq(got.status, 200);
    check_has(
        "\"orderId\":\"" ORDER "\",\"version\":2,\"type\":\"OrderShipped.v1\","
        "\"reason\":\"tillbox.gap\",\"message\":\"version 2 came while the order stands at 0\","
        "\"topic\":\"order-events\",\"partition\":");
    check_has("\"offset\":0,\"deadAt\":\"");
    check_has("\"changedAt\":\"");
    check_has(
        "\"attempts\":1,\"status\":\"open\",\"key\":\"" ORDER "\",\"headers\":{"
        "\"ce_type\":\"OrderShipped.v1\",\"ce_id\":\"an-event\",\"raw\":{\"base64\":\"/wA=\"},"
        "\"twice\":[\"1\",null]},\"value\":\"{\\\"orderId\\\":");
    check_open_count("1");
    ask(&client, "HEAD", target, "", NULL, &got);
    ck_assert_int_eq(got.status, 200);
}
END_TEST

START_TEST(bytes_that_are_no_utf8_are_base64)
{
    put(ORDER, "OrderShipped.v1", (struct tb_str){"{\xff\xfe", 3});
    put(OTHER, "OrderShipped.v1", (struct tb_str){"a\0b", 3});
    wait_for("/dead-letters?orderId=" ORDER, "\"valueBase64\":\"e//+\"");
    wait_for("/dead-letters?orderId=" OTHER, "\"valueBase64\":\"YQBi\"");
    ck_assert_ptr_null(strstr(got.body, "\"value\":"));
}
END_TEST

START_TEST(lists_are_filtered_and_paged)
{
    char target[300], next[TB_PAGE_CURSOR_SIZE];
    size_t seen = 0;

    for (int i = 0; i < 7; i++)
        put_text(ORDER, "OrderShipped.v1", SHIPPED(ORDER));
    put_text(OTHER, "OrderPlaced.v2", "{");
    wait_for("/dead-letters?reason=decode", OTHER);
    ck_assert_uint_eq(count_of("\"id\":"), 1);
    ck_assert_ptr_null(strstr(got.body, "\"next\""));
    wait_for_dead_letters("/dead-letters?reason=tillbox.gap&limit=500", 7);
    get("/dead-letters?reason=conflict");
    ck_assert_str_eq(got.body, "{\"deadLetters\":[]}");
    get("/dead-letters?type=OrderPlaced.v2&status=open&since=2020-01-01");
    ck_assert_uint_eq(count_of("\"id\":"), 1);
    get("/dead-letters?since=2100-01-01T00:00:00Z");
    ck_assert_str_eq(got.body, "{\"deadLetters\":[]}");
    get("/dead-letters?status=dropped");
    ck_assert_str_eq(got.body, "{\"deadLetters\":[]}");
    get("/dead-letters?orderId=" ORDER "&limit=3");
    for (;;) {
        seen += count_of("\"id\":");
        if (strstr(got.body, "\"next\"") == NULL)
            break;
        ck_assert_uint_eq(count_of("\"id\":"), 3);
        body_text(&got, "next", next, sizeof(next));
        (void)snprintf(target, sizeof(target),
                       "</dead-letters?orderId=" ORDER "&limit=3&cursor=%s>; rel=\"next\"", next);
        ck_assert_str_eq(response_header(&got, "Link"), target);
        (void)snprintf(target, sizeof(target), "/dead-letters?orderId=" ORDER "&limit=3&cursor=%s",
                       next);
        get(target);
    }
    ck_assert_uint_eq(seen, 7);
}
END_TEST

START_TEST(malformed_requests_are_refused)
{
    static const struct {
        const char *method, *target, *body;
        int status;
    } wrong[] = {
        {"GET", "/dead-letters?reason=sad", NULL, 400},
        {"GET", "/dead-letters?orderId=7", NULL, 400},
        {"GET", "/dead-letters?status=OPEN", NULL, 400},
        {"GET", "/dead-letters?limit=0", NULL, 400},
        {"GET", "/dead-letters?limit=501", NULL, 400},
        {"GET", "/dead-letters?since=soon", NULL, 400},
        {"GET", "/dead-letters?cursor=x", NULL, 400},
        {"GET", "/dead-letters?order=x", NULL, 400},
        {"POST", "/dead-letters", "{}", 405},
        {"PUT", "/dead-letters/order-events-0-0", "{}", 405},
        {"GET", "/dead-letters/order-events-0-0/replay", NULL, 405},
        {"GET", "/dead-letters/order-events-0-0", NULL, 404},
        {"GET", "/dead-letters/others-0-0", NULL, 404},
        {"GET", "/dead-letters/order-events-0-00", NULL, 404},
        {"GET", "/dead-letters/order-events-0-0?x=1", NULL, 400},
        {"DELETE", "/dead-letters/order-events-0-0", NULL, 404},
        {"DELETE", "/dead-letters/7", NULL, 404},
        {"POST", "/dead-letters/order-events-0-0/replay", NULL, 404},
        {"POST", "/dead-letters/order-events-0-0/replay", "[]", 422},
        {"POST", "/dead-letters/order-events-0-0/replay", "{}", 422},
        {"POST", "/dead-letters/order-events-0-0/replay", "{\"value\":7}", 422},
        {"POST", "/dead-letters/order-events-0-0/replay", "{\"value\":null}", 422},
        {"POST", "/dead-letters/order-events-0-0/replay", "{\"value\":\"{\"}", 422},
        {"POST", "/dead-letters/order-events-0-0/replay", "{\"value\":{},\"x\":1}", 422},
        {"POST", "/dead-letters/order-events-0-0/replay", "{\"value\":{}", 400},
        {"POST", "/dead-letters/replay", NULL, 400},
        {"POST", "/dead-letters/replay?orderId=7", NULL, 400},
        {"POST", "/dead-letters/replay?orderId=" ORDER, "{\"value\":{}}", 422},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ask(&client, wrong[i].method, wrong[i].target, "", wrong[i].body, &got);
        ck_assert_msg(got.status == wrong[i].status, "%s %s: %d %s", wrong[i].method,
                      wrong[i].target, got.status, got.body);
        ck_assert_str_eq(response_header(&got, "Content-Type"), "application/problem+json");
    }
    ask(&client, "OPTIONS", "/dead-letters/order-events-0-0", "", NULL, &got);
    ck_assert_str_eq(response_header(&got, "Allow"), "GET, HEAD, DELETE, OPTIONS");
}
END_TEST

/* A replay with a corrected value applies the event. Then the later event, which waited for it, is
 * applied without another request. */
START_TEST(a_corrected_event_and_those_that_waited_for_it)
{
    char id[TB_DEAD_LETTER_ID_SIZE], body[1000], value[800];

    put_broken_order(ORDER);
    wait_for("/dead-letters?orderId=" ORDER "&reason=gap", ORDER);
    first_id("/dead-letters?orderId=" ORDER "&reason=decode", id);
    command("POST", id, "/replay", NULL); /* unchanged: the same dead letter again */
    ck_assert_int_eq(got.status, 202);
    ck_assert_str_eq(got.body, "{\"sent\":1}");
    wait_for("/dead-letters?reason=decode", "\"attempts\":2,\"status\":\"open\"");
    ck_assert_uint_eq(count_of("\"id\":"), 1);
    check_has("\"tillbox-mended\":\"");
    (void)snprintf(body, sizeof(body), "{\"value\":%s}", PLACED(ORDER));
    command("POST", id, "/replay", body);
    ck_assert_int_eq(got.status, 202);
    wait_for("/dead-letters?reason=gap", "\"status\":\"replayed\"");
    get("/orders/" ORDER "?minVersion=2&wait=20s");
    ck_assert_int_eq(got.status, 200);
    check_has("\"status\":\"SHIPPED\"");
    check_open_count("0");
    get("/metrics");
    check_has("\ntillbox_dead_letters 0\n");

    command("POST", id, "/replay", body);
    ck_assert_int_eq(got.status, 409);
    command("DELETE", id, "", NULL);
    ck_assert_int_eq(got.status, 409);

    /* A value that is a string is sent without any change; an event of another order is refused.
     */
    put_broken_order(OTHER);
    wait_for("/dead-letters?orderId=" OTHER "&reason=gap", OTHER);
    first_id("/dead-letters?orderId=" OTHER "&reason=decode", id);
    command("POST", id, "/replay", body);
    ck_assert_int_eq(got.status, 422);
    check_has("of another order");
    (void)snprintf(value, sizeof(value), "%s", PLACED(OTHER));
    (void)snprintf(body, sizeof(body), "{\"value\":\"");
    for (const char *at = value; *at != '\0'; at++)
        (void)snprintf(body + strlen(body), sizeof(body) - strlen(body),
                       *at == '"' ? "\\%c" : "%c", *at);
    (void)strcat(body, "\"}");
    command("POST", id, "/replay", body);
    ck_assert_int_eq(got.status, 202);
    wait_for("/dead-letters?orderId=" OTHER "&reason=gap", "\"status\":\"replayed\"");
}
END_TEST

START_TEST(all_dead_letters_of_an_order_in_order)
{
    char id[TB_DEAD_LETTER_ID_SIZE];

    put_broken_order(ORDER);
    put_text(ORDER, "OrderPlaced.v2", PLACED(ORDER)); /* another producer sends it whole */
    get("/orders/" ORDER "?minVersion=2&wait=20s");   /* the event that waited is redriven */
    ck_assert_int_eq(got.status, 200);
    first_id("/dead-letters?orderId=" ORDER "&status=open", id);
    ask(&client, "POST", "/dead-letters/replay?orderId=" OTHER, "", NULL, &got);
    ck_assert_int_eq(got.status, 202);
    ck_assert_str_eq(got.body, "{\"sent\":0}");
    put_text(ORDER, "OrderShipped.v1", "{\"orderId\":\"" ORDER "\",\"version\":9}");
    wait_for("/dead-letters?orderId=" ORDER "&reason=invalid", ORDER);
    ask(&client, "POST", "/dead-letters/replay?orderId=" ORDER, "", NULL, &got);
    ck_assert_int_eq(got.status, 202);
    ck_assert_str_eq(got.body, "{\"sent\":2}");
    wait_for("/dead-letters?orderId=" ORDER "&reason=invalid", "\"attempts\":2");
    /* The first dead letter is still not JSON. No event waits for it any more, so it is dropped.
     */
    command("DELETE", id, "", NULL);
    ck_assert_int_eq(got.status, 200);
}
END_TEST

START_TEST(a_drop_is_audited_with_its_requester)
{
    char id[TB_DEAD_LETTER_ID_SIZE], expected[400];

    put_broken_order(ORDER);
    wait_for("/dead-letters?reason=gap", ORDER);
    first_id("/dead-letters?reason=decode", id);
    for (int twice = 0; twice < 2; twice++) {
        command("DELETE", id, "", NULL);
        ck_assert_int_eq(got.status, 200);
        (void)snprintf(expected, sizeof(expected), "{\"id\":\"%s\",\"status\":\"dropped\"}", id);
        ck_assert_str_eq(got.body, expected);
        (void)snprintf(expected, sizeof(expected), "dropped yes %s " ORDER " 127.0.0.1:", id);
        ck_assert_msg(strncmp(node.audited, expected, strlen(expected)) == 0, "%s", node.audited);
    }
    check_open_count("1");
    command("POST", id, "/replay",
            "{\"value\":" PLACED(ORDER) "}"); /* a dropped one can still be replayed */
    ck_assert_int_eq(got.status, 202);
    (void)snprintf(expected, sizeof(expected), "replayed yes %s", id);
    ck_assert_msg(strncmp(node.audited, expected, strlen(expected)) == 0, "%s", node.audited);
    wait_for("/dead-letters?reason=gap", "\"status\":\"replayed\"");
}
END_TEST

/* If the dead letter has no value, or one that was too large to be kept, the request must give
 * one. */
START_TEST(a_replay_without_a_value_is_refused)
{
    char id[TB_DEAD_LETTER_ID_SIZE];

    put(ORDER, "OrderPlaced.v2", (struct tb_str){0});
    wait_for("/dead-letters", ORDER);
    ck_assert_ptr_null(strstr(got.body, "\"value"));
    first_id("/dead-letters", id);
    command("POST", id, "/replay", NULL);
    ck_assert_int_eq(got.status, 409);
    check_has("give one");
    ask(&client, "POST", "/dead-letters/replay?orderId=" ORDER, "", NULL, &got);
    ck_assert_str_eq(got.body, "{\"sent\":0,\"left\":1}");
    command("POST", id, "/replay", "{\"value\":" PLACED(ORDER) "}");
    ck_assert_int_eq(got.status, 202);
    wait_for("/dead-letters", "\"status\":\"replayed\"");
}
END_TEST

/* While the relay is offline, a replay is refused at once, and the event is not sent later. */
START_TEST(an_offline_relay_refuses_replays)
{
    char id[TB_DEAD_LETTER_ID_SIZE];

    put_broken_order(ORDER);
    wait_for("/dead-letters?reason=gap", ORDER);
    first_id("/dead-letters?reason=decode", id);
    tb_relay_set_offline(node.relay, true);
    command("POST", id, "/replay", "{\"value\":" PLACED(ORDER) "}");
    ck_assert_int_eq(got.status, 503);
    check_has("the link is held offline");
    ck_assert_ptr_nonnull(response_header(&got, "Retry-After"));
    tb_relay_set_offline(node.relay, false);
}
END_TEST

/* A page ends early when it gets too large, and has a cursor for the rest. */
START_TEST(pages_are_bounded_in_bytes)
{
    size_t size = TB_PAGE_BYTES_MAX / 2 + 1000;
    char *value = malloc(size);

    memset(value, 'x', size);
    for (int i = 0; i < 3; i++)
        put(ORDER, "OrderPlaced.v2", (struct tb_str){value, size});
    free(value);
    wait_for("/dead-letters?orderId=" ORDER "&limit=1", "\"id\"");
    wait_for("/dead-letters?orderId=" ORDER "&limit=500", "\"next\"");
    ck_assert_uint_eq(count_of("\"id\":"), 2);
}
END_TEST

/* The message of a dead letter says when it is no longer redriven. */
START_TEST(exhausted_redrives_are_shown)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf out = {0};
    struct tb_dead_letter letter = {.reason = TB_STR(TB_REASON_GAP),
                                    .message =
                                        TB_STR("version 3 came while the order stands at 1"),
                                    .redrives = TB_REDRIVES_MAX};

    tb_dead_letter_add_json(&out, "t", &letter);
    ck_assert_ptr_nonnull(strstr(out.data, "stands at 1; it followed 5 times in a row in vain and "
                                           "does so no more: replay it\""));
    letter.redrives--;
    tb_buf_clear(&out);
    tb_dead_letter_add_json(&out, "t", &letter);
    ck_assert_ptr_nonnull(strstr(out.data, "stands at 1\""));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("api/dead_letters");
    TCase *tc = tcase_create("dead letters");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_dead_letter_is_shown_with_all_its_parts);
    tcase_add_test(tc, bytes_that_are_no_utf8_are_base64);
    tcase_add_test(tc, lists_are_filtered_and_paged);
    tcase_add_test(tc, malformed_requests_are_refused);
    tcase_add_test(tc, a_corrected_event_and_those_that_waited_for_it);
    tcase_add_test(tc, all_dead_letters_of_an_order_in_order);
    tcase_add_test(tc, a_drop_is_audited_with_its_requester);
    tcase_add_test(tc, a_replay_without_a_value_is_refused);
    tcase_add_test(tc, an_offline_relay_refuses_replays);
    tcase_add_test(tc, pages_are_bounded_in_bytes);
    tcase_add_test(tc, exhausted_redrives_are_shown);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
