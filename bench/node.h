/* Node: a tillbox-edge or tillbox-central of our own, started and watched from outside.
 *
 * Thread:  one.
 * Memory:  values; the process dies with us.
 * Errors:  tb_bench_die, with where its diagnostics are.
 * Units:   microseconds (_us), kibibytes (_kib). */
#pragma once
#include "bench.h"
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
void tb_bench_server_start(struct tb_bench_server *node, const struct tb_bench *bench,
                           const char *data);
/* flags: further ones, NULL at the end. */
void tb_bench_server_start_edge(struct tb_bench_server *node, const struct tb_bench *bench,
                                const char *data, const char *const *flags);
/* Between bench->kafka and bench->mongo. */
void tb_bench_server_start_central(struct tb_bench_server *node, const struct tb_bench *bench,
                                   const char *const *flags);
void tb_bench_server_stop(
    struct tb_bench_server *node); /* SIGTERM; anything but status 0 is an error */

/* One request on a connection of its own; returns the status, 0 if nobody answered.
 * body may be absent; *ret_body (may be NULL) is appended to. */
int tb_bench_server_request(const struct tb_bench_server *node, const char *method,
                            const char *path, struct tb_str body, struct tb_buf *ret_body);
void tb_bench_server_set_link(const struct tb_bench_server *node,
                              const char *state); /* "offline", "auto" */

/* A number of GET /status. */
int64_t tb_bench_server_status(const struct tb_bench_server *node, const char *key);
/* The sum of a metric over all its labels; false: it is not there. */
bool tb_bench_server_metric(const struct tb_bench_server *node, const char *name, double *ret_sum);

int64_t tb_bench_server_rss_kib(const struct tb_bench_server *node);
int64_t tb_bench_server_rss_peak_kib(const struct tb_bench_server *node);
/* Context switches of all threads, asked for and not: every wake-up is one. */
int64_t tb_bench_server_context_switches(const struct tb_bench_server *node);
struct tb_bench_server_io tb_bench_server_io(const struct tb_bench_server *node);
