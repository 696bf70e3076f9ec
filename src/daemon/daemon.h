/* The life of a daemon: arguments, configuration, signals, start, service and end.
 *
 * Thread:  the main one.
 * Memory:  the configuration is borrowed by the daemon until its close() has returned.
 * Errors:  reported on standard error, and as the exit status.
 * Units:   seconds. */
#pragma once
#include "api/api.h"
#include "base/config/config.h"
#include <pthread.h>

struct tb_daemon {
    const char *name;   /* "tillbox-edge" */
    const char *event;  /* "edge": diagnostics are named "edge.start", ... */
    const char *listen; /* the default of http.listen */
    const char *help;
    /* Exit with status 0 at most this long after the first signal, since other processes redo what
     * is not finished then; 0: no limit. */
    unsigned stop_seconds;
    /* Opens everything, and the API last. What was opened before a failure is left to close. */
    enum tb_code (*open)(void *ctx, struct tb_config *config, struct tb_api **ret_api,
                         struct tb_error *err);
    /* Starts the threads. After a failure the process ends at once: threads that did start hold
     * nothing that a kill would lose. */
    enum tb_code (*start)(void *ctx, struct tb_error *err);
    void (*report_started)(const void *ctx);
    void (*stop)(void *ctx); /* Stops the threads and waits for them. */
    const char *stopped;     /* diagnostic once that is done */
    void (*close)(void *ctx);
    void *ctx;
};
/* Runs the daemon until a signal stops it; returns the exit status of the process. */
int tb_daemon_main(const struct tb_daemon *daemon, int argc, char **argv);

/* A thread of the daemon that runs until its part is told to stop. */
struct tb_daemon_thread {
    pthread_t thread;
    int nice; /* 0: the share of a thread that takes orders */
    void (*run)(void *ctx);
    void *ctx;
};
TB_CHECKED enum tb_code tb_daemon_start_thread(struct tb_daemon_thread *thread, const char *name,
                                               int nice, void (*run)(void *ctx), void *ctx,
                                               struct tb_error *err);
void tb_daemon_join_thread(struct tb_daemon_thread *thread);
