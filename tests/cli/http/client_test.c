/* Promise: a request is sent whole or not at all, so that no command is sent without its key. */
#include "cli/http/client.h"
#include "support/support.h"
#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* More allocations than one request needs. */
#define ALLOCATIONS_MAX 400

/* libcurl's allocation that fails: the next one if 1; 0: none. */
static int fail_at;

static bool fails(void)
{
    return fail_at > 0 && --fail_at == 0;
}

static void *test_malloc(size_t size)
{
    return fails() ? NULL : malloc(size);
}

static void *test_realloc(void *memory, size_t size)
{
    return fails() ? NULL : realloc(memory, size);
}

static char *test_strdup(const char *text)
{
    return fails() ? NULL : strdup(text);
}

static void *test_calloc(size_t count, size_t size)
{
    return fails() ? NULL : calloc(count, size);
}

/* Each connection has its own thread: libcurl may keep one open on which it never sends. */
static struct {
    int fd;
    char url[64];
    pthread_t thread, answerers[ALLOCATIONS_MAX];
    int count;
    _Atomic int whole, damaged; /* requests that came */
} server;

static void *answer_one(void *ctx)
{
    int fd = (int)(intptr_t)ctx;
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                                 "Connection: close\r\n\r\n{}";
    char head[2048] = "";
    size_t len = 0;
    ssize_t got;

    while (!strstr(head, "\r\n\r\n{}") && len < sizeof head - 1 &&
           (got = read(fd, head + len, sizeof head - 1 - len)) > 0)
        len += (size_t)got;
    if (len > 0) {
        bool whole = strncmp(head, "PUT /link HTTP/1.1\r\n", 20) == 0 &&
                     strstr(head, "\r\nIdempotency-Key: k-1\r\n") &&
                     strstr(head, "\r\nIf-Match: \"7\"\r\n");
        server.whole += whole;
        server.damaged += !whole;
        ck_assert_int_eq(write(fd, answer, sizeof answer - 1), sizeof answer - 1);
    }
    close(fd);
    return NULL;
}

static void *serve(void *unused)
{
    int fd;

    while ((fd = accept(server.fd, NULL, NULL)) >= 0) {
        ck_assert_int_lt(server.count, ALLOCATIONS_MAX);
        ck_assert_int_eq(pthread_create(&server.answerers[server.count++], NULL, answer_one,
                                        (void *)(intptr_t)fd),
                         0);
    }
    return unused;
}

static void setup(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;

    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server.fd, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(server.fd, 8), 0);
    ck_assert_int_eq(getsockname(server.fd, (struct sockaddr *)&address, &len), 0);
    snprintf(server.url, sizeof server.url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    ck_assert_int_eq(pthread_create(&server.thread, NULL, serve, NULL), 0);
    ck_assert_int_eq(curl_global_init_mem(CURL_GLOBAL_DEFAULT, test_malloc, free, test_realloc,
                                          test_strdup, test_calloc),
                     CURLE_OK);
}

static void teardown(void)
{
    shutdown(server.fd, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    for (int i = 0; i < server.count; i++)
        pthread_join(server.answerers[i], NULL);
    close(server.fd);
}

/* Lets the given allocation of the start fail. True: the request was sent and answered. */
static bool send_with_failure(struct tb_http_client *client, int allocation, bool *ret_failed)
{
    const struct tb_http_request request = {
        .method = "PUT", .path = "/link", .body = TB_STR("{}"), .key = "k-1", .if_match = "7"};
    struct tb_http_response response = {0};
    enum tb_code code = TB_OK;
    struct tb_error err = {0};
    size_t tag;
    bool started;

    fail_at = allocation;
    started = tb_http_client_start(client, &request, 0);
    *ret_failed = fail_at == 0;
    fail_at = 0;
    if (!started) {
        ck_assert_uint_eq(tb_http_client_in_flight(client), 0);
        return false;
    }
    while (!tb_http_client_next_done(client, &tag, &code, &response, &err))
        tb_http_client_wait(client, -1, 1000);
    tb_http_response_release(&response);
    return code == TB_OK;
}

START_TEST(without_memory_nothing_is_sent_or_the_whole_request)
{
    struct tb_http_client *client = NULL;
    struct tb_error err = {0};
    int allocation = 0, sent = 0;
    bool failed = true;

    ck_ok(tb_http_client_open(server.url, 1, &client, &err));
    while (failed) {
        ck_assert_int_lt(++allocation, ALLOCATIONS_MAX);
        sent += send_with_failure(client, allocation, &failed);
    }
    tb_http_client_free(client);
    ck_assert_int_gt(allocation, 12); /* each of the six headers needs two */
    ck_assert_int_eq(server.damaged, 0);
    ck_assert_int_ge(server.whole, sent);
    ck_assert_int_ge(sent, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client");
    TCase *tc = tcase_create("memory");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, without_memory_nothing_is_sent_or_the_whole_request);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
