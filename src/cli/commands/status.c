/* status: one page of truth of the running process. */
#include "cli/http/ask.h"
#include "cli/output/show.h"

static int run(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response reply = {0};
    int exit_status = tb_http_get(cli, "/status", TB_HTTP_TIMEOUT_MS, &reply);

    (void)args;
    return exit_status == TB_EXIT_DONE ? tb_show_response(cli, &reply) : exit_status;
}

const struct tb_subcommand tb_cmd_status = {
    .name = "status",
    .summary = "Show the state of the running process",
    .details = "Counted at the moment of asking: what waits to be delivered, how old it is, the "
               "link, the disk.",
    .examples = "tillbox status\ntillbox status --json\n"
                "tillbox status --url http://192.168.1.20:8081",
    .run = run,
};
