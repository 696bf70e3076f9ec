/* order place: one order, from a file or from options. */
#include "cli/engine/order_command.h"

/* The body's members have this order: a repeat with the same key must have the same bytes, also
 * when an earlier version sent the first one. */
static const struct tb_option options[] = {
    {TB_OPTION_LINE},
    {"--order-id", "UUID", "the order's id; the server makes one", "orderId"},
    {"--customer", "ID", "customerId; none if left out", "customerId"},
    {"--source", "NAME", "where it was taken: POS, KIOSK, WEB, ...", "source"},
    {"--kind", "SALE|RETURN", "RETURN has negative quantities only; SALE if left out", "kind"},
    {"--currency", "CODE", "ISO 4217; the node's if left out", "currency"},
    {"--placed-at", "TIME", "RFC 3339, for an order that was taken elsewhere before", "placedAt"},
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
    .options = options,
    .run = tb_order_command_run,
    .order = {"POST", NULL, "a FILE, - or at least one --line", true},
};
