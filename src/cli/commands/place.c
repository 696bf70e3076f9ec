/* order place: one order, from a file or from options. */
#include "cli/engine/command_body.h"

static const struct tb_option options[] = {
    TB_OPTION_LINE,
    {"--customer", "ID", "customerId; none if left out"},
    {"--source", "NAME", "where it was taken: POS, KIOSK, WEB, ..."},
    {"--kind", "SALE|RETURN", "RETURN has negative quantities only; SALE if left out"},
    {"--currency", "CODE", "ISO 4217; the node's if left out"},
    {"--placed-at", "TIME", "RFC 3339, for an order that was taken elsewhere before"},
    {"--order-id", "UUID", "the order's id; the server makes one"},
    TB_OPTION_KEY,
    {NULL, NULL, NULL}};

/* All flags that go into the body. The first ones are texts, as body_names names them. */
static const char *const body_flags[] = {"--order-id", "--customer",  "--source", "--kind",
                                         "--currency", "--placed-at", "--line",   NULL};
static const char *const body_names[] = {"orderId",  "customerId", "source", "kind",
                                         "currency", "placedAt",   NULL};

static int build(const struct tb_cli *cli, const struct tb_args *args, struct tb_buf *out)
{
    int exit_status;

    if (!tb_args_has(args, "--line"))
        return tb_cli_usage(cli, "order place", "give a FILE, - or at least one --line");
    tb_buf_addc(out, '{');
    tb_command_body_add_texts(out, args, body_flags, body_names);
    exit_status = tb_command_body_add_lines(cli, args, "order place", out);
    tb_buf_addc(out, '}');
    return exit_status;
}

static int run(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf body = {0};

    TB_CLI_TRY(tb_command_body_make(cli, args, "order place", 0, body_flags, build, &body));
    return tb_command_send(cli, args, "order place", "POST", "/orders", tb_buf_str(&body));
}

const struct tb_subcommand tb_cmd_order_place = {
    .name = "order place",
    .operands = "[FILE|-]",
    .summary = "Place an order, from a JSON file or from flags",
    .details = "While its outcome is unknown it is sent again with the same key, so that it is "
               "placed once.",
    .examples = "tillbox order place --line TEA-1:2:350:'Green tea' --customer C-1001\n"
                "tillbox order place --kind RETURN --line TEA-1:-1:350 --currency EUR\n"
                "tillbox order place order.json --idempotency-key receipt-4711\n"
                "echo '{\"lines\":[{\"sku\":\"TEA-1\",\"quantity\":1,\"unitPriceMinor\":350}]}' | "
                "tillbox order place -",
    .options = options,
    .operands_max = 1,
    .run = run,
};
