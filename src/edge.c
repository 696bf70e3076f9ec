/* tillbox-edge: takes orders at a till, relays them to the log and projects them into the view.
 *
 * Four threads, one owner per handle (the arrows are wake-ups):
 *   api (main) --command--> writer --committed--> relay --log commit--> consumer --applied--> api
 * In the connected edition one more: writer --committed--> kafka, which nobody waits for. And one
 * that sleeps until a view is to be rebuilt.
 * Open everything in that order, stop in that order too: what was taken is answered, written,
 * and moves on with the next start. */
#include "base/diag.h"
#include "base/process.h"
#include "edge_priv.h"
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define DEFAULT_LISTEN "127.0.0.1:8081"

enum { EXIT_CONFIG = 2 };

/* About a third of the share of a thread that takes orders, where there is not enough for all. */
#define BEHIND_ORDERS_NICE 5
#define BEHIND_VIEWS_NICE 10

/* Databases, their logs and readers, sockets of our own: a few dozen. */
#define FILES_BESIDE 256

static struct tb_api *stoppable; /* for the signal handler */
static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    if (stopping)
        _exit(1); /* the second one means now; the store survives that as it survives kill -9 */
    stopping = 1;
    if (stoppable)
        tb_api_stop(stoppable);
}

/* Threads. */

static void *writer_main(void *arg)
{
    tb_writer_run(((struct edge *)arg)->writer);
    return NULL;
}

/* Order taking goes first: on a machine with few cores the view may fall behind for a moment. */
static void yield_to_orders(void)
{
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), BEHIND_ORDERS_NICE);
}

static void *relay_main(void *arg)
{
    yield_to_orders();
    tb_relay_run(((struct edge *)arg)->relay);
    return NULL;
}

static void *consumer_main(void *arg)
{
    yield_to_orders();
    tb_consumer_run(((struct edge *)arg)->consumer);
    return NULL;
}

/* Filling a view anew takes what the others leave. */
static void *rebuild_main(void *arg)
{
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), BEHIND_VIEWS_NICE);
    tb_rebuild_run(((struct edge *)arg)->rebuild);
    return NULL;
}

static int start_thread(pthread_t *thread, const char *name, void *(*run)(void *),
                        struct edge *edge)
{
    int failed = pthread_create(thread, NULL, run, edge);

    if (!failed)
        (void)pthread_setname_np(*thread, name); /* for top and perf */
    return failed;
}

static enum tb_code start(struct edge *edge, struct tb_error *err)
{
    int failed = start_thread(&edge->writer_thread, "writer", writer_main, edge);

    if (!failed)
        failed = start_thread(&edge->relay_thread, "relay", relay_main, edge);
    if (!failed)
        failed = start_thread(&edge->consumer_thread, "consumer", consumer_main, edge);
    if (!failed)
        failed = start_thread(&edge->rebuild_thread, "rebuild", rebuild_main, edge);
    if (!failed && edge->kafka && tb_edge_kafka_start(edge->kafka, err) != TB_OK)
        return err->code;
    if (failed) /* the process ends: threads that did start hold nothing that a kill would lose */
        return tb_error_errno(err, TB_INTERNAL, failed, "cannot start a thread");
    edge->threads_started = true;
    return TB_OK;
}

static void stop(struct edge *edge)
{
    if (!edge->threads_started)
        return;
    tb_writer_stop(edge->writer);
    pthread_join(edge->writer_thread, NULL);
    tb_relay_stop(edge->relay);
    pthread_join(edge->relay_thread, NULL);
    tb_edge_kafka_stop(edge->kafka);
    tb_rebuild_stop(edge->rebuild); /* it may wait for the consumer */
    pthread_join(edge->rebuild_thread, NULL);
    tb_consumer_stop(edge->consumer);
    pthread_join(edge->consumer_thread, NULL);
}

static void install_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

