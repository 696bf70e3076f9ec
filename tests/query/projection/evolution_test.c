/* Promises of src/order/EVOLUTION.md to a reader that is older than its writers: unknown fields
 * change nothing, unknown types move only the version and delay nothing, and what must be refused
 * becomes a dead letter, never a wrong order.
 * Method: logs of this build's events, with fields and types of a newer build added. */
#include "query/doubles/history.h"
#include "query/projection/plan.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID "0193a6f2-7c1e-7a44-9d0b-2f6c1e5b8a10"
#define TYPE_COUNT TB_EVENT_TYPE_COUNT

static struct fake_random fake;
static struct history history;
static struct tb_arena arena;
static struct tb_plan plan;
static struct tb_json *documents[60 * HISTORY_VERSIONS_MAX]; /* that the orders point into */
static size_t document_count;

static void setup(void)
{
    struct tb_error err = {0};

    ck_ok(tb_zone_set("UTC", &err));
    fake_random_init(&fake, test_seed(17));
}

static void teardown(void)
{
    while (document_count > 0)
        tb_json_free(documents[--document_count]);
    tb_plan_release(&plan);
    history_release(&history);
    tb_arena_release(&arena);
}

static enum tb_code nothing_yet(void *ctx, const char *order_id, struct tb_arena *memory,
                                struct tb_planned_order *ret_order, struct tb_error *err)
{
    (void)ctx, (void)order_id, (void)memory, (void)err;
    *ret_order = (struct tb_planned_order){0};
    return TB_OK;
}

static void read_log(struct tb_record *records, size_t count)
{
    struct tb_log_batch batch = {.records = records, .count = count};
    struct tb_plan_rules rules = {.currency = "EUR"};
    struct tb_error err = {0};

    tb_plan_clear(&plan);
    ck_ok(tb_plan_batch(&plan, &batch, &rules, nothing_yet, NULL, &err));
}

static const struct tb_planned_order *planned(const char *order_id)
{
    for (size_t i = 0; i < plan.order_count; i++) {
        if (strcmp(plan.orders[i]->order.order_id, order_id) == 0)
            return plan.orders[i];
    }
    ck_abort_msg("no order %s", order_id);
}

static void check_doc(const struct tb_order *order, const struct tb_order *expected)
{
    struct tb_str a = history_encode(&arena, order), b = history_encode(&arena, expected);

    ck_assert_msg(tb_str_eq(a, b), "%.*s\nis not\n%.*s", (int)a.len, a.ptr, (int)b.len, b.ptr);
}

/* After every '{': of the value itself, of each line, of the address. */
static struct tb_str with_more_fields(struct tb_str value)
{
    struct tb_buf out = {0};
    struct tb_str copy;
    bool in_string = false;

    for (size_t i = 0; i < value.len; i++) {
        tb_buf_addc(&out, value.ptr[i]);
        if (value.ptr[i] == '"' && value.ptr[i - 1] != '\\')
            in_string = !in_string;
        if (value.ptr[i] == '{' && !in_string)
            tb_buf_adds(&out, "\"loyalty\":{\"points\":[1,2.5,null],\"tier\":\"\\u00fc\"},");
    }
    copy = tb_arena_copy(&arena, tb_buf_str(&out));
    tb_buf_release(&out);
    return copy;
}

static void add_header(struct tb_record *record, const char *name, struct tb_str value)
{
    struct tb_header *headers =
        tb_arena_array(&arena, record->header_count + 1, sizeof *record->headers);

    for (size_t i = 0; i < record->header_count; i++)
        headers[i + 1] = record->headers[i];
    headers[0] = (struct tb_header){tb_str_of(name), value};
    record->headers = headers;
    record->header_count++;
}

START_TEST(unknown_fields_and_headers_change_nothing)
{
    history_make(&history, &fake, &(struct history_options){.orders = 60});
    for (size_t i = 0; i < history.record_count; i++) {
        history.records[i].value = with_more_fields(history.records[i].value);
        add_header(&history.records[i], "ce_loyalty", TB_STR("gold"));
        add_header(&history.records[i], "newest", (struct tb_str){0});
    }
    read_log(history.records, history.record_count);
    ck_assert_uint_eq(plan.results[TB_APPLIED], history.record_count);
    for (size_t i = 0; i < history.order_count; i++) {
        const struct tb_order *order = &history.orders[i].order;

        check_doc(&planned(order->order_id)->order, order);
    }
}
END_TEST

/* Raises the version in the event's type, so that no build knows it. */
static bool hide(struct tb_record *record, const bool hidden[TYPE_COUNT])
{
    struct tb_str type = tb_record_header(record, "ce_type");
    char newer[80];

    for (int i = 0; i < TYPE_COUNT; i++) {
        const char *name = tb_event_type_name((enum tb_event_type)i);

        if (!hidden[i] || !tb_str_eq(type, tb_str_of(name)))
            continue;
        (void)snprintf(newer, sizeof newer, "%.*s.v99", (int)(strlen(name) - 3), name);
        add_header(record, "ce_type", tb_arena_copy(&arena, tb_str_of(newer))); /* first: counts */
        return true;
    }
    return false;
}

/* Computes the order from only those events that the reader knows. */
struct folded {
    struct tb_order order;
    bool stub;
};

