/* Reads the lines of a file or pipe of any size in bounded memory, and never blocks.
 *
 * Blank lines are counted but not returned. A byte order mark at the start of the file and a
 * carriage return before a newline are removed.
 *
 * Memory:  a line is valid until the next call; the caller releases `pending`.
 * Errors:  TB_LINE_FAILED with *err.
 * Units:   bytes; lines are counted from 1. */
#pragma once
#include "base/mem/buf.h"

enum tb_line_result {
    TB_LINE_READ,
    TB_LINE_TOO_LONG, /* longer than the limit; the reader skips the rest of it */
    TB_LINE_NOT_YET,  /* no whole line has arrived: wait until the descriptor is readable */
    TB_LINE_END,
    TB_LINE_FAILED,
};

struct tb_line_reader {
    int fd; /* borrowed */
    size_t line_max;
    /* Zeroed at the start: */
    struct tb_buf pending;  /* bytes read; from `start` on they are not returned yet */
    size_t start, scanned;  /* scanned: there is no newline between start and here */
    bool ended, skipping;   /* skipping: what comes belongs to a line that is too long */
    int64_t number;         /* of the line that was returned last */
    int64_t consumed_bytes; /* up to the end of that line */
};

enum tb_line_result tb_line_reader_next(struct tb_line_reader *reader, struct tb_str *ret_line,
                                        struct tb_error *err);
