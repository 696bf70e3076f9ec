/* order show, list. */
#include "cli/engine/order_command.h"
#include "cli/engine/pages.h"
#include "cli/output/show.h"

static int run_show(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};

    TB_CLI_TRY(tb_order_path(cli, args, "", &path));
    return tb_show_get(cli, tb_cli_text(&path));
}

static const struct tb_option list_options[] = {
    {"--customer", "ID", "of this customer", "customerId"},
    {"--status", "STATUS", "PLACED, SHIPPED or CANCELLED", "status"},
    {"--node", "NAME", "taken by this node", "node"},
    {"--source", "NAME", "from this source", "source"},
    {"--business-date", "DATE", "of this business day", "businessDate"},
    {"--from", "TIME", "placed at or after this time or date", "from"},
    {"--to", "TIME", "placed before this time or date", "to"},
    {"--limit", "N", "at most N a page, 500 at most; 50 if left out", NULL},
    {"--cursor", "CURSOR", "go on behind an earlier page", NULL},
    {"--all", NULL, "every page, not just one", NULL},
    {NULL, NULL, NULL, NULL}};

static const struct tb_column list_columns[] = {
    {"number", false, "orderNumber"}, {"id", false, "orderId"},
    {"status", false, "status"},      {"kind", false, "kind"},
    {"total", true, "totalMinor"},    {"currency", false, "currency"},
    {"placed", false, "placedAt"},    {"business date", false, "businessDate"},
    {"node", false, "node"},          {"source", false, "source"},
    {"customer", false, "customerId"}};

static int run_list(struct tb_cli *cli, const struct tb_args *args)
{
    static const struct tb_page_list list = {
        .path = "/orders",
        .name = "orders",
        .options = list_options,
        .columns = list_columns,
        .column_count = sizeof list_columns / sizeof list_columns[0],
    };

    return tb_pages_show(cli, args, &list);
}

const struct tb_subcommand tb_cmd_order_show = {
    .name = "order show",
    .operands = "ID",
    .summary = "Show an order",
    .details = "In a pipe: one line for each field, with name and value; then for each order\n"
               "line: `line`, sku, name, quantity, unit price, amount.",
    .examples = "tillbox order show 0193a6f2-7c1e-7a44-9d0b-2f6c1e5b8a10\n"
                "tillbox order show ID --json",
    .run = run_show,
};
const struct tb_subcommand tb_cmd_order_list = {
    .name = "order list",
    .summary = "List orders, newest first",
    .details = "In a pipe the columns are: number, id, status, kind, total, currency, placed,\n"
               "business date, node, source, customer. --json prints each page as the server\n"
               "sent it, one page a line.",
    .examples = "tillbox order list --status PLACED --limit 10\n"
                "tillbox order list --customer C-1001 --from 2026-11-01 --to 2026-12-01\n"
                "tillbox order list --all | cut -f 2",
    .options = list_options,
    .run = run_list,
};
