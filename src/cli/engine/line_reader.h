/* Lines of a file or pipe of any size, in bounded memory, without ever waiting for more.
 *
 * Empty lines are counted but not handed out. A byte order mark at the start and a carriage
 * return before the end of a line are not part of the line.
 *
 * Thread:  one owner.
 * Memory:  a line is valid until the next call; tb_line_reader_release frees.
 * Errors:  TB_LINE_FAILED with *err.
 * Units:   bytes; lines count from 1. */
#pragma once
#include "base/mem/buf.h"

enum tb_line_result {
    TB_LINE_READ,     /* here it is */
    TB_LINE_TOO_LONG, /* it is longer than the limit; its rest is skipped */
    TB_LINE_NOT_YET,  /* nothing to read now: wait for the descriptor */
    TB_LINE_END,
    TB_LINE_FAILED,
};

struct tb_line_reader {
    int fd; /* borrowed */
    size_t line_max;
    struct tb_buf pending; /* read and not yet handed out, from start on */
    size_t start, scanned;
    bool ended, skipping;
    int64_t number;         /* of the line handed out last */
    int64_t consumed_bytes; /* up to its end */
};

void tb_line_reader_init(struct tb_line_reader *lines, int fd, size_t line_max);
void tb_line_reader_release(struct tb_line_reader *lines);
enum tb_line_result tb_line_reader_next(struct tb_line_reader *lines, struct tb_str *ret_line,
                                        struct tb_error *err);
