/* Promise: no client keeps a connection longer than the deadlines say, and there are no more
 * connections than the limits say. Method: shortened deadlines over real sockets; of time only "it
 * ends" is checked. */
#include "api/http/conn.h"
#include "api/node.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct node node;
static struct response got;

static void setup(void)
{
    node_init(&node);
    node.options.header_timeout_ms = 150;
    node.options.body_timeout_ms = 150;
    node.options.connections_max = 8;
    node_start(&node);
}

static void teardown(void)
{
    response_release(&got);
    node_stop(&node);
}

#define HOST "Host: localhost\r\n"
#define ALIVE "GET /livez HTTP/1.1\r\n" HOST "\r\n"

START_TEST(silent_connection_ends)
{
    struct client client;

    client_open(&client, &node);
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 0); /* nothing was asked: nothing is answered */
    client_close(&client);
}
END_TEST

/* Each byte is activity, which must not move the deadline of the head. */
START_TEST(slow_head_ends_with_408)
{
    struct client client;

    client_open(&client, &node);
    if (_i == 1) { /* a second head on the same connection */
        client_print(&client, ALIVE);
        client_read(&client, &got, false);
        ck_assert_int_eq(got.status, 200);
    }
    client_print(&client, "GET /livez HTTP/1.1\r\nX: ");
    while (client_quiet(&client)) /* some 50 ms each */
        client_print(&client, "x");
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 408);
    ck_assert_str_eq(response_header(&got, "Content-Type"), "application/problem+json");
    ck_assert(client_ended(&client));
    client_close(&client);
}
END_TEST

START_TEST(half_a_request_line_ends)
{
    struct client client;

    client_open(&client, &node);
    client_print(&client, ALIVE);
    client_read(&client, &got, false);
    client_print(&client, "GE");
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 408);
    ck_assert(client_ended(&client));
    client_close(&client);
}
END_TEST

START_TEST(slow_body_ends_with_408)
{
    struct client client;

    client_open(&client, &node);
    client_print(&client,
                 "POST /orders HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n%s\r\n",
                 _i == 0 ? "Content-Length: 100\r\n" : "Transfer-Encoding: chunked\r\n");
    while (client_quiet(&client))
        client_print(&client, _i == 0 ? " " : "1\r\n \r\n");
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 408);
    ck_assert(client_ended(&client));
    client_close(&client);
}
END_TEST

/* A connection that waits for its next request is not one whose request is late. */
START_TEST(idle_connection_stays)
{
    struct client client;

    client_open(&client, &node);
    for (int i = 0; i < 3; i++) {
        client_print(&client, ALIVE);
        client_read(&client, &got, false);
        ck_assert_int_eq(got.status, 200);
        for (int quiet = 0; quiet < 8; quiet++) /* longer than a head may take */
            ck_assert(client_quiet(&client));
    }
    /* Chunked framing is not part of any count of bytes that the API keeps. */
    client_print(&client, "POST /orders HTTP/1.1\r\n" HOST
                          "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "000000001\r\n{\r\n1\r\n}\r\n0\r\n\r\n");
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 422);
    for (int quiet = 0; quiet < 8; quiet++)
        ck_assert(client_quiet(&client));
    client_print(&client, ALIVE);
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 200);
    client_close(&client);
}
END_TEST

/* 1 answered and idle until all are there. */
static void open_idle(struct client *clients, int count)
{
    for (int i = 0; i < count; i++) {
        client_open(&clients[i], &node);
        client_print(&clients[i], ALIVE);
        client_read(&clients[i], &got, false);
        ck_assert_int_eq(got.status, 200);
    }
}

static void check_refused_at_once(void)
{
    struct client client;

    client_open(&client, &node);
    client_read(&client, &got, false); /* without asking */
    ck_assert_int_eq(got.status, 503);
    ck_assert_str_eq(response_header(&got, "Retry-After"), "1");
    ck_assert(client_ended(&client));
    client_close(&client);
}

