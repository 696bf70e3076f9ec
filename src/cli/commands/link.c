/* link: keeps the edge offline, or lets it connect to the log again; forgets a log. */
#include "cli/output/show.h"

static int run(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};
    const char *state = args->operands[0];
    char body[32];

    if (strcmp(state, "offline") != 0 && strcmp(state, "auto") != 0)
        return tb_cli_usage(cli, "it is offline, auto, parked, unpark or forget, not '%s'", state);
    snprintf(body, sizeof body, "{\"state\":\"%s\"}", state);
    TB_CLI_TRY(tb_http_send_command(cli, "PUT", "/link", tb_str_of(body), NULL, NULL, &response));
    return tb_show_response(cli, &response);
}

static int run_forget(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};

    tb_buf_adds(&path, "/link/");
    tb_url_add_segment(&path, args->operands[0]);
    TB_CLI_TRY(tb_http_send_idempotent(cli, NULL, "DELETE", tb_cli_text(&path), (struct tb_str){0},
                                       &response));
    return tb_show_response(cli, &response);
}

const struct tb_subcommand tb_cmd_link = {
    .name = "link",
    .operands = "offline|auto",
    .summary = "Hold the connection to the log, or let it come back",
    .details = "`offline` stays in force, also over a restart, until `auto`. Orders are taken in\n"
               "both states. `tillbox link forget --help` is about a log that is not used any\n"
               "more.",
    .examples = "tillbox link offline\ntillbox link auto",
    .run = run,
};

const struct tb_subcommand tb_cmd_link_forget = {
    .name = "link forget",
    .operands = "LOG",
    .summary = "Keep no events any more for a log that is not configured",
    .details = "A till keeps every event until each log that it ever sent to has it, also while\n"
               "that log is not configured: `tillbox status` says how many wait. `forget` ends\n"
               "that at once and asks nothing. It prints how many events that log never got, and\n"
               "of how many orders the log refused an event; both are kept no longer for its\n"
               "sake. The orders themselves stay. If the log is configured again, it gets the\n"
               "events that are still there, from the oldest on.",
    .examples =
        "tillbox status                # unconfiguredLogs: who waits, for how many events\n"
        "tillbox link forget kafka",
    .run = run_forget,
};
