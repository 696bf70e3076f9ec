/* dlq list, show, drop: dead letters, one by one. */
#include "cli/engine/dlq_filter.h"
#include "cli/http/field.h"
#include "cli/output/show.h"

static const struct tb_option list_options[] = {
    TB_OPTIONS_DEAD_LETTER_FILTER,
    {"--status", "STATUS", "open, replayed, dropped or any; open if left out"},
    {"--limit", "N", "at most N a page, 500 at most; 50 if left out"},
    {"--cursor", "CURSOR", "go on behind an earlier page"},
    {"--all", NULL, "every page, not just one"},
    {NULL, NULL, NULL}};

static void list_path(const struct tb_args *args, const char *cursor, struct tb_buf *ret_path)
{
    const char *status = tb_args_get(args, "--status");
    const char *limit = tb_args_get(args, "--limit");

    if (!status)
        status = "open";
    else if (strcmp(status, "any") == 0)
        status = NULL;
    if (!limit && tb_args_has(args, "--all"))
        limit = TB_PAGE_LIMIT_MAX;
    tb_dead_letter_list_path(args, status, limit, cursor, ret_path);
}

static int run_list(struct tb_cli *cli, const struct tb_args *args)
{
    static const struct tb_page_list list = {"deadLetters", list_path, tb_dead_letter_table_add};
    struct tb_table table;
    int exit_status;

    tb_dead_letter_table_init(cli, &table);
    exit_status = tb_pages_show(cli, args, &list, &table);
    tb_table_release(&table);
    return exit_status;
}

static const struct tb_option show_options[] = {
    {"--payload", NULL, "only the event's text, as it is, to be mended"}, {NULL, NULL, NULL}};

/* Byte for byte: what replay --value sends as it is. */
static int show_payload(const struct tb_cli *cli, const struct tb_http_response *reply)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *letter = NULL;
    struct tb_str value;
    int exit_status = tb_show_parse(cli, reply, &letter);

    if (exit_status != TB_EXIT_DONE)
        return exit_status;
    value = tb_field_text(letter, "value");
    if (!value.ptr) {
        tb_cli_error(cli, tb_field(letter, "valueBase64")
                              ? "the event is not text; --json shows it in base64"
                              : "the letter has no event: there was none, or one too large "
                                "to be kept");
        return TB_EXIT_FAILED;
    }
    fwrite(value.ptr, 1, value.len, stdout);
    return TB_EXIT_DONE;
}

static int run_show(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    TB_CLEANUP(tb_http_response_release) struct tb_http_response reply = {0};
    bool payload = tb_args_has(args, "--payload");
    int exit_status;

    if (payload && cli->json)
        return tb_cli_usage(cli, "dlq show", "--payload is not JSON of ours: leave out --json");
    tb_dead_letter_path(args->operands[0], "", &path);
    if (!tb_buf_ok(&path))
        return tb_cli_no_memory(cli);
    exit_status = tb_http_get(cli, path.data, TB_HTTP_TIMEOUT_MS, &reply);
    if (exit_status != TB_EXIT_DONE)
        return exit_status;
    if (payload && reply.status == 200)
        return show_payload(cli, &reply);
    return tb_show_response(cli, &reply);
}

static int run_drop(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    TB_CLEANUP(tb_http_response_release) struct tb_http_response reply = {0};
    int exit_status;

    tb_dead_letter_path(args->operands[0], "", &path);
    if (!tb_buf_ok(&path))
        return tb_cli_no_memory(cli);
    exit_status =
        tb_http_send_idempotent_once(cli, "DELETE", path.data, (struct tb_str){0}, &reply);
    return exit_status == TB_EXIT_DONE ? tb_show_response(cli, &reply) : exit_status;
}

const struct tb_subcommand tb_cmd_dlq_list = {
    .name = "dlq list",
    .summary = "List dead letters, events that could not be applied, oldest first",
    .details = "Reasons: decode (no JSON, or no type), invalid (not an event of its type), gap "
               "(an earlier event of\nits order is missing or dead; follows by itself once that "
               "is mended), apply (the view refused it).\nIn a pipe the columns are: id, status, "
               "reason, type, order, version, attempts, died, message.\n--json prints each page "
               "as it came, one a line.",
    .examples = "tillbox dlq list\n"
                "tillbox dlq list --reason invalid --since 2026-11-01 --all\n"
                "tillbox dlq list --order 0193a6f2-7c1e-7a44-9d0b-2f6c1e5b8a10 --status any",
    .options = list_options,
    .run = run_list,
};
const struct tb_subcommand tb_cmd_dlq_show = {
    .name = "dlq show",
    .operands = "ID",
    .summary = "Show a dead letter: why it died, its headers, its event",
    .details = "In a pipe: a field's name and value a line.",
    .examples = "tillbox dlq show order-events-3-17\n"
                "tillbox dlq show order-events-3-17 --payload > event.json",
    .options = show_options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run_show,
};
const struct tb_subcommand tb_cmd_dlq_drop = {
    .name = "dlq drop",
    .operands = "ID",
    .summary = "Give up a dead letter that nobody needs",
    .details = "It counts as open no longer and stays to be seen until its time is over; a replay "
               "still brings it\nback. Later events of its order keep waiting for the version "
               "that it would have been.",
    .examples = "tillbox dlq drop order-events-3-17\n"
                "tillbox dlq list --type Strange.v1 | cut -f 1 | xargs -n 1 tillbox dlq drop",
    .operands_min = 1,
    .operands_max = 1,
    .run = run_drop,
};
