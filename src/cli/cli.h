/* What every subcommand gets, and how it describes itself.
 *
 * A subcommand sends HTTP requests to a running process and prints the answers. It decides nothing
 * about orders and opens no store.
 *
 * Thread:  main.
 * Memory:  texts are borrowed from argv and the environment.
 * Errors:  a subcommand prints its own errors and returns an exit status. */
#pragma once
#include "base/time/clock.h"
#include "cli/args.h"
#include <stdio.h>

/* Exit statuses. Scripts rely on them. */
enum tb_exit {
    TB_EXIT_DONE = 0,
    TB_EXIT_FAILED = 1,      /* refused or failed */
    TB_EXIT_USAGE = 2,       /* wrong usage or configuration */
    TB_EXIT_UNREACHABLE = 3, /* no server answers at the URL */
};

/* Returns the call's exit status from the calling function, unless it is TB_EXIT_DONE. */
#define TB_CLI_TRY(call)                                                                          \
    do {                                                                                          \
        int exit_ = (call);                                                                       \
        if (exit_ != TB_EXIT_DONE)                                                                \
            return exit_;                                                                         \
    } while (0)

#define TB_URL_DEFAULT "http://127.0.0.1:8081"
#define TB_EDGE_LISTEN_DEFAULT "127.0.0.1:8081"
/* The largest request body that a server takes by default. */
#define TB_BODY_MAX ((size_t)1 << 20)

struct tb_cli {
    const struct tb_clock *clock;
    const struct tb_random *random;
    char *const *env;
    const char *url; /* --url, else TILLBOX_URL, else the default */
    bool json;
    bool out_terminal; /* print tables, not tab-separated lines */
    bool err_terminal; /* draw progress bars */
    bool color;
};

struct tb_subcommand {
    const char *name;     /* "order place" */
    const char *operands; /* "[FILE|-]" */
    const char *summary;  /* one line */
    const char *details;  /* further lines; NULL: none */
    const char *examples;
    const struct tb_option
        *options; /* besides the common ones; ends with a NULL name; NULL: none */
    size_t operands_min, operands_max;
    int (*run)(struct tb_cli *cli, const struct tb_args *args);
    /* Instead of run: gets the arguments unparsed, because they are configuration flags. */
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

/* Prints "tillbox: ..." on standard error. */
void tb_cli_error(const struct tb_cli *cli, const char *format, ...) TB_PRINTF(2, 3);
/* Prints that the server at the URL is not tillbox, or not of this release; TB_EXIT_FAILED. */
int tb_cli_bad_response(const struct tb_cli *cli, const char *why);
/* Prints the error and where the help is; TB_EXIT_USAGE. */
int tb_cli_usage(const struct tb_cli *cli, const char *command, const char *format, ...)
    TB_PRINTF(3, 4);
/* The buffer's text. If memory ran out while it was built, the program ends (TB_EXIT_FAILED). */
const char *tb_cli_text(const struct tb_buf *buf);
