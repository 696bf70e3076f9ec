/* Promise: each line of a file of any size is returned once, with its number, and memory is
 * bounded. */
#include "cli/engine/line_reader.h"
#include "support/support.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_MAX_BYTES 100

static int fds[2];

static void setup(void)
{
    ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
}

static void teardown(void)
{
    close(fds[0]);
    close(fds[1]);
}

static void feed(const char *bytes, size_t len)
{
    ck_assert_int_eq(write(fds[1], bytes, len), (ssize_t)len);
}

static void ck_line(struct tb_line_reader *lines, int64_t number, const char *text)
{
    struct tb_error err = {0};
    struct tb_str line;

    ck_assert_int_eq(tb_line_reader_next(lines, &line, &err), TB_LINE_READ);
    ck_assert_int_eq(lines->number, number);
    ck_assert_uint_eq(line.len, strlen(text));
    ck_assert_mem_eq(line.ptr, text, line.len);
}

static void ck_result(struct tb_line_reader *lines, enum tb_line_result expected)
{
    struct tb_error err = {0};
    struct tb_str line;

    ck_assert_int_eq(tb_line_reader_next(lines, &line, &err), expected);
}

START_TEST(byte_order_mark_and_blank_lines_are_left_out)
{
    static const char text[] = "\xef\xbb\xbf{1}\r\n\n \t\n{4}\n\r\n{6}";
    struct tb_line_reader lines = {.fd = fds[0], .line_max = LINE_MAX_BYTES};

    feed(text, sizeof text - 1);
    ck_line(&lines, 1, "{1}");
    ck_line(&lines, 4, "{4}");
    ck_result(&lines, TB_LINE_NOT_YET); /* {6} may go on */
    feed("+", 1);
    close(fds[1]);
    ck_line(&lines, 6, "{6}+");
    ck_result(&lines, TB_LINE_END);
    ck_result(&lines, TB_LINE_END);
    ck_assert_int_eq(lines.consumed_bytes, (int64_t)sizeof text);
    tb_buf_release(&lines.pending);
    ck_assert_int_eq(pipe(fds), 0);
}
END_TEST

START_TEST(a_line_of_the_limit_passes_and_one_more_does_not)
{
    struct tb_line_reader lines = {.fd = fds[0], .line_max = LINE_MAX_BYTES};
    char text[LINE_MAX_BYTES + 2];

    memset(text, 'x', sizeof text);
    text[LINE_MAX_BYTES] = '\r';
    text[LINE_MAX_BYTES + 1] = '\n';
    feed(text, sizeof text);
    text[LINE_MAX_BYTES] = '\0';
    ck_line(&lines, 1, text);
    text[LINE_MAX_BYTES] = 'x';
    feed(text, sizeof text);
    ck_result(&lines, TB_LINE_TOO_LONG);
    feed("{3}\n", 4);
    ck_line(&lines, 3, "{3}");
    tb_buf_release(&lines.pending);
}
END_TEST

/* A line of ten thousand times the limit takes no more memory than a line of a few times the
 * limit. */
START_TEST(an_endless_line_is_skipped_in_bounded_memory)
{
    struct tb_line_reader lines = {.fd = fds[0], .line_max = LINE_MAX_BYTES};
    char part[1000];

    memset(part, 'x', sizeof part);
    for (int i = 0; i < 1000; i++) {
        feed(part, sizeof part);
        ck_result(&lines, TB_LINE_NOT_YET);
    }
    ck_assert_uint_lt(lines.pending.cap, 1 << 18);
    feed("\n{2}\n", 5);
    ck_result(&lines, TB_LINE_TOO_LONG);
    ck_line(&lines, 2, "{2}");
    feed(part, sizeof part);
    close(fds[1]);
    ck_result(&lines, TB_LINE_TOO_LONG); /* the last one has no newline */
    ck_result(&lines, TB_LINE_END);
    tb_buf_release(&lines.pending);
    ck_assert_int_eq(pipe(fds), 0);
}
END_TEST

/* The lines are the same whatever the sizes of the reads are. */
START_TEST(reads_of_any_size_give_the_same_lines)
{
    struct fake_random random;
    struct tb_line_reader lines = {.fd = fds[0], .line_max = LINE_MAX_BYTES};
    int64_t expected = 0;
    char text[400];
    size_t len = 0;

    fake_random_init(&random, test_seed(7) + (uint64_t)_i);
    for (int n = 1; n <= 20; n++)
        len += (size_t)snprintf(text + len, sizeof text - len, "line %d\n", n);
    for (size_t at = 0; at < len;) {
        size_t part = 1 + fake_random_below(&random, 30);
        struct tb_error err = {0};
        struct tb_str line;
        char wanted[20];

        part = part < len - at ? part : len - at;
        feed(text + at, part);
        at += part;
        while (tb_line_reader_next(&lines, &line, &err) == TB_LINE_READ) {
            snprintf(wanted, sizeof wanted, "line %d", (int)++expected);
            ck_assert_int_eq(lines.number, expected);
            ck_assert(tb_str_eq(line, tb_str_of(wanted)));
        }
    }
    ck_assert_int_eq(expected, 20);
    ck_assert_int_eq(lines.consumed_bytes, (int64_t)len);
    tb_buf_release(&lines.pending);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lines");
    TCase *tc = tcase_create("pipe");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, byte_order_mark_and_blank_lines_are_left_out);
    tcase_add_test(tc, a_line_of_the_limit_passes_and_one_more_does_not);
    tcase_add_test(tc, an_endless_line_is_skipped_in_bounded_memory);
    tcase_add_loop_test(tc, reads_of_any_size_give_the_same_lines, 0, 20);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
