/* Promise: an import whose lines cannot be counted any more ends before such a line is sent, and
 * says where. Method: a table without room, and a server that nobody asks. (import_test.py has the
 * rest.) */
#include "cli/engine/import.h"
#include "support/support.h"
#include <fcntl.h>
#include <unistd.h>

#define LINE "{\"lines\":[]}\n"

START_TEST(no_room_to_count_ends_the_import_at_that_line)
{
    struct tb_cli cli = {.url = "http://127.0.0.1:1"};
    struct tb_import import = {.cli = &cli, .lines = {.line_max = TB_BODY_MAX}};
    static const char text[] = "\n \n" LINE LINE;
    volatile sig_atomic_t stop_requested = 0;
    int fds[2];

    ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    ck_assert_int_eq(write(fds[1], text, sizeof text - 1), sizeof text - 1);
    close(fds[1]);
    import.lines.fd = fds[0];
    tb_import_keys_init(&import.keys, 0);
    ck_assert_int_eq(tb_http_open(&cli, TB_IMPORT_IN_FLIGHT, &import.client), TB_EXIT_DONE);
    tb_import_run(&import, &stop_requested);
    ck_assert_int_eq(import.failure, TB_EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(import.failure_text, "more than 0 different lines"));
    ck_assert_ptr_nonnull(strstr(import.failure_text, "before line 3"));
    ck_assert_int_eq(tb_import_resume_line(&import), 3);
    ck_assert(!import.server_answered);
    tb_import_release(&import);
    tb_http_client_free(import.client);
    close(fds[0]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli/engine/import");
    TCase *tc = tcase_create("import");

    tcase_add_test(tc, no_room_to_count_ends_the_import_at_that_line);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
