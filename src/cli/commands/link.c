/* link: keeps the edge offline, or lets it connect to the log again. */
#include "cli/output/show.h"

static int run(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};
    const char *state = args->operands[0];
    char body[32];

    if (strcmp(state, "offline") != 0 && strcmp(state, "auto") != 0)
        return tb_cli_usage(cli, "it is offline or auto, not '%s'", state);
    snprintf(body, sizeof body, "{\"state\":\"%s\"}", state);
    TB_CLI_TRY(tb_http_send_command(cli, "PUT", "/link", tb_str_of(body), NULL, NULL, &response));
    return tb_show_response(cli, &response);
}

const struct tb_subcommand tb_cmd_link = {
    .name = "link",
    .operands = "offline|auto",
    .summary = "Hold the connection to the log, or let it come back",
    .details = "`offline` stays in force, also over a restart, until `auto`. Orders are taken in\n"
               "both states.",
    .examples = "tillbox link offline\ntillbox link auto",
    .run = run,
};
