/* Each outcome that planning can have for a record. */
#include "query/doubles/history.h"
#include "query/doubles/mem_view.h"
#include "query/projection/plan.h"
#include <stdio.h>
#include <stdlib.h>

#define ID "019ab0c1-0000-7000-8000-000000000001"
#define OTHER "019ab0c1-0000-7000-8000-000000000002"

static const struct tb_plan_rules rules = {.currency = "EUR"};
static struct mem_view mem;
static struct tb_plan plan;
static struct tb_arena arena;
static struct fake_random fake;

static void setup(void)
{
    mem_view_init(&mem);
    plan = (struct tb_plan){0};
    arena = (struct tb_arena){0};
    fake_random_init(&fake, 7);
}

static void teardown(void)
{
    tb_plan_release(&plan);
    mem_view_release(&mem);
    tb_arena_release(&arena);
}

static enum tb_code load(void *ctx, const char *order_id, struct tb_arena *into,
                         struct tb_planned_order *ret_order, struct tb_error *err)
{
    struct tb_view *view = ctx;

    return view->ops->load(view, order_id, into, ret_order, err);
}

static void plan_by(const struct tb_plan_rules *by, const struct tb_record *records, size_t count)
{
    struct tb_log_batch batch = {.records = records, .count = count};
    struct tb_error err = {0};

    tb_plan_clear(&plan);
    ck_ok(tb_plan_batch(&plan, &batch, by, load, &mem.view, &err));
    ck_assert_int_eq(plan.next_offset, records[count - 1].offset + 1);
}

/* Plans records[0..count) as one batch, into `plan`. */
static void plan_records(const struct tb_record *records, size_t count)
{
    plan_by(&rules, records, count);
}

static void commit_plan(void)
{
    struct tb_error err = {0};

    ck_ok(mem.view.ops->commit(&mem.view, &plan, &err));
}

/* Places the order ID, and changes its address until it has that version. */
static int64_t bring_to(int64_t version)
{
    struct tb_record record;
    struct tb_event event;
    int64_t offset = 0;

    do {
        history_place(&arena, &fake, HISTORY_START_MS, &event);
    } while (event.order.kind != TB_SALE); /* the table has sales only */
    memcpy(event.order_id, ID, TB_UUID_SIZE);
    memcpy(event.order.order_id, ID, TB_UUID_SIZE);
    for (; offset < version; offset++) {
        event.version = offset + 1;
        event.address =
            (struct tb_address){TB_STR("Ring 1"), {0}, TB_STR("Bonn"), {0}, TB_STR("DE")};
        history_record(&arena, &event, offset + 1, &record);
        record.offset = offset;
        plan_records(&record, 1);
        ck_assert_uint_eq(plan.results[TB_APPLIED], 1);
        commit_plan();
        event.type = TB_EVENT_ADDRESS_CHANGED;
    }
    return offset;
}

/* Changes the address once more. */
static void bring_on(void)
{
    struct tb_header header = {TB_STR("ce_type"), TB_STR("OrderAddressChanged.v1")};
    struct tb_record record = {
        .offset = 90,
        .value = TB_STR("{\"orderId\":\"" ID "\",\"version\":2,\"occurredAt\":"
                        "\"2026-01-02T03:04:05.678Z\",\"shippingAddress\":{\"line1\":\"Ring 1\","
                        "\"city\":\"Bonn\",\"country\":\"DE\"}}"),
        .headers = &header,
        .header_count = 1};

    plan_records(&record, 1);
    ck_assert_uint_eq(plan.results[TB_APPLIED], 1);
    commit_plan();
}

/* One record against an order of version `before` (0: none). */
struct outcome {
    const char *name;
    int64_t before;
    const char *type, *legacy_type, *subject, *order_version;
    const char *value; /* NULL: a null record */
    enum tb_event_result result;
    const char *reason; /* of its dead letter; NULL: none */
    int64_t after;
};
#define SHIPPED(version)                                                                          \
    "{\"orderId\":\"" ID "\",\"version\":" version ",\"occurredAt\":\"2026-01-02T03:04:05."       \
    "678Z\"}"
#define V2 "OrderShipped.v1"
#define PLACED(version)                                                                           \
    "{\"orderId\":\"" ID "\",\"version\":" version ",\"status\":\"PLACED\",\"kind\":\"SALE\","    \
    "\"totalMinor\":700,\"currency\":\"EUR\",\"placedAt\":\"2026-01-02T03:04:05.678Z\","          \
    "\"businessDate\":\"2026-01-02\",\"node\":\"till1\",\"source\":\"POS\","                      \
    "\"lines\":[{\"sku\":\"TEA-1\",\"quantity\":2,\"unitPriceMinor\":350}]}"
