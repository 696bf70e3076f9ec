/* Documents in MongoDB keep the names, types and order of their fields, because other programs
 * read them, and a central of an older release may write them at the same time.
 * golden/documents.txt has documents of orders, days, dead letters and their updates, nodes, and
 * of a job's progress, in canonical extended JSON. An order, a day and a node that is read and
 * written again must have the same bytes. */
#include "query/mongo/dead_letters/dead_letters.h"
#include "query/mongo/fleet/documents.h"
#include "query/mongo/sales/sales.h"
#include "query/mongo/view/view.h"
#include "query/rebuild/mongo/rebuild_mongo_priv.h"
#include "support/support.h"
#include <stdio.h>
#include <stdlib.h>

#define AT_MS INT64_C(1767225600000)

static struct tb_buf golden;
static const char *line; /* of golden: the next one */
static struct tb_arena arena;
static struct tb_mongo mongo = {.topic = "order-events"};
static const struct tb_mongo_client client = {.mongo = &mongo};

static void setup(void)
{
    char path[512];

    snprintf(path, sizeof path, "%s/documents.txt", TB_GOLDEN_DIR);
    read_whole_file(path, &golden);
    line = golden.data;
}

static void teardown(void)
{
    tb_buf_release(&golden);
    tb_arena_release(&arena);
}

/* The document must equal the golden file's next line. They are compared as BSON, because releases
 * of libbson print the same document with different blanks. If TB_GOLDEN_PRINT is set, the
 * document is printed instead. */
static void check_line(bson_t *doc)
{
    char *text = bson_as_canonical_extended_json(doc, NULL);
    size_t len = strcspn(line, "\n");

    if (getenv("TB_GOLDEN_PRINT")) {
        fprintf(stderr, "GOLDEN %s\n", text);
    } else {
        bson_error_t error;
        bson_t *expected = bson_new_from_json((const uint8_t *)line, (ssize_t)len, &error);

        ck_assert_msg(expected != NULL, "%.*s: %s", (int)len, line, error.message);
        ck_assert_msg(bson_equal(doc, expected), "%s\nis not\n%.*s", text, (int)len, line);
        bson_destroy(expected);
    }
    line += line[len] ? len + 1 : len;
    bson_free(text);
    bson_destroy(doc);
}

static bson_t *encode_order(const struct tb_planned_order *planned)
{
    bson_t *doc = bson_new();
    struct tb_error err = {0};

    ck_ok(tb_mongo_order_encode(planned, doc, &err));
    return doc;
}

static void check_order(const struct tb_planned_order *planned)
{
    bson_t *doc = encode_order(planned), *again;
    struct tb_planned_order read = {0};
    struct tb_error err = {0};

    ck_ok(tb_mongo_order_decode(doc, &arena, &read, &err));
    ck_assert(read.exists);
    again = encode_order(&read);
    ck_assert(bson_equal(doc, again));
    bson_destroy(again);
    check_line(doc);
}

static void check_orders(void)
{
    struct tb_line lines[] = {{TB_STR("SKU-1"), TB_STR("Tea, green"), 2, 350},
                              {.sku = TB_STR("SKU-2"), .quantity = -1, .unit_price_minor = 99}};
    struct tb_planned_order planned = {
        .order = {.order_id = "018f0000-0000-7000-8000-000000000001",
                  .order_number = "till1-17",
                  .version = 3,
                  .status = TB_SHIPPED,
                  .kind = TB_RETURN,
                  .currency = "EUR",
                  .total_minor = 601,
                  .placed_at_ms = AT_MS,
                  .updated_at_ms = AT_MS + 1,
                  .business_date = "2026-01-01",
                  .node = TB_STR("till1"),
                  .customer_id = TB_STR("c-1"),
                  .source = TB_STR("pos"),
                  .lines = lines,
                  .line_count = 2,
                  .has_address = true,
                  .address = {TB_STR("Main St 1"), TB_STR("Rear"), TB_STR("Bonn"), TB_STR("53111"),
                              TB_STR("DE")},
                  .last_event_id = "018f0000-0000-7000-8000-000000000002"},
        .epoch = "0123456789abcdef",
        .sequence = 12,
        .received_at_ms = AT_MS + 2,
    };
    struct tb_planned_order stub = {.stub = true};

    check_order(&planned);
    planned.order.order_number[0] = planned.order.last_event_id[0] = planned.epoch[0] = '\0';
    planned.order.customer_id = planned.order.address.line2 = (struct tb_str){0};
    planned.order.address.postal_code = (struct tb_str){0};
    planned.order.line_count = 1;
    planned.order.status = TB_PLACED;
    planned.order.kind = TB_SALE;
    planned.sequence = 0;
    check_order(&planned);
    planned.order.has_address = false;
    check_order(&planned);
    memcpy(stub.order.order_id, planned.order.order_id, TB_UUID_SIZE);
    stub.order.version = 4;
    check_order(&stub);
}

