#include "cli/engine/line_reader.h"
#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* A pipe's capacity on Linux: more is seldom there at once. */
#define READ_SIZE ((size_t)65536)

void tb_line_reader_init(struct tb_line_reader *lines, int fd, size_t line_max)
{
    *lines = (struct tb_line_reader){.fd = fd, .line_max = line_max};
}

void tb_line_reader_release(struct tb_line_reader *lines)
{
    tb_buf_release(&lines->pending);
}

/* Moves what is left to the front, so that the buffer never grows beyond a line and a read. */
static void compact(struct tb_line_reader *lines)
{
    size_t left = lines->pending.len - lines->start;

    if (lines->start == 0)
        return;
    memmove(lines->pending.data, lines->pending.data + lines->start, left);
    lines->pending.len = left;
    lines->scanned -= lines->start;
    lines->start = 0;
}

/* TB_LINE_READ: something came, or the end. */
static enum tb_line_result read_more(struct tb_line_reader *lines, struct tb_error *err)
{
    struct pollfd poll_fd = {.fd = lines->fd, .events = POLLIN};
    ssize_t got;

    if (poll(&poll_fd, 1, 0) == 0)
        return TB_LINE_NOT_YET;
    compact(lines);
    if (!tb_buf_reserve(&lines->pending, READ_SIZE)) {
        tb_error_set(err, TB_INTERNAL, "out of memory");
        return TB_LINE_FAILED;
    }
    got = read(lines->fd, lines->pending.data + lines->pending.len, READ_SIZE);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return TB_LINE_NOT_YET;
    if (got < 0) {
        tb_error_errno(err, TB_UNAVAILABLE, errno, "cannot read on");
        return TB_LINE_FAILED;
    }
    lines->pending.len += (size_t)got;
    lines->ended = got == 0;
    return TB_LINE_READ;
}

/* What stands from start to end is a line, but for marks and blanks around it. */
static struct tb_str cut_line(struct tb_line_reader *lines, size_t end, bool with_newline)
{
    struct tb_str line = {lines->pending.data + lines->start, end - lines->start};

    lines->number++;
    lines->consumed_bytes += (int64_t)(line.len + with_newline);
    lines->start = end + with_newline;
    lines->scanned = lines->start;
    if (lines->number == 1 && line.len >= 3 && memcmp(line.ptr, "\xef\xbb\xbf", 3) == 0) {
        line.ptr += 3;
        line.len -= 3;
    }
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

static bool is_blank(struct tb_str line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] != ' ' && line.ptr[i] != '\t')
            return false;
    return true;
}

/* Throws away what is read of a line that is too long; its end finishes it. */
static void skip_part(struct tb_line_reader *lines)
{
    lines->consumed_bytes += (int64_t)(lines->pending.len - lines->start);
    lines->start = lines->scanned = lines->pending.len;
    lines->skipping = true;
}

enum tb_line_result tb_line_reader_next(struct tb_line_reader *lines, struct tb_str *ret_line,
                                        struct tb_error *err)
{
    for (;;) {
        size_t len = lines->pending.len;
        const char *newline = lines->scanned < len ? memchr(lines->pending.data + lines->scanned,
                                                            '\n', len - lines->scanned)
                                                   : NULL;
        bool last = !newline && lines->ended;

        if (newline || (last && (lines->start < len || lines->skipping))) {
            size_t end = newline ? (size_t)(newline - lines->pending.data) : len;
            struct tb_str line = cut_line(lines, end, newline != NULL);
            bool too_long = lines->skipping || line.len > lines->line_max;

            lines->skipping = false;
            if (too_long)
                return TB_LINE_TOO_LONG;
            if (is_blank(line))
                continue;
            *ret_line = line;
            return TB_LINE_READ;
        }
        if (last)
            return TB_LINE_END;
        lines->scanned = len;
        /* One more, for a carriage return that may turn out not to count. */
        if (len - lines->start > lines->line_max + 1)
            skip_part(lines);
        enum tb_line_result result = read_more(lines, err);
        if (result != TB_LINE_READ)
            return result;
    }
}