#define V1                                                                                        \
    "{\"eventId\":\"019ab0c1-0000-7000-8000-00000000000e\",\"orderId\":\"" ID "\","               \
    "\"customerId\":\"C-1\",\"items\":[{\"productId\":\"TEA-1\",\"quantity\":2,\"price\":3.50}]," \
    "\"totalAmount\":7.00,\"timestamp\":\"2026-01-02T03:04:05Z\"}"
#define LINES(version, quantity, total)                                                           \
    "{\"orderId\":\"" ID "\",\"version\":" version ",\"occurredAt\":\"2026-01-02T03:04:05.678Z\"" \
    ",\"lines\":[{\"sku\":\"A\",\"quantity\":" quantity                                           \
    ",\"unitPriceMinor\":5}],\"totalMinor\":" total "}"

static const struct outcome outcomes[] = {
    /* Not an event at all. */
    {"null record", 1, V2, NULL, ID, "2", NULL, TB_DEAD_LETTERED, "tillbox.decode", 1},
    {"empty value", 1, V2, NULL, ID, "2", "", TB_DEAD_LETTERED, "tillbox.decode", 1},
    {"not JSON", 1, V2, NULL, ID, "2", "{nonsense", TB_DEAD_LETTERED, "tillbox.decode", 1},
    {"not UTF-8", 1, V2, NULL, ID, "2", "{\"a\":\"\xff\"}", TB_DEAD_LETTERED, "tillbox.decode", 1},
    {"twice the same key", 1, V2, NULL, ID, "2", "{\"a\":1,\"a\":2}", TB_DEAD_LETTERED,
     "tillbox.decode", 1},
    {"no type", 1, NULL, NULL, ID, "2", SHIPPED("2"), TB_DEAD_LETTERED, "tillbox.decode", 1},
    /* JSON, but not this event. */
    {"not an object", 1, V2, NULL, ID, "2", "[]", TB_DEAD_LETTERED, "tillbox.invalid", 1},
    {"no order id", 1, V2, NULL, ID, "2", "{\"version\":2}", TB_DEAD_LETTERED, "tillbox.invalid",
     1},
    {"version as text", 1, V2, NULL, ID, "2", SHIPPED("\"2\""), TB_DEAD_LETTERED,
     "tillbox.invalid", 1},
    {"version 0", 1, V2, NULL, ID, "0", SHIPPED("0"), TB_DEAD_LETTERED, "tillbox.invalid", 1},
    {"a fraction of a version", 1, V2, NULL, ID, "2", SHIPPED("2.0"), TB_DEAD_LETTERED,
     "tillbox.invalid", 1},
    {"placed twice over", 0, "OrderPlaced.v2", NULL, ID, "2", PLACED("2"), TB_DEAD_LETTERED,
     "tillbox.invalid", 0},
    {"a change with version 1", 0, V2, NULL, ID, "1", SHIPPED("1"), TB_DEAD_LETTERED,
     "tillbox.invalid", 0},
    {"a change with version 1 of an order that is there", 1, V2, NULL, ID, "1", SHIPPED("1"),
     TB_DEAD_LETTERED, "tillbox.invalid", 1},
    {"total is not the sum", 1, "OrderTotalChanged.v1", NULL, ID, "2", LINES("2", "2", "11"),
     TB_DEAD_LETTERED, "tillbox.invalid", 1},
    /* Headers. */
    {"another subject", 1, V2, NULL, OTHER, "2", SHIPPED("2"), TB_DEAD_LETTERED, "tillbox.invalid",
     1},
    {"a subject that is no id", 1, V2, NULL, "x", "2", SHIPPED("2"), TB_DEAD_LETTERED,
     "tillbox.invalid", 1},
    {"another version", 1, V2, NULL, ID, "3", SHIPPED("2"), TB_DEAD_LETTERED, "tillbox.invalid",
     1},
    {"a version that is no number", 1, V2, NULL, ID, "+2", SHIPPED("2"), TB_DEAD_LETTERED,
     "tillbox.invalid", 1},
    {"an endless version", 1, V2, NULL, ID, "99999999999999999999", SHIPPED("2"), TB_DEAD_LETTERED,
     "tillbox.invalid", 1},
    {"subject in capitals", 1, V2, NULL, "019AB0C1-0000-7000-8000-000000000001", "2", SHIPPED("2"),
     TB_APPLIED, NULL, 2},
    {"version with zeros in front", 1, V2, NULL, ID, "0002", SHIPPED("2"), TB_APPLIED, NULL, 2},
    {"no headers but the type", 1, V2, NULL, NULL, NULL, SHIPPED("2"), TB_APPLIED, NULL, 2},
    {"type in the old header", 1, NULL, V2, ID, "2", SHIPPED("2"), TB_APPLIED, NULL, 2},
    {"ce_type wins", 1, V2, "Nonsense.v1", ID, "2", SHIPPED("2"), TB_APPLIED, NULL, 2},
    /* The version rule. */
    {"placed", 0, "OrderPlaced.v2", NULL, ID, "1", PLACED("1"), TB_APPLIED, NULL, 1},
    {"placed in the old form", 0, "OrderPlaced.v1", NULL, ID, "1", V1, TB_APPLIED, NULL, 1},
    {"placed again", 1, "OrderPlaced.v2", NULL, ID, "1", PLACED("1"), TB_DUPLICATE, NULL, 1},
    {"placed again by another event", 3, "OrderPlaced.v1", NULL, NULL, NULL, V1, TB_CONFLICTED,
     "tillbox.conflict", 3},
    {"the next", 3, V2, NULL, ID, "4", SHIPPED("4"), TB_APPLIED, NULL, 4},
    {"the last once more", 3, V2, NULL, ID, "3", SHIPPED("3"), TB_DUPLICATE, NULL, 3},
    {"an old one", 3, V2, NULL, ID, "2", SHIPPED("2"), TB_DUPLICATE, NULL, 3},
    {"one too far", 3, V2, NULL, ID, "5", SHIPPED("5"), TB_GAP, "tillbox.gap", 3},
    {"never placed", 0, V2, NULL, ID, "2", SHIPPED("2"), TB_GAP, "tillbox.gap", 0},
    {"lines of the order's kind", 1, "OrderTotalChanged.v1", NULL, ID, "2", LINES("2", "2", "10"),
     TB_APPLIED, NULL, 2},
    {"lines of the other kind", 1, "OrderTotalChanged.v1", NULL, ID, "2", LINES("2", "-2", "-10"),
     TB_DEAD_LETTERED, "tillbox.apply", 1},
    /* Unknown types. */
    {"unknown type, the next", 1, "OrderBlessed.v1", NULL, ID, "2", "{}", TB_UNKNOWN_TYPE, NULL,
     2},
    {"unknown type, told by the value", 1, "OrderBlessed.v1", NULL, NULL, NULL, SHIPPED("2"),
     TB_UNKNOWN_TYPE, NULL, 2},
    {"unknown type, first of its order", 0, "OrderPlaced.v3", NULL, ID, "1", "{}", TB_UNKNOWN_TYPE,
     NULL, 1},
    {"unknown type, once more", 2, "OrderBlessed.v1", NULL, ID, "2", "{}", TB_DUPLICATE, NULL, 2},
    {"unknown type, too far", 1, "OrderBlessed.v1", NULL, ID, "3", "{}", TB_GAP, "tillbox.gap", 1},
    {"unknown type, whose", 1, "OrderBlessed.v1", NULL, NULL, "2", "{}", TB_UNKNOWN_TYPE, NULL, 1},
    {"unknown type, which", 1, "OrderBlessed.v1", NULL, ID, NULL, "{}", TB_UNKNOWN_TYPE, NULL, 1},
    {"unknown type, neither, not even an object", 1, "OrderBlessed.v1", NULL, NULL, NULL, "7",
     TB_UNKNOWN_TYPE, NULL, 1},
    {"unknown type that contradicts itself", 1, "OrderBlessed.v1", NULL, OTHER, "2", SHIPPED("2"),
     TB_DEAD_LETTERED, "tillbox.invalid", 1},
};

