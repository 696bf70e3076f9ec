#include "daemon/daemon.h"
#include "base/diag/diag.h"
#include "base/thread/process.h"
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Databases, their logs and readers, sockets of our own: a few dozen. */
#define FILES_BESIDE 256

/* For the signal handlers. */
static struct tb_api *volatile stoppable;
static volatile sig_atomic_t stopping;
static unsigned stop_seconds;

static void on_signal(int number)
{
    (void)number;
    if (stopping)
        _exit(
            1); /* the second one means now; what is stored survives that as it survives kill -9 */
    stopping = 1;
    if (stop_seconds > 0)
        alarm(stop_seconds);
    if (stoppable)
        tb_api_stop(stoppable);
}

static void on_alarm(int number)
{
    (void)number;
    _exit(EXIT_SUCCESS);
}

void tb_daemon_install_signals(const struct tb_daemon *daemon, struct tb_api *api)
{
    struct sigaction action = {.sa_handler = on_signal};

    stop_seconds = daemon->stop_seconds;
    stoppable = api;
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    action.sa_handler = on_alarm;
    if (stop_seconds > 0)
        sigaction(SIGALRM, &action, NULL);
}

void tb_daemon_remove_signals(void)
{
    stoppable = NULL;
}

static bool takes_argument(const struct tb_daemon *daemon, const char *arg)
{
    if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
        fputs(daemon->help, stdout);
    else if (strcmp(arg, "--version") == 0)
        printf("%s %s\n", daemon->name, TB_VERSION);
    else
        return false;
    return true;
}

bool tb_daemon_load_config(const struct tb_daemon *daemon, int argc, char **argv,
                           struct tb_config **ret_config, int *ret_status)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf report = {0};
    struct tb_error err = {0};

    tb_process_open_standard_files();
    /* Most threads are idle or make small allocations: two malloc arenas keep memory small. */
    mallopt(M_ARENA_MAX, 2);
    /* What a relay sends is freed in the order it was made: small pieces are joined at once, which
     * saves it a tenth of its time or more (bench/relay); fast bins keep them apart until all are
     * walked through. */
    mallopt(M_MXFAST, 0);
    *ret_status = EXIT_SUCCESS;
    for (int i = 1; i < argc; i++) {
        if (takes_argument(daemon, argv[i]))
            return false;
    }
    tb_diag_init(daemon->name, TB_DIAG_INFO);
    if (tb_config_load(argc - 1, argv + 1, environ, daemon->listen, ret_config, &report, &err) ==
        TB_OK)
        return true;
    if (report.len > 0)
        fputs(tb_buf_str(&report).ptr, stderr);
    else
        fprintf(stderr, "%s: %s\n", daemon->name, err.text);
    *ret_status = TB_DAEMON_EXIT_CONFIG;
    return false;
}

/* A descriptor a connection; a WebSocket has two for a moment. */
void tb_daemon_raise_file_limit(const char *event, const struct tb_config *config)
{
    int64_t connections = tb_config_int(config, TB_LIMITS_CONNECTIONS);
    int64_t files = tb_process_raise_file_limit(connections + FILES_BESIDE);

    if (files < connections + FILES_BESIDE)
        tb_diag(TB_DIAG_WARN, event,
                "only %lld files may be open at once: that is not enough for the %lld connections "
                "of limits.connections (ulimit -n, LimitNOFILE)",
                (long long)files, (long long)connections);
}

int tb_daemon_report_failure(const char *event, const struct tb_error *err)
{
    tb_diag(TB_DIAG_ERROR, event, "%s", err->text);
    return err->code == TB_INVALID || err->code == TB_CONFLICT ? TB_DAEMON_EXIT_CONFIG
                                                               : EXIT_FAILURE;
}

void tb_daemon_print_url(const struct tb_api *api)
{
    printf("listening on %s\n", tb_api_url(api));
    fflush(stdout);
}
