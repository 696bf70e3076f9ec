/* order place, address, lines, ship, cancel: the commands about one order. */
#include "cli/engine/order_command.h"

/* The body's members have this order: a repeat with the same key must have the same bytes, also
 * when an earlier version sent the first one. */
static const struct tb_option place_options[] = {
    {TB_OPTION_LINE},
    {"--order-id", "UUID", "the order's id; the server makes one", "orderId"},
    {"--customer", "ID", "customerId; none if left out", "customerId"},
    {"--source", "NAME", "where it was taken: POS, KIOSK, WEB, ...", "source"},
    {"--kind", "SALE|RETURN", "RETURN has negative quantities only; SALE if left out", "kind"},
    {"--currency", "CODE", "ISO 4217; the node's if left out", "currency"},
    {"--placed-at", "TIME", "RFC 3339, for an order that was taken elsewhere before", "placedAt"},
    {TB_OPTION_KEY},
    {NULL, NULL, NULL, NULL}};

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

const struct tb_subcommand tb_cmd_order_place = {
    .name = "order place",
    .operands = "[FILE|-]",
    .summary = "Place an order, from a JSON file or from flags",
    .details = "While the outcome is unknown, the order is sent again with the same key, so that\n"
               "it is placed once.",
    .examples = "tillbox order place --line TEA-1:2:350:'Green tea' --customer C-1001\n"
                "tillbox order place --kind RETURN --line TEA-1:-1:350 --currency EUR\n"
                "tillbox order place order.json --idempotency-key receipt-4711\n"
                "echo '{\"lines\":[{\"sku\":\"TEA-1\",\"quantity\":1,\"unitPriceMinor\":350}]}' | "
                "tillbox order place -",
    .options = place_options,
    .run = tb_order_command_run,
    .order = {"POST", NULL, "a FILE, - or at least one --line", true},
};
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
