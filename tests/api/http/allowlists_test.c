/* Promise: the server answers to loopback names, to its own address and to the allowed names, and
 * to no other. */
#include "api/http/allowlists.h"
#include "support/support.h"

static const struct {
    const char *host;
    bool allowed;
} hosts_cases[] = {
    {"localhost", true},
    {"LocalHost:8081", true},
    {"127.0.0.1", true},
    {"127.9.9.9:1", true},
    {"[::1]", true},
    {"[::1]:8081", true},
    {"kasse.local", true},
    {"KASSE.local:80", true},
    {"shop.example:8443", true},
    {"shop.example", false},
    {"shop.example:80", false},
    {"10.1.2.3:8081", true},
    {"10.1.2.4", false},
    {"evil.example", false},
    {"localhost.evil.example", false},
    {"evil.example:127.0.0.1", false},
    {"", false},
    {":8081", false},
    {"localhost:", true},
    {"localhost:99999", false},
    {"localhost:8x", false},
    {"localhost:123456", false},
    {"[::1", false},
    {"::1", false},
    {"127.0.0.1@evil", false},
    {"localhost/", false},
    {"[::2]", false},
    {"[::ffff:127.0.0.1]", true},
    {"0.0.0.0", false},
};

START_TEST(host)
{
    struct tb_host_allowlist hosts;
    struct tb_error err = {0};

    ck_ok(tb_host_allowlist_init(&hosts, "10.1.2.3", " kasse.local , Shop.example:8443,", &err));
    for (int again = 0; again < 2; again++) /* the memo must not change the verdict */
        ck_assert_int_eq(tb_host_allowlist_allows(&hosts, tb_str_of(hosts_cases[_i].host)),
                         hosts_cases[_i].allowed);
    tb_host_allowlist_release(&hosts);
}
END_TEST

START_TEST(wildcards_allow_no_names)
{
    static const char *const wild[] = {"0.0.0.0", "::", ""};

    for (int i = 0; i < 3; i++) {
        struct tb_host_allowlist hosts;
        struct tb_error err = {0};
        ck_ok(tb_host_allowlist_init(&hosts, wild[i], NULL, &err));
        ck_assert(!tb_host_allowlist_allows(&hosts, TB_STR("0.0.0.0")));
        ck_assert(!tb_host_allowlist_allows(&hosts, TB_STR("[::]")));
        ck_assert(tb_host_allowlist_allows(&hosts, TB_STR("localhost")));
        tb_host_allowlist_release(&hosts);
    }
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

int main(void)
{
    Suite *suite = suite_create("allowlists");
    TCase *tc = tcase_create("host_allowlist");

    tcase_add_loop_test(tc, host, 0, COUNT(hosts_cases));
    tcase_add_test(tc, wildcards_allow_no_names);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
