/* Finds the subcommand, parses its arguments, runs it. */
#include "cli/cli.h"
#include <stdlib.h>
#include <unistd.h>

/* In the order of the help text. A name of two words stands before its first word alone,
 * which would match it, too: `link forget` before `link`. */
static const struct tb_subcommand *const subcommands[] = {
    /* clang-format off */
    &tb_cmd_edge, &tb_cmd_central,
    &tb_cmd_order_place, &tb_cmd_order_show, &tb_cmd_order_list, &tb_cmd_order_wait,
    &tb_cmd_order_lines, &tb_cmd_order_address, &tb_cmd_order_ship, &tb_cmd_order_cancel,
    &tb_cmd_order_import,
    &tb_cmd_stats, &tb_cmd_status, &tb_cmd_link_parked, &tb_cmd_link_unpark, &tb_cmd_link_forget,
    &tb_cmd_link, &tb_cmd_resend,
    &tb_cmd_nodes_retire, &tb_cmd_nodes_unretire, &tb_cmd_nodes,
    &tb_cmd_dlq_list, &tb_cmd_dlq_show, &tb_cmd_dlq_replay, &tb_cmd_dlq_drop,
    &tb_cmd_rebuild, &tb_cmd_verify, &tb_cmd_config, NULL,
    /* clang-format on */
};

static void detect_environment(struct tb_cli *cli)
{
    const char *url = getenv("TILLBOX_URL");
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    bool dumb = term && strcmp(term, "dumb") == 0;

    cli->url = url && *url ? url : TB_URL_DEFAULT;
    cli->out_terminal = isatty(STDOUT_FILENO);
    cli->err_terminal = isatty(STDERR_FILENO) && !dumb;
    cli->color = cli->out_terminal && !dumb && !(no_color && *no_color);
}

/* Returns the subcommand whose name argv starts with. *ret_used: the words of that name. */
static const struct tb_subcommand *find(int argc, char **argv, int *ret_used)
{
    for (size_t i = 0; subcommands[i]; i++) {
        const char *name = subcommands[i]->name;
        const char *blank = strchr(name, ' ');
        size_t len = blank ? (size_t)(blank - name) : strlen(name);

        if (strlen(argv[0]) != len || memcmp(argv[0], name, len) != 0)
            continue;
        if (blank && (argc < 2 || strcmp(argv[1], blank + 1) != 0))
            continue;
        *ret_used = blank ? 2 : 1;
        return subcommands[i];
    }
    return NULL;
}

/* True if subcommands of two words start with this name: `order`, `dlq`. */
static bool is_group(const char *name)
{
    for (size_t i = 0; subcommands[i]; i++) {
        if (tb_in_group(subcommands[i], name))
            return true;
    }
    return false;
}

static bool wants_help(const char *arg)
{
    return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

static int check_operands(const struct tb_cli *cli, const struct tb_args *args)
{
    const char *operands = cli->subcommand->operands;
    size_t min = 0, max = 0;

    for (const char *word = operands; word; word = strchr(word, ' ')) {
        word += *word == ' ';
        min += *word != '[';
        max++;
    }
    if (args->operand_count < min)
        return tb_cli_usage(cli, "it needs %s", operands);
    if (args->operand_count > max)
        return tb_cli_usage(cli, "'%s' is one argument too many", args->operands[max]);
    return TB_EXIT_DONE;
}

static int run_parsed(struct tb_cli *cli, int argc, char **argv)
{
    TB_CLEANUP(tb_args_release) struct tb_args args = {0};
    const struct tb_subcommand *subcommand = cli->subcommand;
    struct tb_error err = {0};

    if (tb_args_parse(argc, argv, subcommand->options, tb_common_options, &args, &err) != TB_OK)
        return tb_cli_usage(cli, "%s", err.text);
    if (tb_args_has(&args, "--help") || tb_args_has(&args, "-h")) {
        tb_help_subcommand(subcommand, stdout);
        return TB_EXIT_DONE;
    }
    TB_CLI_TRY(check_operands(cli, &args));
    if (tb_args_has(&args, "--url"))
        cli->url = tb_args_get(&args, "--url");
    cli->json = tb_args_has(&args, "--json");
    return subcommand->run(cli, &args);
}

static int run_raw(struct tb_cli *cli, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (wants_help(argv[i])) {
            tb_help_subcommand(cli->subcommand, stdout);
            return TB_EXIT_DONE;
        }
    }
    return cli->subcommand->run_raw(cli, argc, argv);
}

/* The first word is no subcommand by itself: it is a group such as `order`, or wrong. */
static int run_group(struct tb_cli *cli, int argc, char **argv)
{
    const bool group = is_group(argv[0]);
    const struct tb_subcommand named = {.name = group ? argv[0] : ""};

    cli->subcommand = &named;
    if (!group)
        return tb_cli_usage(cli, "there is no command '%s'", argv[0]);
    if (argc == 1)
        return tb_cli_usage(cli, "%s needs a command", argv[0]);
    if (!wants_help(argv[1]))
        return tb_cli_usage(cli, "there is no command '%s %s'", argv[0], argv[1]);
    tb_help_program(subcommands, argv[0], stdout);
    return TB_EXIT_DONE;
}

static int run(struct tb_cli *cli, int argc, char **argv)
{
    int used = 0;

    if (argc == 0) {
        tb_help_program(subcommands, NULL, stderr);
        return TB_EXIT_USAGE;
    }
    if (wants_help(argv[0])) {
        tb_help_program(subcommands, NULL, stdout);
        return TB_EXIT_DONE;
    }
    if (strcmp(argv[0], "--version") == 0) {
        puts("tillbox " TB_VERSION);
        return TB_EXIT_DONE;
    }
    cli->subcommand = find(argc, argv, &used);
    if (!cli->subcommand)
        return run_group(cli, argc, argv);
    argc -= used;
    argv += used;
    return cli->subcommand->run_raw ? run_raw(cli, argc, argv) : run_parsed(cli, argc, argv);
}

int main(int argc, char **argv)
{
    struct tb_cli cli = {0};
    int exit_status;

    detect_environment(&cli);
    exit_status = run(&cli, argc - 1, argv + 1);
    if ((fflush(stdout) != 0 || ferror(stdout)) && exit_status == TB_EXIT_DONE) {
        perror("tillbox: standard output");
        exit_status = TB_EXIT_FAILED;
    }
    return exit_status;
}
