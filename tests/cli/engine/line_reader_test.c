/* Promise: every line of a file of any size comes once, with its number, in bounded memory. */
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

START_TEST(marks_and_empty_lines_are_not_content)
{
    static const char text[] = "\xef\xbb\xbf{1}\r\n\n \t\n{4}\n\r\n{6}";
    struct tb_line_reader lines;

    feed(text, sizeof text - 1);
    tb_line_reader_init(&lines, fds[0], LINE_MAX_BYTES);
    ck_line(&lines, 1, "{1}");
    ck_line(&lines, 4, "{4}");
    ck_result(&lines, TB_LINE_NOT_YET); /* {6} may go on */
    feed("+", 1);
    close(fds[1]);
    ck_line(&lines, 6, "{6}+");
    ck_result(&lines, TB_LINE_END);
    ck_result(&lines, TB_LINE_END);
    ck_assert_int_eq(lines.consumed_bytes, (int64_t)sizeof text);
    tb_line_reader_release(&lines);
    ck_assert_int_eq(pipe(fds), 0);
}
END_TEST

START_TEST(a_line_of_the_limit_passes_and_one_more_does_not)
{
    struct tb_line_reader lines;
    char text[LINE_MAX_BYTES + 2];

    memset(text, 'x', sizeof text);
    tb_line_reader_init(&lines, fds[0], LINE_MAX_BYTES);
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
    tb_line_reader_release(&lines);
}
END_TEST

/* Ten thousand times the limit in one line takes no more memory than a few. */
START_TEST(an_endless_line_is_skipped_in_bounded_memory)
{
    struct tb_line_reader lines;
    char part[1000];

    memset(part, 'x', sizeof part);
    tb_line_reader_init(&lines, fds[0], LINE_MAX_BYTES);
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
    tb_line_reader_release(&lines);
    ck_assert_int_eq(pipe(fds), 0);
}
END_TEST

/* However a text is torn into reads, the same lines come out. */
START_TEST(tearing_changes_nothing)
{
    struct fake_random random;
    struct tb_line_reader lines;
    int64_t expected = 0;
    char text[400];
    size_t len = 0;

    fake_random_init(&random, test_seed(7) + (uint64_t)_i);
    for (int n = 1; n <= 20; n++)
        len += (size_t)snprintf(text + len, sizeof text - len, "line %d\n", n);
    tb_line_reader_init(&lines, fds[0], LINE_MAX_BYTES);
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
    tb_line_reader_release(&lines);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lines");
    TCase *tc = tcase_create("pipe");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, marks_and_empty_lines_are_not_content);
    tcase_add_test(tc, a_line_of_the_limit_passes_and_one_more_does_not);
    tcase_add_test(tc, an_endless_line_is_skipped_in_bounded_memory);
    tcase_add_loop_test(tc, tearing_changes_nothing, 0, 20);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
