/* Promise: an address is split into host and port, or refused. */
#include "base/host_port.h"
#include "support/support.h"

START_TEST(addresses_are_split)
{
    static const struct {
        const char *text, *host, *port;
    } cases[] = {
        {"127.0.0.1:8081", "127.0.0.1", "8081"},
        {"till-1.example:0", "till-1.example", "0"},
        {"[::1]:65535", "::1", "65535"},
        {"[fe80::1]:00080", "fe80::1", "00080"},
        {":8081", "", "8081"},
        {"[]:1", "", "1"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char host[TB_HOST_SIZE], port[TB_PORT_SIZE];

        ck_assert_msg(tb_host_port_split(cases[i].text, host, port), "%s", cases[i].text);
        ck_assert_str_eq(host, cases[i].host);
        ck_assert_str_eq(port, cases[i].port);
    }
}
END_TEST

START_TEST(malformed_addresses_are_refused)
{
    static const char *const texts[] = {
        "",        "localhost", "localhost:",   "localhost:x", "localhost:80 ", "localhost:-1",
        "a:65536", "a:000080",  "::1:8081",     "[::1:8081",   "[:80",          "a:b:80",
        "[::1]80", "[::1] :80", "a:4294967376", "a:+80",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char host[TB_HOST_SIZE], port[TB_PORT_SIZE];

        ck_assert_msg(!tb_host_port_split(texts[i], host, port), "%s", texts[i]);
    }
}
END_TEST

START_TEST(a_host_must_fit)
{
    char text[TB_HOST_SIZE + 8], host[TB_HOST_SIZE], port[TB_PORT_SIZE];

    memset(text, 'a', sizeof text);
    memcpy(text + TB_HOST_SIZE, ":80", 4);
    ck_assert(!tb_host_port_split(text, host, port));
    ck_assert(tb_host_port_split(text + 1, host, port));
    ck_assert_uint_eq(strlen(host), TB_HOST_SIZE - 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("host_port");
    TCase *tc = tcase_create("host_port");

    tcase_add_test(tc, addresses_are_split);
    tcase_add_test(tc, malformed_addresses_are_refused);
    tcase_add_test(tc, a_host_must_fit);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
