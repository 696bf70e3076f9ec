#include "cli/cli.h"
#include <stdarg.h>
#include <stdlib.h>

void tb_cli_error(const struct tb_cli *cli, const char *format, ...)
{
    va_list args;

    fflush(stdout); /* keeps the order where both streams have one target */
    fputs(cli->err_terminal && cli->color ? "\033[31mtillbox:\033[0m " : "tillbox: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

int tb_cli_bad_response(const struct tb_cli *cli, const char *why)
{
    tb_cli_error(cli, "the answer of %s is not ours: %s", cli->url, why);
    return TB_EXIT_FAILED;
}

int tb_cli_usage(const struct tb_cli *cli, const char *command, const char *format, ...)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf text = {0};
    va_list args;

    va_start(args, format);
    tb_buf_vaddf(&text, format, args);
    va_end(args);
    tb_cli_error(cli, "%s\n  `tillbox%s%s --help` says more.", tb_cli_text(&text),
                 *command ? " " : "", command);
    return TB_EXIT_USAGE;
}

const char *tb_cli_text(const struct tb_buf *buf)
{
    if (!tb_buf_ok(buf)) {
        fputs("tillbox: out of memory\n", stderr);
        exit(TB_EXIT_FAILED);
    }
    return tb_buf_str(buf).ptr;
}
