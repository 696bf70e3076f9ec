/* Every record that was once on the log stays readable, and dead letters keep the form that other
 * programs read. The files in golden/ are records with all of their headers as releases wrote
 * them, the orders that they must always become, and a dead letter to the byte. Files are added,
 * never changed: a failure here means that an old record is no longer read, or that other programs
 * cannot read our dead letters. */
#include "base/time/timefmt.h"
#include "query/dead_letters/dlt_writer.h"
#include "support/support.h"
#include <stdio.h>
#include <string.h>

#define RECORDS_MAX 64

static struct tb_arena arena;
static struct tb_buf text; /* of golden, which borrows from it */
static struct tb_json *golden;

static void setup(void)
{
    struct tb_error err = {0};

    ck_ok(tb_zone_set("UTC", &err));
}

static void teardown(void)
{
    tb_json_free(golden);
    golden = NULL;
    tb_buf_release(&text);
    tb_arena_release(&arena);
}

static void open_golden(const char *name)
{
    struct tb_error err = {0};
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", TB_GOLDEN_DIR, name);
    read_whole_file(path, &text);
    ck_ok(tb_json_parse(tb_buf_str(&text), TB_JSON_DEPTH_MAX, &golden, &err));
}

static struct tb_str printed(const struct tb_json *value)
{
    struct tb_buf out = {0};
    struct tb_str copy;

    tb_json_print(&out, value);
    copy = tb_arena_copy(&arena, tb_buf_str(&out));
    tb_buf_release(&out);
    ck_assert_ptr_nonnull(copy.ptr);
    return copy;
}

static int64_t int_of(const struct tb_json *object, const char *key)
{
    int64_t value = 0;

    ck_assert(tb_json_int(tb_json_get(object, key), &value));
    return value;
}

/* {"key":...,"headers":{...},"value":{...}} */
static void read_record(const struct tb_json *json, int64_t offset, struct tb_record *ret_record)
{
    const struct tb_json *headers = tb_json_get(json, "headers");
    struct tb_header *list = tb_arena_array(&arena, tb_json_count(headers), sizeof *list);
    size_t count = 0;

    for (const struct tb_json *h = tb_json_first(headers); h; h = tb_json_next(h))
        list[count++] = (struct tb_header){tb_json_key(h), tb_json_string(h)};
    *ret_record = (struct tb_record){
        .offset = offset,
        .timestamp_ms = 1,
        .key = tb_json_string(tb_json_get(json, "key")),
        .value = printed(tb_json_get(json, "value")),
        .headers = list,
        .header_count = count,
    };
}

static enum tb_code nothing_yet(void *ctx, const char *order_id, struct tb_arena *memory,
                                struct tb_planned_order *ret_order, struct tb_error *err)
{
    (void)ctx, (void)order_id, (void)memory, (void)err;
    *ret_order = (struct tb_planned_order){0};
    return TB_OK;
}

START_TEST(a_log_stays_readable)
{
    struct tb_record records[RECORDS_MAX];
    struct tb_log_batch batch = {.records = records};
    struct tb_plan_rules rules = {.currency = "EUR", .day_start_minutes = 4 * 60};
    struct tb_plan plan = {0};
    struct tb_error err = {0};
    struct tb_buf orders = {0};

    open_golden("log.json");
    for (const struct tb_json *r = tb_json_first(tb_json_get(golden, "records")); r;
         r = tb_json_next(r), batch.count++) {
        ck_assert_uint_lt(batch.count, RECORDS_MAX);
        read_record(r, (int64_t)batch.count, &records[batch.count]);
    }
    ck_ok(tb_plan_batch(&plan, &batch, &rules, nothing_yet, NULL, &err));
    ck_assert_uint_eq(plan.dead_letter_count, 0);
    ck_assert_uint_eq(plan.results[TB_APPLIED], batch.count);
    tb_buf_addc(&orders, '[');
    for (size_t i = 0; i < plan.order_count; i++) {
        if (i > 0)
            tb_buf_addc(&orders, ',');
        tb_order_encode(&orders, &plan.orders[i]->order);
    }
    tb_buf_addc(&orders, ']');
    ck_assert_str_eq(orders.data, printed(tb_json_get(golden, "orders")).ptr);
    tb_buf_release(&orders);
    tb_plan_release(&plan);
}
END_TEST

