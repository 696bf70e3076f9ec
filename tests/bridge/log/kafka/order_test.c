/* Goal: whatever fails, the records of each key are in the log in the order of their appends,
 * without a gap, if repeated records are left out; and no record of a key follows a refused one.
 * In one partition this holds for the records of all keys together.
 * Method: a sender that works like the relay, and seeded faults between its steps. The mock
 * brokers accept any record, because they do not check a producer's sequence numbers. A real
 * broker is frozen, killed, and refuses records for their size. */
#include "bridge/log/kafka/mock.h"
#include "bridge/log/kafka/real.h"
#include "bridge/log/log_sender.h"
#include <stdio.h>
#include <stdlib.h>

#define MOCK_RECORDS 1500
#define REAL_RECORDS 1200
#define PATIENCE_MS 240000 /* a broker that was killed takes its time */
#define ROUNDS 6           /* half as many in one partition, where one record is sent at a time */
/* The real topic accepts a batch of ordinary records, but not a large one. */
#define MESSAGE_MAX 6000
#define LARGE 9000

static struct {
    bool real;
    struct mock mock;
    struct tb_log_kafka_options options;
    struct tb_log_kafka_property properties[16];
    int partitions;
    char topic[64];
    struct tb_log_writer *writer;
    struct log_sender *sender;
    struct fake_random random;
    int steps;
    bool may_kill;
    int fault_at; /* the next fault comes when so many records were sent */
    int up_at;    /* the step at which brokers come back; 0: none is away */
} f;

static int below(int bound)
{
    return (int)fake_random_below(&f.random, (uint64_t)bound);
}

static void set(const char *key, const char *value)
{
    TB_ASSERT(f.options.property_count < sizeof f.properties / sizeof *f.properties);
    f.properties[f.options.property_count++] =
        (struct tb_log_kafka_property){key, value, TB_KAFKA_BOTH};
    f.options.properties = f.properties;
}

static void set_up_mock(void)
{
    mock_make(&f.mock, 3);
    f.options = f.mock.options;
    TB_ASSERT(f.options.property_count < sizeof f.properties / sizeof *f.properties);
    memcpy(f.properties, f.options.properties,
           f.options.property_count * sizeof *f.options.properties);
    snprintf(f.topic, sizeof f.topic, "order-events");
    mock_topic(&f.mock, f.topic, f.partitions);
}

static void set_up_real(void)
{
    f.options = (struct tb_log_kafka_options){
        .brokers = real_brokers(), .client_id = "order", .clock = &tb_clock_system};
    set("reconnect.backoff.ms", "20");
    set("reconnect.backoff.max.ms", "200");
    real_topic(&f.options, "order", f.partitions, MESSAGE_MAX, f.topic);
    set("batch.num.messages", "20");
}

static void start(uint64_t seed, int key_count, int partitions)
{
    struct tb_error err = {0};

    f.partitions = partitions;
    fake_random_init(&f.random, test_seed(seed));
    f.real = real_brokers() != NULL;
    if (f.real)
        set_up_real();
    else
        set_up_mock();
    if (partitions == 1)
        f.options.partitions = 1;
    set("socket.timeout.ms", "600"); /* a later answer comes too late */
    set("linger.ms", below(2) ? "1" : "5");
    ck_ok(tb_log_kafka_writer(&f.options, f.topic, &f.writer, &err));
    f.sender = log_sender_new(f.writer, f.real ? REAL_RECORDS : MOCK_RECORDS, key_count, &f.random,
                              PATIENCE_MS);
}

static void end(void)
{
    f.writer->ops->free(f.writer);
    log_sender_free(f.sender);
    if (!f.real)
        mock_free(&f.mock);
}

/* Faults. */

static void fail_produce(void)
{
    static const rd_kafka_resp_err_t errors[] = {
        RD_KAFKA_RESP_ERR__TRANSPORT,
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        RD_KAFKA_RESP_ERR_INVALID_RECORD,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
        RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
        RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
        RD_KAFKA_RESP_ERR_UNKNOWN,
    };

    mock_fail(&f.mock, MOCK_PRODUCE, errors[below(sizeof errors / sizeof *errors)],
              (size_t)below(3) + 1);
}

/* The record is refused again when it is sent alone, so its key is parked. */
static void refuse_for_good(void)
{
    mock_fail(&f.mock, MOCK_PRODUCE, RD_KAFKA_RESP_ERR_INVALID_RECORD, (size_t)below(4) + 2);
}

