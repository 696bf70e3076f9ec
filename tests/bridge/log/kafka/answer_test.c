/* Goal: the writer distinguishes a network that drops all packets from machines that answer, even
 * if they only refuse the connection. Method: loopback ports: a closed one, and one whose full
 * accept queue makes the kernel drop connection requests. */
#include "bridge/log/kafka/mock.h"
#include "support/support.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Only a failing test waits for it. */
#define PATIENCE_MS 60000
#define CLIENTS 4

static struct {
    int listener;
    int clients[CLIENTS];
    char address[64];
    struct tb_log_writer *writer;
} f;

static int socket_or_fail(int flags)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    ck_assert_int_ge(fd, 0);
    return fd;
}

/* Clients that nobody accepts fill the queue; the second one is enough. */
static void fill_queue(const struct sockaddr_in *where)
{
    for (int i = 0; i < CLIENTS; i++) {
        f.clients[i] = socket_or_fail(SOCK_NONBLOCK);
        (void)connect(f.clients[i], (const struct sockaddr *)where, sizeof *where);
    }
}

static void empty_queue(void)
{
    for (int i = 0; i < CLIENTS; i++)
        close(f.clients[i]);
    ck_assert_int_eq(listen(f.listener, 64), 0);
    for (int i = 0; i < 2; i++)
        close(accept(f.listener, NULL, NULL));
}

static void setup(void)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof where;

    memset(&f, 0, sizeof f);
    f.listener = socket_or_fail(0);
    ck_assert_int_eq(bind(f.listener, (const struct sockaddr *)&where, sizeof where), 0);
    ck_assert_int_eq(getsockname(f.listener, (struct sockaddr *)&where, &len), 0);
    snprintf(f.address, sizeof f.address, "127.0.0.1:%d", ntohs(where.sin_port));
}

static void teardown(void)
{
    f.writer->ops->free(f.writer);
    close(f.listener);
}

static void open_writer(void)
{
    const struct tb_log_kafka_options options = {
        .brokers = f.address, .client_id = "till1", .clock = &tb_clock_system};
    const struct tb_record record = {.key = TB_STR("k"), .value = TB_STR("v")};
    struct tb_error err = {0};

    ck_ok(tb_log_kafka_writer(&options, "order-events", &f.writer, &err));
    ck_ok(f.writer->ops->append(f.writer, &record, 1,
                                &err)); /* poll waits for its acknowledgement */
}

static void poll_once(void)
{
    struct tb_log_ack acks[8];
    struct tb_error err = {0};
    size_t count = 0;

    ck_ok(f.writer->ops->poll(f.writer, 50, acks, 8, &count, &err));
}

static void wait_for_an_answer(void)
{
    int64_t until_ms = tb_clock_mono_ms(&tb_clock_system) + PATIENCE_MS;

    while (tb_log_kafka_no_response(f.writer)) {
        ck_assert_msg(tb_clock_mono_ms(&tb_clock_system) < until_ms, "waited too long");
        poll_once();
    }
}

START_TEST(a_refusal_is_an_answer)
{
    open_writer(); /* bound, but nobody listens */
    wait_for_an_answer();
}
END_TEST

START_TEST(dropped_packets_are_no_answer)
{
    struct sockaddr_in where;
    socklen_t len = sizeof where;

    ck_assert_int_eq(listen(f.listener, 0), 0);
    ck_assert_int_eq(getsockname(f.listener, (struct sockaddr *)&where, &len), 0);
    fill_queue(&where);
    open_writer();
    for (int i = 0; i < 30; i++) {
        poll_once();
        ck_assert(tb_log_kafka_no_response(f.writer));
    }
    empty_queue();
    wait_for_an_answer();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log_kafka_answer");
    TCase *tc = tcase_create("sockets");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_refusal_is_an_answer);
    tcase_add_test(tc, dropped_packets_are_no_answer);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
