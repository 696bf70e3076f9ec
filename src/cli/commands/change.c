/* order address, lines, ship, cancel: change one order. */
#include "cli/engine/order_command.h"

static const struct tb_option address_options[] = {
    {"--line1", "TEXT", "street and number", "line1"},
    {"--line2", "TEXT", "a second line", "line2"},
    {"--city", "TEXT", "the city", "city"},
    {"--postal-code", "TEXT", "the postal code", "postalCode"},
    {"--country", "CC", "two letters, such as DE", "country"},
    {TB_OPTION_IF_MATCH},
    {TB_OPTION_KEY},
    {NULL, NULL, NULL, NULL}};

static const struct tb_option lines_options[] = {
    {TB_OPTION_LINE}, {TB_OPTION_IF_MATCH}, {TB_OPTION_KEY}, {NULL, NULL, NULL, NULL}};

static const struct tb_option ship_options[] = {
    {TB_OPTION_IF_MATCH}, {TB_OPTION_KEY}, {NULL, NULL, NULL, NULL}};

static const struct tb_option cancel_options[] = {{"--reason", "TEXT", "why", "reason"},
                                                  {TB_OPTION_IF_MATCH},
                                                  {TB_OPTION_KEY},
                                                  {NULL, NULL, NULL, NULL}};

const struct tb_subcommand tb_cmd_order_address = {
    .name = "order address",
    .operands = "ID [FILE|-]",
    .summary = "Change where an order goes",
    .examples = "tillbox order address ID --line1 'Hauptstr. 1' --city Berlin --country DE\n"
                "tillbox order address ID address.json --if-match 1",
    .options = address_options,
    .run = tb_order_command_run,
    .order = {"PUT", "/address", "a FILE, - or --line1, --city, --country", false},
};
const struct tb_subcommand tb_cmd_order_lines = {
    .name = "order lines",
    .operands = "ID [FILE|-]",
    .summary = "Replace the lines of an order",
    .details = "A file contains {\"lines\":[...]}. The new lines replace all old ones.",
    .examples = "tillbox order lines ID --line TEA-1:3:350:'Green tea' --line CUP:1:900\n"
                "tillbox order lines ID lines.json --if-match 1",
    .options = lines_options,
    .run = tb_order_command_run,
    .order = {"PUT", "/lines", "a FILE, - or at least one --line", true},
};
const struct tb_subcommand tb_cmd_order_ship = {
    .name = "order ship",
    .operands = "ID",
    .summary = "Mark an order as shipped",
    .examples = "tillbox order ship ID\ntillbox order ship ID --if-match 2",
    .options = ship_options,
    .run = tb_order_command_run,
    .order = {"POST", "/ship", NULL, false},
};
const struct tb_subcommand tb_cmd_order_cancel = {
    .name = "order cancel",
    .operands = "ID",
    .summary = "Cancel an order",
    .examples = "tillbox order cancel ID\ntillbox order cancel ID --reason 'changed their mind'",
    .options = cancel_options,
    .run = tb_order_command_run,
    .order = {"POST", "/cancel", NULL, false},
};
