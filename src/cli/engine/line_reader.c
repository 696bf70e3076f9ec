#include "cli/engine/line_reader.h"
#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* The capacity of a pipe on Linux: one read rarely finds more. */
#define READ_SIZE ((size_t)65536)

/* Moves the bytes that are not returned yet to the front of the buffer. So it never grows beyond
 * one line and one read. */
static void compact(struct tb_line_reader *reader)
{
    size_t left = reader->pending.len - reader->start;

    if (reader->start == 0)
        return;
    memmove(reader->pending.data, reader->pending.data + reader->start, left);
    reader->pending.len = left;
    reader->scanned -= reader->start;
    reader->start = 0;
}

/* Returns TB_LINE_READ if bytes were read or the end of the input was reached. */
static enum tb_line_result read_more(struct tb_line_reader *reader, struct tb_error *err)
{
    struct pollfd poll_fd = {.fd = reader->fd, .events = POLLIN};
    ssize_t got;

    if (poll(&poll_fd, 1, 0) == 0)
        return TB_LINE_NOT_YET;
    compact(reader);
    if (!tb_buf_reserve(&reader->pending, READ_SIZE)) {
        tb_error_set(err, TB_INTERNAL, "out of memory");
        return TB_LINE_FAILED;
    }
    got = read(reader->fd, reader->pending.data + reader->pending.len, READ_SIZE);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return TB_LINE_NOT_YET;
    if (got < 0) {
        tb_error_errno(err, TB_UNAVAILABLE, errno, "cannot read on");
        return TB_LINE_FAILED;
    }
    reader->pending.len += (size_t)got;
    reader->ended = got == 0;
    return TB_LINE_READ;
}

/* Returns the next line, which reaches to `end`, without byte order mark and carriage return. */
static struct tb_str cut_line(struct tb_line_reader *reader, size_t end, bool with_newline)
{
    struct tb_str line = {reader->pending.data + reader->start, end - reader->start};

    reader->number++;
    reader->consumed_bytes += (int64_t)(line.len + with_newline);
    reader->start = end + with_newline;
    reader->scanned = reader->start;
    if (reader->number == 1 && line.len >= 3 && memcmp(line.ptr, "\xef\xbb\xbf", 3) == 0) {
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

/* Discards the part of a line that was read, because the line is too long. */
static void skip_part(struct tb_line_reader *reader)
{
    reader->consumed_bytes += (int64_t)(reader->pending.len - reader->start);
    reader->start = reader->scanned = reader->pending.len;
    reader->skipping = true;
}

enum tb_line_result tb_line_reader_next(struct tb_line_reader *reader, struct tb_str *ret_line,
                                        struct tb_error *err)
{
    for (;;) {
        size_t len = reader->pending.len;
        const char *newline =
            reader->scanned < len
                ? memchr(reader->pending.data + reader->scanned, '\n', len - reader->scanned)
                : NULL;
        bool last = !newline && reader->ended;

        if (newline || (last && (reader->start < len || reader->skipping))) {
            size_t end = newline ? (size_t)(newline - reader->pending.data) : len;
            struct tb_str line = cut_line(reader, end, newline != NULL);
            bool too_long = reader->skipping || line.len > reader->line_max;

            reader->skipping = false;
            if (too_long)
                return TB_LINE_TOO_LONG;
            if (is_blank(line))
                continue;
            *ret_line = line;
            return TB_LINE_READ;
        }
        if (last)
            return TB_LINE_END;
        reader->scanned = len;
        /* One byte more than the limit may be the carriage return, which does not count. */
        if (len - reader->start > reader->line_max + 1)
            skip_part(reader);
        enum tb_line_result result = read_more(reader, err);
        if (result != TB_LINE_READ)
            return result;
    }
}