static size_t add_header(struct tb_header *headers, size_t n, const char *name, const char *value)
{
    if (value)
        headers[n++] = (struct tb_header){tb_str_of(name), tb_str_of(value)};
    return n;
}

static struct tb_record record_of(const struct outcome *outcome, struct tb_header headers[8])
{
    struct tb_record record = {.offset = 100, .timestamp_ms = HISTORY_START_MS};
    size_t n = 0;

    n = add_header(headers, n, "ce_type", outcome->type);
    n = add_header(headers, n, "eventType", outcome->legacy_type);
    n = add_header(headers, n, "ce_subject", outcome->subject);
    n = add_header(headers, n, "ce_orderversion", outcome->order_version);
    record.headers = headers;
    record.header_count = n;
    record.value = tb_str_of(outcome->value);
    return record;
}

/* A record with these headers, of the order's partition among six. */
static void plan_from(const char *source, const char *type, const char *value)
{
    static struct tb_header headers[3];
    static struct tb_record record;

    headers[0] = (struct tb_header){TB_STR("ce_type"), tb_str_of(type)};
    headers[1] = (struct tb_header){TB_STR("ce_source"), tb_str_of(source)};
    headers[2] =
        (struct tb_header){TB_STR("ce_id"), TB_STR("019ab0c1-0000-7000-8000-0000000000ff")};
    record = (struct tb_record){
        .offset = 90, .value = tb_str_of(value), .headers = headers, .header_count = 3};
    plan_records(&record, 1);
}