static void fold(struct folded *folded, const struct tb_record *record, bool hidden)
{
    const struct tb_event_context context = {.type = tb_record_header(record, "ce_type"),
                                             .event_id = tb_record_header(record, "ce_id")};
    struct tb_json **value = &documents[document_count];
    struct tb_error err = {0};
    struct tb_event event;

    folded->stub |= hidden && folded->order.version == 0;
    if (hidden || folded->stub) {
        folded->order.version++;
        return;
    }
    ck_ok(tb_json_parse(record->value, TB_JSON_DEPTH_MAX, value, &err));
    document_count++;
    ck_ok(tb_event_decode(*value, &context, &arena, &event, &err));
    tb_event_apply(&event, &folded->order);
}

static size_t order_of(const struct tb_record *record)
{
    for (size_t i = 0; i < history.order_count; i++) {
        if (tb_str_eq(record->key, tb_str_of(history.orders[i].order.order_id)))
            return i;
    }
    ck_abort_msg("an order of nobody");
}

/* Any type may be newer than the reader, OrderPlaced too. */
START_TEST(unknown_types_set_the_version_only)
{
    bool hidden[TYPE_COUNT];
    struct folded *folded;
    uint64_t unknown = 0;

    fake_random_init(&fake, test_seed(17) + (uint64_t)_i);
    history_make(&history, &fake, &(struct history_options){.orders = 60});
    folded = tb_arena_array(&arena, history.order_count, sizeof *folded);
    memset(folded, 0, history.order_count * sizeof *folded);
    for (int i = 0; i < TYPE_COUNT; i++)
        hidden[i] = fake_random_below(&fake, 3) == 0;
    for (size_t i = 0; i < history.record_count; i++) {
        struct folded *order = &folded[order_of(&history.records[i])];
        bool is_hidden = hide(&history.records[i], hidden);

        fold(order, &history.records[i], is_hidden);
        unknown += is_hidden || order->stub;
    }
    read_log(history.records, history.record_count);
    ck_assert_uint_eq(plan.dead_letter_count, 0);
    ck_assert_uint_eq(plan.results[TB_UNKNOWN_TYPE], unknown);
    ck_assert_uint_eq(plan.results[TB_APPLIED], history.record_count - unknown);
    for (size_t i = 0; i < history.order_count; i++) {
        const struct tb_planned_order *got = planned(history.orders[i].order.order_id);

        ck_assert_int_eq(got->order.version, history.orders[i].versions);
        ck_assert(got->stub == folded[i].stub);
        if (!got->stub)
            check_doc(&got->order, &folded[i].order);
    }
}
END_TEST

#define PLACED(kind, status, currency)                                                            \
    "{\"orderId\":\"" ID "\",\"version\":1,\"status\":\"" status "\",\"kind\":\"" kind "\","      \
    "\"totalMinor\":700,\"currency\":\"" currency "\",\"placedAt\":\"2026-01-02T03:04:05.678Z\"," \
    "\"businessDate\":\"2026-01-02\",\"node\":\"till1\",\"source\":\"POS\","                      \
    "\"lines\":[{\"sku\":\"TEA-1\",\"quantity\":2,\"unitPriceMinor\":350}]}"
#define CHANGE(version, more)                                                                     \
    "{\"orderId\":\"" ID "\",\"version\":" version                                                \
    ",\"occurredAt\":\"2026-01-02T03:04:06.000Z\"" more "}"

static struct tb_record record_of(const char *type, const char *value, int64_t offset)
{
    struct tb_record record = {
        .offset = offset, .key = TB_STR(ID), .value = tb_str_of(value), .timestamp_ms = 1};

    add_header(&record, "ce_type", tb_str_of(type));
    return record;
}

/* A new enum value or a wider limit, in a version of the type that readers know, is refused. */
START_TEST(unknown_values_are_refused)
{
    static const char *const values[] = {
        PLACED("LOAN", "PLACED", "EUR"),
        PLACED("SALE", "RESERVED", "EUR"),
        PLACED("SALE", "PLACED", "QQQ"),
    };

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct tb_record record = record_of("OrderPlaced.v2", values[i], 0);

        read_log(&record, 1);
        ck_assert_uint_eq(plan.dead_letter_count, 1);
        ck_assert_str_eq(plan.dead_letters[0].reason, "tillbox.invalid");
    }
}
END_TEST

/* A new type that gives an order back what was final: the reader knows nothing of it, so the
 * changes behind it do not fit. They are letters, and a newer reader takes them from there. */
START_TEST(readers_must_know_a_type_that_reopens_orders_first)
{
    struct tb_record records[] = {
        record_of("OrderPlaced.v2", PLACED("SALE", "PLACED", "EUR"), 0),
        record_of("OrderShipped.v1", CHANGE("2", ""), 1),
        record_of("OrderReopened.v1", CHANGE("3", ""), 2),
        record_of("OrderCancelled.v1", CHANGE("4", ""), 3),
    };

    read_log(records, 4);
    ck_assert_int_eq(planned(ID)->order.version, 3);
    ck_assert_uint_eq(plan.results[TB_UNKNOWN_TYPE], 1);
    ck_assert_uint_eq(plan.dead_letter_count, 1);
    ck_assert_str_eq(plan.dead_letters[0].reason, "tillbox.apply");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/evolution");
    TCase *tc = tcase_create("evolution");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, unknown_fields_and_headers_change_nothing);
    tcase_add_loop_test(tc, unknown_types_set_the_version_only, 0, 30);
    tcase_add_test(tc, unknown_values_are_refused);
    tcase_add_test(tc, readers_must_know_a_type_that_reopens_orders_first);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
