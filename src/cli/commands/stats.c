/* stats: shows counts and sums of orders, in the digits of each currency. */
#include "cli/engine/pages.h"
#include "cli/output/show.h"

static const struct tb_option options[] = {
    {"--from", "TIME", "placed at or after this time, or of this business date or a later one",
     "from"},
    {"--to", "TIME", "placed before this time, or of an earlier business date", "to"},
    {"--group-by", "day|node|status", "a line for each, before the totals", "groupBy"},
    {NULL, NULL, NULL, NULL}};

static const struct tb_column columns[] = {
    {"key", false, NULL},         {"currency", false, "currency"},  {"orders", true, "orders"},
    {"returns", true, "returns"}, {"cancelled", true, "cancelled"}, {"total", true, "totalMinor"}};

/* key: the first cell of every row; absent: each row has a key of its own. */
static void add_rows(struct tb_table *table, const cJSON *row, struct tb_str key)
{
    for (; row; row = row->next) {
        tb_table_cell(table, key.ptr ? key : tb_cjson_text(row, "key"));
        tb_show_cells(table, row);
    }
}

static int run(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};
    const char *as_of;
    TB_CLEANUP(tb_table_release) struct tb_table table = {0};

    tb_buf_adds(&path, "/orders/stats");
    tb_url_add_options(&path, args, options);
    if (cli->json)
        return tb_show_get(cli, tb_cli_text(&path));
    TB_CLI_TRY(tb_show_fetch(cli, tb_cli_text(&path), &response));
    tb_table_init(&table, cli, columns, sizeof columns / sizeof columns[0]);
    add_rows(&table, tb_cjson_first(response.json, "groups"), (struct tb_str){NULL, 0});
    add_rows(&table, tb_cjson_first(response.json, "totals"), TB_STR("total"));
    tb_table_flush(&table, stdout);
    as_of = tb_cjson_text(response.json, "asOf").ptr;
    if (cli->out_terminal && as_of)
        printf("\nas of %s\n", as_of);
    return TB_EXIT_DONE;
}

const struct tb_subcommand tb_cmd_stats = {
    .name = "stats",
    .summary = "Count orders and add up their totals",
    .details =
        "orders counts sales, returns counts returns, and cancelled the cancelled ones of\n"
        "both. total is the sum of all that are not cancelled; returns are negative. In a\n"
        "pipe: key, currency, orders, returns, cancelled, total. With --json, a totalMinor\n"
        "beyond 2^53 is a decimal string, and \"exact\":\"string\" stands beside it.",
    .examples = "tillbox stats\n"
                "tillbox stats --group-by day --from 2026-11-01 --to 2026-12-01\n"
                "tillbox stats --json",
    .options = options,
    .run = run,
};