static bson_t *encode_day(const struct tb_sales_day *day)
{
    bson_t *doc = bson_new();
    struct tb_error err = {0};

    ck_ok(tb_mongo_day_encode(day, doc, &err));
    return doc;
}

static void check_days(void)
{
    int64_t undone[] = {7, 9};
    struct tb_sales_part parts[] = {{.partition = 0,
                                     .through = 17,
                                     .fence = 3,
                                     .orders = 5,
                                     .returns = 1,
                                     .cancelled = 2,
                                     .total_minor = 12345,
                                     .cancelled_returns = 1,
                                     .shipped = 3,
                                     .shipped_returns = 1,
                                     .shipped_minor = -40,
                                     .late_orders = 1,
                                     .late_changes = 2,
                                     .undone = undone,
                                     .undone_count = 2},
                                    {.partition = 4, .through = 8, .orders = 1}};
    struct tb_sales_day day = {.id = TB_STR("till1/2026-01-01/EUR"),
                               .node = TB_STR("till1"),
                               .business_date = "2026-01-01",
                               .currency = "EUR",
                               .changes = 6,
                               .has_statuses = true,
                               .parts = parts,
                               .part_count = 2};
    struct tb_sales_day read = day;
    bson_t *doc = encode_day(&day), *again;

    read.changes = 0;
    read.parts = NULL;
    read.part_count = 0;
    ck_assert(tb_mongo_day_decode(doc, &arena, &read));
    again = encode_day(&read);
    ck_assert(bson_equal(doc, again));
    bson_destroy(again);
    check_line(doc);
    day.part_count = 0;
    day.has_statuses = false;
    check_line(encode_day(&day));
}

/* The document of a new dead letter, and the updates for a failed and a successful replay. */
static void check_deaths(const struct tb_plan *plan, const struct tb_plan_dead_letter *dead)
{
    struct tb_dead_letter read = {0};
    struct tb_error err = {0};
    bool failed = false;
    bson_t *doc = bson_new();

    tb_mongo_put_first_death((struct tb_bson_writer){doc, &failed}, "order-events-4-10", &client,
                             plan, dead);
    ck_ok(tb_mongo_dead_letter_decode(doc, &arena, &read, &err));
    ck_assert_int_eq(read.status, TB_DEAD_LETTER_OPEN);
    ck_assert_int_eq(read.version, dead->version);
    ck_assert_str_eq(read.order_id, dead->order_id);
    ck_assert(tb_str_eq(read.type, dead->type) && tb_str_eq(read.key, dead->record->key));
    ck_assert_uint_eq(read.header_count, dead->record->header_count);
    check_line(doc);
    doc = bson_new();
    tb_mongo_put_next_death((struct tb_bson_writer){doc, &failed}, &client, plan, dead);
    check_line(doc);
    doc = bson_new();
    tb_mongo_put_replayed((struct tb_bson_writer){doc, &failed}, plan, 30);
    check_line(doc);
    ck_assert(!failed);
}

static void check_dead_letters(void)
{
    char *large = calloc(1, 13u << 20);
    struct tb_header headers[] = {{TB_STR("ce_type"), TB_STR("OrderPlaced.v2")},
                                  {TB_STR("none"), {NULL, 0}}};
    struct tb_record record = {.offset = 10,
                               .timestamp_ms = AT_MS,
                               .key = TB_STR("key"),
                               .value = {"\xff\x00{}", 4},
                               .headers = headers,
                               .header_count = 2};
    const struct tb_plan plan = {.partition = 4, .planned_at_ms = AT_MS + 5};
    struct tb_plan_dead_letter dead = {.record = &record,
                                       .order_id = "018f0000-0000-7000-8000-000000000001",
                                       .version = 2,
                                       .type = TB_STR("OrderShipped.v1"),
                                       .reason = TB_REASON_GAP,
                                       .message = TB_STR("version 1 is missing")};

    ck_assert_ptr_nonnull(large);
    dead.first_offset = record.offset;
    check_deaths(&plan, &dead);
    dead.order_id[0] = '\0';
    dead.type = record.key = record.value = (struct tb_str){0};
    record.header_count = 0;
    dead.redriven = true;
    check_deaths(&plan, &dead);
    record.value = (struct tb_str){large, 13u << 20}; /* too large to be kept */
    check_deaths(&plan, &dead);
    free(large);
}

