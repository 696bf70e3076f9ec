/* The life of a daemon: it loads its configuration, opens its parts, starts their threads, serves
 * until a signal comes, stops the threads and closes the parts.
 *
 * Thread:  the main thread.
 * Errors:  reported on standard error, and as the exit status. */
#pragma once
#include "daemon/view_wiring.h"

struct tb_daemon {
    const char *name;   /* "tillbox-edge"; its diagnostics are named "edge.start", ... */
    const char *listen; /* the default of http.listen */
    const char *help;
    /* This many seconds after the first signal the process exits with status 0, finished or not,
     * because other processes redo its unfinished work; 0: no limit. */
    unsigned stop_seconds;
    /* ctx of the functions below. Before open(), it gets the configuration. */
    struct tb_view_wiring *wiring;
    /* Opens all parts, the API last. close() is called even after a failure. */
    enum tb_code (*open)(void *ctx, struct tb_error *err);
    /* Starts the threads and reports that. After a failure the process exits without stop() and
     * close(): a thread that has started does nothing that an abrupt end would lose. */
    enum tb_code (*start)(void *ctx, struct tb_error *err);
    void (*stop)(void *ctx); /* stops the threads and waits for their ends */
    const char *stopped;     /* the diagnostic after stop() */
    void (*close)(void *ctx);
};
/* Runs the daemon until a signal stops it; returns the exit status of the process. */
int tb_daemon_main(const struct tb_daemon *daemon, int argc, char **argv);

struct tb_daemon_thread {
    pthread_t thread;
    int nice; /* 0: normal priority */
    void (*run)(void *ctx);
    void *ctx;
};
/* name: at most 15 bytes, which top and perf show. */
TB_CHECKED enum tb_code tb_daemon_start_thread(struct tb_daemon_thread *thread, const char *name,
                                               int nice, void (*run)(void *ctx), void *ctx,
                                               struct tb_error *err);
