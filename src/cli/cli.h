/* Subcommands: how each one is described, what it gets, and how it reports errors.
 *
 * A subcommand sends HTTP requests to a running edge or central and prints the answers. The rules
 * for orders are the server's: the command line checks only what it needs for the request.
 *
 * Thread:  there is only one, in all of src/cli.
 * Memory:  texts are borrowed from argv and the environment.
 * Errors:  in all headers of src/cli, a function that returns int returns an exit status. Unless
 *          that is TB_EXIT_DONE, the function has printed an error. */
#pragma once
#include "cli/args.h"
#include <stdio.h>

/* Exit statuses. Scripts rely on them. */
enum tb_exit {
    TB_EXIT_DONE = 0,
    TB_EXIT_FAILED = 1,      /* refused or failed; out of memory */
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
    const struct tb_subcommand *subcommand; /* the one that runs */
    const char *url;                        /* --url, else TILLBOX_URL, else the default */
    bool json;
    bool out_terminal; /* print tables, not tab-separated lines */
    bool err_terminal; /* draw progress bars */
    bool color;
};

struct tb_subcommand {
    const char *name;     /* "order place" */
    const char *operands; /* "ID [FILE|-]": one word each, in [] if it is optional; NULL: none */
    const char *summary;  /* one line */
    const char *details;  /* further lines; NULL: none */
    const char *examples;
    const struct tb_option *options; /* besides the common ones; NULL: none */
    int (*run)(struct tb_cli *cli, const struct tb_args *args);
    /* Instead of run: gets the arguments unparsed, because they are configuration flags. */
    int (*run_raw)(struct tb_cli *cli, int argc, char **argv);
    /* What tb_order_command_run sends. Its body comes from a FILE, or from the options. */
    struct {
        const char *method; /* "PUT" */
        const char *suffix; /* of the path /orders/ID; NULL: the path is /orders */
        const char *needs;  /* what to give if there is no body; NULL: the body is optional */
        bool lines;         /* options must include --line, which becomes the member "lines" */
    } order;
};

extern const struct tb_subcommand tb_cmd_edge, tb_cmd_central, tb_cmd_order_place,
    tb_cmd_order_show, tb_cmd_order_list, tb_cmd_order_wait, tb_cmd_order_lines,
    tb_cmd_order_address, tb_cmd_order_ship, tb_cmd_order_cancel, tb_cmd_order_import,
    tb_cmd_stats, tb_cmd_status, tb_cmd_link, tb_cmd_link_forget, tb_cmd_link_parked,
    tb_cmd_link_unpark, tb_cmd_resend, tb_cmd_nodes, tb_cmd_nodes_retire, tb_cmd_nodes_unretire,
    tb_cmd_dlq_list, tb_cmd_dlq_show, tb_cmd_dlq_replay, tb_cmd_dlq_drop, tb_cmd_rebuild,
    tb_cmd_verify, tb_cmd_config;

/* Prints "tillbox: ..." on standard error, after tb_cli_clear_line. */
void tb_cli_error(const struct tb_cli *cli, const char *format, ...) TB_PRINTF(2, 3);
/* True: a progress line (output/progress.h) is on the terminal of standard error. */
extern bool tb_cli_line_drawn;
/* Clears the progress line. Call it before anything is printed on standard output. */
void tb_cli_clear_line(void);
/* Prints that the server at the URL is not tillbox or has another release, and why we think so;
 * returns TB_EXIT_FAILED. */
int tb_cli_bad_response(const struct tb_cli *cli, const char *why);
/* Prints the error and how to get the help of cli->subcommand; returns TB_EXIT_USAGE. */
int tb_cli_usage(const struct tb_cli *cli, const char *format, ...) TB_PRINTF(2, 3);
int64_t tb_cli_now_ms(void); /* monotonic */
/* Returns the buffer's text. If memory ran out while it was built, ends the program. */
const char *tb_cli_text(const struct tb_buf *buf);

/* help.c */
/* Options of every subcommand that has no run_raw. */
extern const struct tb_option tb_common_options[];

/* True if the first of two words in the subcommand's name is the group. */
bool tb_in_group(const struct tb_subcommand *subcommand, const char *group);
/* Lists the subcommands of the group; NULL: all. */
void tb_help_program(const struct tb_subcommand *const *subcommands, const char *group, FILE *out);
void tb_help_subcommand(const struct tb_subcommand *subcommand, FILE *out);
