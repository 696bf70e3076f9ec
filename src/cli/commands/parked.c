/* link parked, link unpark: orders of which the log refused an event. */
#include "cli/output/show.h"

static const struct tb_column columns[] = {
    {"orderId", false, "orderId"}, {"orderNumber", false, "orderNumber"},
    {"bytes", true, "bytes"},      {"parkedAt", false, "parkedAt"},
    {"sending", false, "sending"}, {"reason", false, "reason"},
};

static int run_list(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};
    TB_CLEANUP(tb_table_release) struct tb_table table = {0};
    const cJSON *list, *order;

    (void)args;
    TB_CLI_TRY(tb_http_get(cli, "/link/parked", 0, &response));
    if (response.status != 200 || cli->json)
        return tb_show_response(cli, &response);
    list = tb_cjson_get(tb_http_response_json(&response), "parked");
    if (!cJSON_IsArray(list))
        return tb_cli_bad_response(cli, "it has no list");
    tb_table_init(&table, cli, columns, sizeof columns / sizeof columns[0]);
    cJSON_ArrayForEach(order, list) tb_show_cells(&table, order);
    tb_table_flush(&table, stdout);
    return TB_EXIT_DONE;
}

static const struct tb_option unpark_options[] = {{"--all", NULL, "every parked order", NULL},
                                                  {NULL, NULL, NULL, NULL}};

static int run_unpark(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    const char *order = args->operand_count > 0 ? args->operands[0] : NULL;

    if ((order != NULL) == tb_args_has(args, "--all"))
        return tb_cli_usage(cli, "say which: ORDER or --all");
    tb_buf_adds(&path, "/link/unpark");
    tb_url_add_query(&path, "orderId", order);
    TB_CLI_TRY(tb_http_send_idempotent(cli, NULL, "POST", tb_cli_text(&path), (struct tb_str){0},
                                       &response));
    return tb_show_response(cli, &response);
}

const struct tb_subcommand tb_cmd_link_parked = {
    .name = "link parked",
    .summary = "List the orders of which Kafka refused an event",
    .details = "A broker refuses an event for good if it is larger than the topic allows. The\n"
               "order stays at the till from that event on; its later events wait behind it, and\n"
               "all other orders are sent. In a pipe the columns are: orderId, orderNumber,\n"
               "bytes, parkedAt, sending, reason.",
    .examples = "tillbox link parked\n"
                "tillbox link unpark --all      # once the limit is raised",
    .run = run_list,
};

const struct tb_subcommand tb_cmd_link_unpark = {
    .name = "link unpark",
    .operands = "[ORDER]",
    .summary = "Send orders again of which Kafka refused an event",
    .details = "It sends what was kept back, oldest first, as soon as the link is online. What\n"
               "is refused again stays parked. The till also tries by itself: at its start, when\n"
               "the link comes back, and each hour it sends the smallest of them, and all if\n"
               "Kafka takes that one.",
    .examples = "tillbox link unpark 0193a6f2-7c1e-7a44-9d0b-2f6c1e5b8a10\n"
                "tillbox link unpark --all",
    .options = unpark_options,
    .run = run_unpark,
};
