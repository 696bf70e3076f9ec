/* Promise: a head that two programs could read differently is refused. Method: heads laid out in
 * memory as they come from the network. */
#include "api/http/strict_head.h"
#include "support/support.h"
#include <stdio.h>

#define LINE "POST /orders HTTP/1.1\r\n"
#define HOST "Host: localhost\r\n"
static const struct {
    const char *head;
    const char *fault; /* NULL: good; else part of it */
    int64_t content_length;
} head_cases[] = {
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

/* Splits a head as leniently as libmicrohttpd; drops folded lines. */
static const char *check_head(char *text, struct tb_head *head)
{
    size_t size = strlen(text);
    char *line = text, *method = strsep(&line, " "), *rest = strsep(&line, "\n");
    struct tb_host_allowlist hosts;
    struct tb_strict_head check;
    struct tb_error err = {0};

    rest += strspn(rest, " ");
    char *target = strsep(&rest, " ");
    char *version = strsep(&rest, " \r");
    tb_strict_head_init(&check, head);
    for (char *field = strsep(&line, "\n"); field != NULL; field = strsep(&line, "\n")) {
        size_t len = strlen(field);
        if (len > 0 && field[len - 1] == '\r')
            field[len - 1] = '\0';
        char *colon = strchr(field, ':');
        if (colon == NULL)
            continue;
        char *value = colon + 1 + strspn(colon + 1, " \t");
        tb_strict_head_field(&check, (struct tb_str){field, (size_t)(colon - field)},
                             tb_str_of(value));
    }
    ck_ok(tb_host_allowlist_init(&hosts, "127.0.0.1", NULL, &err));
    const char *fault =
        tb_strict_head_finish(&check, &hosts, method, tb_str_of(target), version, size);
    tb_host_allowlist_release(&hosts);
    return fault;
}

START_TEST(heads)
{
    char text[512];
    struct tb_head head;

    snprintf(text, sizeof(text), "%s", head_cases[_i].head);
    const char *fault = check_head(text, &head);
    if (head_cases[_i].fault == NULL) {
        ck_assert_msg(fault == NULL, "%s", fault);
        ck_assert_int_eq(head.content_length, head_cases[_i].content_length);
        ck_assert_int_eq(head.has_body, head_cases[_i].content_length != 0);
    } else {
        ck_assert_ptr_nonnull(fault);
        ck_assert_msg(strstr(fault, head_cases[_i].fault) != NULL, "%s", fault);
    }
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

int main(void)
{
    Suite *suite = suite_create("strict_head");
    TCase *tc = tcase_create("strict_head");

    tcase_add_loop_test(tc, heads, 0, COUNT(head_cases));
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
