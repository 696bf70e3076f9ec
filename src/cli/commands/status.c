/* status: the state of the running process. */
#include "cli/output/show.h"

static int run(struct tb_cli *cli, const struct tb_args *args)
{
    (void)args;
    return tb_show_get(cli, "/status");
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
