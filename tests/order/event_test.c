/* Promise: an event is decoded or refused with a reason, and changes only the fields that it has.
 */
#include "order/samples.h"

#define HEAD                                                                                      \
    "{\"orderId\":\"" SAMPLE_ORDER_ID "\",\"version\":2,"                                         \
    "\"occurredAt\":\"2026-11-23T08:20:42.123Z\""
#define LINE "{\"sku\":\"T\",\"quantity\":2,\"unitPriceMinor\":350}"
#define ADDRESS "{\"line1\":\"a\",\"city\":\"b\",\"country\":\"DE\"}"
#define PLACED(version, status)                                                                   \
    "{\"orderId\":\"" SAMPLE_ORDER_ID "\",\"version\":" version ",\"status\":\"" status           \
    "\",\"kind\":\"SALE\",\"totalMinor\":700,\"currency\":\"EUR\","                               \
    "\"placedAt\":\"2026-11-23T08:20:42.123Z\",\"businessDate\":\"2026-11-23\","                  \
    "\"source\":\"POS\",\"lines\":[" LINE "],\"updatedAt\":\"2026-11-23T08:20:42.123Z\"}"

#define SNAPSHOT(epochs)                                                                          \
    "{\"earlierEpochs\":" epochs ",\"orderId\":\"" SAMPLE_ORDER_ID "\",\"version\":3,"            \
    "\"status\":\"SHIPPED\",\"kind\":\"SALE\",\"totalMinor\":700,\"currency\":\"EUR\","           \
    "\"placedAt\":\"2026-11-23T08:20:42.123Z\",\"businessDate\":\"2026-11-23\","                  \
    "\"source\":\"POS\",\"lines\":[" LINE "]}"

static struct tb_arena arena;
static struct tb_error err;
static struct tb_event event;

static void teardown(void)
{
    tb_arena_release(&arena);
}

static enum tb_code decode(const char *type, const char *event_id, const char *text)
{
    struct tb_event_context context = {
        .type = tb_str_of(type), .event_id = tb_str_of(event_id), .currency = "EUR"};
    struct tb_json *json = sample_json(text);
    enum tb_code code = tb_event_decode(json, &context, &arena, &event, &err);

    /* Compares no texts that the event borrows from the document. */
    tb_json_free(json);
    return code;
}

