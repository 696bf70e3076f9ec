/* resend: has an edge send events to Kafka again. */
#include "cli/output/show.h"

static const struct tb_option options[] = {
    {"--since", "DATE", "events that were stored from then on", "since"},
    {"--all", NULL, "all that the edge still has", NULL},
    {NULL, NULL, NULL, NULL}};

static int run(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    const char *since = tb_args_get(args, "--since");

    if ((since != NULL) == tb_args_has(args, "--all"))
        return tb_cli_usage(cli, "say what: --since DATE or --all");
    tb_buf_adds(&path, "/resend");
    tb_url_add_query(&path, "since", since);
    TB_CLI_TRY(tb_http_send_idempotent(cli, NULL, "POST", tb_cli_text(&path), (struct tb_str){0},
                                       &response));
    return tb_show_response(cli, &response);
}

const struct tb_subcommand tb_cmd_resend = {
    .name = "resend",
    .summary = "Send events to Kafka again",
    .details = "An edge notices by itself when Kafka has lost what it delivered, and sends it\n"
               "again, unless [link] on_log_loss = alarm. This does it by hand. The events are\n"
               "the same as before, so a centre that has them drops them. New orders go first;\n"
               "changes of orders wait until it is done. `tillbox status` shows how far it is.",
    .examples = "tillbox resend --all\n"
                "tillbox resend --since 2026-11-01\n"
                "tillbox resend --since 2026-11-01T06:00:00Z",
    .options = options,
    .run = run,
};
