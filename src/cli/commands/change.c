/* order address, lines, ship, cancel: change one order. */
#include "cli/engine/order_command.h"

static const struct tb_option address_options[] = {
    {"--line1", "TEXT", "street and number", "line1"},
    {"--line2", "TEXT", "a second line", "line2"},
    {"--city", "TEXT", "the city", "city"},
    {"--postal-code", "TEXT", "the postal code", "postalCode"},
    {"--country", "CC", "two letters, such as DE", "country"},
    TB_OPTION_IF_MATCH,
    TB_OPTION_KEY,
    {NULL, NULL, NULL, NULL}};

static int run_address(struct tb_cli *cli, const struct tb_args *args)
{
    static const struct tb_order_command command = {
        .name = "order address",
        .method = "PUT",
        .suffix = "/address",
        .options = address_options,
        .needs = "a FILE, - or --line1, --city, --country",
    };

    return tb_order_command_run(cli, args, &command);
}

static const struct tb_option lines_options[] = {
    TB_OPTION_LINE, TB_OPTION_IF_MATCH, TB_OPTION_KEY, {NULL, NULL, NULL, NULL}};

static int run_lines(struct tb_cli *cli, const struct tb_args *args)
{
    static const struct tb_order_command command = {
        .name = "order lines",
        .method = "PUT",
        .suffix = "/lines",
        .options = lines_options,
        .lines = true,
        .needs = "a FILE, - or at least one --line",
    };

    return tb_order_command_run(cli, args, &command);
}

static const struct tb_option ship_options[] = {
    TB_OPTION_IF_MATCH, TB_OPTION_KEY, {NULL, NULL, NULL, NULL}};

static int run_ship(struct tb_cli *cli, const struct tb_args *args)
{
    static const struct tb_order_command command = {
        .name = "order ship", .method = "POST", .suffix = "/ship", .options = ship_options};

    return tb_order_command_run(cli, args, &command);
}

static const struct tb_option cancel_options[] = {{"--reason", "TEXT", "why", "reason"},
                                                  TB_OPTION_IF_MATCH,
                                                  TB_OPTION_KEY,
                                                  {NULL, NULL, NULL, NULL}};

static int run_cancel(struct tb_cli *cli, const struct tb_args *args)
{
    static const struct tb_order_command command = {
        .name = "order cancel", .method = "POST", .suffix = "/cancel", .options = cancel_options};

    return tb_order_command_run(cli, args, &command);
}

const struct tb_subcommand tb_cmd_order_address = {
    .name = "order address",
    .operands = "ID [FILE|-]",
    .summary = "Replace the lines of an order",
    .details = "A file contains {\"lines\":[...]}. The new lines replace all old ones.",
    .examples = "tillbox order address ID --line1 'Hauptstr. 1' --city Berlin --country DE\n"
                "tillbox order address ID address.json --if-match 1",
    .options = address_options,
    .operands_min = 1,
    .operands_max = 2,
    .run = run_address,
};
const struct tb_subcommand tb_cmd_order_lines = {
    .name = "order lines",
    .operands = "ID [FILE|-]",
    .summary = "Replace an order's lines",
    .details = "A file holds {\"lines\":[...]}. The new lines replace all the old ones.",
    .examples = "tillbox order lines ID --line TEA-1:3:350:'Green tea' --line CUP:1:900\n"
                "tillbox order lines ID lines.json --if-match 1",
    .options = lines_options,
    .operands_min = 1,
    .operands_max = 2,
    .run = run_lines,
};
const struct tb_subcommand tb_cmd_order_ship = {
    .name = "order ship",
    .operands = "ID",
    .summary = "Mark an order as shipped",
    .examples = "tillbox order ship ID\ntillbox order ship ID --if-match 2",
    .options = ship_options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run_ship,
};
const struct tb_subcommand tb_cmd_order_cancel = {
    .name = "order cancel",
    .operands = "ID",
    .summary = "Cancel an order",
    .examples = "tillbox order cancel ID\ntillbox order cancel ID --reason 'changed their mind'",
    .options = cancel_options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run_cancel,
};
