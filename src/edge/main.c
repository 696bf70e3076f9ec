/* tillbox-edge: takes orders at a till, relays them to the log and projects them into the view.
 *
 * Four threads pass an order on. Each uses only its own database connections; an arrow means that
 * one thread wakes the next:
 *   api (main) --command--> writer --committed--> relay --log commit--> consumer --applied--> api
 * With --log kafka there is one more: writer --committed--> kafka. No other thread waits for it.
 * A query thread answers lists, sums and dead letters. A rebuild thread sleeps until a client
 * requests a rebuild of the view.
 *
 * The API is opened last and stops first: for at most 3 s it answers the requests that have
 * arrived. Then the writer stores all orders that the API has given to it, and stops. Then the
 * relays, the rebuild and the consumer stop. The next start relays the orders that are not relayed
 * by then. */
#include "edge/wiring.h"

static const char help[] =
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
    "  tillbox edge --node till1 --data ./till1 --listen 127.0.0.1:0\n"
    "  tillbox edge --node till1 --log kafka --kafka-brokers kafka1:9092,kafka2:9092\n"
    "\n"
    "Exit status: 0 stopped by a signal, 1 failed, 2 configuration.\n";

int main(int argc, char **argv)
{
    struct edge edge = {0};
    const struct tb_daemon daemon = {
        .name = "tillbox-edge",
        .listen = "127.0.0.1:8081",
        .help = help,
        .wiring = &edge.shared,
        .open = tb_edge_open,
        .start = tb_edge_start,
        .stop = tb_edge_stop,
        .stopped = "stopped; everything taken is stored",
        .close = tb_edge_close,
    };

    return tb_daemon_main(&daemon, argc, argv);
}
