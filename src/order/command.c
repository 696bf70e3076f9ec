#include "order/command.h"
#include "order/order_fields.h"
#include <stdio.h>

const char *tb_command_name(enum tb_command_type type)
{
    static const char *const names[TB_CMD_COUNT] = {
        [TB_CMD_PLACE] = "place", [TB_CMD_ADDRESS] = "address", [TB_CMD_LINES] = "lines",
        [TB_CMD_SHIP] = "ship",   [TB_CMD_CANCEL] = "cancel",
    };

    return names[type];
}

/* If memory runs out, the error is reported with the fallback as its text. */
static struct tb_str copy_or(struct tb_arena *arena, const char *text, struct tb_str fallback)
{
    struct tb_str copy = tb_arena_copy(arena, tb_str_of(text));

    return copy.ptr ? copy : fallback;
}

void tb_field_error_add(struct tb_field_errors *errors, struct tb_arena *arena,
                        const char *pointer, const char *detail)
{
    if (errors->count++ >= TB_FIELD_ERRORS_MAX)
        return;
    errors->list[errors->count - 1] = (struct tb_field_error){
        copy_or(arena, pointer, TB_STR("")), copy_or(arena, detail, TB_STR("is wrong"))};
}

/* placedAt is optional. It may be a day ahead, because other programs' clocks may differ from
 * ours. */
static void read_placed_at(struct tb_field_reader *reader, const struct tb_members *m, int i,
                           int64_t now_ms, struct tb_command *command)
{
    int64_t placed_ms = 0;

    if (!tb_order_read_placed_at(reader, m, i, &placed_ms))
        return;
    if (placed_ms > now_ms + TB_PLACED_AHEAD_MAX_MS) {
        tb_field_reader_fail(reader, "placedAt",
                             "must not be more than a day ahead of the till's clock");
        return;
    }
    command->has_placed_at = true;
    command->placed_at_ms = placed_ms;
}

static void read_place(struct tb_field_reader *reader, const struct tb_json *root,
                       const struct tb_command_context *context, struct tb_command *command)
{
    enum { ORDER_ID, CUSTOMER, SOURCE, KIND, CURRENCY, LINES, ADDRESS, PLACED_AT, COUNT };
    static const struct tb_field fields[COUNT] = {
        [ORDER_ID] = TB_FIELD("orderId"),
        [CUSTOMER] = TB_FIELD_CUSTOMER,
        [SOURCE] = TB_FIELD_SOURCE(),
        [KIND] = TB_FIELD("kind"),
        [CURRENCY] = TB_FIELD("currency"),
        [LINES] = TB_FIELD("lines", TB_REQUIRED),
        [ADDRESS] = TB_FIELD("shippingAddress"),
        [PLACED_AT] = TB_FIELD("placedAt"),
    };
    struct tb_members m;

    if (!tb_field_read_members(reader, root, fields, COUNT, &m))
        return;
    tb_field_read_uuid(reader, &m, ORDER_ID, command->order_id);
    tb_field_read_text(reader, &m, CUSTOMER, &command->customer_id);
    if (!tb_field_read_text(reader, &m, SOURCE, &command->source))
        command->source = TB_STR("UNKNOWN");
    bool kind_known = tb_order_read_kind(reader, &m, KIND, &command->kind) || !m.values[KIND];
    snprintf(command->currency, sizeof command->currency, "%s", context->currency);
    tb_order_read_currency(reader, &m, CURRENCY, command->currency);
    tb_order_read_lines(reader, &m, LINES, context->lines_max, &command->lines,
                        &command->line_count);
    if (kind_known)
        tb_order_check_signs(reader, "/lines", command->lines, command->line_count, command->kind);
    if (m.values[ADDRESS]) {
        tb_order_read_address(reader, "/shippingAddress", m.values[ADDRESS], &command->address);
        command->has_address = true;
    }
    read_placed_at(reader, &m, PLACED_AT, context->now_ms, command);
    tb_order_check_total(reader, "/lines", command->lines, command->line_count,
                         &command->total_minor);
}

static void read_lines(struct tb_field_reader *reader, const struct tb_json *root,
                       const struct tb_command_context *context, struct tb_command *command)
{
    static const struct tb_field fields[] = {TB_FIELD("lines", TB_REQUIRED)};
    struct tb_members m;

    if (tb_field_read_members(reader, root, fields, 1, &m))
        tb_order_read_lines(reader, &m, 0, context->lines_max, &command->lines,
                            &command->line_count);
}

static void read_cancel(struct tb_field_reader *reader, const struct tb_json *root,
                        struct tb_command *command)
{
    static const struct tb_field fields[] = {TB_FIELD_REASON};
    struct tb_members m;

    if (!tb_field_read_members(reader, root, fields, 1, &m))
        return;
    tb_field_read_text(reader, &m, 0, &command->reason);
    if (command->reason.len == 0)
        command->reason = (struct tb_str){NULL, 0};
}

static void read_body(struct tb_field_reader *reader, const struct tb_json *root,
                      const struct tb_command_context *context, struct tb_command *command)
{
    struct tb_members none;

    switch (command->type) {
    case TB_CMD_PLACE:
        read_place(reader, root, context, command);
        break;
    case TB_CMD_ADDRESS:
        tb_order_read_address(reader, NULL, root, &command->address);
        command->has_address = true;
        break;
    case TB_CMD_LINES:
        read_lines(reader, root, context, command);
        break;
    case TB_CMD_SHIP:
        tb_field_read_members(reader, root, NULL, 0, &none);
        break;
    case TB_CMD_CANCEL:
        read_cancel(reader, root, command);
        break;
    case TB_CMD_COUNT:
        tb_assert_failed("a command type", __FILE__, __LINE__);
    }
}

enum tb_code tb_command_parse(enum tb_command_type type, struct tb_str body,
                              const struct tb_command_context *context, struct tb_arena *arena,
                              struct tb_command *ret_command, struct tb_field_errors *ret_errors,
                              struct tb_error *err)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *root = NULL;
    struct tb_command command = {.type = type};
    struct tb_field_reader reader = {
        .arena = arena, .errors = ret_errors, .err = err, .copy = true, .reject_unknown = true};

    ret_errors->count = 0;
    if (body.len > 0 || (type != TB_CMD_SHIP && type != TB_CMD_CANCEL)) {
        TB_TRY(tb_json_parse(body, context->depth_max, &root, err));
        read_body(&reader, root, context, &command);
        TB_TRY(tb_field_reader_end(&reader, "the body"));
    }
    *ret_command = command;
    return TB_OK;
}
