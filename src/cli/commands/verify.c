/* verify: compares the stores of edges with the view of a central, or the store of one edge with
 * what that edge answers from its own view; reports the differences. */
#include "cli/engine/verify.h"
#include "base/json/json.h"
#include "base/time/timefmt.h"
#include "base/values/quantity.h"
#include "cli/engine/self_check.h"
#include "cli/output/show.h"
#include <inttypes.h>

static const struct tb_option options[] = {
    {"--edge", "URL", "an edge to compare; may be given several times", NULL},
    {"--central", "URL", "the central to compare with", NULL},
    {"--self", NULL,
     "compare the edge at --url with itself: its view, sums and list with its store", NULL},
    {"--all", NULL, "orders of other nodes are differences, too", NULL},
    {"--allow-pending", NULL, "orders that an edge has not delivered yet may be missing", NULL},
    {"--wait", "TIME", "how long to wait for orders on their way; 10s if left out", NULL},
    {"--ignore-foreign", NULL, "the opposite of --all; the default", NULL},
    {NULL, NULL, NULL, NULL}};

static const struct tb_column columns[] = {{"difference", false, NULL}, {"orderId", false, NULL},
                                           {"node", false, NULL},       {"edge", false, NULL},
                                           {"central", false, NULL},    {"reason", false, NULL}};

/* Adds the cell of one side. digest NULL: this side does not have the order. */
static void add_side(struct tb_table *table, const struct tb_digest *digest)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf cell = {0};

    if (!digest) {
        tb_table_cell(table, TB_STR("none"));
        return;
    }
    tb_buf_addf(&cell, "%" PRId64 " %s ", digest->version, digest->status);
    tb_show_amount(&cell, digest->total_minor, tb_str_of(digest->currency));
    tb_buf_addf(&cell, " %s %.*s", digest->currency, TB_DIGEST_HASH_SHOWN, digest->hash);
    tb_table_cell(table, tb_buf_str(&cell));
}

static void add_json_side(struct tb_buf *out, const char *key, const struct tb_digest *digest)
{
    if (!digest)
        return;
    tb_json_member_key(out, key);
    tb_buf_addc(out, '{');
    tb_json_member_int(out, "version", digest->version);
    tb_json_member_str(out, "status", tb_str_of(digest->status));
    tb_json_member_int(out, "totalMinor", digest->total_minor);
    tb_json_member_str(out, "currency", tb_str_of(digest->currency));
    tb_json_member_str(out, "hash", tb_str_of(digest->hash));
    tb_buf_addc(out, '}');
}

static void report_pair(struct tb_verify *verify, enum tb_verify_result result,
                        const struct tb_verify_pair *pair)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf out = {0};
    struct tb_table *table = &verify->table;
    struct tb_str name = tb_str_of(tb_verify_result_name(result));
    const struct tb_digest *edge = pair->at_edge ? &pair->edge_digest : NULL;
    const struct tb_digest *central = pair->at_central ? &pair->central_digest : NULL;
    struct tb_str node = tb_str_of(edge ? edge->node : central->node);

    if (!verify->central.cli.json) {
        tb_table_cell(table, name);
        tb_table_cell(table, tb_str_of(pair->order_id));
        tb_table_cell(table, node);
        add_side(table, edge);
        add_side(table, central);
        tb_table_cell(table, tb_str_of(pair->reason));
        tb_table_flush(table, stdout);
        return;
    }
    tb_buf_adds(&out, verify->differences > 1 ? ",{" : "{");
    tb_json_member_str(&out, "difference", name);
    tb_json_member_str(&out, "orderId", tb_str_of(pair->order_id));
    tb_json_member_str(&out, "node", node);
    add_json_side(&out, "edge", edge);
    add_json_side(&out, "central", central);
    if (pair->reason[0])
        tb_json_member_str(&out, "reason", tb_str_of(pair->reason));
    tb_buf_addc(&out, '}');
    fputs(tb_cli_text(&out), stdout);
}

/* Adds the cell of one side. sums NULL: this side has no such sum. */
static void add_sums(struct tb_table *table, const struct tb_self_sums *sums)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf cell = {0};

    if (!sums) {
        tb_table_cell(table, TB_STR("none"));
        return;
    }
    tb_buf_addf(&cell, "%" PRId64 " orders", sums->orders);
    if (sums->currency[0]) {
        tb_buf_addf(&cell, ", %" PRId64 " returns, %" PRId64 " cancelled, ", sums->returns,
                    sums->cancelled);
        tb_show_amount(&cell, sums->total_minor, tb_str_of(sums->currency));
        tb_buf_addf(&cell, " %s", sums->currency);
    }
    tb_table_cell(table, tb_buf_str(&cell));
}

static void add_json_sums(struct tb_buf *out, const char *key, const struct tb_self_sums *sums)
{
    if (!sums)
        return;
    tb_json_open(out, key, '{');
    tb_json_member_int(out, "orders", sums->orders);
    if (sums->currency[0]) {
        tb_json_member_int(out, "returns", sums->returns);
        tb_json_member_int(out, "cancelled", sums->cancelled);
        tb_sum_add_member(out, "totalMinor", sums->total_minor);
    }
    tb_buf_addc(out, '}');
}

