/* Load: HTTP/1.1 keep-alive connections on one thread, each with one request at a time.
 *
 * A latency counts from the moment at which the request was due, not from the moment at which a
 * connection became free. Otherwise a server that stalls would hide the requests that waited
 * meanwhile (coordinated omission).
 *
 * Thread:  main; on_response is called by tb_load_poll and may send the next request.
 * Memory:  requests are copied; a response's body is borrowed for the call.
 * Errors:  tb_bench_die when a connection with a request breaks; an idle one is opened again.
 * Units:   microseconds of the monotonic clock. */
#pragma once
#include "server.h"

struct tb_load_response {
    size_t conn; /* which connection */
    int status;
    struct tb_str body;
    int64_t due_us, end_us;
};

struct tb_load;
struct tb_load *
tb_load_open(const struct tb_bench_server *server, size_t conn_count,
             void (*on_response)(void *ctx, const struct tb_load_response *response), void *ctx);
/* Opens more connections, to any server; their numbers continue. */
void tb_load_add(struct tb_load *load, const struct tb_bench_server *server, size_t conn_count);
void tb_load_free(struct tb_load *load);
bool tb_load_busy(const struct tb_load *load, size_t conn);
size_t tb_load_busy_count(const struct tb_load *load);
/* The connection must not be busy. */
void tb_load_get(struct tb_load *load, size_t conn, const char *path, int64_t due_us);
void tb_load_post(struct tb_load *load, size_t conn, const char *path, struct tb_str body,
                  int64_t due_us);
/* Waits for responses, until the deadline at most, and calls on_response for each. */
void tb_load_poll(struct tb_load *load, int64_t deadline_us);

/* Places orders; each of conn_count connections sends the next when the last is answered. */
struct tb_load_run {
    size_t conn_count;
    double warm_up_seconds, seconds; /* seconds 0: until order_count */
    uint64_t order_count;
};
struct tb_load_result {
    double per_second;
    uint64_t placed, refused; /* refused: anything but 201 */
    struct tb_latency latency;
};
void tb_load_orders(const struct tb_bench_server *server, const struct tb_load_run *run,
                    struct tb_load_result *ret_result);
