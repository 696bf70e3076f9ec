/* The command line: what every subcommand is given, and how it describes itself.
 *
 * A subcommand asks a running process over HTTP and prints; it never decides or opens a store.
 *
 * Thread:  one.
 * Memory:  texts are borrowed from argv and the environment.
 * Errors:  a subcommand prints its own and returns an exit status.
 * Units:   columns of the terminal. */
#pragma once
#include "base/time/clock.h"
#include "cli/args.h"
#include <stdio.h>

/* Exit statuses; scripts rely on them (INTERFACES, "Command line"). */
enum tb_exit {
    TB_EXIT_DONE = 0,
    TB_EXIT_FAILED = 1,      /* refused or failed */
    TB_EXIT_USAGE = 2,       /* usage or configuration */
    TB_EXIT_UNREACHABLE = 3, /* nobody answers there */
};

#define TB_URL_DEFAULT "http://127.0.0.1:8081"
#define TB_EDGE_LISTEN_DEFAULT "127.0.0.1:8081"
/* What the server takes as a body by default (INTERFACES, "Limits"). */
#define TB_BODY_MAX ((size_t)1 << 20)

struct tb_cli {
    const struct tb_clock *clock;
    const struct tb_random *random;
    char *const *env;
    const char *url; /* --url, else TILLBOX_URL, else the default */
    bool json;
    bool out_terminal, err_terminal; /* tables or plain lines; a progress bar or none */
    bool color;
    int columns; /* of standard error's terminal */
};

struct tb_subcommand {
    const char *name;     /* "order place" */
    const char *operands; /* "[FILE|-]" */
    const char *summary;  /* one line */
    const char *details;  /* further lines; NULL: none */
    const char *examples;
    const struct tb_option *options; /* its own, ended by a NULL name; NULL: none */
    size_t operands_min, operands_max;
    int (*run)(struct tb_cli *cli, const struct tb_args *args);
    /* Instead of run, for those that take the configuration's flags. */
    int (*run_raw)(struct tb_cli *cli, int argc, char **argv);
};

extern const struct tb_subcommand tb_cmd_edge, tb_cmd_central, tb_cmd_config;
extern const struct tb_subcommand tb_cmd_order_place, tb_cmd_order_address, tb_cmd_order_lines;
extern const struct tb_subcommand tb_cmd_order_ship, tb_cmd_order_cancel;
extern const struct tb_subcommand tb_cmd_order_show, tb_cmd_order_list, tb_cmd_order_wait;
extern const struct tb_subcommand tb_cmd_order_import;
extern const struct tb_subcommand tb_cmd_stats, tb_cmd_status, tb_cmd_link;
extern const struct tb_subcommand tb_cmd_nodes, tb_cmd_rebuild, tb_cmd_verify;
extern const struct tb_subcommand tb_cmd_dlq_list, tb_cmd_dlq_show, tb_cmd_dlq_replay,
    tb_cmd_dlq_drop;

/* "tillbox: ..." on standard error. */
void tb_cli_error(const struct tb_cli *cli, const char *format, ...) TB_PRINTF(2, 3);
/* Say so; TB_EXIT_FAILED. */
int tb_cli_no_memory(const struct tb_cli *cli);
/* What answers at the URL is not tillbox, or not of this release. */
int tb_cli_bad_response(const struct tb_cli *cli, const char *why);
/* The same for a wrong use, with where to read on; returns TB_EXIT_USAGE. */
int tb_cli_usage(const struct tb_cli *cli, const char *command, const char *format, ...)
    TB_PRINTF(3, 4);
