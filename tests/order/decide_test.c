/* Promise: in every state, each command gives the event or the refusal that decide.h draws. */
#include "order/decide.h"
#include "order/samples.h"

static struct tb_arena arena;
static struct tb_field_errors errors;
static struct tb_error err;
static const struct tb_decide_context context = {
    .now_ms = SAMPLE_NOW_MS,
    .event_id = SAMPLE_EVENT_ID,
    .new_order_id = SAMPLE_ORDER_ID,
    .order_number = "till1-000042",
    .node = {"till1", 5},
    .day_start_minutes = 9 * 60,
};
static struct tb_line sale_lines[] = {{{"TEA", 3}, {NULL, 0}, 2, 350}};
static struct tb_line return_lines[] = {{{"TEA", 3}, {NULL, 0}, -2, 350}};

static void setup(void)
{
    ck_ok(tb_zone_set("UTC", &err));
}

static void teardown(void)
{
    tb_arena_release(&arena);
}

static struct tb_command command_of(enum tb_command_type type)
{
    return (struct tb_command){
        .type = type,
        .order_id = SAMPLE_ORDER_ID,
        .currency = "EUR",
        .source = {"POS", 3},
        .lines = sale_lines,
        .line_count = 1,
        .total_minor = 700,
        .has_address = type == TB_CMD_ADDRESS,
        .address = {.line1 = {"a", 1}, .city = {"b", 1}, .country = {"DE", 2}},
        .reason = {"late", 4},
    };
}

static struct tb_order order_in(enum tb_order_status status)
{
    return (struct tb_order){.order_id = SAMPLE_ORDER_ID,
                             .version = 7,
                             .status = status,
                             .kind = TB_SALE,
                             .currency = "EUR"};
}

/* Every cell of the state machine: the event type or the refusal. Status 3: there is no order. */
#define NONE 3
static const struct {
    enum tb_command_type type;
    int status;
    enum tb_code code;
    int detail; /* the event's type, or err->native */
} cells[] = {
    {TB_CMD_PLACE, NONE, TB_OK, TB_EVENT_PLACED},
    {TB_CMD_PLACE, TB_PLACED, TB_CONFLICT, 409},
    {TB_CMD_PLACE, TB_SHIPPED, TB_CONFLICT, 409},
    {TB_CMD_PLACE, TB_CANCELLED, TB_CONFLICT, 409},
    {TB_CMD_ADDRESS, NONE, TB_NOT_FOUND, 0},
    {TB_CMD_ADDRESS, TB_PLACED, TB_OK, TB_EVENT_ADDRESS_CHANGED},
    {TB_CMD_ADDRESS, TB_SHIPPED, TB_CONFLICT, 409},
    {TB_CMD_ADDRESS, TB_CANCELLED, TB_CONFLICT, 409},
    {TB_CMD_LINES, NONE, TB_NOT_FOUND, 0},
    {TB_CMD_LINES, TB_PLACED, TB_OK, TB_EVENT_TOTAL_CHANGED},
    {TB_CMD_LINES, TB_SHIPPED, TB_CONFLICT, 409},
    {TB_CMD_LINES, TB_CANCELLED, TB_CONFLICT, 409},
    {TB_CMD_SHIP, NONE, TB_NOT_FOUND, 0},
    {TB_CMD_SHIP, TB_PLACED, TB_OK, TB_EVENT_SHIPPED},
    {TB_CMD_SHIP, TB_SHIPPED, TB_CONFLICT, 409},
    {TB_CMD_SHIP, TB_CANCELLED, TB_CONFLICT, 409},
    {TB_CMD_CANCEL, NONE, TB_NOT_FOUND, 0},
    {TB_CMD_CANCEL, TB_PLACED, TB_OK, TB_EVENT_CANCELLED},
    {TB_CMD_CANCEL, TB_SHIPPED, TB_CONFLICT, 409},
    {TB_CMD_CANCEL, TB_CANCELLED, TB_CONFLICT, 409},
};

START_TEST(every_cell_of_the_state_machine)
{
    struct tb_command command = command_of(cells[_i].type);
    struct tb_order order = order_in((enum tb_order_status)(cells[_i].status % NONE));
    struct tb_order *current = cells[_i].status == NONE ? NULL : &order;
    struct tb_event event = {.version = 99};

    ck_assert_int_eq(tb_decide(&command, current, &context, &arena, &event, &errors, &err),
                     cells[_i].code);
    ck_assert_uint_eq(errors.count, 0);
    if (cells[_i].code != TB_OK) {
        ck_assert_int_eq(event.version, 99); /* untouched */
        ck_assert_int_eq(err.native, cells[_i].detail);
        ck_assert_ptr_nonnull(strstr(err.text, SAMPLE_ORDER_ID));
        return;
    }
    ck_assert_int_eq(event.type, cells[_i].detail);
    ck_assert_int_eq(event.version, current ? 8 : 1);
    ck_assert_str_eq(event.order_id, SAMPLE_ORDER_ID);
    ck_assert_str_eq(event.event_id, SAMPLE_EVENT_ID);
    ck_assert_int_eq(event.occurred_at_ms, SAMPLE_NOW_MS);
}
END_TEST

