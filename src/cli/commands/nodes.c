/* nodes: shows what a central knows of each edge. nodes retire, nodes unretire: people decide that
 * one is gone. */
#include "cli/engine/pages.h"
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

static const struct tb_option options[] = {
    {"--state", "STATE", "only nodes in this state", "state"}, {NULL, NULL, NULL, NULL}};

static void show_rows(struct tb_table *table, const cJSON *nodes)
{
    const cJSON *node;

    cJSON_ArrayForEach(node, nodes)
    {
        tb_show_cells(table, node);
        tb_table_cell_int(table, missing(node));
        tb_table_cell_int(table, cJSON_GetArraySize(tb_cjson_get(node, "epochs")));
        tb_show_cells(table, node); /* fills the last columns, from the version on */
    }
    tb_table_flush(table, stdout);
}

/* Prints the pages as the one object that a single page would be. */
static void show_json(const cJSON *root, const cJSON *nodes, bool first)
{
    const cJSON *summary = tb_cjson_get(root, "summary"), *node;
    char *text = first && summary ? cJSON_PrintUnformatted(summary) : NULL;

    if (first)
        printf("{%s%s%s\"nodes\":[", text ? "\"summary\":" : "", text ? text : "",
               text ? "," : "");
    cJSON_free(text);
    cJSON_ArrayForEach(node, nodes)
    {
        text = cJSON_PrintUnformatted(node);
        printf("%s%s", first && node == nodes->child ? "" : ",", text ? text : "");
        cJSON_free(text);
    }
    if (!tb_cjson_get(root, "next"))
        printf("]}\n");
}

/* The first page is of the server's size: a central of an earlier version has one page, and knows
 * no parameters. */
static int get_page(const struct tb_cli *cli, const struct tb_args *args, const char *cursor,
                    struct tb_http_response *response)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};

    tb_buf_adds(&path, "/nodes");
    tb_url_add_options(&path, args, options);
    tb_url_add_query(&path, "limit", cursor ? "500" : NULL);
    tb_url_add_query(&path, "cursor", cursor);
    TB_CLI_TRY(tb_http_get(cli, tb_cli_text(&path), 0, response));
    if (response->status == 404) {
        tb_cli_error(cli, "%s is no central: ask one with --url", cli->url);
        return TB_EXIT_FAILED;
    }
    return response->status == 200 ? TB_EXIT_DONE : tb_show_problem(cli, response);
}

static int run(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf cursor = {0};
    TB_CLEANUP(tb_table_release) struct tb_table table = {0};
    const char *next = NULL;
    bool first = true;

    tb_table_init(&table, cli, columns, sizeof columns / sizeof columns[0]);
    do {
        TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};
        const cJSON *root, *nodes;

        TB_CLI_TRY(get_page(cli, args, next, &response));
        root = tb_http_response_json(&response);
        nodes = tb_cjson_get(root, "nodes");
        if (!cJSON_IsArray(nodes))
            return tb_cli_bad_response(cli, "it has no nodes");
        if (cli->json)
            show_json(root, nodes, first);
        else
            show_rows(&table, nodes);
        first = false;
        tb_buf_clear(&cursor);
        tb_buf_add_str(&cursor, tb_cjson_text(root, "next"));
        next = cursor.len > 0 ? tb_cli_text(&cursor) : NULL;
    } while (next);
    return TB_EXIT_DONE;
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
                "TILLBOX_URL=http://hq:8082 tillbox nodes --json\n"
                "tillbox nodes --state silent",
    .options = options,
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