static bson_t *encode_node(const struct tb_mongo_node *node)
{
    bool failed = false;
    bson_t *doc = bson_new();

    tb_mongo_put_node((struct tb_bson_writer){doc, &failed}, node);
    ck_assert(!failed);
    return doc;
}

static void check_nodes(void)
{
    struct tb_mongo_node stored = {.offset = 77}, read;
    struct tb_node node = {.last = {.node = "till1",
                                    .epoch = "0123456789abcdef",
                                    .version = "1.2.3",
                                    .last_sequence = 9,
                                    .delivered_sequence = 8,
                                    .pending = 1,
                                    .oldest_pending_at_ms = AT_MS,
                                    .clock_ms = AT_MS + 1,
                                    .business_date = "2025-12-31",
                                    .day_ends_at_ms = AT_MS + 4,
                                    .arrived_at_ms = AT_MS + 2},
                           .forked_at_ms = AT_MS + 3,
                           .epochs = {{"a", 1, true}, {"0123456789abcdef", 9, false}},
                           .epoch_count = 2,
                           .marks = {{4, AT_MS}, {9, AT_MS + 1}},
                           .mark_count = 2,
                           .has_clock_offset = true,
                           .clock_offset_ms = -1,
                           .day_ends = {{{0, 5, -3600000}, {86400000, 86400000, 7}}, 2}};
    bson_t *doc, *again;

    stored.node = node;
    doc = encode_node(&stored);
    ck_assert(tb_mongo_node_decode(doc, &read));
    ck_assert_int_eq(read.offset, 77);
    again = encode_node(&read);
    ck_assert(bson_equal(doc, again));
    bson_destroy(again);
    check_line(doc);
    node.last.oldest_pending_at_ms = node.forked_at_ms = 0;
    node.epoch_count = node.mark_count = node.day_ends.count = 0;
    node.last.business_date[0] = '\0';
    node.last.day_ends_at_ms = node.clock_offset_ms = 0;
    node.has_clock_offset = false;
    stored.node = node;
    check_line(encode_node(&stored));
    node = (struct tb_node){.last = {.node = "till9"}, .retired = {AT_MS, "127.0.0.1:40000"}};
    stored = (struct tb_mongo_node){.node = node, .offset = -1, .retirements = 3};
    doc = encode_node(&stored);
    ck_assert(tb_mongo_node_decode(doc, &read));
    ck_assert_int_eq(read.offset, -1);
    ck_assert_int_eq(read.retirements, 3);
    ck_assert_mem_eq(&read.node, &node, sizeof node);
    check_line(doc);
}

static void check_jobs(void)
{
    const struct tb_rebuild_progress progress = {.state = TB_REBUILD_COMPARING,
                                                 .job = {.accept = true},
                                                 .events = 10,
                                                 .total = 20,
                                                 .per_second = 3,
                                                 .seconds_left = -1,
                                                 .compared = true,
                                                 .served_orders = 5,
                                                 .rebuilt_orders = 6,
                                                 .differences = "[]",
                                                 .problem = "MongoDB is down"};
    bool failed = false;
    bson_t *doc = bson_new();

    tb_mongo_job_put_progress((struct tb_bson_writer){doc, &failed}, &progress);
    ck_assert(!failed);
    check_line(doc);
}

START_TEST(documents_keep_their_fields)
{
    check_orders();
    check_days();
    check_dead_letters();
    check_nodes();
    check_jobs();
    ck_assert_msg(getenv("TB_GOLDEN_PRINT") || *line == '\0', "not written: %s", line);
}
END_TEST

/* Reads an order from JSON. */
static bool reads_order(const char *json, struct tb_planned_order *ret_planned)
{
    struct tb_error err = {0};
    bson_error_t error;
    enum tb_code code;
    bson_t doc;

    ck_assert_msg(bson_init_from_json(&doc, json, -1, &error), "%s", error.message);
    code = tb_mongo_order_decode(&doc, &arena, ret_planned, &err);
    ck_assert(code == TB_OK || code == TB_CORRUPT);
    bson_destroy(&doc);
    return code == TB_OK;
}

#define KEY "\"_id\":\"018f0000-0000-7000-8000-000000000001\",\"version\":2"
#define LINES "\"lines\":[{\"sku\":\"A\",\"quantity\":3}]"