/* If-Match is checked before the state: a client with an old version is told so first. */
START_TEST(if_match_decides_first)
{
    for (int type = TB_CMD_ADDRESS; type < TB_CMD_COUNT; type++) {
        for (int status = 0; status < NONE; status++) {
            struct tb_command command = command_of((enum tb_command_type)type);
            struct tb_order order = order_in((enum tb_order_status)status);
            struct tb_event event;

            command.has_expected_version = true;
            command.expected_version = 6;
            ck_assert_int_eq(tb_decide(&command, &order, &context, &arena, &event, &errors, &err),
                             TB_CONFLICT);
            ck_assert_int_eq(err.native, 412);
            command.expected_version = 7;
            ck_assert_int_eq(tb_decide(&command, &order, &context, &arena, &event, &errors, &err),
                             status == TB_PLACED ? TB_OK : TB_CONFLICT);
            ck_assert(status == TB_PLACED || err.native == 409);
        }
    }
}
END_TEST

START_TEST(a_placed_order_is_complete)
{
    struct tb_command command = command_of(TB_CMD_PLACE);
    struct tb_event event;
    struct tb_buf out = {0};

    command.order_id[0] = '\0';
    ck_ok(tb_decide(&command, NULL, &context, &arena, &event, &errors, &err));
    tb_event_encode(&out, &event);
    /* The business day starts at 9, so 08:20 belongs to the day before. */
    ck_assert_str_eq(
        out.data,
        "{\"orderId\":\"" SAMPLE_ORDER_ID "\",\"orderNumber\":\"till1-000042\",\"version\":1,"
        "\"status\":\"PLACED\",\"kind\":\"SALE\",\"totalMinor\":700,\"currency\":\"EUR\","
        "\"placedAt\":\"2026-11-23T08:20:42.123Z\",\"businessDate\":\"2026-11-22\","
        "\"node\":\"till1\",\"source\":\"POS\",\"lines\":[{\"sku\":\"TEA\",\"quantity\":2,"
        "\"unitPriceMinor\":350}],\"updatedAt\":\"2026-11-23T08:20:42.123Z\","
        "\"lastEventId\":\"" SAMPLE_EVENT_ID "\"}");
    tb_buf_release(&out);

    command.has_placed_at = true;
    command.placed_at_ms = INT64_C(1291191960000); /* 2010-12-01T08:26Z */
    ck_ok(tb_decide(&command, NULL, &context, &arena, &event, &errors, &err));
    ck_assert_int_eq(event.order.placed_at_ms, command.placed_at_ms);
    ck_assert_int_eq(event.order.updated_at_ms, SAMPLE_NOW_MS);
    ck_assert_int_eq(event.occurred_at_ms, SAMPLE_NOW_MS);
    ck_assert_str_eq(event.order.business_date, "2010-11-30");
}
END_TEST

/* The signs of new lines must fit the kind of their order. */
START_TEST(new_lines_fit_the_order)
{
    struct tb_command command = command_of(TB_CMD_LINES);
    struct tb_order order = order_in(TB_PLACED);
    struct tb_line large = {{"A", 1}, {NULL, 0}, TB_QUANTITY_MAX, TB_PRICE_MAX};
    struct tb_buf pointers = {0};
    struct tb_event event;

    ck_ok(tb_decide(&command, &order, &context, &arena, &event, &errors, &err));
    ck_assert_int_eq(event.total_minor, 700);
    order.kind = TB_RETURN;
    ck_assert_int_eq(tb_decide(&command, &order, &context, &arena, &event, &errors, &err),
                     TB_INVALID);
    sample_pointers(&errors, &pointers);
    ck_assert_str_eq(pointers.data, "/lines/0/quantity");
    command.lines = return_lines;
    ck_ok(tb_decide(&command, &order, &context, &arena, &event, &errors, &err));
    ck_assert_int_eq(event.total_minor, -700);
    order.kind = TB_SALE;
    command.lines = &large;
    ck_assert_int_eq(tb_decide(&command, &order, &context, &arena, &event, &errors, &err),
                     TB_INVALID);
    sample_pointers(&errors, &pointers);
    ck_assert_str_eq(pointers.data, "/lines");
    tb_buf_release(&pointers);
}
END_TEST

/* A till with a wrong clock still writes times that every reader accepts. */
START_TEST(nonsense_clocks_stay_readable)
{
    static const int64_t clocks[] = {INT64_MIN, -1, 0, TB_TIME_MAX_MS, INT64_MAX};

    for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
        struct tb_decide_context odd = context;
        struct tb_command command = command_of(TB_CMD_PLACE);
        struct tb_event event;
        struct tb_order order;
        struct tb_buf out = {0};

        odd.now_ms = clocks[i];
        ck_ok(tb_decide(&command, NULL, &odd, &arena, &event, &errors, &err));
        tb_event_encode(&out, &event);
        struct tb_json *json = sample_json(out.data);
        ck_ok(tb_order_decode(json, &arena, &order, &err));
        tb_json_free(json);
        tb_buf_release(&out);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decide");
    TCase *tc = tcase_create("decide");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, every_cell_of_the_state_machine, 0, sizeof cells / sizeof cells[0]);
    tcase_add_test(tc, if_match_decides_first);
    tcase_add_test(tc, a_placed_order_is_complete);
    tcase_add_test(tc, new_lines_fit_the_order);
    tcase_add_test(tc, nonsense_clocks_stay_readable);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
