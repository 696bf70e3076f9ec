/* order import: places the orders of a file of JSON Lines. */
#include "cli/engine/import.h"
#include "base/time/timefmt.h"
#include "base/values/quantity.h"
#include "cli/output/show.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* A restart, or making room on a full disk, takes minutes. After that a person must look. */
#define GIVE_UP_DEFAULT_MS 300000
#define PAUSE_BASE_MS 250
#define PAUSE_MAX_MS 30000

static const struct tb_option options[] = {
    {"--give-up-after", "TIME", "end when no line was placed for so long; 5m if left out", NULL},
    {NULL, NULL, NULL, NULL}};

static volatile sig_atomic_t stop_requested;

static void on_signal(int number)
{
    (void)number;
    stop_requested = 1;
}

/* The first signal lets requests in flight finish; a second one ends the program at once. */
static void install_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void print_summary(const struct tb_import *import, bool complete)
{
    const struct tb_count counts[] = {{"imported", "imported", import->imported},
                                      {"already there", "alreadyThere", import->already_there},
                                      {"refused", "refused", import->refused}};

    if (import->cli->out_terminal && !import->cli->json)
        printf("imported %" PRId64 " (of them %" PRId64 " already there), refused %" PRId64 "\n",
               import->imported, import->already_there, import->refused);
    else
        tb_show_counts(import->cli, counts, sizeof counts / sizeof counts[0], complete);
}

static int conclude(const struct tb_import *import)
{
    bool complete = import->input_ended && import->unfinished == 0 && !import->failure;

    print_summary(import, complete);
    if (complete)
        return import->refused > 0 ? TB_EXIT_FAILED : TB_EXIT_DONE;
    if (import->failure == TB_EXIT_UNREACHABLE)
        (void)tb_http_unreachable(import->cli, import->failure_text);
    else if (import->failure)
        tb_cli_error(import->cli, "%s", import->failure_text);
    tb_cli_error(import->cli,
                 "stopped at line %" PRId64 ". Running it again continues safely: what was "
                 "imported is not added twice.",
                 tb_import_resume_line(import));
    return import->failure ? import->failure : TB_EXIT_FAILED;
}

static int64_t size_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : 0;
}

static int import_from(struct tb_cli *cli, int fd, int64_t give_up_ms)
{
    struct tb_import import = {
        .cli = cli,
        .lines = {.fd = fd, .line_max = TB_BODY_MAX},
        .give_up_ms = give_up_ms,
        .backoff = {.base_ms = PAUSE_BASE_MS, .cap_ms = PAUSE_MAX_MS},
    };
    int exit_status;

    TB_CLI_TRY(tb_http_open(cli, TB_IMPORT_IN_FLIGHT, &import.client));
    tb_import_keys_init(&import.keys, TB_OCCURRENCES_MAX);
    tb_progress_init(&import.progress, cli, "orders", size_of(fd));
    install_signals();
    if (cli->json)
        fputs("{\"refusals\":[", stdout);
    tb_import_run(&import, &stop_requested);
    exit_status = conclude(&import);
    tb_import_release(&import);
    tb_http_client_free(import.client);
    return exit_status;
}

static int run(struct tb_cli *cli, const struct tb_args *args)
{
    const char *file = args->operands[0];
    const char *give_up = tb_args_get(args, "--give-up-after");
    bool standard = strcmp(file, "-") == 0;
    int64_t give_up_ms = GIVE_UP_DEFAULT_MS;
    int fd, exit_status;

    if (give_up && !tb_quantity_parse(tb_str_of(give_up), tb_unit_durations, &give_up_ms))
        return tb_cli_usage(cli, "--give-up-after takes a time such as 5m");
    fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        tb_cli_error(cli, "cannot read %s: %s", file, strerror(errno));
        return TB_EXIT_FAILED;
    }
    exit_status = import_from(cli, fd, give_up_ms);
    if (!standard)
        close(fd);
    return exit_status;
}

const struct tb_subcommand tb_cmd_order_import = {
    .name = "order import",
    .operands = "FILE.jsonl|-",
    .summary = "Place one order for each line of a file",
    .details = "A refused line is listed with its number and the reason, and the import goes on.\n"
               "The idempotency key of a line is made of its order and of how many equal orders\n"
               "stand before it: running the import again adds only what is new, even if lines\n"
               "were added, removed, moved, or written with other blanks or their members in\n"
               "another order, while the server remembers the keys ([retention] idempotency,\n"
               "24 h by default). So within that time the same order in another file is the same\n"
               "order. With an orderId in each order they differ, and the rest holds for ever.\n"
               "What an earlier build has imported is not added again while its lines are\n"
               "unchanged; but the keys of the first builds hold the number of the line, so\n"
               "what they have imported is added again where it has moved: add lines to such a\n"
               "file at its end, or import them from a file of their own. While the server is\n"
               "busy or restarts, the import waits. In a pipe: `line`, number, reason for each\n"
               "refused line; then the counts.",
    .examples = "tillbox order import orders.jsonl\n"
                "zcat orders.jsonl.gz | tillbox order import -\n"
                "tillbox order import orders.jsonl --json",
    .options = options,
    .run = run,
};
