/* verify: is every order of every store in the central view, as it should be? */
#include "cli/engine/verify.h"
#include "cli/http/ask.h"
#include "cli/http/field.h"
#include "cli/output/show.h"
#include "cli/output/table.h"
#include <inttypes.h>
#include <stdlib.h>

/* So much of a content's hash tells two of them apart for a person. */
#define HASH_SHOWN 8

static const struct tb_option options[] = {
    {"--edge", "URL", "an edge whose store is to be compared; may be given several times"},
    {"--central", "URL", "the central whose view is to be compared"},
    {"--allow-pending", NULL, "what an edge has not delivered yet may be missing"},
    {"--wait", "TIME", "for what is under way, in all; 10s if left out"},
    {"--ignore-foreign", NULL, "orders of nodes that are not asked may be there"},
    {NULL, NULL, NULL}};

static const struct tb_column columns[] = {{"difference", false}, {"orderId", false},
                                           {"node", false},       {"edge", false},
                                           {"central", false},    {"reason", false}};

struct telling {
    const struct tb_cli *cli;
    struct tb_table table;
    int64_t told;
};

static void add_side(struct tb_table *table, bool there, const struct tb_digest *digest)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf cell = {0};

    if (there) {
        tb_buf_addf(&cell, "%" PRId64 " %s ", digest->version, digest->status);
        tb_show_amount(&cell, digest->total_minor, tb_str_of(digest->currency));
        tb_buf_addf(&cell, " %s %.*s", digest->currency, HASH_SHOWN, digest->hash);
    } else {
        tb_buf_adds(&cell, "none");
    }
    tb_table_cell(table, tb_buf_str(&cell));
}

static const char *node_of(const struct tb_verify_pair *pair)
{
    return pair->stored ? pair->store.node : pair->view.node;
}

static void tell_row(struct telling *telling, enum tb_verify_result difference,
                     const struct tb_verify_pair *pair)
{
    struct tb_table *table = &telling->table;

    tb_table_cell(table, tb_str_of(tb_verify_result_name(difference)));
    tb_table_cell(table, tb_str_of(pair->order_id));
    tb_table_cell(table, tb_str_of(node_of(pair)));
    add_side(table, pair->stored, &pair->store);
    add_side(table, pair->viewed, &pair->view);
    tb_table_cell(table, tb_str_of(pair->reason));
    tb_table_flush(table, stdout);
}

static void add_json_side(struct tb_buf *out, const char *key, const struct tb_digest *digest)
{
    tb_json_member_key(out, key);
    tb_buf_addc(out, '{');
    tb_json_member_int(out, "version", digest->version);
    tb_json_member_str(out, "status", tb_str_of(digest->status));
    tb_json_member_int(out, "totalMinor", digest->total_minor);
    tb_json_member_str(out, "currency", tb_str_of(digest->currency));
    tb_json_member_str(out, "hash", tb_str_of(digest->hash));
    tb_buf_addc(out, '}');
}

static void tell_json(const struct telling *telling, enum tb_verify_result difference,
                      const struct tb_verify_pair *pair)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf out = {0};

    tb_buf_adds(&out, telling->told > 0 ? ",{" : "{");
    tb_json_member_str(&out, "difference", tb_str_of(tb_verify_result_name(difference)));
    tb_json_member_str(&out, "orderId", tb_str_of(pair->order_id));
    tb_json_member_str(&out, "node", tb_str_of(node_of(pair)));
    if (pair->stored)
        add_json_side(&out, "edge", &pair->store);
    if (pair->viewed)
        add_json_side(&out, "central", &pair->view);
    if (pair->reason[0])
        tb_json_member_str(&out, "reason", tb_str_of(pair->reason));
    tb_buf_addc(&out, '}');
    fputs(tb_buf_ok(&out) ? out.data : "", stdout);
}

static void tell(void *ctx, enum tb_verify_result difference, const struct tb_verify_pair *pair)
{
    struct telling *telling = ctx;

    if (telling->cli->json)
        tell_json(telling, difference, pair);
    else
        tell_row(telling, difference, pair);
    telling->told++;
}

static void print_sentence(const struct tb_verify *verify)
{
    printf("%" PRId64 " orders:", verify->orders);
    for (int d = 0; d < TB_VERIFY_RESULT_COUNT; d++) {
        if (d == TB_VERIFY_SAME || verify->counts[d] > 0)
            printf("%s %" PRId64 " %s", d > TB_VERIFY_SAME ? "," : "", verify->counts[d],
                   tb_verify_result_name((enum tb_verify_result)d));
    }
    putchar('\n');
}

static void print_counts(const struct tb_cli *cli, const struct tb_verify *verify, bool complete)
{
    if (!cli->json && cli->out_terminal) {
        print_sentence(verify);
        return;
    }
    if (cli->json)
        printf("],\"orders\":%" PRId64, verify->orders);
    for (int d = 0; d < TB_VERIFY_RESULT_COUNT; d++) {
        const char *name = tb_verify_result_name((enum tb_verify_result)d);

        if (cli->json)
            printf(",\"%s\":%" PRId64, name, verify->counts[d]);
        else
            printf("%s\t%" PRId64 "\n", name, verify->counts[d]);
    }
    if (cli->json)
        printf(",\"complete\":%s}\n", complete ? "true" : "false");
}

