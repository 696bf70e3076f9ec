/* config: prints each setting and where its value came from. Sends no request. */
#include "base/config/config.h"
#include "cli/cli.h"
#include <unistd.h>

static const struct tb_option options[] = {
    {"--json", NULL, "print a list of {key, value, origin, help}", NULL},
    {NULL, NULL, NULL, NULL}};

/* Removes every --json from argv, because the configuration does not know it. Returns the number
 * of arguments that are left. */
static int take_json(struct tb_cli *cli, int argc, char **argv)
{
    int kept = 0;

    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            cli->json = true;
        else
            argv[kept++] = argv[i];
    }
    return kept;
}

static int run_raw(struct tb_cli *cli, int argc, char **argv)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf report = {0};
    TB_CLEANUP(tb_buf_release) struct tb_buf out = {0};
    struct tb_config *config = NULL;
    struct tb_error err = {0};

    argc = take_json(cli, argc, argv);
    if (tb_config_load(argc, argv, environ, TB_EDGE_LISTEN_DEFAULT, &config, &report, &err) !=
        TB_OK) {
        tb_cli_error(cli, "%s", err.text);
        fputs(tb_buf_str(&report).ptr, stderr);
        return TB_EXIT_USAGE;
    }
    tb_config_print(config, cli->json, &out);
    tb_config_free(config);
    fputs(tb_cli_text(&out), stdout);
    return TB_EXIT_DONE;
}

const struct tb_subcommand tb_cmd_config = {
    .name = "config",
    .operands = "[the flags of tillbox edge]",
    .summary = "Print the configuration in force, and where each value came from",
    .details = "A flag wins over the environment (TILLBOX_SECTION_KEY), the environment over the\n"
               "file (--config, else $TILLBOX_CONFIG, else /etc/tillbox/tillbox.conf).",
    .examples = "tillbox config\n"
                "tillbox config --config ./tillbox.conf --json\n"
                "TILLBOX_NODE_CURRENCY=GBP tillbox config",
    .options = options,
    .run_raw = run_raw,
};
