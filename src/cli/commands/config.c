/* config: prints each setting and where its value came from. Sends no request. Fails if the data
 * folder has a store that was put back. */
#include "base/config/config.h"
#include "cli/cli.h"
#include <errno.h>
#include <unistd.h>

/* Longer lines of the note are printed in parts. */
#define NOTE_LINE_MAX 1024

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

/* Fails if the till has found its store put back. A folder that cannot be looked into is another
 * user's. */
static int check_store(struct tb_cli *cli, const struct tb_config *config)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    char line[NOTE_LINE_MAX];
    FILE *note;

    tb_buf_addf(&path, "%s/" TB_RESTORED_NOTE, tb_config_text(config, TB_NODE_DATA));
    note = fopen(tb_cli_text(&path), "re");
    if (!note && errno != ENOENT)
        tb_cli_error(cli, "whether the store was put back is not known: %s: %s",
                     tb_cli_text(&path), strerror(errno));
    if (!note)
        return TB_EXIT_DONE;
    tb_cli_error(cli,
                 "the store was put back or copied, so that order numbers may have been given "
                 "twice; remove %s when that is settled:",
                 tb_cli_text(&path));
    while (fgets(line, sizeof line, note))
        fputs(line, stderr);
    fclose(note);
    return TB_EXIT_FAILED;
}

static int run_raw(struct tb_cli *cli, int argc, char **argv)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf report = {0};
    TB_CLEANUP(tb_buf_release) struct tb_buf out = {0};
    struct tb_config *config = NULL;
    struct tb_error err = {0};
    int status;

    argc = take_json(cli, argc, argv);
    if (tb_config_load(argc, argv, environ, TB_EDGE_LISTEN_DEFAULT, &config, &report, &err) !=
        TB_OK) {
        tb_cli_error(cli, "%s", err.text);
        fputs(tb_buf_str(&report).ptr, stderr);
        return TB_EXIT_USAGE;
    }
    tb_config_print(config, cli->json, &out);
    fputs(tb_cli_text(&out), stdout);
    status = check_store(cli, config);
    tb_config_free(config);
    return status;
}

const struct tb_subcommand tb_cmd_config = {
    .name = "config",
    .operands = "[the flags of tillbox edge]",
    .summary = "Print the configuration in force, and where each value came from",
    .details = "A flag wins over the environment (TILLBOX_SECTION_KEY), the environment over the\n"
               "file (--config, else $TILLBOX_CONFIG, else /etc/tillbox/tillbox.conf).\n"
               "Fails if the till of this data folder has found that its store was put back or\n"
               "copied, until the file `restored` there is removed.",
    .examples = "tillbox config\n"
                "tillbox config --config ./tillbox.conf --json\n"
                "TILLBOX_NODE_CURRENCY=GBP tillbox config",
    .options = options,
    .run_raw = run_raw,
};
