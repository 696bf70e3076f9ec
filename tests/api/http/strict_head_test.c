/* Promise: a head that two programs could read differently is refused, and so is a Host we do not
 * answer to. Method: heads are laid out in memory as they come from the wire. */
#include "api/http/strict_head.h"
#include "support/support.h"
#include <stdio.h>

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

#define LINE "POST /orders HTTP/1.1\r\n"
#define HOST "Host: localhost\r\n"
static const struct {
    const char *head;
    const char *fault; /* NULL: good; else part of it */
    int64_t content_length;
} heads[] = {
    {LINE HOST "\r\n", NULL, 0},
    {LINE HOST "Content-Length: 5\r\n\r\n", NULL, 5},
    {LINE "host:localhost\r\ncontent-length:   5  \r\n\r\n", NULL, 5},
    {LINE HOST "Transfer-Encoding: chunked\r\n\r\n", NULL, -1},
    {"GET / HTTP/1.0\r\n\r\n", NULL, 0},
    {LINE HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", "More than one Content", 0},
    {LINE HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "More than one Content", 0},
    {LINE HOST "Content-Length: 5, 5\r\n\r\n", "not a number", 0},
    {LINE HOST "Content-Length: +5\r\n\r\n", "not a number", 0},
    {LINE HOST "Content-Length: 99999999999999999999\r\n\r\n", "not a number", 0},
    {LINE HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "with Transfer", 0},
    {LINE HOST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", "with Transfer", 0},
    {LINE HOST "Transfer-Encoding: gzip\r\n\r\n", "must be chunked", 0},
    {LINE HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", "must be chunked", 0},
    {LINE HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "once", 0},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.0", 0},
    {LINE "\r\n", "Host is missing", 0},
    {LINE HOST HOST "\r\n", "More than one Host", 0},
    {LINE "Host: evil.example\r\n\r\n", "not one this server", 0},
    {"GET / HTTP/1.0\r\nHost: evil.example\r\n\r\n", "not one this server", 0},
    {LINE HOST "Content-Length : 5\r\n\r\n", "name is malformed", 0},
    {LINE HOST " X: y\r\n\r\n", "name is malformed", 0},
    {LINE HOST ": y\r\n\r\n", "name is malformed", 0},
    {LINE HOST "X\x01: y\r\n\r\n", "name is malformed", 0},
    {LINE HOST "X: a\x01\r\n\r\n", "control character", 0},
    {LINE HOST "X: a\rb\r\n\r\n", "control character", 0},
    {LINE HOST "Idempotency-Key: a\r\nIdempotency-Key: a\r\n\r\n", "twice", 0},
    {LINE HOST "If-Match: \"1\"\r\nIf-Match: \"1\"\r\n\r\n", "twice", 0},
    {LINE HOST "X: a\r\n b\r\n\r\n", "folded", 0},
    {LINE HOST "X: y\n\r\n", "bare line feeds", 0},
    {"POST /orders HTTP/1.1\n" HOST "\r\n", "bare line feeds", 0},
    {LINE HOST "\n", "bare line feeds", 0},
    {"POST  /orders HTTP/1.1\r\n" HOST "\r\n", "stray spaces", 0},
    {"POST /orders HTTP/1.1 \r\n" HOST "\r\n", "stray spaces", 0},
    {"POST /or\"ders HTTP/1.1\r\n" HOST "\r\n", "request line", 0},
    {"POST /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", "request line", 0},
};

/* As the library takes a head apart: forgiving. Folded lines are taken as part of nothing. */
static const char *judge(char *text, struct tb_head *head)
{
    size_t size = strlen(text);
    char *line = text, *method = strsep(&line, " "), *rest = strsep(&line, "\n");
    struct tb_host_allowlist hosts;
    struct tb_strict_head guard;
    struct tb_error err = {0};

    rest += strspn(rest, " ");
    char *target = strsep(&rest, " ");
    char *version = strsep(&rest, " \r");
    tb_strict_head_init(&guard, head);
    for (char *field = strsep(&line, "\n"); field != NULL; field = strsep(&line, "\n")) {
        size_t len = strlen(field);
        if (len > 0 && field[len - 1] == '\r')
            field[len - 1] = '\0';
        char *colon = strchr(field, ':');
        if (colon == NULL)
            continue;
        char *value = colon + 1 + strspn(colon + 1, " \t");
        tb_strict_head_field(&guard, (struct tb_str){field, (size_t)(colon - field)},
                             tb_str_of(value));
    }
    ck_ok(tb_host_allowlist_init(&hosts, "127.0.0.1", NULL, &err));
    const char *fault =
        tb_strict_head_finish(&guard, &hosts, method, tb_str_of(target), version, size);
    tb_host_allowlist_release(&hosts);
    return fault;
}

START_TEST(heads_are_judged)
{
    char text[512];
    struct tb_head head;

    snprintf(text, sizeof(text), "%s", heads[_i].head);
    const char *fault = judge(text, &head);
    if (heads[_i].fault == NULL) {
        ck_assert_msg(fault == NULL, "%s", fault);
        ck_assert_int_eq(head.content_length, heads[_i].content_length);
        ck_assert_int_eq(head.has_body, heads[_i].content_length != 0);
    } else {
        ck_assert_ptr_nonnull(fault);
        ck_assert_msg(strstr(fault, heads[_i].fault) != NULL, "%s", fault);
    }
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

int main(void)
{
    Suite *suite = suite_create("guard");
    TCase *tc = tcase_create("guard");

    tcase_add_loop_test(tc, host, 0, COUNT(hosts_cases));
    tcase_add_test(tc, wildcards_allow_no_names);
    tcase_add_loop_test(tc, heads_are_judged, 0, COUNT(heads));
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
