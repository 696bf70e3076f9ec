/* nodes: what a central knows of each edge. */
#include "cli/http/ask.h"
#include "cli/http/field.h"
#include "cli/http/slice.h"
#include "cli/output/show.h"
#include "cli/output/table.h"

static const struct tb_column columns[] = {{"node", false},       {"state", false},
                                           {"lastSeenAt", false}, {"completeThroughAt", false},
                                           {"pending", true},     {"clockOffsetMs", true},
                                           {"lateOrders", true},  {"missing", true},
                                           {"epochs", true},      {"version", false}};

static void add_count(struct tb_table *table, int64_t count)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf cell = {0};

    tb_buf_add_int(&cell, count);
    tb_table_cell(table, tb_buf_str(&cell));
}

/* Sequences in the holes of all epochs. */
static int64_t missing(const struct tb_json *node)
{
    int64_t count = 0;

    for (const struct tb_json *epoch = tb_field_first(node, "epochs"); epoch;
         epoch = tb_json_next(epoch)) {
        for (const struct tb_json *hole = tb_field_first(epoch, "holes"); hole;
             hole = tb_json_next(hole)) {
            const struct tb_json *from = tb_json_first(hole);
            const struct tb_json *to = from ? tb_json_next(from) : NULL;
            int64_t first = 0, last = -1;

            if (from && to && tb_json_int(from, &first) && tb_json_int(to, &last))
                count += last - first + 1;
        }
    }
    return count;
}

static int show(const struct tb_cli *cli, struct tb_str body)
{
    struct tb_str list, element;
    struct tb_table table;
    size_t cursor = 0;

    if (!tb_slice_member(body, "nodes", &list)) {
        tb_cli_error(cli, "the answer of %s is not ours", cli->url);
        return TB_EXIT_FAILED;
    }
    tb_table_init(&table, columns, sizeof columns / sizeof columns[0], cli->out_terminal,
                  cli->color);
    while (tb_slice_element(list, &cursor, &element)) {
        TB_CLEANUP(tb_json_freep) struct tb_json *node = NULL;
        struct tb_error err = {0};

        if (tb_json_parse(element, TB_JSON_DEPTH_MAX, &node, &err) != TB_OK)
            continue; /* not ours: the others may be */
        const struct tb_json *epochs = tb_field(node, "epochs");
        tb_show_cell(&table, node, "node");
        tb_show_cell(&table, node, "state");
        tb_show_cell(&table, node, "lastSeenAt");
        tb_show_cell(&table, node, "completeThroughAt");
        tb_show_cell(&table, node, "pending");
        tb_show_cell(&table, node, "clockOffsetMs");
        tb_show_cell(&table, node, "lateOrders");
        add_count(&table, missing(node));
        add_count(&table, epochs ? (int64_t)tb_json_count(epochs) : 0);
        tb_show_cell(&table, node, "version");
    }
    tb_table_flush(&table, stdout);
    tb_table_release(&table);
    return TB_EXIT_DONE;
}

static int run(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response reply = {0};
    int exit_status = tb_http_get(cli, "/nodes", TB_HTTP_TIMEOUT_MS, &reply);

    (void)args;
    if (exit_status != TB_EXIT_DONE)
        return exit_status;
    if (reply.status == 404) {
        tb_cli_error(cli, "%s is no central: ask one with --url", cli->url);
        return TB_EXIT_FAILED;
    }
    if (reply.status != 200 || cli->json)
        return tb_show_response(cli, &reply);
    return show(cli, tb_buf_str(&reply.body));
}

const struct tb_subcommand tb_cmd_nodes = {
    .name = "nodes",
    .summary = "Show what a central knows of each edge",
    .details = "current: all it took is here. behind: something is on its way or missing. silent: "
               "nothing came for 90\nseconds. forked: two stores of one name, such as one "
               "restored from a backup beside the other.\nmissing counts events that never came "
               "although later ones did. In a pipe: node, state, lastSeenAt,\n"
               "completeThroughAt, pending, clockOffsetMs, lateOrders, missing, epochs, version.",
    .examples = "tillbox nodes --url http://127.0.0.1:8082\n"
                "TILLBOX_URL=http://hq:8082 tillbox nodes --json",
    .run = run,
};