/* What comes from one node in the name of another one changes nothing. */
START_TEST(an_event_is_of_the_node_that_it_names)
{
    plan_from("/nodes/till2", "OrderPlaced.v2", PLACED("1"));
    ck_assert_str_eq(plan.dead_letters[0].reason, "tillbox.invalid");
    ck_assert(tb_str_eq(plan.dead_letters[0].node, TB_STR("till2")));
    plan_from("/nodes/till 1", "OrderPlaced.v2", PLACED("1"));
    ck_assert_str_eq(plan.dead_letters[0].reason, "tillbox.invalid");
    ck_assert(!plan.dead_letters[0].node.ptr);
    plan_from("/nodes/till1", "OrderPlaced.v2", PLACED("1"));
    ck_assert_uint_eq(plan.results[TB_APPLIED], 1);
}
END_TEST

/* One order id at two tills: the first one that arrives has it, and the other one's events are
 * conflicts, also where nothing is known of the events that made the order. */
START_TEST(an_order_is_of_the_node_that_placed_it)
{
    bring_to(1);
    if (_i == 1)
        mem.rows[0].lineage = (struct tb_lineage){0};
    plan_from("/nodes/till2", V2, SHIPPED("2"));
    ck_assert_uint_eq(plan.results[TB_CONFLICTED], 1);
    ck_assert_str_eq(plan.dead_letters[0].reason, TB_REASON_CONFLICT);
    ck_assert_ptr_nonnull(strstr(plan.dead_letters[0].message.ptr, "by node till1"));
    plan_from("/nodes/till2", V2, SHIPPED("3"));
    ck_assert_uint_eq(plan.results[TB_CONFLICTED], 1); /* not a gap, which would follow */
    plan_from("/nodes/till2", "OrderPlaced.v1", V1);
    ck_assert_uint_eq(plan.results[TB_CONFLICTED], 1);
    plan_from("/nodes/till1", V2, SHIPPED("2"));
    ck_assert_uint_eq(plan.results[TB_APPLIED], 1);
}
END_TEST

static const char *plan_at(const struct tb_plan_partitions *partitions, int32_t partition,
                           struct tb_str key)
{
    const struct tb_plan_rules by = {.currency = "EUR", .partitions = partitions};
    struct tb_header header = {TB_STR("ce_type"), TB_STR("OrderPlaced.v2")};
    struct tb_record record = {.partition = partition,
                               .key = key,
                               .value = TB_STR(PLACED("1")),
                               .headers = &header,
                               .header_count = 1};
    const struct tb_log_batch batch = {partition, &record, 1, 0};
    struct tb_error err = {0};

    tb_plan_clear(&plan);
    ck_ok(tb_plan_batch(&plan, &batch, &by, load, &mem.view, &err));
    return plan.dead_letter_count > 0 ? plan.dead_letters[0].reason : "";
}

/* An order whose events are in two partitions is counted by the readers of both. */
START_TEST(a_key_belongs_to_its_partition)
{
    struct tb_plan_partitions partitions = {{6}, 1};
    struct tb_str id = TB_STR(ID), customer = TB_STR("C-1");
    int32_t right = tb_log_partition(id, 6), other = (right + 1) % 6;

    ck_assert_str_eq(plan_at(&partitions, right, id), "");
    ck_assert_str_eq(plan_at(&partitions, other, id), "tillbox.invalid");
    ck_assert_str_eq(plan_at(&partitions, right, (struct tb_str){0}), "tillbox.invalid");
    ck_assert_str_eq(plan_at(&partitions, tb_log_partition(customer, 6), customer), "");
    partitions = (struct tb_plan_partitions){{6, 12}, 2};
    ck_assert_str_eq(plan_at(&partitions, right, id), "");
    ck_assert_str_eq(plan_at(&partitions, tb_log_partition(id, 12), id), "");
    ck_assert_str_eq(plan_at(NULL, other, id), "");
}
END_TEST

