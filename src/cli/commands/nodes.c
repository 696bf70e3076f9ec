/* nodes: shows what a central knows of each edge. nodes retire, nodes unretire: people decide that
 * one is gone. */
#include "cli/output/show.h"

static const struct tb_column columns[] = {
    {"node", false, "node"},
    {"state", false, "state"},
    {"lastSeenAt", false, "lastSeenAt"},
    {"completeThroughAt", false, "completeThroughAt"},
    {"pending", true, "pending"},
    {"clockOffsetMs", true, "clockOffsetMs"},
    {"lateOrders", true, "lateOrders"},
    {"missing", true, NULL},
    {"epochs", true, NULL},
    {"version", false, "version"},
    {"retiredAt", false, "retiredAt"},
};

/* Counts the sequence numbers in the holes of all epochs. A hole is [first, last]. */
static int64_t missing(const cJSON *node)
{
    int64_t count = 0;

    for (const cJSON *epoch = tb_cjson_first(node, "epochs"); epoch; epoch = epoch->next) {
        for (const cJSON *hole = tb_cjson_first(epoch, "holes"); hole; hole = hole->next) {
            int64_t first = 0, last = 0;

            if (tb_cjson_is_int(hole->child, &first) && tb_cjson_is_int(hole->child->next, &last))
                count += last - first + 1;
        }
    }
    return count;
}

static int show(const struct tb_cli *cli, const cJSON *nodes)
{
    TB_CLEANUP(tb_table_release) struct tb_table table = {0};
    const cJSON *node;

    if (!cJSON_IsArray(nodes))
        return tb_cli_bad_response(cli, "it has no nodes");
    tb_table_init(&table, cli, columns, sizeof columns / sizeof columns[0]);
    cJSON_ArrayForEach(node, nodes)
    {
        tb_show_cells(&table, node);
        tb_table_cell_int(&table, missing(node));
        tb_table_cell_int(&table, cJSON_GetArraySize(tb_cjson_get(node, "epochs")));
        tb_show_cells(&table, node); /* fills the last columns, from the version on */
    }
    tb_table_flush(&table, stdout);
    return TB_EXIT_DONE;
}

static int run(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};

    (void)args;
    TB_CLI_TRY(tb_http_get(cli, "/nodes", 0, &response));
    if (response.status == 404) {
        tb_cli_error(cli, "%s is no central: ask one with --url", cli->url);
        return TB_EXIT_FAILED;
    }
    if (response.status != 200 || cli->json)
        return tb_show_response(cli, &response);
    return show(cli, tb_cjson_get(tb_http_response_json(&response), "nodes"));
}

const struct tb_subcommand tb_cmd_nodes = {
    .name = "nodes",
    .summary = "Show what a central knows of each edge",
    .details = "current: the central has all that the edge has reported. behind: some events are\n"
               "missing. silent: the edge has not reported for 90 seconds. forked: two stores\n"
               "have the same name, for example one restored from a backup beside the original.\n"
               "retired: `tillbox nodes retire` has said that it is gone.\n"
               "missing counts events that did not come although later ones did. In a pipe:\n"
               "node, state, lastSeenAt, completeThroughAt, pending, clockOffsetMs, lateOrders,\n"
               "missing, epochs, version, retiredAt.",
    .examples = "tillbox nodes --url http://127.0.0.1:8082\n"
                "TILLBOX_URL=http://hq:8082 tillbox nodes --json",
    .run = run,
};

static int decide(struct tb_cli *cli, const struct tb_args *args, const char *suffix)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};

    tb_buf_adds(&path, "/nodes/");
    tb_url_add_segment(&path, args->operands[0]);
    tb_buf_adds(&path, suffix);
    TB_CLI_TRY(tb_http_send_idempotent(cli, NULL, "POST", tb_cli_text(&path), (struct tb_str){0},
                                       &response));
    return tb_show_response(cli, &response);
}

static int run_retire(struct tb_cli *cli, const struct tb_args *args)
{
    return decide(cli, args, "/retire");
}

static int run_unretire(struct tb_cli *cli, const struct tb_args *args)
{
    return decide(cli, args, "/unretire");
}

const struct tb_subcommand tb_cmd_nodes_retire = {
    .name = "nodes retire",
    .operands = "NODE",
    .summary = "Wait no longer for an edge that was sold, stolen or burnt",
    .details = "Sums are complete without it from then on, and its silence raises no alert. What\n"
               "it has sent stays, and what it sends later counts: as late, in days that are\n"
               "over. It stays retired until `tillbox nodes unretire`; if it sends, `tillbox\n"
               "status` names it. Orders that it took and never sent are missing for good: look\n"
               "at its `pending` first. Prints the node. Doing it twice changes nothing.",
    .examples = "tillbox nodes retire till9 --url http://127.0.0.1:8082",
    .run = run_retire,
};

const struct tb_subcommand tb_cmd_nodes_unretire = {
    .name = "nodes unretire",
    .operands = "NODE",
    .summary = "Wait again for an edge that was retired",
    .details = "It is again as if it had never been retired. Prints the node.",
    .examples = "tillbox nodes unretire till9 --url http://127.0.0.1:8082",
    .run = run_unretire,
};
