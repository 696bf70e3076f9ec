/* Promise: each outcome of a command has its own status and body. */
#include "order/answer.h"
#include "order/samples.h"

static struct tb_order sample(void)
{
    return (struct tb_order){
        .order_id = SAMPLE_ORDER_ID,
        .order_number = "till1-000042",
        .version = 1,
        .total_minor = 700,
        .currency = "EUR",
        .placed_at_ms = SAMPLE_NOW_MS,
        .business_date = "2026-11-23",
    };
}

START_TEST(a_placed_order_is_answered_as_promised)
{
    struct tb_answer answer = {0};
    struct tb_order order = sample();

    tb_answer_success(&answer, TB_CMD_PLACE, &order);
    ck_assert_int_eq(answer.status, 201);
    ck_assert_int_eq(answer.version, 1);
    ck_assert_str_eq(answer.order_id, SAMPLE_ORDER_ID);
    ck_assert(!answer.replayed);
    ck_assert_str_eq(
        answer.body.data,
        "{\"orderId\":\"" SAMPLE_ORDER_ID "\",\"orderNumber\":\"till1-000042\",\"version\":1,"
        "\"status\":\"PLACED\",\"kind\":\"SALE\",\"totalMinor\":700,\"currency\":\"EUR\","
        "\"placedAt\":\"2026-11-23T08:20:42.123Z\",\"businessDate\":\"2026-11-23\","
        "\"delivery\":\"pending\",\"message\":\"Your order #till1-000042 has been placed. It will "
        "appear in your order history shortly.\"}");
    tb_answer_release(&answer);
    ck_assert_int_eq(answer.status, 0);
}
END_TEST

START_TEST(changes_are_answered_in_short)
{
    static const struct {
        enum tb_command_type type;
        enum tb_order_status status;
        const char *rest;
    } rows[] = {
        {TB_CMD_ADDRESS, TB_PLACED, "\"status\":\"PLACED\"}"},
        {TB_CMD_LINES, TB_PLACED, "\"status\":\"PLACED\",\"totalMinor\":700}"},
        {TB_CMD_SHIP, TB_SHIPPED, "\"status\":\"SHIPPED\"}"},
        {TB_CMD_CANCEL, TB_CANCELLED, "\"status\":\"CANCELLED\"}"},
    };
    struct tb_answer answer = {0};
    struct tb_buf expected = {0};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tb_order order = sample();

        order.version = 4;
        order.status = rows[i].status;
        tb_answer_success(&answer, rows[i].type, &order); /* over the one before */
        ck_assert_int_eq(answer.status, 200);
        ck_assert_int_eq(answer.version, 4);
        ck_assert_str_eq(answer.order_id, "");
        tb_buf_clear(&expected);
        tb_buf_addf(&expected, "{\"orderId\":\"%s\",\"version\":4,%s", SAMPLE_ORDER_ID,
                    rows[i].rest);
        ck_assert_str_eq(answer.body.data, expected.data);
    }
    tb_buf_release(&expected);
    tb_answer_release(&answer);
}
END_TEST

START_TEST(problems_list_the_faults)
{
    static struct tb_field_errors errors;
    struct tb_answer answer = {0};
    struct tb_arena arena = {0};

    tb_answer_problem(&answer, 404, "no such \"order\"", NULL);
    ck_assert_str_eq(answer.body.data, "{\"type\":\"about:blank\",\"title\":\"Not Found\","
                                       "\"status\":404,\"detail\":\"no such \\\"order\\\"\"}");
    tb_answer_problem(&answer, 422, "wrong", &errors);
    ck_assert_ptr_null(strstr(answer.body.data, "errors"));
    tb_field_error_add(&errors, &arena, "/lines/0/sku", "is missing");
    tb_field_error_add(&errors, &arena, "", "must be 7");
    tb_answer_problem(&answer, 422, "wrong", &errors);
    ck_assert_str_eq(answer.body.data,
                     "{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\","
                     "\"status\":422,\"detail\":\"wrong\",\"errors\":["
                     "{\"pointer\":\"/lines/0/sku\",\"detail\":\"is missing\"},"
                     "{\"pointer\":\"\",\"detail\":\"must be 7\"}]}");
    /* With more errors than are listed, the answer is still JSON. */
    for (int i = 0; i < 2 * TB_FIELD_ERRORS_MAX; i++)
        tb_field_error_add(&errors, &arena, "/x", "is wrong");
    tb_answer_problem(&answer, 422, "wrong", &errors);
    struct tb_json *json = sample_json(answer.body.data);
    ck_assert_uint_eq(tb_json_count(tb_json_get(json, "errors")), TB_FIELD_ERRORS_MAX);
    tb_json_free(json);
    tb_answer_release(&answer);
    tb_arena_release(&arena);
}
END_TEST

static const struct {
    enum tb_code code;
    int native;
    bool errors;
    int status, retry_after_s;
} failures[] = {
    {TB_INVALID, 0, true, 422, 0},     {TB_INVALID, 0, false, 400, 0},
    {TB_NOT_FOUND, 0, true, 404, 0},   {TB_CONFLICT, 409, false, 409, 0},
    {TB_CONFLICT, 412, false, 412, 0}, {TB_CONFLICT, 0, false, 409, 0},
    {TB_BUSY, 5, false, 503, 1},       {TB_UNAVAILABLE, 10, false, 503, 1},
    {TB_UNKNOWN, 0, false, 503, 1},    {TB_FULL, 13, false, 507, 30},
    {TB_CORRUPT, 11, false, 500, 0},   {TB_INTERNAL, 0, false, 500, 0},
};

START_TEST(every_failure_has_its_status)
{
    static struct tb_field_errors errors;
    struct tb_error err = {failures[_i].code, failures[_i].native, "because"};
    struct tb_answer answer = {.version = 3, .order_id = "x", .replayed = true};
    struct tb_arena arena = {0};

    if (failures[_i].errors)
        tb_field_error_add(&errors, &arena, "/x", "is wrong");
    tb_answer_from_error(&answer, &err, &errors);
    ck_assert_int_eq(answer.status, failures[_i].status);
    ck_assert_int_eq(answer.retry_after_s, failures[_i].retry_after_s);
    ck_assert_int_eq(answer.version, 0);
    ck_assert_str_eq(answer.order_id, "");
    ck_assert(!answer.replayed);
    ck_assert_ptr_nonnull(strstr(answer.body.data, "\"detail\":\"because\""));
    ck_assert_int_eq(strstr(answer.body.data, "errors") != NULL, failures[_i].status == 422);
    tb_answer_release(&answer);
    tb_answer_from_error(&answer, &err, NULL);
    ck_assert_int_eq(answer.status, failures[_i].status == 422 ? 400 : failures[_i].status);
    tb_answer_release(&answer);
    tb_arena_release(&arena);
}
END_TEST

START_TEST(reasons)
{
    ck_assert_str_eq(tb_http_reason(201), "Created");
    ck_assert_str_eq(tb_http_reason(507), "Insufficient Storage");
    ck_assert_str_eq(tb_http_reason(299), "");
    ck_assert_str_eq(tb_http_reason(-1), "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("answer");
    TCase *tc = tcase_create("answer");

    tcase_add_test(tc, a_placed_order_is_answered_as_promised);
    tcase_add_test(tc, changes_are_answered_in_short);
    tcase_add_test(tc, problems_list_the_faults);
    tcase_add_loop_test(tc, every_failure_has_its_status, 0, sizeof failures / sizeof failures[0]);
    tcase_add_test(tc, reasons);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
