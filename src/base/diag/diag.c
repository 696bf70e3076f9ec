#include "base/diag/diag.h"
#include "base/json/json.h"
#include "base/time/clock.h"
#include "base/time/timefmt.h"
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

/* A pipe takes up to PIPE_BUF (4096) bytes at once or not at all. A message of this size fits,
 * even if each of its bytes is escaped as \u0000. */
#define MESSAGE_MAX 600

/* Set once by tb_diag_init before there are other threads. */
static const char *program_name = "tillbox";
static enum tb_diag_level lowest_level = TB_DIAG_INFO;
static bool as_json;

static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void tb_diag_init(const char *program, enum tb_diag_level lowest)
{
    program_name = program;
    lowest_level = lowest;
    as_json = isatty(STDERR_FILENO) != 1;
}

/* Replaces invalid bytes: messages contain file names and texts of libraries, which may be cut or
 * in another encoding. */
static void make_utf8(char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        size_t size = tb_utf8_size(text, left);

        if (size == 0) {
            *text = '?';
            size = 1;
        }
        text += size;
        left -= size;
    }
}

/* Escapes control characters, which a terminal would obey, C1 ones in UTF-8 included. */
static void add_plain(struct tb_buf *line, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (p[0] < 0x20 || p[0] == 0x7F)
            tb_buf_addf(line, "\\u%04x", p[0]);
        else if (p[0] == 0xC2 && p[1] < 0xA0)
            tb_buf_addf(line, "\\u%04x", *++p);
        else
            tb_buf_addc(line, (char)*p);
    }
}

static void build_line(struct tb_buf *line, enum tb_diag_level level, const char *event,
                       const char *message)
{
    char time[TB_TIME_SIZE];

    tb_time_format(tb_clock_wall_ms(&tb_clock_system), time);
    if (as_json) {
        tb_buf_addc(line, '{');
        tb_json_member_str(line, "time", tb_str_of(time));
        tb_json_member_str(line, "level", tb_str_of(level_names[level]));
        tb_json_member_str(line, "program", tb_str_of(program_name));
        tb_json_member_str(line, "event", tb_str_of(event));
        tb_json_member_str(line, "message", tb_str_of(message));
        tb_buf_addc(line, '}');
    } else {
        tb_buf_addf(line, "%s %-5s %s: ", time, level_names[level], event);
        add_plain(line, message);
    }
    tb_buf_addc(line, '\n');
}

/* A pipe that nobody reads must not block orders: a line for which there is no room is dropped.
 * The lock keeps other threads from filling the pipe between poll and write. */
static void write_line(const struct tb_buf *line)
{
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};

    pthread_mutex_lock(&write_lock);
    /* If the reader has closed the pipe, nobody can be told. */
    if (poll(&fd, 1, 0) == 1 && fd.revents == POLLOUT)
        (void)!write(fd.fd, line->data, line->len);
    pthread_mutex_unlock(&write_lock);
}

void tb_diag(enum tb_diag_level level, const char *event, const char *format, ...)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf line = {0};
    char message[MESSAGE_MAX];
    va_list args;

    if (level < lowest_level)
        return;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    make_utf8(message);
    build_line(&line, level, event, message);
    if (tb_buf_ok(&line))
        write_line(&line);
}
