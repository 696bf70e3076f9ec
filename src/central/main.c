/* tillbox-central: reads the events of all edges from Kafka, projects them into MongoDB and
 * answers questions about them. Any number of them share the work as one consumer group.
 *
 * Six threads beside those that wait for MongoDB on behalf of who asks:
 *   consumer   the events' reader and the view:  Kafka --> MongoDB --> whoever waits, here (api)
 *              and at the other centrals (projection-ready)
 *   ready      what the other centrals made visible --> api
 *   nodes      heartbeats --> what is known of each node
 *   letters    dead letters that are sent again --> Kafka
 *   rebuild    the whole log --> a new view in MongoDB, when somebody asks for one
 *   api (main) HTTP
 * Kafka and MongoDB may come and go: that is told, and waited for. */
#include "base/diag/diag.h"
#include "central/wiring.h"
#include "daemon/daemon.h"
#include <stdlib.h>
#include <unistd.h>

static const struct tb_daemon daemon_central = {
    .name = "tillbox-central",
    .listen = "127.0.0.1:8082",
    /* A batch that MongoDB has is read again by whoever takes over, and changes nothing. */
    .stop_seconds = 4,
    .help =
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
};

static int run(struct central *central)
{
    struct tb_error err = {0};

    tb_daemon_raise_file_limit("central.files", central->config);
    if (tb_central_open(central, &err) != TB_OK)
        return tb_daemon_report_failure("central.start", &err);
    tb_daemon_install_signals(&daemon_central, central->api);
    if (tb_central_start(central, &err) != TB_OK)
        _exit(tb_daemon_report_failure("central.start", &err));
    tb_daemon_print_url(central->api);
    tb_diag(TB_DIAG_INFO, "central.started", "answers at %s; Kafka at %s",
            tb_api_url(central->api), tb_config_text(central->config, TB_KAFKA_BROKERS));
    tb_api_run(central->api);
    tb_central_stop(central);
    tb_diag(TB_DIAG_INFO, "central.stopped", "stopped; what was read is in the view");
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static struct central central;
    int status;

    if (!tb_daemon_load_config(&daemon_central, argc, argv, &central.config, &status))
        return status;
    status = run(&central);
    tb_daemon_remove_signals();
    tb_central_close(&central);
    return status;
}
