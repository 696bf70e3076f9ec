/* Promise: if the listen address is taken or not one of this machine, the error is one line that
 * says so. */
#include "api/http/acceptor.h"
#include "support/support.h"
#include <stdio.h>
#include <unistd.h>

START_TEST(a_taken_port_is_reported_in_one_line)
{
    struct tb_error err = {0};
    char listen[64];
    int fd = -1, port = 0, other = -1;

    ck_ok(tb_listen_open("127.0.0.1:0", &fd, &port, &err));
    ck_assert_int_gt(port, 0);
    snprintf(listen, sizeof(listen), "127.0.0.1:%d", port);
    ck_assert_int_eq(tb_listen_open(listen, &other, &port, &err), TB_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, listen));
    ck_assert_ptr_nonnull(strstr(err.text, "Address already in use"));
    ck_assert_ptr_null(strchr(err.text, '\n'));
    ck_assert_int_eq(other, -1);
    close(fd);
    ck_assert_int_eq(tb_listen_open("192.0.2.1:0", &other, &port, &err), TB_INVALID);
    ck_assert_int_eq(tb_listen_open("nonsense", &other, &port, &err), TB_INVALID);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("acceptor");
    TCase *tc = tcase_create("listen");

    tcase_add_test(tc, a_taken_port_is_reported_in_one_line);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
