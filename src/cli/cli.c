#include "cli/cli.h"
#include "base/time/clock.h"
#include <stdarg.h>
#include <stdlib.h>

bool tb_cli_line_drawn;

void tb_cli_clear_line(void)
{
    if (tb_cli_line_drawn)
        fputs("\r\033[K", stderr);
    tb_cli_line_drawn = false;
}

void tb_cli_error(const struct tb_cli *cli, const char *format, ...)
{
    va_list args;

    tb_cli_clear_line();
    fflush(stdout); /* keeps the order of the lines if both streams go to one file or terminal */
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

int tb_cli_usage(const struct tb_cli *cli, const char *format, ...)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf text = {0};
    const char *name = cli->subcommand->name;
    va_list args;

    va_start(args, format);
    tb_buf_vaddf(&text, format, args);
    va_end(args);
    tb_cli_error(cli, "%s\n  `tillbox%s%s --help` says more.", tb_cli_text(&text),
                 *name ? " " : "", name);
    return TB_EXIT_USAGE;
}

int64_t tb_cli_now_ms(void)
{
    return tb_clock_mono_ms(&tb_clock_system);
}

const char *tb_cli_text(const struct tb_buf *buf)
{
    if (!tb_buf_ok(buf)) {
        tb_cli_clear_line();
        fputs("tillbox: out of memory\n", stderr);
        exit(TB_EXIT_FAILED);
    }
    return tb_buf_str(buf).ptr;
}
