/* Searches for a body that crashes the parser, is accepted beyond a limit, or becomes an event
 * that a reader refuses. The first byte of the input picks the command, the rest is the body. */
#include "order/decide.h"
#include <stdio.h>

#define ORDER_ID "0191d2c0-5e6f-7a1b-8c2d-3e4f5a6b7c8d"
#define NOW_MS INT64_C(1795422042123)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tb_command_context rules = {.currency = "EUR",
                                                .now_ms = NOW_MS,
                                                .lines_max = TB_LINES_MAX,
                                                .depth_max = TB_JSON_DEPTH_MAX};

static void check_lines(const struct tb_command *command)
{
    __int128 sum = 0;

    TB_ASSERT(command->line_count >= 1 && command->line_count <= TB_LINES_MAX);
    for (size_t i = 0; i < command->line_count; i++) {
        const struct tb_line *line = &command->lines[i];

        TB_ASSERT(line->sku.len >= 1 && line->sku.len <= TB_SKU_MAX);
        TB_ASSERT(line->name.len <= TB_NAME_MAX);
        TB_ASSERT(line->quantity != 0 && line->quantity >= -TB_QUANTITY_MAX &&
                  line->quantity <= TB_QUANTITY_MAX);
        TB_ASSERT(line->unit_price_minor >= 0 && line->unit_price_minor <= TB_PRICE_MAX);
        sum += (__int128)line->quantity * line->unit_price_minor;
        TB_ASSERT(command->type != TB_CMD_PLACE ||
                  (line->quantity < 0) == (command->kind == TB_RETURN));
    }
    if (command->type == TB_CMD_PLACE)
        TB_ASSERT(sum == command->total_minor && sum >= -TB_TOTAL_MAX && sum <= TB_TOTAL_MAX);
}

/* The event as text, read by somebody else, written again: the same bytes. */
static void check_event(const struct tb_event *event, struct tb_arena *arena)
{
    struct tb_event_context context = {.type = tb_str_of(tb_event_type_name(event->type)),
                                       .event_id = tb_str_of(event->event_id)};
    struct tb_buf text = {0}, again = {0};
    struct tb_json *json = NULL;
    struct tb_event back;
    struct tb_error err = {0};

    tb_event_encode(&text, event);
    TB_ASSERT(tb_json_parse(tb_buf_str(&text), TB_JSON_DEPTH_MAX, &json, &err) == TB_OK);
    TB_ASSERT(tb_event_decode(json, &context, arena, &back, &err) == TB_OK);
    tb_event_encode(&again, &back);
    TB_ASSERT(tb_str_eq(tb_buf_str(&text), tb_buf_str(&again)));
    tb_json_free(json);
    tb_buf_release(&text);
    tb_buf_release(&again);
}

static void check_faults(const struct tb_field_errors *faults)
{
    for (size_t i = 0; i < faults->count && i < TB_FIELD_ERRORS_MAX; i++) {
        TB_ASSERT(faults->list[i].pointer.ptr && faults->list[i].detail.len > 0);
        TB_ASSERT(faults->list[i].pointer.len == 0 || faults->list[i].pointer.ptr[0] == '/');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tb_field_errors faults;
    struct tb_arena arena = {0};
    struct tb_command command;
    struct tb_event event;
    struct tb_error err = {0};
    struct tb_order current = {
        .order_id = ORDER_ID, .version = 4, .kind = TB_RETURN, .currency = "EUR"};
    struct tb_decide_context context = {.now_ms = NOW_MS,
                                        .event_id = ORDER_ID,
                                        .new_order_id = ORDER_ID,
                                        .order_number = "till1-000001",
                                        .node = TB_STR("till1")};

    if (size == 0)
        return 0;
    enum tb_command_type type = (enum tb_command_type)(data[0] % TB_CMD_COUNT);
    struct tb_str body = {(const char *)data + 1, size - 1};
    if (tb_command_parse(type, body, &rules, &arena, &command, &faults, &err) == TB_OK) {
        if (type == TB_CMD_PLACE || type == TB_CMD_LINES)
            check_lines(&command);
        if (tb_decide(&command, type == TB_CMD_PLACE ? NULL : &current, &context, &arena, &event,
                      &faults, &err) == TB_OK)
            check_event(&event, &arena);
    }
    check_faults(&faults);
    tb_arena_release(&arena);
    return 0;
}
