/* tillbox-edge: takes orders at a till, relays them to the log and projects them into the view.
 *
 * Four threads, one owner per handle (the arrows are wake-ups):
 *   api (main) --command--> writer --committed--> relay --log commit--> consumer --applied--> api
 * In the connected edition one more: writer --committed--> kafka, which nobody waits for. And one
 * that sleeps until a view is to be rebuilt.
 * Open everything in that order, stop in that order too: what was taken is answered, written,
 * and moves on with the next start. */
#include "base/diag/diag.h"
#include "base/thread/process.h"
#include "daemon/daemon.h"
#include "edge/wiring.h"
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* About a third of the share of a thread that takes orders, where there is not enough for all. */
#define BEHIND_ORDERS_NICE 5
#define BEHIND_VIEWS_NICE 10

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

/* Where one does not start the process ends: those that did hold nothing that a kill would lose.
 */
static enum tb_code start(struct edge *edge, struct tb_error *err)
{
    TB_TRY(tb_process_start_thread(&edge->writer_thread, "writer", writer_main, edge, err));
    TB_TRY(tb_process_start_thread(&edge->relay_thread, "relay", relay_main, edge, err));
    TB_TRY(tb_process_start_thread(&edge->consumer_thread, "consumer", consumer_main, edge, err));
    TB_TRY(tb_process_start_thread(&edge->rebuild_thread, "rebuild", rebuild_main, edge, err));
    if (edge->kafka)
        TB_TRY(tb_kafka_uplink_start(edge->kafka, err));
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
    tb_kafka_uplink_stop(edge->kafka);
    tb_rebuild_stop(edge->rebuild); /* it may wait for the consumer */
    pthread_join(edge->rebuild_thread, NULL);
    tb_consumer_stop(edge->consumer);
    pthread_join(edge->consumer_thread, NULL);
}

static const struct tb_daemon daemon_edge = {
    .name = "tillbox-edge",
    .listen = "127.0.0.1:8081",
    .help =
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
};

static int run(struct edge *edge)
{
    struct tb_error err = {0};

    tb_daemon_raise_file_limit("edge.files", edge->config);
    if (tb_edge_open(edge, &err) != TB_OK)
        return tb_daemon_report_failure("edge.start", &err);
    tb_daemon_install_signals(&daemon_edge, edge->api);
    if (start(edge, &err) != TB_OK)
        _exit(tb_daemon_report_failure("edge.start", &err));
    tb_daemon_print_url(edge->api);
    tb_diag(TB_DIAG_INFO, "edge.ready", "node %s takes orders at %s, data in %s",
            tb_config_text(edge->config, TB_NODE_NAME), tb_api_url(edge->api),
            tb_data_dir_path(edge->dir));
    tb_api_run(edge->api);
    stop(edge);
    tb_diag(TB_DIAG_INFO, "edge.stopped", "stopped; everything taken is stored");
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct edge edge = {0};
    int status;

    if (!tb_daemon_load_config(&daemon_edge, argc, argv, &edge.config, &status))
        return status;
    status = run(&edge);
    tb_daemon_remove_signals();
    tb_edge_close(&edge);
    return status;
}