static const struct {
    const char *type, *value;
    enum tb_code code;
    const char *error;
} rows[] = {
    {"OrderPlaced.v2", PLACED("1", "PLACED"), TB_OK, NULL},
    {"OrderPlaced.v2", PLACED("2", "PLACED"), TB_INVALID, "/version must be 1"},
    {"OrderPlaced.v2", PLACED("1", "SHIPPED"), TB_INVALID, "/status must be \"PLACED\""},
    {"OrderPlaced.v2", "{}", TB_INVALID, "/orderId is missing"},
    {"OrderPlaced.v2", "[]", TB_INVALID, "must be an object"},
    {"OrderShipped.v1", HEAD "}", TB_OK, NULL},
    {"OrderShipped.v1", HEAD ",\"carrier\":{\"x\":[1]}}", TB_OK, NULL},
    {"OrderShipped.v1", "{\"version\":2,\"occurredAt\":\"2026-11-23T08:20:42Z\"}", TB_INVALID,
     "/orderId is missing"},
    {"OrderShipped.v1", "{\"orderId\":\"" SAMPLE_ORDER_ID "\",\"version\":2}", TB_INVALID,
     "/occurredAt is missing"},
    {"OrderShipped.v1",
     "{\"orderId\":\"" SAMPLE_ORDER_ID "\",\"occurredAt\":\"2026-11-23T08:20:42Z\"}", TB_INVALID,
     "/version is missing"},
    {"OrderShipped.v1",
     "{\"orderId\":\"" SAMPLE_ORDER_ID "\",\"version\":1,\"occurredAt\":\"2026-11-23T08:20:42Z\"}",
     TB_INVALID, "/version must be from 2"},
    {"OrderShipped.v1", "null", TB_INVALID, "must be an object, not null"},
    {"OrderCancelled.v1", HEAD "}", TB_OK, NULL},
    {"OrderCancelled.v1", HEAD ",\"reason\":\"late\"}", TB_OK, NULL},
    {"OrderCancelled.v1", HEAD ",\"reason\":7}", TB_INVALID, "/reason must be a string"},
    {"OrderAddressChanged.v1", HEAD ",\"shippingAddress\":" ADDRESS "}", TB_OK, NULL},
    {"OrderAddressChanged.v1", HEAD "}", TB_INVALID, "/shippingAddress is missing"},
    {"OrderAddressChanged.v1", HEAD ",\"shippingAddress\":{}}", TB_INVALID,
     "/shippingAddress/line1 is missing"},
    {"OrderTotalChanged.v1", HEAD ",\"lines\":[" LINE "],\"totalMinor\":700}", TB_OK, NULL},
    {"OrderTotalChanged.v1",
     HEAD ",\"lines\":[{\"sku\":\"T\",\"quantity\":-2,\"unitPriceMinor\":350}],"
          "\"totalMinor\":-700}",
     TB_OK, NULL},
    {"OrderTotalChanged.v1", HEAD ",\"lines\":[" LINE "],\"totalMinor\":701}", TB_INVALID,
     "/totalMinor is not the sum"},
    {"OrderTotalChanged.v1", HEAD ",\"lines\":[" LINE "]}", TB_INVALID, "/totalMinor is missing"},
    {"OrderTotalChanged.v1", HEAD ",\"totalMinor\":700}", TB_INVALID, "/lines is missing"},
    {"OrderTotalChanged.v1",
     HEAD ",\"lines\":[" LINE ",{\"sku\":\"T\",\"quantity\":-2,\"unitPriceMinor\":1}],"
          "\"totalMinor\":698}",
     TB_INVALID, "/lines/1/quantity must be above 0"},
    {"OrderSnapshot.v1", PLACED("7", "SHIPPED"), TB_OK, NULL},
    {"OrderSnapshot.v1", PLACED("0", "SHIPPED"), TB_INVALID, "/version must be"},
    {"OrderSnapshot.v1", "{\"version\":7}", TB_INVALID, "/orderId is missing"},
    {"OrderSnapshot.v1", "[]", TB_INVALID, "must be an object"},
    {"OrderSnapshot.v1", SNAPSHOT("[]"), TB_OK, NULL},
    {"OrderSnapshot.v1", SNAPSHOT("[\"00c0ffee00c0ffee\",\"0123456789abcdef\"]"), TB_OK, NULL},
    {"OrderSnapshot.v1", SNAPSHOT("[\"00C0FFEE00C0FFEE\"]"), TB_INVALID, "/earlierEpochs must"},
    {"OrderSnapshot.v1", SNAPSHOT("[\"0123456789abcdef0\"]"), TB_INVALID, "/earlierEpochs must"},
    {"OrderSnapshot.v1", SNAPSHOT("[7]"), TB_INVALID, "/earlierEpochs must"},
    {"OrderSnapshot.v1", SNAPSHOT("[1,2,3,4,5,6,7,8,9]"), TB_INVALID, "at most 8"},
    {"OrderSnapshot.v1", SNAPSHOT("7"), TB_INVALID, "/earlierEpochs must be an array"},
    {"OrderRefunded.v1", HEAD "}", TB_NOT_FOUND, "OrderRefunded.v1"},
    {"OrderPlaced.v3", "[]", TB_NOT_FOUND, "OrderPlaced.v3"},
    {"", HEAD "}", TB_NOT_FOUND, "not known"},
    {NULL, HEAD "}", TB_INVALID, "no type"},
};

START_TEST(values_are_judged)
{
    ck_assert_int_eq(decode(rows[_i].type, SAMPLE_EVENT_ID, rows[_i].value), rows[_i].code);
    if (rows[_i].error)
        ck_assert_msg(strstr(err.text, rows[_i].error) != NULL, "%s: %s", rows[_i].value,
                      err.text);
}
END_TEST

