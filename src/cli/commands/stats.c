/* stats: counts and sums, with each currency's digits. */
#include "cli/http/ask.h"
#include "cli/http/field.h"
#include "cli/output/show.h"
#include "cli/output/table.h"

static const struct tb_option options[] = {
    {"--from", "TIME", "placed at or after this time or date"},
    {"--to", "TIME", "placed before this time or date"},
    {"--group-by", "day|node|status", "a line for each, before the totals"},
    {NULL, NULL, NULL}};

static const struct tb_column columns[] = {{"key", false},      {"currency", false},
                                           {"orders", true},    {"returns", true},
                                           {"cancelled", true}, {"total", true}};
#define COLUMN_COUNT (sizeof columns / sizeof columns[0])

/* key: for the totals, which have none of their own. */
static void add_rows(struct tb_table *table, const struct tb_json *row, struct tb_str key)
{
    for (; row; row = tb_json_next(row)) {
        TB_CLEANUP(tb_buf_release) struct tb_buf total = {0};
        struct tb_str currency = tb_field_text(row, "currency");
        int64_t minor = 0;

        tb_table_cell(table, key.ptr ? key : tb_field_text(row, "key"));
        tb_table_cell(table, currency);
        tb_show_cell(table, row, "orders");
        tb_show_cell(table, row, "returns");
        tb_show_cell(table, row, "cancelled");
        if (tb_field_int(row, "totalMinor", &minor))
            tb_show_amount(&total, minor, currency);
        tb_table_cell(table, tb_buf_str(&total));
    }
}

static void show(const struct tb_cli *cli, const struct tb_json *root)
{
    struct tb_str as_of = tb_field_text(root, "asOf");
    struct tb_table table;

    tb_table_init(&table, columns, COLUMN_COUNT, cli->out_terminal, cli->color);
    add_rows(&table, tb_field_first(root, "groups"), (struct tb_str){NULL, 0});
    add_rows(&table, tb_field_first(root, "totals"), TB_STR("total"));
    tb_table_flush(&table, stdout);
    tb_table_release(&table);
    if (cli->out_terminal && as_of.ptr)
        printf("\nas of %.*s\n", (int)as_of.len, as_of.ptr);
}

static int run(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    TB_CLEANUP(tb_http_response_release) struct tb_http_response reply = {0};
    TB_CLEANUP(tb_json_freep) struct tb_json *root = NULL;
    int exit_status;

    tb_buf_adds(&path, "/orders/stats");
    tb_url_add_query(&path, "from", tb_args_get(args, "--from"));
    tb_url_add_query(&path, "to", tb_args_get(args, "--to"));
    tb_url_add_query(&path, "groupBy", tb_args_get(args, "--group-by"));
    exit_status = tb_http_get(cli, tb_buf_ok(&path) ? path.data : "", TB_HTTP_TIMEOUT_MS, &reply);
    if (exit_status != TB_EXIT_DONE)
        return exit_status;
    if (reply.status != 200 || cli->json)
        return tb_show_response(cli, &reply);
    exit_status = tb_show_parse(cli, &reply, &root);
    if (exit_status == TB_EXIT_DONE)
        show(cli, root);
    return exit_status;
}

const struct tb_subcommand tb_cmd_stats = {
    .name = "stats",
    .summary = "Count orders and sum them up",
    .details = "orders counts sales, returns what was taken back, cancelled what of both was "
               "cancelled; total sums\nwhat is not cancelled, returns being negative. In a pipe: "
               "key, currency, orders, returns,\ncancelled, total.",
    .examples = "tillbox stats\n"
                "tillbox stats --group-by day --from 2026-11-01 --to 2026-12-01\n"
                "tillbox stats --json",
    .options = options,
    .run = run,
};
