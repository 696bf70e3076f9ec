/* order place: one order from a file or from flags. */
#include "cli/engine/command_body.h"
#include "cli/http/ask.h"
#include "cli/output/show.h"

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

/* Every flag that goes into the body; the first five are texts as they are. */
static const char *const body_flags[] = {"--order-id", "--customer",  "--source", "--kind",
                                         "--currency", "--placed-at", "--line",   NULL};
static const char *const body_names[] = {"orderId", "customerId", "source",
                                         "kind",    "currency",   "placedAt"};

static int build(const struct tb_cli *cli, const struct tb_args *args, struct tb_buf *out)
{
    int exit_status;

    if (!tb_args_has(args, "--line"))
        return tb_cli_usage(cli, "order place", "give a FILE, - or at least one --line");
    tb_buf_addc(out, '{');
    for (size_t i = 0; i < sizeof body_names / sizeof body_names[0]; i++)
        if (tb_args_has(args, body_flags[i]))
            tb_json_member_str(out, body_names[i], tb_str_of(tb_args_get(args, body_flags[i])));
    exit_status = tb_command_body_add_lines(cli, args, "order place", out);
    tb_buf_addc(out, '}');
    return exit_status;
}

static int run(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf body = {0};
    TB_CLEANUP(tb_http_response_release) struct tb_http_response reply = {0};
    const char *key = NULL;
    int exit_status = tb_command_idempotency_key(cli, args, "order place", &key);

    if (exit_status == TB_EXIT_DONE && args->operand_count == 1) {
        exit_status = tb_command_body_check_alone(cli, args, "order place", body_flags);
        if (exit_status == TB_EXIT_DONE)
            exit_status = tb_command_body_read(cli, args->operands[0], &body);
    } else if (exit_status == TB_EXIT_DONE) {
        exit_status = build(cli, args, &body);
    }
    if (exit_status == TB_EXIT_DONE)
        exit_status =
            tb_http_send_command(cli, "POST", "/orders", tb_buf_str(&body), key, NULL, &reply);
    return exit_status == TB_EXIT_DONE ? tb_show_response(cli, &reply) : exit_status;
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