static void fail_others(void)
{
    static const int16_t requests[] = {MOCK_METADATA, MOCK_INIT_PRODUCER_ID};

    mock_fail(&f.mock, requests[below(2)], RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE, 1);
}

static void answer_late(void)
{
    rd_kafka_mock_broker_push_request_error_rtts(f.mock.cluster, 1 + below(3), MOCK_PRODUCE, 1,
                                                 RD_KAFKA_RESP_ERR_NO_ERROR, 100 + below(900));
}

static void move_leaders(void)
{
    for (int32_t p = 0; p < f.partitions; p++)
        rd_kafka_mock_partition_set_leader(f.mock.cluster, f.topic, p, 1 + below(3));
}

static void go_down(void)
{
    rd_kafka_mock_broker_set_down(f.mock.cluster, below(2) ? -1 : 1 + below(3));
    f.up_at = f.steps + 1 + below(20);
}

static void reopen(void)
{
    struct tb_error err = {0};

    tb_log_kafka_disconnect(f.writer);
    ck_ok(tb_log_kafka_connect(f.writer, &err));
}

/* Makes a record too large that was not sent yet. */
static void send_large(void)
{
    int i = f.sender->highest + 1 + below(30);

    if (i < f.sender->count)
        f.sender->sizes[i] = LARGE;
}

static void freeze(void)
{
    if (real_steer("freeze"))
        f.up_at = f.steps + 20 + below(200);
}

/* Only once, in the last round. */
static void kill_broker(void)
{
    if (f.may_kill && real_steer("kill"))
        ck_assert(real_steer("start kafka"));
    f.may_kill = false;
}

static void fault(void)
{
    static void (*const mock[])(void) = {fail_produce, fail_produce, refuse_for_good, fail_others,
                                         answer_late,  move_leaders, go_down,         reopen};
    static void (*const real[])(void) = {send_large, send_large, send_large, reopen,
                                         freeze,     reopen,     kill_broker};

    if (f.up_at > 0)
        return;
    if (f.real)
        real[below(sizeof real / sizeof *real)]();
    else
        mock[below(sizeof mock / sizeof *mock)]();
}

static void come_back(void)
{
    if (f.real)
        ck_assert(real_steer("thaw"));
    else
        rd_kafka_mock_broker_set_up(f.mock.cluster, -1);
    f.up_at = 0;
}

static void run(int round, int partitions)
{
    struct tb_log_reader *reader = NULL;
    struct tb_error err = {0};
    int again, parked = 0;

    start((uint64_t)round + 1, (const int[]){12, 25, 60}[round % 3], partitions);
    f.sender->one_order = partitions == 1;
    f.may_kill = round == ROUNDS - 1;
    while (log_sender_step(f.sender)) {
        f.steps++;
        if (f.up_at > 0 && f.steps >= f.up_at)
            come_back();
        if (f.sender->highest >= f.fault_at || below(300) == 0) {
            fault();
            f.fault_at = f.sender->highest + 10 + below(80);
        }
    }
    if (f.up_at > 0)
        come_back();
    ck_ok(tb_log_kafka_tail(&f.options, f.topic, &reader, &err));
    for (int32_t p = 0; p < f.partitions; p++)
        ck_ok(reader->ops->seek(reader, p, 0, &err));
    again = log_sender_check(f.sender, reader);
    reader->ops->free(reader);
    for (int k = 0; k < SENDER_KEYS_MAX; k++)
        parked += f.sender->parked_from[k] >= 0;
    printf("%d steps, %d unknown, %d alone, %d refused, %d keys parked, %d again\n", f.steps,
           f.sender->unknown, f.sender->retry_alone, f.sender->invalid, parked, again);
    end();
}

START_TEST(the_order_of_each_key_survives)
{
    run(_i, TEST_PARTITIONS);
}
END_TEST

/* With one partition configured, the records of all keys stay in the order of their appends. */
START_TEST(the_order_of_all_survives_in_one_partition)
{
    run(_i, 1);
}
END_TEST

/* Faults last until a time-out is over. */
#define PROCESSES 3

static Suite *make_suite(void)
{
    Suite *suite = suite_create("log_kafka_order");
    TCase *tc = tcase_create("order");

    tcase_set_timeout(tc, 300);
    tcase_add_shared(tc, the_order_of_each_key_survives, 0, ROUNDS);
    tcase_add_shared(tc, the_order_of_all_survives_in_one_partition, 0, ROUNDS / 2);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    /* Faults of a real broker would meet the tests of other processes. */
    return test_main_side_by_side(make_suite, real_brokers() ? 1 : PROCESSES);
}