START_TEST(every_record_has_its_outcome)
{
    const struct outcome *outcome = &outcomes[_i];
    struct tb_header headers[8];
    struct tb_record record = record_of(outcome, headers);
    struct mem_row *row;

    if (outcome->before > 0)
        bring_to(outcome->before);
    plan_records(&record, 1);
    for (int result = 0; result < TB_EVENT_RESULT_COUNT; result++)
        ck_assert_msg(plan.results[result] == (result == (int)outcome->result ? 1u : 0u),
                      "%s: not %s", outcome->name,
                      tb_event_result_name((enum tb_event_result)result));
    ck_assert_msg(plan.dead_letter_count == (outcome->reason ? 1u : 0u), "%s: dead",
                  outcome->name);
    if (outcome->reason) {
        ck_assert_msg(strcmp(plan.dead_letters[0].reason, outcome->reason) == 0, "%s: %s",
                      outcome->name, plan.dead_letters[0].reason);
        ck_assert_ptr_eq(plan.dead_letters[0].record, &record);
        ck_assert_uint_gt(plan.dead_letters[0].message.len, 0);
    }
    commit_plan();
    row = mem_view_row(&mem, ID);
    ck_assert_msg((row ? row->version : 0) == outcome->after, "%s: version", outcome->name);
}
END_TEST