/* An order is read even if its fields have another order, some are unknown or missing, or numbers
 * have 32 bits. It is not read if a field has another type or a value does not fit. */
START_TEST(only_orders_are_read_as_orders)
{
    static const char *const broken[] = {
        "{" KEY "}",
        "{" LINES "}",
        "{" KEY ",\"lines\":[]}",
        "{" KEY ",\"lines\":[7]}",
        "{" KEY ",\"lines\":{}}",
        "{" KEY "," LINES ",\"status\":\"LOST\"}",
        "{" KEY "," LINES ",\"kind\":1}",
        "{" KEY "," LINES ",\"currency\":\"EURO\"}",
        "{" KEY "," LINES ",\"businessDate\":\"\"}",
        "{" KEY "," LINES ",\"node\":null}",
        "{" KEY "," LINES ",\"shippingAddress\":[]}",
        "{" KEY "," LINES ",\"shippingAddress\":{\"city\":7}}",
        "{\"_id\":7,\"version\":2," LINES "}",
        "{\"version\":\"2\"," LINES "}",
    };
    struct tb_planned_order read = {0};

    ck_assert(reads_order("{" LINES
                          ",\"new\":[1],\"node\":\"till1\",\"new\":2,\"status\":\"SHIPPED\"," KEY
                          ",\"shippingAddress\":{\"city\":\"Bonn\",\"planet\":3}}",
                          &read));
    ck_assert_int_eq(read.order.version, 2);
    ck_assert_int_eq(read.order.status, TB_SHIPPED);
    ck_assert_str_eq(read.order.node.ptr, "till1");
    ck_assert_uint_eq(read.order.line_count, 1);
    ck_assert_int_eq(read.order.lines[0].quantity, 3);
    ck_assert(!read.order.lines[0].name.ptr);
    ck_assert(read.order.has_address);
    ck_assert_str_eq(read.order.address.city.ptr, "Bonn");
    ck_assert(reads_order("{" KEY ",\"stub\":true}", &read) && read.stub);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        ck_assert_msg(!reads_order(broken[i], &read), "%s", broken[i]);
}
END_TEST

/* A node is read even if a list of it holds something else: the list ends there. */
START_TEST(a_damaged_list_ends_early)
{
    static const char json[] = "{\"_id\":\"till1\",\"offset\":3,\"epochs\":"
                               "[{\"epoch\":\"0123456789abcdef\",\"lastSequence\":5},7,{}]}";
    struct tb_mongo_node read;
    bson_error_t error;
    bson_t doc;

    ck_assert_msg(bson_init_from_json(&doc, json, -1, &error), "%s", error.message);
    ck_assert(tb_mongo_node_decode(&doc, &read));
    ck_assert_int_eq(read.offset, 3);
    ck_assert_uint_eq(read.node.epoch_count, 1);
    ck_assert_int_eq(read.node.epochs[0].last_sequence, 5);
    bson_destroy(&doc);
}
END_TEST

/* An order with more than TB_LINES_MAX lines is not read. */
START_TEST(no_order_has_too_many_lines)
{
    struct tb_planned_order planned = {.order = {.version = 1, .line_count = TB_LINES_MAX}}, read;
    struct tb_error err = {0};
    bson_t *doc;

    memcpy(planned.order.order_id, "018f0000-0000-7000-8000-000000000001", TB_UUID_SIZE);
    memcpy(planned.order.currency, "EUR", 4);
    memcpy(planned.order.business_date, "2026-01-01", TB_DATE_SIZE);
    planned.order.lines = tb_arena_array(&arena, TB_LINES_MAX + 1, sizeof *planned.order.lines);
    ck_assert_ptr_nonnull(planned.order.lines);
    doc = encode_order(&planned);
    ck_ok(tb_mongo_order_decode(doc, &arena, &read, &err));
    ck_assert_uint_eq(read.order.line_count, TB_LINES_MAX);
    bson_destroy(doc);
    planned.order.line_count++;
    doc = encode_order(&planned);
    ck_assert_int_eq(tb_mongo_order_decode(doc, &arena, &read, &err), TB_CORRUPT);
    bson_destroy(doc);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/mongo/documents");
    TCase *tc = tcase_create("documents");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, documents_keep_their_fields);
    tcase_add_test(tc, only_orders_are_read_as_orders);
    tcase_add_test(tc, a_damaged_list_ends_early);
    tcase_add_test(tc, no_order_has_too_many_lines);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
