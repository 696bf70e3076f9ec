/* tillbox-central: reads the events of all edges from Kafka, projects them into MongoDB and
 * answers queries about them. Any number of centrals share the work as one consumer group.
 *
 * Six threads, besides the query threads, which read MongoDB for clients:
 *   api (main)    serves HTTP and WebSockets
 *   consumer      writes events from Kafka to MongoDB; then wakes the waiting clients of this
 *                 central (api) and of the others (topic projection-ready)
 *   ready         reads the hints of the other centrals, and wakes the waiting clients (api)
 *   nodes         writes heartbeats from Kafka to MongoDB
 *   dead-letters  sends dead letters to Kafka again, when a client or the consumer requests it
 *   rebuild       reads the whole log into a new view in MongoDB, when a client requests it
 * While Kafka or MongoDB is unreachable, the central reports that and retries. */
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
        .listen = "127.0.0.1:8082",
        .help = help,
        /* Another central then reads the last batch again; writing it twice changes nothing. */
        .stop_seconds = 4,
        .wiring = &central.shared,
        .open = tb_central_open,
        .start = tb_central_start,
        .stop = tb_central_stop,
        .stopped = "stopped; what was read is in the view",
        .close = tb_central_close,
    };

    return tb_daemon_main(&daemon, argc, argv);
}
