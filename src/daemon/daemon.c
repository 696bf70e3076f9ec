#include "daemon/daemon.h"
#include "base/diag/diag.h"
#include "base/thread/process.h"
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Exit status for a wrong configuration: a restart would fail again. */
#define EXIT_CONFIG 2
/* Files besides those of connections. Databases and our own sockets need a few dozen. */
#define FILES_BESIDE_CONNECTIONS 256
#define EVENT_SIZE 32

/* For the signal handlers. */
static struct tb_api *volatile stoppable_api;
static volatile sig_atomic_t stopping;
static unsigned stop_seconds;

/* The second signal ends the process at once. No stored order is lost by that, as with kill -9. */
static void on_stop_signal(int number)
{
    (void)number;
    if (stopping)
        _exit(EXIT_FAILURE);
    stopping = 1;
    if (stop_seconds > 0)
        alarm(stop_seconds);
    if (stoppable_api)
        tb_api_stop(stoppable_api);
}

static void on_alarm(int number)
{
    (void)number;
    _exit(EXIT_SUCCESS);
}

static void install_signals(const struct tb_daemon *daemon)
{
    struct sigaction action = {.sa_handler = on_stop_signal};

    stop_seconds = daemon->stop_seconds;
    stoppable_api = daemon->wiring->api;
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    action.sa_handler = on_alarm;
    if (stop_seconds > 0)
        sigaction(SIGALRM, &action, NULL);
}

static void report(const struct tb_daemon *daemon, enum tb_diag_level level, const char *what,
                   const char *text)
{
    char event[EVENT_SIZE];

    snprintf(event, sizeof event, "%s.%s", daemon->name + strlen("tillbox-"), what);
    tb_diag(level, event, "%s", text);
}

static int report_failed_start(const struct tb_daemon *daemon, const struct tb_error *err)
{
    report(daemon, TB_DIAG_ERROR, "start", err->text);
    return err->code == TB_INVALID || err->code == TB_CONFLICT ? EXIT_CONFIG : EXIT_FAILURE;
}

static bool is_information(const struct tb_daemon *daemon, const char *arg)
{
    if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
        fputs(daemon->help, stdout);
    else if (strcmp(arg, "--version") == 0)
        printf("%s %s\n", daemon->name, TB_VERSION);
    else
        return false;
    return true;
}

/* Two malloc arenas: most threads are idle or allocate little, and each arena costs memory.
 * No fast bins: the relay frees memory in the order in which it allocated it. Without fast bins
 * malloc joins the small pieces at once, which saves the relay a tenth of its time or more
 * (bench/relay); with them it joins many pieces at once, and later. */
static void tune_malloc(void)
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MXFAST, 0);
}

/* NULL: the process exits with *ret_status. Either --help or --version was printed, or a fault was
 * reported. */
static struct tb_config *load_config(const struct tb_daemon *daemon, int argc, char **argv,
                                     int *ret_status)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf faults = {0};
    struct tb_config *config = NULL;
    struct tb_error err = {0};

    *ret_status = EXIT_SUCCESS;
    for (int i = 1; i < argc; i++) {
        if (is_information(daemon, argv[i]))
            return NULL;
    }
    tb_diag_init(daemon->name, TB_DIAG_INFO);
    if (tb_config_load(argc - 1, argv + 1, environ, daemon->listen, &config, &faults, &err) ==
        TB_OK)
        return config;
    if (faults.len > 0)
        fputs(tb_buf_str(&faults).ptr, stderr);
    else
        fprintf(stderr, "%s: %s\n", daemon->name, err.text);
    *ret_status = EXIT_CONFIG;
    return NULL;
}

/* A connection has one file descriptor. A WebSocket has two for a moment, which the reserve of
 * FILES_BESIDE_CONNECTIONS covers. */
static void raise_file_limit(const struct tb_daemon *daemon, const struct tb_config *config)
{
    int64_t connections = tb_config_int(config, TB_LIMITS_CONNECTIONS);
    int64_t wanted = connections + FILES_BESIDE_CONNECTIONS;
    int64_t files = tb_process_raise_file_limit(wanted);
    char text[240];

    if (files >= wanted)
        return;
    snprintf(text, sizeof text,
             "only %lld files may be open at once: that is not enough for the %lld connections "
             "of limits.connections (ulimit -n, LimitNOFILE)",
             (long long)files, (long long)connections);
    report(daemon, TB_DIAG_WARN, "files", text);
}

static int serve(const struct tb_daemon *daemon)
{
    struct tb_view_wiring *wiring = daemon->wiring;
    struct tb_error err = {0};

    if (daemon->open(wiring, &err) != TB_OK)
        return report_failed_start(daemon, &err);
    install_signals(daemon);
    if (daemon->start(wiring, &err) != TB_OK)
        _exit(report_failed_start(daemon, &err));
    printf("listening on %s\n", tb_api_url(wiring->api));
    fflush(stdout);
    tb_api_run(wiring->api);
    daemon->stop(wiring);
    report(daemon, TB_DIAG_INFO, "stopped", daemon->stopped);
    return EXIT_SUCCESS;
}

int tb_daemon_main(const struct tb_daemon *daemon, int argc, char **argv)
{
    struct tb_config *config;
    int status;

    tb_process_open_standard_files();
    tune_malloc();
    config = load_config(daemon, argc, argv, &status);
    if (!config)
        return status;
    raise_file_limit(daemon, config);
    daemon->wiring->config = config;
    tb_outage_init(&daemon->wiring->consumer_outage);
    status = serve(daemon);
    stoppable_api = NULL; /* a signal from here on must not touch it: close() frees it */
    daemon->close(daemon->wiring);
    tb_outage_release(&daemon->wiring->consumer_outage);
    tb_config_free(config);
    return status;
}

static void *thread_main(void *arg)
{
    struct tb_daemon_thread *thread = arg;

    if (thread->nice > 0)
        (void)setpriority(PRIO_PROCESS, (id_t)gettid(), thread->nice);
    thread->run(thread->ctx);
    return NULL;
}

enum tb_code tb_daemon_start_thread(struct tb_daemon_thread *thread, const char *name, int nice,
                                    void (*run)(void *ctx), void *ctx, struct tb_error *err)
{
    *thread = (struct tb_daemon_thread){.nice = nice, .run = run, .ctx = ctx};
    int failed = pthread_create(&thread->thread, NULL, thread_main, thread);

    if (failed)
        return tb_error_errno(err, TB_INTERNAL, failed, "cannot start a thread");
    pthread_setname_np(thread->thread, name);
    return TB_OK;
}