/* A text, null, or {"hex":"..."}. */
static struct tb_str bytes_of(const struct tb_json *json)
{
    struct tb_str hex;
    unsigned char *bytes;

    if (tb_json_type(json) != TB_JSON_OBJECT)
        return tb_json_string(json);
    hex = tb_json_string(tb_json_get(json, "hex"));
    bytes = tb_arena_alloc(&arena, hex.len / 2 + 1);
    for (size_t i = 0; i < hex.len / 2; i++) {
        unsigned value = 0;

        ck_assert_int_eq(sscanf(hex.ptr + 2 * i, "%2x", &value), 1);
        bytes[i] = (unsigned char)value;
    }
    return (struct tb_str){(const char *)bytes, hex.len / 2};
}

/* [["name",bytes],...]; names may come twice, and their order counts. */
static size_t read_headers(const struct tb_json *list, struct tb_header *ret_headers)
{
    size_t count = 0;

    for (const struct tb_json *h = tb_json_first(list); h; h = tb_json_next(h)) {
        const struct tb_json *name = tb_json_first(h);

        ck_assert_uint_lt(count, TB_LOG_HEADERS_MAX);
        ret_headers[count++] =
            (struct tb_header){tb_json_string(name), bytes_of(tb_json_next(name))};
    }
    return count;
}

static bool same(struct tb_str a, struct tb_str b)
{
    return (a.ptr == NULL) == (b.ptr == NULL) && (a.ptr == NULL || tb_str_eq(a, b));
}

static void check_headers(const struct tb_record *letter, const char *form)
{
    struct tb_header expected[TB_LOG_HEADERS_MAX];
    size_t count = read_headers(tb_json_get(golden, form), expected);

    for (size_t i = 0; i < letter->header_count && i < count; i++) {
        const struct tb_header *header = &letter->headers[i];

        ck_assert_msg(same(header->name, expected[i].name) &&
                          same(header->value, expected[i].value),
                      "%s: header %zu is %.*s", form, i, (int)header->name.len, header->name.ptr);
    }
    ck_assert_uint_eq(letter->header_count, count);
}

START_TEST(a_dead_letter_has_the_documented_bytes)
{
    static const struct {
        enum tb_dlt_form form;
        const char *name;
        bool key, value;
    } forms[] = {{TB_DLT_COMPLETE, "whole", true, true},
                 {TB_DLT_WITHOUT_VALUE, "withoutValue", true, false},
                 {TB_DLT_HEADERS_ONLY, "bare", false, false}};
    struct tb_header headers[TB_LOG_HEADERS_MAX];

    open_golden("dead_letter.json");
    const struct tb_json *record_json = tb_json_get(golden, "record");
    const struct tb_record record = {
        .partition = (int32_t)int_of(record_json, "partition"),
        .offset = int_of(record_json, "offset"),
        .timestamp_ms = int_of(record_json, "timestampMs"),
        .key = tb_json_string(tb_json_get(record_json, "key")),
        .value = tb_json_string(tb_json_get(record_json, "value")),
        .headers = headers,
        .header_count = read_headers(tb_json_get(record_json, "headers"), headers),
    };
    const struct tb_plan_dead_letter letter = {
        .record = &record,
        .first_offset = record.offset,
        .reason = tb_json_string(tb_json_get(golden, "reason")).ptr,
        .message = tb_json_string(tb_json_get(golden, "message")),
    };
    const struct tb_dlt_writer_options options = {
        .topic = tb_json_string(tb_json_get(golden, "topic")).ptr,
        .group = tb_json_string(tb_json_get(golden, "group")).ptr};

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tb_record written;

        ck_assert(tb_dlt_record(&options, &letter, forms[i].form, &arena, &written));
        ck_assert(written.fixed_partition && written.partition == record.partition);
        ck_assert(same(written.key, forms[i].key ? record.key : (struct tb_str){0}));
        ck_assert(same(written.value, forms[i].value ? record.value : (struct tb_str){0}));
        check_headers(&written, forms[i].name);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/golden");
    TCase *tc = tcase_create("golden");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_log_stays_readable);
    tcase_add_test(tc, a_dead_letter_has_the_documented_bytes);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