START_TEST(further_connections_are_refused)
{
    struct client clients[8], late;

    open_idle(clients, 8);
    check_refused_at_once();
    check_refused_at_once();
    for (int i = 0; i < 8; i++) { /* those inside go on */
        client_print(&clients[i], ALIVE);
        client_read(&clients[i], &got, false);
        ck_assert_int_eq(got.status, 200);
    }
    shutdown(clients[0].fd, SHUT_WR);
    ck_assert(client_ended(&clients[0])); /* the place is free from here on */
    do { /* but for the moment between the end and its being noticed */
        client_open(&late, &node);
        client_print(&late, ALIVE);
        client_read(&late, &got, false);
        client_close(&late);
    } while (got.status == 503 || got.status == 0);
    ck_assert_int_eq(got.status, 200);
    for (int i = 0; i < 8; i++)
        client_close(&clients[i]);
}
END_TEST

/* When the process has no descriptor left, connections are refused, and the loop does not spin. */
START_TEST(no_descriptors_left)
{
    struct client inside, client;
    struct rlimit limit, tight;
    struct rusage before, after;

    open_idle(&inside, 1);
    client_open(&client, &node); /* its own socket, before there is none left */
    client_read(&client, &got, false);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    close(client.fd);
    int lowest = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(lowest, 0);
    close(lowest);
    tight = limit;
    tight.rlim_cur = (rlim_t)lowest + 1; /* the client's socket, and no more */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
    free(client.data);
    client_open(&client, &node);
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 503);
    getrusage(RUSAGE_SELF, &before);
    ck_assert(client_quiet(&inside));
    getrusage(RUSAGE_SELF, &after);
    /* Far less than a core for those 50 ms: it sleeps. */
    ck_assert_int_lt((after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 +
                         after.ru_utime.tv_usec - before.ru_utime.tv_usec,
                     40000);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    client_close(&client);
    client_close(&inside);
}
END_TEST

/* No client needs patience here: the sweep is asked for each phase, just before its deadline and
 * at it. */
static const struct {
    enum tb_phase phase;
    bool ends;
} phases[] = {
    {TB_PHASE_HEAD, true},  {TB_PHASE_BODY, true}, {TB_PHASE_WORK, false},
    {TB_PHASE_REPLY, true}, {TB_PHASE_IDLE, true},
};

START_TEST(each_phase_has_its_deadline)
{
    const struct tb_conn_times times = {1000, 1000};
    struct tb_conn conn = {0};
    struct tb_list conns = {0};
    char bytes[1024];
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    conn.fd = pair[0];
    tb_list_append(&conns, &conn.node);
    tb_conn_enter(&conn, phases[_i].phase, 5000);
    tb_conn_sweep(&conns, &times, 4999);
    ck_assert_int_eq(conn.phase, phases[_i].phase);
    ck_assert_int_lt(recv(pair[1], bytes, sizeof(bytes), 0), 0); /* open, and nothing said */
    tb_conn_sweep(&conns, &times, 5000);
    if (phases[_i].ends) {
        ck_assert_int_eq(conn.phase, TB_PHASE_ENDING);
        while (recv(pair[1], bytes, sizeof(bytes), 0) > 0)
            continue;
        ck_assert_int_eq(recv(pair[1], bytes, sizeof(bytes), 0), 0);
    } else {
        ck_assert_int_lt(recv(pair[1], bytes, sizeof(bytes), 0), 0);
    }
    close(pair[0]);
    close(pair[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conn");
    TCase *tc = tcase_create("deadlines and limits");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, silent_connection_ends);
    tcase_add_loop_test(tc, slow_head_ends_with_408, 0, 2);
    tcase_add_test(tc, half_a_request_line_ends);
    tcase_add_loop_test(tc, slow_body_ends_with_408, 0, 2);
    tcase_add_test(tc, idle_connection_stays);
    tcase_add_test(tc, further_connections_are_refused);
    tcase_add_test(tc, no_descriptors_left);
    suite_add_tcase(suite, tc);
    tc = tcase_create("sweep");
    tcase_add_loop_test(tc, each_phase_has_its_deadline, 0,
                        (int)(sizeof(phases) / sizeof(phases[0])));
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
