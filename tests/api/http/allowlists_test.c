/* Promise: the server answers to loopback names, to its own address and to the allowed names, and
 * to no other; and it knows which web page a request comes from. */
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

static const struct {
    const char *origin, *host;
    enum tb_origin verdict;
} origins[] = {
    {NULL, "till:8081", TB_ORIGIN_NONE},
    {"http://till:8081", "till:8081", TB_ORIGIN_SAME},
    {"https://till:8081", "till:8081", TB_ORIGIN_SAME}, /* a proxy speaks TLS for us */
    {"HTTP://Till:8081", "till:8081", TB_ORIGIN_SAME},
    {"http://till", "till", TB_ORIGIN_SAME},
    {"http://till", "till:80", TB_ORIGIN_SAME},
    {"http://till:80", "till", TB_ORIGIN_SAME},
    {"https://till:443", "till", TB_ORIGIN_SAME},
    {"http://[::1]:8081", "[::1]:8081", TB_ORIGIN_SAME},
    {"http://till:8000", "till:8081", TB_ORIGIN_FOREIGN}, /* another server of that machine */
    {"http://till", "till:8081", TB_ORIGIN_FOREIGN},
    {"http://till:8081", "till", TB_ORIGIN_FOREIGN},
    {"https://till", "till:80", TB_ORIGIN_FOREIGN},
    {"http://127.0.0.1:8081", "localhost:8081", TB_ORIGIN_FOREIGN},
    {"http://till:8081.evil", "till:8081", TB_ORIGIN_FOREIGN},
    {"http://till:8081/", "till:8081", TB_ORIGIN_FOREIGN},
    {"http://x@till:8081", "till:8081", TB_ORIGIN_FOREIGN},
    {"ftp://till:8081", "till:8081", TB_ORIGIN_FOREIGN},
    {"till:8081", "till:8081", TB_ORIGIN_FOREIGN},
    {"http://", "till", TB_ORIGIN_FOREIGN},
    {"http://", "", TB_ORIGIN_FOREIGN},
    {"", "till", TB_ORIGIN_FOREIGN},
    {"null", "till", TB_ORIGIN_FOREIGN},
    {"http://kiosk.local", "till", TB_ORIGIN_LISTED},
    {"http://KIOSK.local", "till", TB_ORIGIN_LISTED},
    {"https://kiosk.local", "till", TB_ORIGIN_FOREIGN},
    {"http://kiosk.local:80", "till", TB_ORIGIN_FOREIGN}, /* no browser sends it so */
    {"http://kiosk.local.evil", "till", TB_ORIGIN_FOREIGN},
    {"file://", "till", TB_ORIGIN_LISTED},
    {"http://kiosk.local,file://", "till", TB_ORIGIN_FOREIGN},
};

START_TEST(origins_are_classified)
{
    ck_assert_int_eq(tb_origin_classify(tb_str_of(origins[_i].origin), tb_str_of(origins[_i].host),
                                        "http://kiosk.local, file://,"),
                     origins[_i].verdict);
}
END_TEST

START_TEST(no_list_lists_nothing)
{
    struct tb_str own_host = TB_STR("till");

    ck_assert_int_eq(tb_origin_classify(TB_STR("http://a"), own_host, NULL), TB_ORIGIN_FOREIGN);
    ck_assert_int_eq(tb_origin_classify(TB_STR("http://a"), own_host, ""), TB_ORIGIN_FOREIGN);
    ck_assert_int_eq(tb_origin_classify(TB_STR(""), own_host, ",,"), TB_ORIGIN_FOREIGN);
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
    tc = tcase_create("origins");
    tcase_add_loop_test(tc, origins_are_classified, 0, COUNT(origins));
    tcase_add_test(tc, no_list_lists_nothing);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
