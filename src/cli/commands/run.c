/* edge, central: replace this process by the daemon, a program in the same folder as this one. */
#include "cli/cli.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

static int run_beside(struct tb_cli *cli, const char *program, int argc, char **argv)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash;
    char **args;

    if (len < 0) {
        tb_cli_error(cli, "cannot tell where this program is: %s", strerror(errno));
        return TB_EXIT_FAILED;
    }
    path[len] = '\0';
    slash = strrchr(path, '/');
    args = calloc((size_t)argc + 2, sizeof *args);
    if (!args || !slash || (size_t)(slash - path) + strlen(program) + 2 > sizeof path) {
        tb_cli_error(cli, "out of memory");
        free(args);
        return TB_EXIT_FAILED;
    }
    memcpy(slash + 1, program, strlen(program) + 1);
    args[0] = path;
    for (int i = 0; i < argc; i++)
        args[i + 1] = argv[i];
    execv(path, args);
    if (errno == ENOENT)
        tb_cli_error(cli, "%s is not installed: there is no %s", program, path);
    else
        tb_cli_error(cli, "cannot run %s: %s", path, strerror(errno));
    free(args);
    return TB_EXIT_USAGE;
}

static int run_edge(struct tb_cli *cli, int argc, char **argv)
{
    return run_beside(cli, "tillbox-edge", argc, argv);
}

static int run_central(struct tb_cli *cli, int argc, char **argv)
{
    return run_beside(cli, "tillbox-central", argc, argv);
}

const struct tb_subcommand tb_cmd_edge = {
    .name = "edge",
    .operands = "[flags]",
    .summary = "Run an edge: a node that takes orders at a till and answers queries",
    .details = "The first line on standard output is the address on which it listens. `tillbox\n"
               "config` lists all settings; those without a flag are set in the configuration\n"
               "file or the environment.",
    .examples = "tillbox edge\n"
                "tillbox edge --data ./till1 --node till1\n"
                "tillbox edge --config /etc/tillbox/tillbox.conf --listen 127.0.0.1:0",
    .run_raw = run_edge,
};
const struct tb_subcommand tb_cmd_central = {
    .name = "central",
    .operands = "[flags]",
    .summary = "Run a central: it serves the orders of many edges",
    .details = "The program tillbox-central must lie in the same folder as tillbox.",
    .examples = "tillbox central --config /etc/tillbox/central.conf",
    .run_raw = run_central,
};