/* Whose store it is; a central is told apart. */
static int ask_node(struct tb_digest_stream *edge, char ret_node[TB_NODE_MAX + 1])
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response reply = {0};
    TB_CLEANUP(tb_json_freep) struct tb_json *json = NULL;
    struct tb_error err = {0};
    int exit_status = tb_digest_stream_get(edge, "/status", &reply);

    if (exit_status != TB_EXIT_DONE)
        return exit_status;
    if (reply.status == 200 &&
        tb_json_parse(tb_buf_str(&reply.body), TB_JSON_DEPTH_MAX, &json, &err) == TB_OK) {
        struct tb_str node = tb_field_text(json, "node");

        if (node.ptr && node.len <= TB_NODE_MAX) {
            memcpy(ret_node, node.ptr, node.len);
            return TB_EXIT_DONE;
        }
    }
    tb_cli_error(&edge->cli, "%s is no edge: it tells no node", edge->cli.url);
    return TB_EXIT_FAILED;
}

static int open_all(const struct tb_cli *cli, const struct tb_args *args, struct tb_verify *verify)
{
    const char *url;
    size_t cursor = 0;
    int exit_status;

    while ((url = tb_args_each(args, "--edge", &cursor))) {
        if (verify->edge_count == TB_VERIFY_EDGES_MAX)
            return tb_cli_usage(cli, "verify", "at most %d edges at once", TB_VERIFY_EDGES_MAX);
        struct tb_digest_stream *edge = &verify->edges[verify->edge_count];
        exit_status = tb_digest_stream_open(edge, cli, url);
        verify->edge_count++;
        if (exit_status == TB_EXIT_DONE)
            exit_status = ask_node(edge, verify->nodes[verify->edge_count - 1]);
        if (exit_status != TB_EXIT_DONE)
            return exit_status;
    }
    return tb_digest_stream_open(&verify->central, cli, tb_args_get(args, "--central"));
}

static void close_all(struct tb_verify *verify)
{
    for (size_t i = 0; i < verify->edge_count; i++)
        tb_digest_stream_close(&verify->edges[i]);
    tb_digest_stream_close(&verify->central);
    free(verify->rechecks);
    free(verify);
}

static int verify_all(struct tb_cli *cli, const struct tb_args *args, struct tb_verify *verify)
{
    struct telling telling = {.cli = cli};
    int exit_status = open_all(cli, args, verify);

    if (exit_status != TB_EXIT_DONE)
        return exit_status;
    verify->tell = tell;
    verify->ctx = &telling;
    verify->allow_pending = tb_args_has(args, "--allow-pending");
    verify->ignore_foreign = tb_args_has(args, "--ignore-foreign");
    tb_table_init(&telling.table, columns, sizeof columns / sizeof columns[0], cli->out_terminal,
                  cli->color);
    tb_progress_init(&verify->progress, cli->err_terminal, cli->columns, "orders", 0,
                     tb_clock_mono_ms(cli->clock));
    if (cli->json)
        fputs("{\"differences\":[", stdout);
    exit_status = tb_verify_run(verify);
    print_counts(cli, verify, exit_status == TB_EXIT_DONE);
    tb_table_release(&telling.table);
    if (exit_status == TB_EXIT_DONE && tb_verify_differs(verify))
        exit_status = TB_EXIT_FAILED;
    return exit_status;
}

static int run(struct tb_cli *cli, const struct tb_args *args)
{
    const char *wait = tb_args_get(args, "--wait");
    int64_t wait_left_ms = TB_VERIFY_WAIT_MS;
    struct tb_verify *verify;
    int exit_status;

    if (wait && !tb_duration_parse(tb_str_of(wait), &wait_left_ms))
        return tb_cli_usage(cli, "verify", "--wait takes a time such as 30s");
    if (!tb_args_has(args, "--edge") || !tb_args_has(args, "--central"))
        return tb_cli_usage(cli, "verify", "it needs --edge (one at least) and --central");
    verify = calloc(1, sizeof *verify);
    if (verify)
        verify->rechecks = calloc(TB_VERIFY_RECHECK_MAX, sizeof *verify->rechecks);
    if (!verify || !verify->rechecks) {
        free(verify);
        return tb_cli_no_memory(cli);
    }
    verify->wait_left_ms = wait_left_ms;
    exit_status = verify_all(cli, args, verify);
    close_all(verify);
    return exit_status;
}

const struct tb_subcommand tb_cmd_verify = {
    .name = "verify",
    .summary = "Compare the stores of edges with the central view, order by order",
    .details = "Version, status, total and a hash of the content. Told is what is missing, extra "
               "or different; what\nis only under way is waited for. An "
               "order that is pending on its edge counts\nas missing unless --allow-pending; one "
               "of a node that is not asked is foreign and counts unless\n--ignore-foreign. In a "
               "pipe: difference, order, node, edge's side, central's side, reason; then the\n"
               "counts. Ends with 1 if anything differs.",
    .examples = "tillbox verify --edge http://127.0.0.1:8081 --central http://127.0.0.1:8082\n"
                "tillbox verify --edge http://till1:8081 --edge http://till2:8081 "
                "--central http://hq:8082\n"
                "tillbox verify --edge http://till1:8081 --central http://hq:8082 "
                "--allow-pending --ignore-foreign --json",
    .options = options,
    .run = run,
};