/* For self_check: a sum, or the list, differs. */
static void report_sums(struct tb_self_check *check, const struct tb_self_difference *difference)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf out = {0};
    struct tb_verify *verify = check->ctx;
    const struct tb_self_sums *any = difference->store ? difference->store : difference->view;
    const char *group = any->group[0] ? any->group : "total";

    verify->differences++;
    if (!check->cli->json) {
        struct tb_table *table = &verify->table;

        tb_buf_addf(&out, "%s%s%s", group, any->key[0] ? " " : "", any->key);
        tb_table_cell(table, TB_STR("sums"));
        tb_table_cell(table, tb_str_of(tb_cli_text(&out)));
        tb_table_cell(table, tb_str_of(verify->nodes[0]));
        add_sums(table, difference->store);
        add_sums(table, difference->view);
        tb_table_cell(table,
                      any->group[0] == 'l' ? TB_STR("orders or versions differ") : TB_STR(""));
        tb_table_flush(table, stdout);
        return;
    }
    tb_buf_adds(&out, verify->differences > 1 ? ",{" : "{");
    tb_json_member_str(&out, "difference", TB_STR("sums"));
    tb_json_member_str(&out, "group", tb_str_of(group));
    if (any->key[0])
        tb_json_member_str(&out, "key", tb_str_of(any->key));
    if (any->currency[0])
        tb_json_member_str(&out, "currency", tb_str_of(any->currency));
    add_json_sums(&out, "store", difference->store);
    add_json_sums(&out, "view", difference->view);
    tb_buf_addc(&out, '}');
    fputs(tb_cli_text(&out), stdout);
}

/* Sums can be equal only once every order is in the view. */
static int check_sums(const struct tb_cli *cli, struct tb_verify *verify)
{
    struct tb_self_check check = {.cli = cli,
                                  .url = cli->url,
                                  .wait_left_ms = verify->wait_left_ms,
                                  .report = report_sums,
                                  .ctx = verify};

    if (verify->counts[TB_VERIFY_PENDING] > 0)
        return TB_EXIT_DONE;
    tb_progress_init(&check.progress, cli, "orders", 0);
    return tb_self_check_run(&check);
}

/* On a terminal: "200 orders: 198 same, 2 missing". */
static void print_counts(const struct tb_cli *cli, const struct tb_verify *verify, bool complete)
{
    struct tb_count counts[1 + TB_VERIFY_RESULT_COUNT] = {{"orders", "orders", verify->orders}};
    bool sentence = cli->out_terminal && !cli->json;

    if (sentence)
        printf("%" PRId64 " orders:", verify->orders);
    for (int r = 0; r < TB_VERIFY_RESULT_COUNT; r++) {
        const char *name = tb_verify_result_name((enum tb_verify_result)r);

        counts[1 + r] = (struct tb_count){name, name, verify->counts[r]};
        if (sentence && (r == TB_VERIFY_SAME || verify->counts[r] > 0))
            printf("%s %" PRId64 " %s", r > TB_VERIFY_SAME ? "," : "", verify->counts[r], name);
    }
    /* In a pipe the number of orders is left out: it is the sum of the others. */
    if (sentence)
        putchar('\n');
    else if (cli->json)
        tb_show_counts(cli, counts, 1 + TB_VERIFY_RESULT_COUNT, complete);
    else
        tb_show_counts(cli, counts + 1, TB_VERIFY_RESULT_COUNT, complete);
}

/* Asks the process for the name of its node; "": it is a central. */
static int get_node(struct tb_digest_stream *stream, char ret_node[TB_NODE_MAX + 1])
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};
    struct tb_str node;

    TB_CLI_TRY(tb_digest_stream_get(stream, "/status", &response));
    node = tb_cjson_text(tb_http_response_json(&response), "node");
    if (response.status != 200 || node.len > TB_NODE_MAX)
        return tb_cli_bad_response(&stream->cli, "it is no status");
    snprintf(ret_node, TB_NODE_MAX + 1, "%s", node.ptr ? node.ptr : "");
    return TB_EXIT_DONE;
}

/* An edge that is asked twice would make each of its orders a difference. */
static int open_edge(const struct tb_cli *cli, const char *url, struct tb_verify *verify)
{
    size_t i = verify->edge_count;

    if (i == TB_VERIFY_EDGES_MAX)
        return tb_cli_usage(cli, "at most %d edges at once", TB_VERIFY_EDGES_MAX);
    verify->edge_count++;
    TB_CLI_TRY(tb_digest_stream_open(&verify->edges[i], cli, url, TB_DIGESTS_DEFAULT));
    TB_CLI_TRY(get_node(&verify->edges[i], verify->nodes[i]));
    if (!verify->nodes[i][0]) {
        tb_cli_error(cli, "%s is no edge: it has no node", url);
        return TB_EXIT_FAILED;
    }
    for (size_t k = 0; k < i; k++) {
        if (strcmp(verify->nodes[k], verify->nodes[i]) == 0)
            return tb_cli_usage(cli, "%s and %s are the same edge, %s: it is compared once",
                                verify->edges[k].cli.url, url, verify->nodes[i]);
    }
    return TB_EXIT_DONE;
}

