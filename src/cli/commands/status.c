/* status: shows the state of the running process. */
#include "cli/output/show.h"

static int run(struct tb_cli *cli, const struct tb_args *args)
{
    (void)args;
    return tb_show_get(cli, "/status");
}

const struct tb_subcommand tb_cmd_status = {
    .name = "status",
    .summary = "Show the state of the running process",
    .details = "Events not yet delivered and the age of the oldest, the link, the disk. All\n"
               "values are of this moment.",
    .examples = "tillbox status\ntillbox status --json\n"
                "tillbox status --url http://192.168.1.20:8081",
    .run = run,
};
