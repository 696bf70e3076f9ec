/* Promise: addresses are read as they are written, the error of a taken port is one clear line,
 * and no address but loopback gets more connections than its share. */
#include "api/http/address_limit.h"
#include "api/http/listen.h"
#include "support/support.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>

static const struct {
    const char *listen, *host, *port; /* host NULL: malformed */
} splits[] = {
    {"127.0.0.1:8081", "127.0.0.1", "8081"},
    {"[::1]:0", "::1", "0"},
    {"localhost:65535", "localhost", "65535"},
    {":80", "", "80"},
    {"127.0.0.1", NULL, NULL},
    {"127.0.0.1:", NULL, NULL},
    {"127.0.0.1:65536", NULL, NULL},
    {"::1:80", NULL, NULL},
    {"[::1:80", NULL, NULL},
    {"host:8x", NULL, NULL},
    {"host:123456", NULL, NULL},
    {"", NULL, NULL},
    {"host:-1", NULL, NULL},
};

START_TEST(split)
{
    char host[TB_LISTEN_HOST_SIZE], port[6];
    bool ok = tb_listen_split(splits[_i].listen, host, port);

    ck_assert_int_eq(ok, splits[_i].host != NULL);
    if (ok) {
        ck_assert_str_eq(host, splits[_i].host);
        ck_assert_str_eq(port, splits[_i].port);
    }
}
END_TEST

START_TEST(taken_port_is_said_in_one_line)
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

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;

    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        storage.ss_family = AF_INET;
    } else {
        ck_assert_int_eq(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
        storage.ss_family = AF_INET6;
    }
    return storage;
}

static bool enter(struct tb_address_limit *peers, const char *text,
                  struct tb_address_count **ret_peer)
{
    struct sockaddr_storage storage = address(text);

    return tb_address_limit_add(peers, (const struct sockaddr *)&storage, ret_peer);
}

START_TEST(each_address_has_its_share)
{
    struct tb_address_limit peers = {.max = 2};
    struct tb_address_count *a[2], *b, *c, *none;

    ck_assert(enter(&peers, "10.0.0.1", &a[0]));
    ck_assert(enter(&peers, "::ffff:10.0.0.1", &a[1])); /* the same one, mapped */
    ck_assert(!enter(&peers, "10.0.0.1", &none));
    ck_assert(enter(&peers, "10.0.0.2", &b));
    ck_assert(enter(&peers, "2001:db8::1", &c));
    tb_address_limit_remove(&peers, a[0]);
    ck_assert(enter(&peers, "10.0.0.1", &a[0]));
    tb_address_limit_remove(&peers, a[0]);
    tb_address_limit_remove(&peers, a[1]);
    tb_address_limit_remove(&peers, b);
    tb_address_limit_remove(&peers, c);
    for (int i = 0; i < TB_ADDRESS_LIMIT_BUCKETS; i++)
        ck_assert_ptr_null(peers.buckets[i]); /* nothing is kept of who has left */
}
END_TEST

START_TEST(loopback_is_not_counted)
{
    static const char *const loopback[] = {"127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1"};
    struct tb_address_limit peers = {.max = 1};
    struct tb_address_count *peer = NULL;

    for (int i = 0; i < 12; i++) {
        ck_assert(enter(&peers, loopback[i % 4], &peer));
        ck_assert_ptr_null(peer);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net");
    TCase *tc = tcase_create("net");

    tcase_add_loop_test(tc, split, 0, (int)(sizeof(splits) / sizeof(splits[0])));
    tcase_add_test(tc, taken_port_is_said_in_one_line);
    tcase_add_test(tc, each_address_has_its_share);
    tcase_add_test(tc, loopback_is_not_counted);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
