/* What the daemons' mains have in common: their arguments, their signals, how they end.
 *
 * Thread:  the main one.
 * Memory:  the configuration is the caller's; an API is borrowed until tb_daemon_remove_signals.
 * Errors:  told on standard error, as an exit status.
 * Units:   seconds. */
#pragma once
#include "api/api.h"
#include "base/config/config.h"

enum { TB_DAEMON_EXIT_CONFIG = 2 }; /* exit status: the configuration, which no restart mends */

struct tb_daemon {
    const char *name;   /* "tillbox-edge" */
    const char *listen; /* unless the configuration says otherwise */
    const char *help;
    /* After the first signal the process ends with 0 at the latest so much later, since what is
     * not finished is done again by others; 0: it takes the time it needs. */
    unsigned stop_seconds;
};
/* True: go on with *ret_config. False: --help, --version or a fault of the configuration was
 * dealt with, and *ret_status is the exit status. */
bool tb_daemon_load_config(const struct tb_daemon *daemon, int argc, char **argv,
                           struct tb_config **ret_config, int *ret_status);
/* Lets the process open a file for every connection that the configuration allows; a warning where
 * the machine does not. */
void tb_daemon_raise_file_limit(const char *event, const struct tb_config *config);
/* What could not be opened or started, and the exit status for it. */
int tb_daemon_report_failure(const char *event, const struct tb_error *err);
/* From now on the first SIGTERM or SIGINT stops the API, and a second one ends the process. */
void tb_daemon_install_signals(const struct tb_daemon *daemon, struct tb_api *api);
/* Prints where the API listens, as the first line on standard output. */
void tb_daemon_print_url(const struct tb_api *api);
/* The API is about to be freed: signals stop nothing more. */
void tb_daemon_remove_signals(void);
