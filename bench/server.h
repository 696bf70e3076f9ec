/* A tillbox-edge or tillbox-central that the benchmark starts, and observes from outside.
 *
 * Thread:  main.
 * Memory:  the kernel ends the process when the benchmark ends.
 * Errors:  tb_bench_die; the text says where the server's diagnostics are.
 * Units:   microseconds (_us), kibibytes (_kib). */
#pragma once
#include "bench.h"
#include "cli/http/cjson.h"
#include <sys/types.h>

struct tb_bench_server {
    pid_t pid;
    int out_fd; /* its standard output */
    uint16_t port;
    double ready_ms; /* from the start of the process to /readyz answering 200 */
};

struct tb_bench_server_io {
    int64_t write_calls, written_bytes; /* syscw and write_bytes of /proc/PID/io */
};

/* Starts an edge on the data folder and waits until it is ready. */
void tb_bench_server_start(struct tb_bench_server *server, const struct tb_bench *bench,
                           const char *data);
/* flags: further arguments, ended by NULL. */
void tb_bench_server_start_edge(struct tb_bench_server *server, const struct tb_bench *bench,
                                const char *data, const char *const *flags);
/* Starts a central that reads bench->kafka and writes bench->mongo. */
void tb_bench_server_start_central(struct tb_bench_server *server, const struct tb_bench *bench,
                                   const char *const *flags);
/* Stops it by SIGTERM; dies unless it exits with 0. */
void tb_bench_server_stop(struct tb_bench_server *server);

/* Sends one request over a new connection. Returns the status; 0: no response. body may be absent.
 * Appends the response's body to *ret_body, which may be NULL. */
int tb_bench_server_request(const struct tb_bench_server *server, const char *method,
                            const char *path, struct tb_str body, struct tb_buf *ret_body);
/* state: "offline" or "auto". */
void tb_bench_server_set_link(const struct tb_bench_server *server, const char *state);

/* GETs a path that answers 200 with JSON. cJSON_Delete frees the result. */
cJSON *tb_bench_server_get_json(const struct tb_bench_server *server, const char *path);
/* Returns an integer of GET /status. */
int64_t tb_bench_server_status(const struct tb_bench_server *server, const char *key);
/* Sums a metric over all its labels. False: the server does not have it. */
bool tb_bench_server_metric(const struct tb_bench_server *server, const char *name,
                            double *ret_sum);

/* Waits until an edge's view has all events of its log; dies after minutes. */
void tb_bench_server_wait_for_view(const struct tb_bench_server *server);

int64_t tb_bench_server_rss_kib(const struct tb_bench_server *server);
int64_t tb_bench_server_rss_peak_kib(const struct tb_bench_server *server);
/* Context switches of all threads, voluntary and involuntary. Every wake-up is one. */
int64_t tb_bench_server_context_switches(const struct tb_bench_server *server);
struct tb_bench_server_io tb_bench_server_io(const struct tb_bench_server *server);
