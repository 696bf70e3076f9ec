/* Promise: a diagnostic is one line, whatever bytes it contains, and never blocks the program. */
#include "base/diag/diag.h"
#include "base/json/json.h"
#include "base/time/timefmt.h"
#include "support/support.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Redirects standard error. Check forks for each test, so that others are not affected. */
static int redirect_to_pipe(void)
{
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
    close(ends[1]);
    return ends[0];
}

static int redirect_to_terminal(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), terminal;

    if (master < 0) {
        printf("not tested: no terminals here\n");
        return -1;
    }
    ck_assert_int_eq(grantpt(master), 0);
    ck_assert_int_eq(unlockpt(master), 0);
    terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    ck_assert_int_ge(terminal, 0);
    ck_assert_int_ge(dup2(terminal, STDERR_FILENO), 0);
    close(terminal);
    return master;
}

/* Reads what is there, without waiting. */
static struct tb_buf drain(int fd)
{
    struct tb_buf got = {0};
    char part[4096];

    for (struct pollfd ready = {.fd = fd, .events = POLLIN}; poll(&ready, 1, 0) == 1;) {
        ssize_t len = read(fd, part, sizeof part);

        ck_assert_int_gt(len, 0);
        tb_buf_add(&got, part, (size_t)len);
    }
    tb_buf_adds(&got, "");
    return got;
}

static void check_member(const struct tb_json *root, const char *key, const char *text)
{
    ck_assert_ptr_nonnull(tb_json_get(root, key));
    ck_assert_str_eq(tb_json_string(tb_json_get(root, key)).ptr, text);
}

START_TEST(a_pipe_gets_one_json_object_a_line)
{
    struct tb_error err = {0};
    struct tb_json *root = NULL;
    int64_t time;
    int fd = redirect_to_pipe();

    tb_diag_init("tillbox-edge", TB_DIAG_INFO);
    tb_diag(TB_DIAG_DEBUG, "below.level", "not written");
    tb_diag(TB_DIAG_WARN, "link.down", "line\nbreak \"%s\" \x1b[31m", "\xC3\xA4");
    struct tb_buf got = drain(fd);
    ck_assert_ptr_eq(strchr(got.data, '\n'), got.data + got.len - 1);
    ck_ok(tb_json_parse((struct tb_str){got.data, got.len - 1}, 1, &root, &err));
    ck_assert_uint_eq(tb_json_count(root), 5);
    check_member(root, "level", "warn");
    check_member(root, "program", "tillbox-edge");
    check_member(root, "event", "link.down");
    check_member(root, "message", "line\nbreak \"\xC3\xA4\" \x1b[31m");
    ck_assert(tb_time_parse(tb_json_string(tb_json_get(root, "time")), &time));
    tb_json_free(root);
    tb_buf_release(&got);
}
END_TEST

START_TEST(a_terminal_gets_text_that_cannot_steer_it)
{
    int fd = redirect_to_terminal();

    if (fd < 0)
        return;
    tb_diag_init("tillbox-edge", TB_DIAG_DEBUG);
    tb_diag(TB_DIAG_ERROR, "disk.full", "a\nb\x1b[2J\x7f\xC2\x9B%s", "\xE2\x82\xAC");
    struct tb_buf got = drain(fd);
    char *text = strchr(got.data, ' ');
    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(text, " error disk.full: a\\u000ab\\u001b[2J\\u007f\\u009b\xE2\x82\xAC\r\n");
    tb_buf_release(&got);
}
END_TEST

/* Any bytes of any length become one line of valid JSON that one write(2) takes. */
START_TEST(hostile_messages_stay_one_valid_line)
{
    struct fake_random random;
    int fd = redirect_to_pipe();

    fake_random_init(&random, test_seed(4096));
    tb_diag_init("tillbox-edge", TB_DIAG_INFO);
    for (int i = 0; i < 500; i++) {
        struct tb_json *root = NULL;
        struct tb_error err = {0};
        char bytes[1500];

        tb_random_fill(&random.random, bytes, sizeof bytes);
        for (size_t j = 0; j < sizeof bytes; j++) {
            if (bytes[j] == 0 || i % 2)
                bytes[j] = i % 4 == 1 ? '\x01' : '\xC3';
        }
        tb_diag(TB_DIAG_INFO, "any.bytes", "%.*s", (int)fake_random_below(&random, 1500), bytes);
        struct tb_buf got = drain(fd);
        ck_assert_ptr_eq(strchr(got.data, '\n'), got.data + got.len - 1);
        ck_assert_uint_le(got.len, 4096);
        ck_ok(tb_json_parse((struct tb_str){got.data, got.len - 1}, 1, &root, &err));
        tb_json_free(root);
        tb_buf_release(&got);
    }
}
END_TEST