/* The dead letter takes the order id from the value, a header or the key. */
START_TEST(dead_letters_name_their_order)
{
    static const struct {
        const char *value, *subject, *key, *expected;
    } cases[] = {
        {SHIPPED("\"x\""), NULL, NULL, ID}, {"{nonsense", ID, NULL, ID},
        {"{nonsense", NULL, ID, ID},        {"{nonsense", "x", "C-1001", ""},
        {"{nonsense", NULL, NULL, ""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tb_header headers[2];
        size_t n = add_header(headers, 0, "ce_type", V2);
        struct tb_record record = {.value = tb_str_of(cases[i].value),
                                   .key = tb_str_of(cases[i].key),
                                   .headers = headers};

        record.header_count = add_header(headers, n, "ce_subject", cases[i].subject);
        plan_records(&record, 1);
        ck_assert_uint_eq(plan.dead_letter_count, 1);
        ck_assert_str_eq(plan.dead_letters[0].order_id, cases[i].expected);
        ck_assert(tb_str_eq(plan.dead_letters[0].type, TB_STR(V2)));
    }
}
END_TEST

/* Events after an order's final status must not change the order. */
START_TEST(a_finished_order_takes_no_change)
{
    static const char *const types[] = {V2, "OrderCancelled.v1"};

    bring_to(1);
    for (int i = 0; i < 2; i++) {
        char value[200];
        struct tb_header header = {TB_STR("ce_type"), tb_str_of(types[i])};
        struct tb_record record = {.offset = 100 + i, .headers = &header, .header_count = 1};

        snprintf(value, sizeof value,
                 "{\"orderId\":\"" ID "\",\"version\":%d,"
                 "\"occurredAt\":\"2026-01-02T03:04:05.678Z\"}",
                 2 + i);
        record.value = tb_str_of(value);
        plan_records(&record, 1);
        commit_plan();
    }
    ck_assert_str_eq(plan.dead_letters[0].reason, "tillbox.apply");
    ck_assert_int_eq(mem_view_row(&mem, ID)->version, 2);
    ck_assert_ptr_nonnull(strstr(mem_view_row(&mem, ID)->doc, "\"SHIPPED\""));
}
END_TEST

/* An order whose placing this build cannot read is not shown, and what follows moves its version
 * too: a newer build that makes the view anew misses nothing, and nothing waits for it. */
START_TEST(a_stub_keeps_its_version_and_shows_no_order)
{
    struct tb_header headers[3] = {{TB_STR("ce_type"), TB_STR("OrderPlaced.v3")},
                                   {TB_STR("ce_subject"), TB_STR(ID)},
                                   {TB_STR("ce_orderversion"), TB_STR("1")}};
    struct tb_record records[3] = {
        {.offset = 0, .value = TB_STR("{}"), .headers = headers, .header_count = 3},
        {.offset = 1, .value = TB_STR(SHIPPED("2")), .header_count = 1},
        {.offset = 2, .value = TB_STR(PLACED("1")), .header_count = 1}};
    struct tb_header shipped = {TB_STR("ce_type"), TB_STR(V2)};
    struct tb_header placed = {TB_STR("ce_type"), TB_STR("OrderPlaced.v2")};

    records[1].headers = &shipped;
    records[2].headers = &placed;
    for (int split = 0; split < 2; split++) { /* in one batch, then in two */
        plan_records(records + split, 3 - (size_t)split);
        ck_assert(plan.orders[0]->stub);
        ck_assert_int_eq(plan.orders[0]->order.version, 2);
        ck_assert_uint_eq(plan.results[TB_UNKNOWN_TYPE], split == 0 ? 2 : 0);
        ck_assert_uint_eq(plan.unknown_type_count,
                          split == 0); /* the change's own type is known */
        ck_assert_uint_eq(plan.dead_letter_count, 0);
        ck_assert_uint_eq(plan.results[TB_DUPLICATE], split == 0 ? 1 : 2);
        commit_plan();
        ck_assert_ptr_null(mem_view_row(&mem, ID)->doc);
        mem.next[0] = -1;
    }
}
END_TEST

/* Later events wait for a dead-lettered one that shows its version. Without a version none waits.
 */
START_TEST(dead_lettered_records_leave_gaps)
{
    struct tb_header headers[] = {{TB_STR("ce_type"), TB_STR(V2)}};
    struct tb_record records[] = {
        {.offset = 10, .value = TB_STR("{\"orderId\":\"" ID "\"}")},
        {.offset = 11, .value = TB_STR(LINES("2", "2", "10"))},
        {.offset = 12, .value = TB_STR(LINES("3", "2", "11"))},
        {.offset = 13, .value = TB_STR(SHIPPED("4"))},
    };
    struct tb_header lines = {TB_STR("ce_type"), TB_STR("OrderTotalChanged.v1")};

    bring_to(1);
    for (size_t i = 0; i < 4; i++) {
        records[i].headers = i == 1 || i == 2 ? &lines : headers;
        records[i].header_count = 1;
    }
    plan_records(records, 4);
    ck_assert_uint_eq(plan.results[TB_APPLIED], 1);
    ck_assert_uint_eq(plan.results[TB_DEAD_LETTERED], 2);
    ck_assert_uint_eq(plan.results[TB_GAP], 1);
    ck_assert_int_eq(plan.orders[0]->order.version, 2);
    ck_assert_str_eq(plan.dead_letters[2].order_id, ID);
}
END_TEST

/* The log holds versions 2 and 3 twice, and the view refuses the order with version 2: so it is
 * with every repetition, and no later record becomes what an earlier one was. */
START_TEST(a_copy_of_a_refused_event_is_refused)
{
    const struct tb_plan_refusal refused[] = {{10, "never"}};
    const struct tb_plan_rules by = {.currency = "EUR", .refusals = refused, .refusal_count = 1};
    struct tb_header lines = {TB_STR("ce_type"), TB_STR("OrderTotalChanged.v1")};
    struct tb_record records[4];

    bring_to(1);
    for (int i = 0; i < 4; i++)
        records[i] = (struct tb_record){.offset = 10 + i,
                                        .value = i % 2 ? TB_STR(LINES("3", "3", "15"))
                                                       : TB_STR(LINES("2", "2", "10")),
                                        .headers = &lines,
                                        .header_count = 1};
    plan_records(records, 4);
    ck_assert_uint_eq(plan.results[TB_APPLIED], 2);
    ck_assert_uint_eq(plan.results[TB_DUPLICATE], 2);

    plan_by(&by, records, 4);
    ck_assert_uint_eq(plan.results[TB_APPLIED], 0);
    ck_assert_uint_eq(plan.sales_delta_count, 0);
    ck_assert_uint_eq(plan.dead_letter_count, 4);
    for (int i = 0; i < 4; i++) {
        ck_assert_str_eq(plan.dead_letters[i].reason, i % 2 ? "tillbox.gap" : "tillbox.apply");
        ck_assert(i % 2 || tb_str_eq(plan.dead_letters[i].message, TB_STR("never")));
    }
    ck_assert(!plan.orders[0]->changed);
}
END_TEST

START_TEST(oversized_values_are_not_read)
{
    char *big = malloc(TB_EVENT_VALUE_MAX + 2);
    struct tb_header header = {TB_STR("ce_type"), TB_STR(V2)};
    struct tb_record record = {.headers = &header, .header_count = 1};

    memset(big, ' ', TB_EVENT_VALUE_MAX + 2);
    memcpy(big, SHIPPED("2"), strlen(SHIPPED("2")));
    bring_to(1);
    record.value = (struct tb_str){big, TB_EVENT_VALUE_MAX + 1};
    record.offset = 1;
    plan_records(&record, 1);
    ck_assert_str_eq(plan.dead_letters[0].reason, "tillbox.decode");
    record.value.len = TB_EVENT_VALUE_MAX;
    plan_records(&record, 1);
    ck_assert_uint_eq(plan.results[TB_APPLIED], 1);
    free(big);
}
END_TEST

START_TEST(origins_are_recorded)
{
    struct tb_event event;
    struct tb_record record;

    history_place(&arena, &fake, HISTORY_START_MS, &event);
    history_record(&arena, &event, 42, &record);
    plan_records(&record, 1);
    ck_assert_int_eq(plan.orders[0]->sequence, 42);
    ck_assert_str_eq(plan.orders[0]->epoch, HISTORY_EPOCH);
    ck_assert_int_eq(plan.orders[0]->received_at_ms, record.timestamp_ms);
    ck_assert_int_eq(plan.occurred_at_ms[0], HISTORY_START_MS);
}
END_TEST

START_TEST(of_two_headers_with_one_name_the_first_counts)
{
    struct tb_header headers[] = {{TB_STR("ce_type"), TB_STR(V2)},
                                  {TB_STR("ce_orderversion"), TB_STR("2")},
                                  {TB_STR("ce_type"), TB_STR("Nonsense.v1")},
                                  {TB_STR("ce_orderversion"), TB_STR("7")}};
    struct tb_record record = {
        .offset = 100, .value = TB_STR(SHIPPED("2")), .headers = headers, .header_count = 4};

    bring_to(1);
    plan_records(&record, 1);
    ck_assert_uint_eq(plan.results[TB_APPLIED], 1);
}
END_TEST

/* An error of the view fails the plan; it never makes a record a dead letter. */
START_TEST(a_load_that_fails_plans_nothing)
{
    struct tb_error err = {0};
    struct tb_event event;
    struct tb_record record;
    struct tb_log_batch batch = {.records = &record, .count = 1};

    history_place(&arena, &fake, HISTORY_START_MS, &event);
    history_record(&arena, &event, 1, &record);
    mem.fail_at = 1;
    ck_assert_int_eq(tb_plan_batch(&plan, &batch, &rules, load, &mem.view, &err), TB_UNAVAILABLE);
    tb_plan_clear(&plan);
    plan_records(&record, 1);
    ck_assert_uint_eq(plan.results[TB_APPLIED], 1);
}
END_TEST

/* The rules are the same for a replayed record; its outcome belongs to the dead letter. */
START_TEST(a_replayed_record_belongs_to_its_dead_letter)
{
    static const struct {
        const char *replay_of;
        int64_t version, letter;
        bool dies;
    } cases[] = {
        {"order-events-0-7", 2, 7, false},    /* applied */
        {"order-events-0-7", 1, 7, false},    /* a duplicate */
        {"order-events-0-7", 9, 7, true},     /* too early again */
        {"a.b-c-0-99", 9, 99, true},          /* any topic's name */
        {"order-events-0-100", 9, 100, true}, /* its own offset: ignored */
        {"order-events-0-101", 9, 100, true}, /* a later offset: ignored */
        {"order-events-1-7", 9, 100, true},   /* another partition: ignored */
        {"order-events-0-07", 9, 100, true},
        {"order-events-0--7", 9, 100, true},
        {"order-events-0-", 9, 100, true},
        {"-0-7", 9, 100, true},
        {"0-7", 9, 100, true},
        {"", 9, 100, true},
        {"x-0-99999999999999999999", 9, 100, true},
        {"x-4294967296-7", 9, 100, true},
        {"order-events-0-100", 2, 100, false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tb_header headers[] = {{TB_STR("ce_type"), TB_STR("OrderShipped.v1")},
                                      {TB_STR("tillbox-mended"), tb_str_of(cases[i].replay_of)},
                                      {TB_STR("tillbox-followed"), TB_STR("1")}};
        struct tb_record record = {.offset = 100, .headers = headers, .header_count = 3};
        char value[200];

        mem_view_release(&mem);
        mem_view_init(&mem);
        bring_to(1);
        snprintf(value, sizeof value,
                 "{\"orderId\":\"" ID "\",\"version\":%d,"
                 "\"occurredAt\":\"2026-01-02T03:04:05.678Z\"}",
                 (int)(cases[i].version > 1 ? cases[i].version : 2));
        if (cases[i].version == 1)
            bring_on();
        record.value = tb_str_of(value);
        plan_records(&record, 1);
        ck_assert_uint_eq(plan.dead_letter_count, cases[i].dies);
        if (cases[i].dies) {
            ck_assert_int_eq(plan.dead_letters[0].first_offset, cases[i].letter);
            ck_assert_int_eq(plan.dead_letters[0].version, cases[i].version);
            ck_assert(plan.dead_letters[0].redriven == (cases[i].letter != 100));
        }
        ck_assert_uint_eq(plan.outcome_count, cases[i].dies || cases[i].letter != 100);
        if (plan.outcome_count > 0) {
            ck_assert_int_eq(plan.outcomes[0].first_offset, cases[i].letter);
            ck_assert_int_eq(plan.outcomes[0].offset, 100);
            ck_assert_ptr_eq(plan.outcomes[0].dead_letter, plan.dead_letters);
        }
    }
}
END_TEST

/* The dead letter takes its version from the value or the header. */
START_TEST(dead_letters_have_their_version)
{
    struct tb_header headers[] = {{TB_STR("ce_type"), TB_STR(V2)},
                                  {TB_STR("ce_orderversion"), TB_STR("5")}};
    struct tb_record records[] = {{.value = TB_STR("{nonsense"), .header_count = 2},
                                  {.value = TB_STR("{nonsense"), .header_count = 1},
                                  {.value = TB_STR(SHIPPED("4")), .header_count = 1}};
    static const int64_t versions[] = {5, 0, 4};

    for (size_t i = 0; i < 3; i++) {
        records[i].headers = headers;
        plan_records(&records[i], 1);
        ck_assert_int_eq(plan.dead_letters[0].version, versions[i]);
    }
}
END_TEST

/* The first TB_PLAN_UNKNOWN_TYPES_MAX unknown types are counted separately, further ones together.
 */
START_TEST(unknown_types_are_counted)
{
    enum { TYPES = TB_PLAN_UNKNOWN_TYPES_MAX + 3 };
    char types[TYPES][32];
    struct tb_header headers[TYPES + 1];
    struct tb_record records[2 * (TYPES + 1)];
    uint64_t count = 0;

    for (size_t i = 0; i <= TYPES; i++) {
        if (i < TYPES)
            snprintf(types[i], sizeof types[i], "OrderThing%zu.v1", i);
        headers[i] = (struct tb_header){TB_STR("ce_type"),
                                        i < TYPES ? tb_str_of(types[i]) : TB_STR("b\x1b[31m")};
        for (size_t twice = 0; twice < 2; twice++)
            records[2 * i + twice] = (struct tb_record){.value = TB_STR("{}"),
                                                        .offset = (int64_t)(2 * i + twice),
                                                        .headers = &headers[i],
                                                        .header_count = 1};
    }
    plan_records(records, sizeof records / sizeof *records);
    ck_assert_uint_eq(plan.unknown_type_count, TB_PLAN_UNKNOWN_TYPES_MAX + 1);
    for (size_t i = 0; i < plan.unknown_type_count; i++) {
        if (i < TB_PLAN_UNKNOWN_TYPES_MAX)
            ck_assert(tb_str_eq(plan.unknown_types[i].type, tb_str_of(types[i])));
        else
            ck_assert_ptr_null(plan.unknown_types[i].type.ptr);
        count += plan.unknown_types[i].count;
    }
    ck_assert_uint_eq(count, plan.results[TB_UNKNOWN_TYPE]);
    ck_assert_uint_eq(count, sizeof records / sizeof *records);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/plan");
    TCase *tc = tcase_create("outcomes");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, an_event_is_of_the_node_that_it_names);
    tcase_add_loop_test(tc, an_order_is_of_the_node_that_placed_it, 0, 2);
    tcase_add_test(tc, a_key_belongs_to_its_partition);
    tcase_add_loop_test(tc, every_record_has_its_outcome, 0,
                        (int)(sizeof outcomes / sizeof *outcomes));
    tcase_add_test(tc, dead_letters_name_their_order);
    tcase_add_test(tc, a_finished_order_takes_no_change);
    tcase_add_test(tc, a_stub_keeps_its_version_and_shows_no_order);
    tcase_add_test(tc, dead_lettered_records_leave_gaps);
    tcase_add_test(tc, a_replayed_record_belongs_to_its_dead_letter);
    tcase_add_test(tc, a_copy_of_a_refused_event_is_refused);
    tcase_add_test(tc, dead_letters_have_their_version);
    tcase_add_test(tc, unknown_types_are_counted);
    tcase_add_test(tc, oversized_values_are_not_read);
    tcase_add_test(tc, origins_are_recorded);
    tcase_add_test(tc, of_two_headers_with_one_name_the_first_counts);
    tcase_add_test(tc, a_load_that_fails_plans_nothing);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