static int open_central(const struct tb_cli *cli, const char *url, struct tb_verify *verify)
{
    char node[TB_NODE_MAX + 1];

    TB_CLI_TRY(tb_digest_stream_open(&verify->central, cli, url, TB_DIGESTS_DEFAULT));
    TB_CLI_TRY(get_node(&verify->central, node));
    return node[0] ? tb_cli_usage(cli, "%s is the edge %s, not a central", url, node)
                   : TB_EXIT_DONE;
}

static int open_self(const struct tb_cli *cli, struct tb_verify *verify)
{
    TB_CLI_TRY(open_edge(cli, cli->url, verify));
    return tb_digest_stream_open(&verify->central, cli, cli->url, TB_DIGESTS_OF_VIEW);
}

static int open_all(const struct tb_cli *cli, const struct tb_args *args, struct tb_verify *verify)
{
    const char *url;
    size_t cursor = 0;

    if (tb_args_has(args, "--self"))
        return open_self(cli, verify);
    while ((url = tb_args_each(args, "--edge", &cursor)))
        TB_CLI_TRY(open_edge(cli, url, verify));
    return open_central(cli, tb_args_get(args, "--central"), verify);
}

static int verify_all(const struct tb_cli *cli, struct tb_verify *verify, bool self)
{
    int exit_status;

    verify->report = report_pair;
    tb_table_init(&verify->table, cli, columns, sizeof columns / sizeof columns[0]);
    tb_progress_init(&verify->progress, cli, "orders", 0);
    if (cli->json)
        fputs("{\"differences\":[", stdout);
    exit_status = tb_verify_run(verify);
    if (self && exit_status == TB_EXIT_DONE)
        exit_status = check_sums(cli, verify);
    tb_cli_clear_line();
    print_counts(cli, verify, exit_status == TB_EXIT_DONE);
    tb_table_release(&verify->table);
    return exit_status == TB_EXIT_DONE && verify->differences > 0 ? TB_EXIT_FAILED : exit_status;
}

static int run(struct tb_cli *cli, const struct tb_args *args)
{
    static struct tb_verify verify; /* 2 MB: too much for the stack */
    const char *wait = tb_args_get(args, "--wait");
    bool self = tb_args_has(args, "--self");
    int exit_status;

    verify.wait_left_ms = TB_VERIFY_WAIT_MS;
    if (wait && !tb_quantity_parse(tb_str_of(wait), tb_unit_durations, &verify.wait_left_ms))
        return tb_cli_usage(cli, "--wait takes a time such as 30s");
    if (self && (tb_args_has(args, "--edge") || tb_args_has(args, "--central")))
        return tb_cli_usage(cli,
                            "--self compares the edge at --url; it takes no --edge, --central");
    if (!self && (!tb_args_has(args, "--edge") || !tb_args_has(args, "--central")))
        return tb_cli_usage(cli, "it needs --edge (one at least) and --central, or --self");
    if (tb_args_has(args, "--all") && tb_args_has(args, "--ignore-foreign"))
        return tb_cli_usage(cli, "--all and --ignore-foreign contradict each other");
    verify.allow_pending = tb_args_has(args, "--allow-pending");
    verify.all_nodes = tb_args_has(args, "--all");
    exit_status = open_all(cli, args, &verify);
    if (exit_status == TB_EXIT_DONE)
        exit_status = verify_all(cli, &verify, self);
    for (size_t i = 0; i < verify.edge_count; i++)
        tb_digest_stream_close(&verify.edges[i]);
    tb_digest_stream_close(&verify.central);
    return exit_status;
}

const struct tb_subcommand tb_cmd_verify = {
    .name = "verify",
    .summary = "Compare the stores of edges with the view of a central, or an edge with itself",
    .details = "Compares version, status, total and a hash of the content. Orders that are\n"
               "missing, extra or different are listed; for what is on its way it waits. An\n"
               "order that its edge has not delivered yet counts as missing unless\n"
               "--allow-pending. Orders of nodes that are not asked are foreign: they are only\n"
               "counted, or with --all listed as differences. In a pipe: difference, order,\n"
               "node, the edge's side, the central's side, reason; then the counts. The exit\n"
               "status is 1 if anything differs. --self compares the store of one edge with what\n"
               "it answers from its view: every order, what the lists find it by, the list, and\n"
               "the sums of each day, status and node, added up anew.",
    .examples = "tillbox verify --edge http://127.0.0.1:8081 --central http://127.0.0.1:8082\n"
                "tillbox verify --edge http://till1:8081 --edge http://till2:8081 "
                "--central http://hq:8082 --all\n"
                "tillbox verify --edge http://till1:8081 --central http://hq:8082 "
                "--allow-pending --json\n"
                "tillbox verify --self --url http://till1:8081",
    .options = options,
    .run = run,
};
