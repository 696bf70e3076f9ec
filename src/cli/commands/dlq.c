/* dlq list, show, drop: dead letters. */
#include "cli/engine/dead_letters.h"
#include "cli/output/show.h"

static const struct tb_option list_options[] = {
    TB_OPTIONS_DEAD_LETTER_FILTER,
    {"--status", "STATUS", "open, replayed, dropped or any; open if left out", NULL},
    {"--limit", "N", "at most N a page, 500 at most; 50 if left out", NULL},
    {"--cursor", "CURSOR", "go on behind an earlier page", NULL},
    {"--all", NULL, "every page, not just one", NULL},
    {NULL, NULL, NULL, NULL}};

static int run_list(struct tb_cli *cli, const struct tb_args *args)
{
    return tb_pages_show(cli, args, &tb_dead_letter_list);
}

static const struct tb_option show_options[] = {
    {"--payload", NULL, "only the event's text, for example to mend it", NULL},
    {NULL, NULL, NULL, NULL}};

/* Prints the event's bytes unchanged, so that `dlq replay --value` can send them again. */
static int show_payload(const struct tb_cli *cli, const char *path)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};
    const char *value;

    TB_CLI_TRY(tb_show_fetch(cli, path, &response));
    value = tb_cjson_text(response.json, "value").ptr;
    if (value) {
        fputs(value, stdout);
        return TB_EXIT_DONE;
    }
    tb_cli_error(cli,
                 tb_cjson_get(response.json, "valueBase64")
                     ? "the event is not text; --json shows it in base64"
                     : "the letter has no event: there was none, or one too large to be kept");
    return TB_EXIT_FAILED;
}

static int run_show(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    bool payload = tb_args_has(args, "--payload");

    if (payload && cli->json)
        return tb_cli_usage(cli, "--payload is not JSON of ours: leave out --json");
    tb_dead_letter_path(args->operands[0], "", &path);
    return payload ? show_payload(cli, tb_cli_text(&path)) : tb_show_get(cli, tb_cli_text(&path));
}

static int run_drop(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};

    tb_dead_letter_path(args->operands[0], "", &path);
    TB_CLI_TRY(tb_http_send_idempotent(cli, NULL, "DELETE", tb_cli_text(&path), (struct tb_str){0},
                                       &response));
    return tb_show_response(cli, &response);
}

const struct tb_subcommand tb_cmd_dlq_list = {
    .name = "dlq list",
    .summary = "List dead letters: events that could not be applied; oldest first",
    .details = "Reasons: decode (not JSON, or without a type), invalid (not an event of its\n"
               "type), gap (an earlier event of the same order is missing or a dead letter; it\n"
               "is applied by itself once that is mended), apply (the view refused it). In a\n"
               "pipe the columns are: id, status, reason, type, order, version, attempts, died,\n"
               "message. --json prints each page as the server sent it, one page a line.",
    .examples = "tillbox dlq list\n"
                "tillbox dlq list --reason invalid --since 2026-11-01 --all\n"
                "tillbox dlq list --order 0193a6f2-7c1e-7a44-9d0b-2f6c1e5b8a10 --status any",
    .options = list_options,
    .run = run_list,
};
const struct tb_subcommand tb_cmd_dlq_show = {
    .name = "dlq show",
    .operands = "ID",
    .summary = "Show a dead letter: its reason, its headers, its event",
    .details = "In a pipe: one line for each field, with name and value.",
    .examples = "tillbox dlq show order-events-3-17\n"
                "tillbox dlq show order-events-3-17 --payload > event.json",
    .options = show_options,
    .run = run_show,
};
const struct tb_subcommand tb_cmd_dlq_drop = {
    .name = "dlq drop",
    .operands = "ID",
    .summary = "Drop a dead letter that is not needed",
    .details = "It no longer counts as open. It can be shown and replayed until its retention\n"
               "ends. Later events of its order still wait for the missing version.",
    .examples = "tillbox dlq drop order-events-3-17\n"
                "tillbox dlq list --type Strange.v1 | cut -f 1 | xargs -n 1 tillbox dlq drop",
    .run = run_drop,
};