/* An invalid event still yields the order's id and version, if it has them. */
START_TEST(invalid_events_yield_id_and_version)
{
    ck_assert_int_eq(decode("OrderRefunded.v1", NULL, HEAD "}"), TB_NOT_FOUND);
    ck_assert_str_eq(event.order_id, SAMPLE_ORDER_ID);
    ck_assert_int_eq(event.version, 2);
    ck_assert_int_eq(decode("OrderTotalChanged.v1", NULL, HEAD ",\"lines\":7}"), TB_INVALID);
    ck_assert_str_eq(event.order_id, SAMPLE_ORDER_ID);
    ck_assert_int_eq(event.version, 2);
    ck_assert_int_eq(decode("OrderRefunded.v1", NULL, "{\"orderId\":7,\"version\":0}"),
                     TB_NOT_FOUND);
    ck_assert_str_eq(event.order_id, "");
    ck_assert_int_eq(event.version, 0);
    ck_assert_int_eq(decode("OrderRefunded.v1", NULL, "[1]"), TB_NOT_FOUND);
    ck_assert_str_eq(event.order_id, "");
}
END_TEST

/* The id comes from the header; if that is no UUID, from the document. */
START_TEST(event_ids)
{
    ck_ok(decode("OrderShipped.v1", SAMPLE_EVENT_ID, HEAD "}"));
    ck_assert_str_eq(event.event_id, SAMPLE_EVENT_ID);
    ck_ok(decode("OrderShipped.v1", NULL, HEAD "}"));
    ck_assert_str_eq(event.event_id, "");
    ck_ok(decode("OrderShipped.v1", "A-1", HEAD "}"));
    ck_assert_str_eq(event.event_id, "");
    ck_ok(decode("OrderPlaced.v2", SAMPLE_EVENT_ID, PLACED("1", "PLACED")));
    ck_assert_str_eq(event.event_id, SAMPLE_EVENT_ID);
    ck_assert_str_eq(event.order.last_event_id, SAMPLE_EVENT_ID);
    ck_ok(decode("OrderPlaced.v2", NULL, PLACED("1", "PLACED")));
    ck_assert_str_eq(event.order.last_event_id, "");
}
END_TEST

/* A change sets its own fields, the version, the time and the event's id, and nothing else. */
START_TEST(changes_touch_only_what_they_say)
{
    struct fake_random random;
    struct tb_order before, after;

    fake_random_init(&random, test_seed(6));
    for (int round = 0; round < 100; round++) {
        struct tb_event change = {.type = (enum tb_event_type)(1 + round % 4),
                                  .event_id = SAMPLE_EVENT_ID,
                                  .version = 9,
                                  .occurred_at_ms = SAMPLE_NOW_MS,
                                  .line_count = 0,
                                  .total_minor = 5};

        sample_order(&random, &arena, &before);
        after = before;
        tb_event_apply(&change, &after);
        ck_assert_int_eq(after.version, 9);
        ck_assert_int_eq(after.updated_at_ms, SAMPLE_NOW_MS);
        ck_assert_str_eq(after.last_event_id, SAMPLE_EVENT_ID);
        ck_assert_int_eq(after.status, change.type == TB_EVENT_SHIPPED     ? TB_SHIPPED
                                       : change.type == TB_EVENT_CANCELLED ? TB_CANCELLED
                                                                           : before.status);
        /* After undoing what a change may set, the order is equal to the one before. */
        after.version = before.version;
        after.updated_at_ms = before.updated_at_ms;
        after.status = before.status;
        memcpy(after.last_event_id, before.last_event_id, sizeof after.last_event_id);
        if (change.type == TB_EVENT_ADDRESS_CHANGED) {
            ck_assert(after.has_address);
            after.has_address = before.has_address;
            after.address = before.address;
        }
        if (change.type == TB_EVENT_TOTAL_CHANGED) {
            ck_assert_int_eq(after.total_minor, 5);
            after.lines = before.lines;
            after.line_count = before.line_count;
            after.total_minor = before.total_minor;
        }
        ck_assert_mem_eq(&after, &before, sizeof after);
        tb_arena_clear(&arena);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event");
    TCase *tc = tcase_create("event");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, values_are_judged, 0, sizeof rows / sizeof rows[0]);
    tcase_add_test(tc, invalid_events_yield_id_and_version);
    tcase_add_test(tc, event_ids);
    tcase_add_test(tc, changes_touch_only_what_they_say);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