START_TEST(a_full_pipe_loses_lines_and_holds_nobody_up)
{
    enum { LINES = 3000 };
    struct tb_buf got;
    int written = 0, fd = redirect_to_pipe();

    tb_diag_init("tillbox-edge", TB_DIAG_INFO);
    for (int i = 0; i < LINES; i++)
        tb_diag(TB_DIAG_INFO, "many", "line %d", i); /* would wait for ever, if it waited */
    got = drain(fd);
    for (size_t i = 0; i < got.len; i++)
        written += got.data[i] == '\n';
    ck_assert_int_gt(written, 0);
    ck_assert_int_lt(written, LINES);
    tb_buf_release(&got);

    tb_diag(TB_DIAG_INFO, "again", "there is room");
    got = drain(fd);
    ck_assert_ptr_nonnull(strstr(got.data, "there is room"));
    tb_buf_release(&got);
}
END_TEST

/* The program survives a closed pipe, although it does not ignore SIGPIPE itself. */
START_TEST(a_reader_that_went_away_is_survived)
{
    int fd = redirect_to_pipe();

    tb_diag_init("tillbox-edge", TB_DIAG_INFO);
    close(fd);
    tb_diag(TB_DIAG_INFO, "nobody", "reads");
    close(STDERR_FILENO);
    tb_diag(TB_DIAG_INFO, "nothing", "is open");
}
END_TEST

#define THREADS 4
#define LINES_EACH 20 /* together less than a pipe holds */

static void *report(void *arg)
{
    for (int i = 0; i < LINES_EACH; i++)
        tb_diag(TB_DIAG_INFO, "thread", "%s", (const char *)arg);
    return NULL;
}

START_TEST(lines_of_several_threads_do_not_mix)
{
    pthread_t threads[THREADS];
    struct tb_error err = {0};
    char texts[THREADS][400];
    int lines = 0, fd = redirect_to_pipe();

    tb_diag_init("tillbox-edge", TB_DIAG_INFO);
    for (int i = 0; i < THREADS; i++) {
        memset(texts[i], 'a' + i, sizeof texts[i] - 1);
        texts[i][sizeof texts[i] - 1] = '\0';
        ck_assert_int_eq(pthread_create(&threads[i], NULL, report, texts[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    struct tb_buf got = drain(fd);
    for (char *at = got.data, *end; (end = strchr(at, '\n')); at = end + 1, lines++) {
        struct tb_json *root = NULL;

        ck_ok(tb_json_parse((struct tb_str){at, (size_t)(end - at)}, 1, &root, &err));
        struct tb_str text = tb_json_string(tb_json_get(root, "message"));
        ck_assert_uint_eq(text.len, sizeof texts[0] - 1);
        ck_assert(tb_str_eq(text, tb_str_of(texts[text.ptr[0] - 'a'])));
        tb_json_free(root);
    }
    ck_assert_int_eq(lines, THREADS * LINES_EACH);
    tb_buf_release(&got);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("diag");
    TCase *tc = tcase_create("diag");

    tcase_add_test(tc, a_pipe_gets_one_json_object_a_line);
    tcase_add_test(tc, a_terminal_gets_text_that_cannot_steer_it);
    tcase_add_test(tc, hostile_messages_stay_one_valid_line);
    tcase_add_test(tc, a_full_pipe_loses_lines_and_holds_nobody_up);
    tcase_add_test(tc, lines_of_several_threads_do_not_mix);
    tcase_add_test(tc, a_reader_that_went_away_is_survived);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
