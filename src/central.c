/* tillbox-central: reads the events of all edges from Kafka, projects them into MongoDB and
 * answers questions about them. Any number of them share the work as one consumer group.
 *
 * Five threads beside those that wait for MongoDB on behalf of who asks:
 *   consumer   the events' reader and the view:  Kafka --> MongoDB --> whoever waits, here (api)
 *              and at the other centrals (projection-ready)
 *   ready      what the other centrals made visible --> api
 *   nodes      heartbeats --> what is known of each node
 *   letters    dead letters that are sent again --> Kafka
 *   api (main) HTTP
 * Kafka and MongoDB may come and go: that is told, and waited for. */
#include "base/diag.h"
#include "base/process.h"
#include "central_priv.h"
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_LISTEN "127.0.0.1:8082"
/* What is not finished by then is abandoned: a batch that MongoDB has is read again by whoever
 * takes over, and changes nothing. */
#define STOP_SECONDS 4

enum { EXIT_CONFIG = 2 };

static struct tb_api *stoppable; /* for the signal handler */
static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    if (stopping)
        _exit(1); /* the second one means now */
    stopping = 1;
    alarm(STOP_SECONDS);
    if (stoppable)
        tb_api_stop(stoppable);
}

static void on_alarm(int number)
{
    (void)number;
    _exit(EXIT_SUCCESS);
}

static void install_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

static int run(struct central *central)
{
    struct tb_error err = {0};
    enum tb_code code = tb_central_open(central, &err);

    if (code != TB_OK) {
        tb_diag(TB_DIAG_ERROR, "central.start", "%s", err.text);
        return code == TB_INVALID || code == TB_CONFLICT ? EXIT_CONFIG : EXIT_FAILURE;
    }
    stoppable = central->api;
    install_signals();
    if (tb_central_start(central, &err) != TB_OK) {
        tb_diag(TB_DIAG_ERROR, "central.start", "%s", err.text);
        _exit(EXIT_FAILURE);
    }
    printf("listening on %s\n", tb_api_url(central->api));
    fflush(stdout);
    tb_diag(TB_DIAG_INFO, "central.started", "answers at %s; Kafka at %s",
            tb_api_url(central->api), tb_config_text(central->config, TB_KAFKA_BROKERS));
    tb_api_run(central->api);
    tb_central_stop(central);
    tb_diag(TB_DIAG_INFO, "central.stopped", "stopped; what was read is in the view");
    return EXIT_SUCCESS;
}

static void print_help(void)
{
    fputs(
        "Usage: tillbox central --kafka-brokers HOST:PORT,... --mongo-uri URI\n"
        "                       [--create-topics] [--listen HOST:PORT] [--config FILE]\n"
        "\n"
        "Reads the events of all edges from Kafka, keeps the orders, the sales of each day and\n"
        "what is known of each edge in MongoDB, and answers questions over HTTP. Start more of\n"
        "them to share the work. The first line on standard output says where it listens.\n"
        "SIGTERM or Ctrl-C stops it cleanly, a second one at once. `tillbox config` lists every\n"
        "setting.\n"
        "\n"
        "Examples:\n"
        "  tillbox central --kafka-brokers kafka1:9092 --mongo-uri mongodb://mongo1:27017\n"
        "  tillbox central --config /etc/tillbox/central.conf --listen 127.0.0.1:0\n"
        "\n"
        "Exit status: 0 stopped by a signal, 1 failed, 2 configuration.\n",
        stdout);
}

int main(int argc, char **argv)
{
    static struct central central;
    struct tb_error err = {0};
    struct tb_buf report = {0};
    int status;

    tb_process_standard_files();
    /* Libraries bring many threads, most of them idle: few malloc arenas keep memory small. */
    mallopt(M_ARENA_MAX, 2);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help();
            return EXIT_SUCCESS;
        }
        if (strcmp(argv[i], "--version") == 0) {
            puts("tillbox-central " TB_VERSION);
            return EXIT_SUCCESS;
        }
    }
    tb_diag_init("tillbox-central", TB_DIAG_INFO);
    if (tb_config_load(argc - 1, argv + 1, environ, DEFAULT_LISTEN, &central.config, &report,
                       &err) != TB_OK) {
        fputs(tb_buf_str(&report).ptr, stderr);
        if (report.len == 0)
            fprintf(stderr, "tillbox-central: %s\n", err.text);
        tb_buf_release(&report);
        return EXIT_CONFIG;
    }
    status = run(&central);
    stoppable = NULL;
    tb_central_close(&central);
    tb_buf_release(&report);
    return status;
}
