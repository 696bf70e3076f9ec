/* tillbox-central: reads the events of all edges from Kafka, projects them into MongoDB and
 * answers queries about them. Any number of centrals share the work as one consumer group.
 *
 * Six threads, beside the query threads that wait for MongoDB on behalf of clients:
 *   api (main)    HTTP and WebSockets
 *   consumer      events: Kafka --> MongoDB; then wakes waiting clients here (api) and at the
 *                 other centrals (topic projection-ready)
 *   ready         what the other centrals made visible --> api
 *   nodes         heartbeats --> what is known of each node
 *   dead-letters  dead letters that are sent again --> Kafka
 *   rebuild       the whole log --> a new view in MongoDB, on request
 * While Kafka or MongoDB is unreachable the central reports that, and retries. */
#include "central/wiring.h"

static const char help[] =
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
    "Exit status: 0 stopped by a signal, 1 failed, 2 configuration.\n";

int main(int argc, char **argv)
{
    static struct central central;
    const struct tb_daemon daemon = {
        .name = "tillbox-central",
        .event = "central",
        .listen = "127.0.0.1:8082",
        .help = help,
        /* Whoever takes over reads a batch that MongoDB has again, which changes nothing. */
        .stop_seconds = 4,
        .open = tb_central_open,
        .start = tb_central_start,
        .report_started = tb_central_report_started,
        .stop = tb_central_stop,
        .stopped = "stopped; what was read is in the view",
        .close = tb_central_close,
        .ctx = &central,
    };

    return tb_daemon_main(&daemon, argc, argv);
}