/* A descriptor a connection; a WebSocket has two for a moment. */
static void allow_connections(const struct edge *edge)
{
    int64_t connections = tb_config_int(edge->config, TB_LIMITS_CONNECTIONS);
    int64_t files = tb_process_open_files(connections + FILES_BESIDE);

    if (files < connections + FILES_BESIDE)
        tb_diag(TB_DIAG_WARN, "edge.files",
                "only %lld files may be open at once: that is not enough for the %lld connections "
                "of limits.connections (ulimit -n, LimitNOFILE)",
                (long long)files, (long long)connections);
}

static int run(struct edge *edge)
{
    struct tb_error err = {0};
    allow_connections(edge);
    enum tb_code code = tb_edge_open(edge, &err);
    if (code != TB_OK) {
        tb_diag(TB_DIAG_ERROR, "edge.start", "%s", err.text);
        return code == TB_INVALID || code == TB_CONFLICT ? EXIT_CONFIG : EXIT_FAILURE;
    }
    stoppable = edge->api;
    install_signals();
    if (start(edge, &err) != TB_OK) {
        tb_diag(TB_DIAG_ERROR, "edge.start", "%s", err.text);
        _exit(EXIT_FAILURE);
    }
    printf("listening on %s\n", tb_api_url(edge->api));
    fflush(stdout);
    tb_diag(TB_DIAG_INFO, "edge.ready", "node %s takes orders at %s, data in %s",
            tb_config_text(edge->config, TB_NODE_NAME), tb_api_url(edge->api),
            tb_data_dir_path(edge->dir));
    tb_api_run(edge->api);
    stop(edge);
    tb_diag(TB_DIAG_INFO, "edge.stopped", "stopped; everything taken is stored");
    return EXIT_SUCCESS;
}

static void print_help(void)
{
    fputs(
        "Usage: tillbox edge [--node NAME] [--data FOLDER] [--listen HOST:PORT] [--config FILE]\n"
        "                    [--log kafka --kafka-brokers HOST:PORT,... [--create-topics]]\n"
        "\n"
        "Takes orders over HTTP into FOLDER (default ./tillbox-data), and answers queries.\n"
        "The first line on standard output says where it listens. SIGTERM or Ctrl-C stops it\n"
        "cleanly, a second one at once. `tillbox config` lists every setting. With --log kafka\n"
        "orders go to a Kafka cluster too, whenever it can be reached.\n"
        "\n"
        "Examples:\n"
        "  tillbox edge\n"
        "  tillbox edge --node till1 --data /var/lib/tillbox --listen 127.0.0.1:0\n"
        "  tillbox edge --node till1 --log kafka --kafka-brokers kafka1:9092,kafka2:9092\n"
        "\n"
        "Exit status: 0 stopped by a signal, 1 failed, 2 configuration.\n",
        stdout);
}

int main(int argc, char **argv)
{
    struct edge edge = {0};
    struct tb_error err = {0};
    struct tb_buf report = {0};
    int status;

    tb_process_standard_files();
    /* Few threads, small allocations: two malloc arenas serve them, and keep memory small. */
    mallopt(M_ARENA_MAX, 2);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help();
            return EXIT_SUCCESS;
        }
        if (strcmp(argv[i], "--version") == 0) {
            puts("tillbox-edge " TB_VERSION);
            return EXIT_SUCCESS;
        }
    }
    tb_diag_init("tillbox-edge", TB_DIAG_INFO);
    if (tb_config_load(argc - 1, argv + 1, environ, DEFAULT_LISTEN, &edge.config, &report, &err) !=
        TB_OK) {
        fputs(tb_buf_str(&report).ptr, stderr);
        if (report.len == 0)
            fprintf(stderr, "tillbox-edge: %s\n", err.text);
        tb_buf_release(&report);
        return EXIT_CONFIG;
    }
    status = run(&edge);
    stoppable = NULL;
    tb_edge_close(&edge);
    tb_buf_release(&report);
    return status;
}
