/* order show, list: questions about orders. */
#include "cli/http/field.h"
#include "cli/http/pages.h"
#include "cli/output/show.h"
#include "cli/output/table.h"

static int run_show(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    TB_CLEANUP(tb_http_response_release) struct tb_http_response reply = {0};
    int exit_status;

    tb_buf_adds(&path, "/orders/");
    tb_url_add_segment(&path, args->operands[0]);
    if (!tb_buf_ok(&path))
        return tb_cli_no_memory(cli);
    exit_status = tb_http_get(cli, path.data, TB_HTTP_TIMEOUT_MS, &reply);
    return exit_status == TB_EXIT_DONE ? tb_show_response(cli, &reply) : exit_status;
}

static const struct tb_option list_options[] = {
    {"--customer", "ID", "of this customer"},
    {"--status", "STATUS", "PLACED, SHIPPED or CANCELLED"},
    {"--node", "NAME", "taken by this node"},
    {"--source", "NAME", "from this source"},
    {"--business-date", "DATE", "of this business day"},
    {"--from", "TIME", "placed at or after this time or date"},
    {"--to", "TIME", "placed before this time or date"},
    {"--limit", "N", "at most N a page, 500 at most; 50 if left out"},
    {"--cursor", "CURSOR", "go on behind an earlier page"},
    {"--all", NULL, "every page, not just one"},
    {NULL, NULL, NULL}};

static const struct tb_column list_columns[] = {
    {"number", false}, {"id", false},       {"status", false},  {"kind", false},
    {"total", true},   {"currency", false}, {"placed", false},  {"business date", false},
    {"node", false},   {"source", false},   {"customer", false}};
/* The members behind the columns. */
static const char *const list_members[] = {"orderNumber", "orderId",  "status",    "kind",
                                           "totalMinor",  "currency", "placedAt",  "businessDate",
                                           "node",        "source",   "customerId"};
#define LIST_COLUMN_COUNT (sizeof list_columns / sizeof list_columns[0])
#define LIST_TOTAL_COLUMN 4

static bool add_order(void *ctx, const struct tb_json *order)
{
    struct tb_table *table = ctx;

    for (size_t i = 0; i < LIST_COLUMN_COUNT; i++) {
        TB_CLEANUP(tb_buf_release) struct tb_buf total = {0};
        int64_t minor = 0;

        if (i != LIST_TOTAL_COLUMN || !tb_field_int(order, "totalMinor", &minor)) {
            tb_show_cell(table, order, list_members[i]);
            continue;
        }
        tb_show_amount(&total, minor, tb_field_text(order, "currency"));
        tb_table_cell(table, tb_buf_str(&total));
    }
    return true; /* a table that is out of memory says so */
}

static void list_path(const struct tb_args *args, const char *cursor, struct tb_buf *out)
{
    static const char *const names[][2] = {{"--customer", "customerId"},
                                           {"--status", "status"},
                                           {"--node", "node"},
                                           {"--source", "source"},
                                           {"--from", "from"},
                                           {"--business-date", "businessDate"},
                                           {"--to", "to"}};
    const char *limit = tb_args_get(args, "--limit");

    tb_buf_clear(out);
    tb_buf_adds(out, "/orders");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        tb_url_add_query(out, names[i][1], tb_args_get(args, names[i][0]));
    if (!limit && tb_args_has(args, "--all"))
        limit = TB_PAGE_LIMIT_MAX;
    tb_url_add_query(out, "limit", limit);
    tb_url_add_query(out, "cursor", cursor);
}

static int run_list(struct tb_cli *cli, const struct tb_args *args)
{
    static const struct tb_page_list list = {"orders", list_path, add_order};
    struct tb_table table;
    int exit_status;

    tb_table_init(&table, list_columns, LIST_COLUMN_COUNT, cli->out_terminal, cli->color);
    exit_status = tb_pages_show(cli, args, &list, &table);
    tb_table_release(&table);
    return exit_status;
}

const struct tb_subcommand tb_cmd_order_show = {
    .name = "order show",
    .operands = "ID",
    .summary = "Show an order",
    .details =
        "In a pipe: a field's name and value a line; then `line`, sku, name, quantity, unit "
        "price, amount.",
    .examples = "tillbox order show 0193a6f2-7c1e-7a44-9d0b-2f6c1e5b8a10\n"
                "tillbox order show ID --json",
    .operands_min = 1,
    .operands_max = 1,
    .run = run_show,
};
const struct tb_subcommand tb_cmd_order_list = {
    .name = "order list",
    .summary = "List orders, newest first",
    .details = "In a pipe the columns are: number, id, status, kind, total, currency, placed, "
               "business date,\nnode, source, customer. --json prints each page as it came, one "
               "a line.",
    .examples = "tillbox order list --status PLACED --limit 10\n"
                "tillbox order list --customer C-1001 --from 2026-11-01 --to 2026-12-01\n"
                "tillbox order list --all | cut -f 2",
    .options = list_options,
    .run = run_list,
};
