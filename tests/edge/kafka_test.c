/* Promise: whatever Kafka does, the edge takes orders, and Kafka gets each event at least once,
 * the events of an order sorted by version; the status names the problem in one line. Method: the
 * uplink on a real store, against librdkafka's mock brokers, which go down, come back, fail, and
 * have the wrong topics. The test places the orders itself: that works while Kafka is down, so no
 * order waits for Kafka. */
#include "base/json/json.h"
#include "bridge/log/inproc/inproc.h"
#include "bridge/log/kafka/mock.h"
#include "bridge/log/kafka/setup.h"
#include "bridge/log/log_tools.h"
#include "edge/kafka_uplink.h"
#include "store/fixture.h"
#include "store/recovery.h"
#include "store/store_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ROWS_MAX 500
#define DEADLINE_MS 40000

static struct fixture f;
static struct mock mock;
static struct tb_config *config;
static struct tb_outbox_reader *outbox;
static struct tb_kafka_uplink *kafka;
static int64_t rows;
static _Atomic int64_t cursor, snapshots_next;
static _Atomic int parked;
static char parked_reason[240];

static void load_config(const char *extra, const char *another)
{
    static char brokers[200], more[200], yet_more[200];
    char *args[] = {(char[]){"--node"}, (char[]){"till1"},           (char[]){"--log"},
                    (char[]){"kafka"},  (char[]){"--kafka-brokers"}, brokers};
    /* The test need not wait long: retries follow each other fast, and librdkafka's do too. */
    char *env[] = {(char[]){"TILLBOX_LINK_OFFLINE_AFTER=1s"},
                   (char[]){"TILLBOX_LINK_RETRY_MAX=1s"},
                   (char[]){"TILLBOX_LINK_FIRST_RETRY_SPREAD=0ms"},
                   (char[]){"TILLBOX_KAFKA_PROPERTIES_RECONNECT_BACKOFF_MS=20"},
                   (char[]){"TILLBOX_KAFKA_PROPERTIES_RECONNECT_BACKOFF_MAX_MS=100"},
                   (char[]){"TILLBOX_KAFKA_PROPERTIES_RETRY_BACKOFF_MS=20"},
                   (char[]){"TILLBOX_KAFKA_PROPERTIES_TOPIC_METADATA_REFRESH_INTERVAL_MS=500"},
                   (char[]){"TILLBOX_KAFKA_PRODUCER_MAX_IN_FLIGHT=1"},
                   more,
                   yet_more,
                   NULL};
    struct tb_buf report = {0};
    struct tb_error err = {0};

    snprintf(brokers, sizeof brokers, "%s", mock.options.brokers);
    snprintf(more, sizeof more, "%s", extra ? extra : "UNUSED=1");
    snprintf(yet_more, sizeof yet_more, "%s", another ? another : "UNUSED=1");
    ck_assert_msg(tb_config_load(6, args, env, "127.0.0.1:0", &config, &report, &err) == TB_OK,
                  "%s", report.data ? report.data : err.text);
    tb_buf_release(&report);
}

static void moved(void *ctx, const char *name, int64_t row, int64_t at_ms)
{
    (void)ctx;
    ck_assert_str_eq(name, TB_CURSOR_KAFKA);
    ck_assert_int_gt(row, atomic_load(&cursor));
    tb_writer_post_cursor(f.writer, name, row, at_ms);
    atomic_store(&cursor, row);
}

static bool park(void *ctx, const char *name, const struct tb_parked_order *order,
                 const char *reason)
{
    (void)ctx;
    snprintf(parked_reason, sizeof parked_reason, "%s", reason);
    atomic_fetch_add(&parked, 1);
    return tb_writer_post_parked(f.writer, name, order, reason, 1);
}

static bool unparked(void *ctx, const char *name, const char *order_id)
{
    (void)ctx;
    atomic_fetch_sub(&parked, 1);
    return tb_writer_post_unparked(f.writer, name, order_id);
}

static void on_snapshots(void *ctx, const char *name, int64_t next)
{
    (void)ctx;
    ck_assert_str_eq(name, TB_CURSOR_KAFKA);
    tb_writer_post_snapshots(f.writer, name, next);
    atomic_store(&snapshots_next, next);
}

/* The node's own log, which has no record. */
static struct tb_log_inproc *own_log;

static enum tb_code open_log(void *ctx, struct tb_log_reader **ret_reader, struct tb_error *err)
{
    (void)ctx;
    return tb_log_inproc_reader(own_log, NULL, ret_reader, err);
}

static bool delivered(void *ctx, const char *name, const struct tb_delivered *place)
{
    (void)ctx;
    return tb_writer_post_delivered(f.writer, name, place);
}

static void unchecked(void *ctx, const char *name)
{
    (void)ctx;
    tb_writer_post_unchecked(f.writer, name);
}

static _Atomic int resends[3]; /* by enum tb_resend_event */

static void on_resend(void *ctx, const char *name, const struct tb_resend *state,
                      enum tb_resend_event event, bool snapshots)
{
    (void)ctx;
    atomic_fetch_add(&resends[event], 1);
    tb_writer_post_resend(f.writer, name, state, event, snapshots);
}

static const struct tb_relay_resend_options resend = {.open_log = open_log,
                                                      .rate = 2000,
                                                      .on_delivered = delivered,
                                                      .on_unchecked = unchecked,
                                                      .on_resend = on_resend};

static void start(bool forced)
{
    const struct tb_kafka_uplink_options options = {.config = config,
                                                    .store_path = f.path,
                                                    .forced_offline = forced,
                                                    .clock = &tb_clock_system,
                                                    .random = &tb_random_system,
                                                    .on_cursor = moved,
                                                    .on_snapshots = on_snapshots,
                                                    .park = park,
                                                    .unparked = unparked,
                                                    .resend = own_log ? &resend : NULL};
    struct tb_error err = {0};

    ck_ok(tb_kafka_uplink_open(&options, &kafka, &err));
    ck_ok(tb_kafka_uplink_start(kafka, &err));
}

static void stop(void)
{
    tb_kafka_uplink_stop(kafka);
    tb_kafka_uplink_free(kafka);
    kafka = NULL;
}

static void setup(void)
{
    struct tb_error err = {0};

    fixture_init(&f);
    fault_vfs_uninstall();
    fixture_open(&f);
    ck_ok(tb_outbox_reader_open(f.path, &outbox, &err));
    mock_make(&mock, 2);
}

static void make_topics(void)
{
    mock_topic(&mock, "order-events", 6);
    mock_topic(&mock, TB_TOPIC_NODE_STATUS, 1);
}

static void teardown(void)
{
    stop();
    mock_free(&mock);
    tb_config_free(config);
    tb_outbox_reader_free(outbox);
    fixture_release(&f);
}

static void set_brokers(bool up)
{
    for (int32_t id = 1; id <= 2; id++) {
        if (up)
            rd_kafka_mock_broker_set_up(mock.cluster, id);
        else
            rd_kafka_mock_broker_set_down(mock.cluster, id);
    }
}

/* Places orders and changes each twice. Every command is answered, whatever Kafka does. */
static void take_orders(int count)
{
    for (int i = 0; i < count; i++) {
        char id[TB_UUID_SIZE];
        struct request r;

        fixture_place(&f, id);
        for (int c = 0; c < 2; c++) {
            request_change(&r, TB_CMD_ADDRESS, id, NULL, 1);
            fixture_run(&f, &r);
            ck_assert_int_eq(r.job.answer.status, 200);
            request_release(&r);
        }
        rows += 3;
        tb_kafka_uplink_wake(kafka);
    }
}

static struct tb_link_status link_status(void)
{
    struct tb_link_status link = {0};

    tb_kafka_uplink_status(kafka, &link);
    return link;
}

/* Polls until the condition holds; only a failure reaches the deadline. */
#define EVENTUALLY(condition)                                                                     \
    do {                                                                                          \
        int64_t until_ms_ = tb_clock_mono_ms(&tb_clock_system) + DEADLINE_MS;                     \
        while (!(condition)) {                                                                    \
            ck_assert_msg(tb_clock_mono_ms(&tb_clock_system) < until_ms_,                         \
                          "not in time: %s; link %s, cursor %d of %d, problem '%s'", #condition,  \
                          link_status().state, (int)atomic_load(&cursor), (int)rows,              \
                          link_status().problem);                                                 \
            usleep(5000);                                                                         \
        }                                                                                         \
    } while (0)

static bool is_state(const char *state)
{
    return strcmp(link_status().state, state) == 0;
}

static int64_t header_int(const struct tb_record *record, const char *name)
{
    struct tb_str text = tb_record_header(record, name);
    char copy[32];

    snprintf(copy, sizeof copy, "%.*s", (int)text.len, text.ptr);
    return strtoll(copy, NULL, 10);
}

/* A reader of the whole topic that needs no group. */
static struct tb_log_reader *read_all(const char *topic, int partitions)
{
    struct tb_log_reader *reader = NULL;
    struct tb_error err = {0};

    ck_ok(tb_log_kafka_tail(&mock.options, topic, &reader, &err));
    for (int32_t p = 0; p < partitions; p++)
        ck_ok(reader->ops->seek(reader, p, 0, &err));
    return reader;
}

/* Reads the topic from its start and ignores duplicates, as a consumer does. Every event must be
 * there, and the events of an order must be sorted by version. */
static void check_arrived(int64_t missing)
{
    struct tb_log_reader *reader = read_all("order-events", 6);
    static struct {
        char order[TB_UUID_SIZE];
        int64_t version;
    } orders[ROWS_MAX];
    struct tb_error err = {0};
    int64_t came = 0;

    memset(orders, 0, sizeof orders);
    for (int idle = 0; came < rows - missing; idle++) {
        struct tb_log_batch batch;

        ck_assert_int_lt(idle, 2000);
        (void)!reader->ops->poll(reader, 100, 20, &batch, &err);
        for (size_t i = 0; i < batch.count; i++) {
            const struct tb_record *record = &batch.records[i];
            int64_t version = header_int(record, "ce_orderversion");
            size_t o = 0;

            idle = 0;
            while (orders[o].order[0] && strncmp(orders[o].order, record->key.ptr, 36) != 0)
                ck_assert_uint_lt(++o, ROWS_MAX);
            memcpy(orders[o].order, record->key.ptr, 36);
            ck_assert_int_le(version, orders[o].version + 1);
            if (version == orders[o].version + 1) {
                orders[o].version++;
                came++;
            }
        }
        batch.count = 0;
    }
    reader->ops->free(reader);
}

/* The brokers are down, up, down and up again; orders are taken all the time. */
START_TEST(down_and_up)
{
    make_topics();
    load_config(NULL, NULL);
    set_brokers(false);
    start(false);
    take_orders(15);
    EVENTUALLY(is_state("offline"));
    ck_assert_str_ne(link_status().problem, "");
    ck_assert_int_eq(atomic_load(&cursor), 0);
    set_brokers(true);
    EVENTUALLY(is_state("online"));
    EVENTUALLY(atomic_load(&cursor) == rows);
    take_orders(15);
    set_brokers(false);
    take_orders(15);
    EVENTUALLY(is_state("offline"));
    take_orders(5);
    set_brokers(true);
    EVENTUALLY(atomic_load(&cursor) == rows);
    EVENTUALLY(is_state("online"));
    EVENTUALLY(link_status().problem[0] == '\0');
    check_arrived(0);
}
END_TEST

/* Requests fail or time out, and partitions get other leaders: every event arrives anyway. */
START_TEST(brokers_that_fail)
{
    static const rd_kafka_resp_err_t errors[] = {
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED};

    make_topics();
    load_config(NULL, NULL);
    start(false);
    EVENTUALLY(is_state("online"));
    take_orders(10);
    mock_fail(&mock, MOCK_PRODUCE, errors[_i], 3);
    take_orders(10);
    for (int32_t p = 0; p < 6; p++)
        rd_kafka_mock_partition_set_leader(mock.cluster, "order-events", p, 1 + p % 2);
    take_orders(10);
    EVENTUALLY(atomic_load(&cursor) == rows);
    check_arrived(0);
    ck_assert_int_eq(atomic_load(&parked), 0);
}
END_TEST

/* The link is forced offline at the start: nothing is sent. It is set to auto: everything is sent.
 * It is forced offline again: nothing is sent until the next run. */
START_TEST(forced_offline_and_a_restart)
{
    make_topics();
    load_config(NULL, NULL);
    start(true);
    take_orders(5);
    ck_assert_str_eq(link_status().state, "forced-offline");
    tb_kafka_uplink_set_offline(kafka, false);
    EVENTUALLY(atomic_load(&cursor) == rows);
    tb_kafka_uplink_set_offline(kafka, true);
    ck_assert_str_eq(link_status().state,
                     "forced-offline"); /* at once, and a moment later it is */
    EVENTUALLY(strcmp(link_status().relay_state, "held") == 0);
    int64_t before = atomic_load(&cursor);
    take_orders(5);
    tb_kafka_uplink_set_offline(kafka, false);
    tb_kafka_uplink_set_offline(kafka, true);
    stop();
    ck_assert_int_eq(atomic_load(&cursor), before);
    start(false);
    EVENTUALLY(atomic_load(&cursor) == rows);
    check_arrived(0);
}
END_TEST

/* The status names what is wrong with the cluster, and orders are taken. (A missing topic is
 * tested in tests/live, because the mock brokers create it.) */
START_TEST(a_wrong_topic_is_named)
{
    mock_topic(&mock, "order-events", 3);
    mock_topic(&mock, TB_TOPIC_NODE_STATUS, 1);
    load_config(NULL, NULL);
    start(false);
    take_orders(3);
    EVENTUALLY(strstr(link_status().problem, "3 partitions, not 6"));
    EVENTUALLY(is_state("offline"));
    ck_assert_ptr_nonnull(strstr(link_status().problem, "3 partitions, not 6"));
    ck_assert_int_eq(atomic_load(&cursor), 0);
}
END_TEST

/* With a missing certificate the status shows a problem, and orders are taken. With an unknown
 * property the edge does not start. */
START_TEST(certificates_and_mistakes)
{
    const struct tb_kafka_uplink_options options = {.store_path = f.path,
                                                    .clock = &tb_clock_system,
                                                    .random = &tb_random_system,
                                                    .on_cursor = moved,
                                                    .park = park,
                                                    .unparked = unparked,
                                                    .resend = own_log ? &resend : NULL};
    struct tb_kafka_uplink_options wrong = options;
    struct tb_error err = {0};

    make_topics();
    load_config("TILLBOX_KAFKA_PROPERTIES_LINGERMS=5", NULL);
    wrong.config = config;
    ck_assert_int_eq(tb_kafka_uplink_open(&wrong, &kafka, &err), TB_INVALID);
    ck_assert_msg(strstr(err.text, "lingerms") != NULL, "%s", err.text);
    tb_config_free(config);
    load_config("TILLBOX_KAFKA_PROPERTIES_SSL_CA_LOCATION=/nowhere/ca.pem",
                "TILLBOX_KAFKA_PROPERTIES_SECURITY_PROTOCOL=ssl");
    start(false);
    take_orders(3);
    EVENTUALLY(is_state("offline"));
    ck_assert_str_ne(link_status().problem, "");
}
END_TEST

/* The broker refuses a record for its size: that order is parked from there on, and all other
 * orders are sent. */
START_TEST(a_refused_record_is_parked)
{
    static char trace[3000];
    struct request r;

    make_topics();
    load_config("TILLBOX_KAFKA_PRODUCER_MESSAGE_MAX_BYTES=2500", NULL);
    memset(trace, 'x', sizeof trace - 1);
    start(false);
    EVENTUALLY(is_state("online"));
    take_orders(3);
    request_place(&r, NULL, NULL, 1);
    r.job.traceparent = tb_str_of(trace);
    fixture_run(&f, &r);
    ck_assert_int_eq(r.job.answer.status, 201);
    request_release(&r);
    rows++;
    take_orders(3);
    EVENTUALLY(atomic_load(&cursor) == rows);
    ck_assert_int_eq(atomic_load(&parked), 1);
    ck_assert_str_ne(parked_reason, "");
    check_arrived(1);
    /* Once the limit is higher, it is sent without a request. */
    stop();
    fake_clock_advance(&f.clock, 1000);
    (void)tb_writer_step(f.writer);
    tb_config_free(config);
    load_config(NULL, NULL);
    start(false);
    EVENTUALLY(atomic_load(&parked) == 0);
    check_arrived(0);
}
END_TEST

/* Reads the topic from its start until it has given so many snapshots. */
static void await_snapshots(int wanted)
{
    struct tb_log_reader *reader = read_all("order-events", 6);
    struct tb_log_batch batch = {0};
    struct tb_error err = {0};

    for (int idle = 0; wanted > 0; idle++) {
        ck_assert_int_lt(idle, 2000);
        (void)!reader->ops->poll(reader, 100, 20, &batch, &err);
        for (size_t i = 0; i < batch.count; i++) {
            idle = 0;
            wanted -= tb_str_eq(tb_record_header(&batch.records[i], "ce_type"),
                                TB_STR("OrderSnapshot.v1"));
        }
        batch.count = 0;
    }
    tb_log_reader_free(reader);
}

/* The writer stores the cursor first, so that the next relay begins where this one ends. */
static void restart(void)
{
    stop();
    fake_clock_advance(&f.clock, 1000);
    (void)tb_writer_step(f.writer);
    start(false);
}

/* After a restore Kafka gets every order as a snapshot, and then the rows, over an outage too. */
START_TEST(snapshots_of_a_restored_store_arrive)
{
    struct tb_error err = {0};

    make_topics();
    load_config(NULL, NULL);
    start(false);
    take_orders(10);
    EVENTUALLY(atomic_load(&cursor) == rows);
    ck_ok(tb_store_request_snapshots(f.store, TB_CURSOR_KAFKA, &err));
    set_brokers(false);
    restart();
    take_orders(2);
    set_brokers(true);
    EVENTUALLY(atomic_load(&snapshots_next) == 11);
    EVENTUALLY(atomic_load(&cursor) == rows);
    await_snapshots(10);
    restart();
    take_orders(1);
    EVENTUALLY(atomic_load(&cursor) == rows);
    ck_assert_int_eq(atomic_load(&snapshots_next), 11); /* they are not sent again */
}
END_TEST

/* A node sends a heartbeat as soon as it is connected. */
START_TEST(heartbeats_arrive)
{
    struct tb_log_batch batch = {0};
    struct tb_json *root = NULL;
    struct tb_error err = {0};
    struct tb_log_reader *reader;

    make_topics();
    load_config(NULL, NULL);
    start(true);
    take_orders(2);
    tb_kafka_uplink_set_offline(kafka, false);
    reader = read_all(TB_TOPIC_NODE_STATUS, 1);
    for (int i = 0; batch.count == 0; i++) {
        ck_assert_int_lt(i, 1000);
        (void)!reader->ops->poll(reader, 10, 50, &batch, &err);
    }
    ck_assert(tb_str_eq(batch.records[0].key, TB_STR("till1")));
    ck_ok(tb_json_parse(batch.records[0].value, 4, &root, &err));
    int64_t last = -1;
    ck_assert(tb_json_int(tb_json_get(root, "lastSequence"), &last));
    ck_assert_int_eq(last, rows);
    tb_json_free(root);
    reader->ops->free(reader);
}
END_TEST

/* The writer stores what was posted. */
static void store_posts(void)
{
    tb_writer_post_cursor(f.writer, TB_CURSOR_INPROC, rows, 1); /* as if its own log had all */
    for (int i = 0; i < 3; i++) {
        fake_clock_advance(&f.clock, 1000);
        (void)tb_writer_step(f.writer);
    }
}

/* A record that Kafka acknowledged is not there any more: the till sends again what it has. Its
 * own log has nothing here, so that is a snapshot of each order. While the records are there, it
 * sends nothing again. */
START_TEST(what_kafka_lost_is_sent_again)
{
    struct tb_error err = {0};
    char path[200];

    snprintf(path, sizeof path, "%s-log", f.path);
    ck_ok(tb_log_inproc_open(path, &tb_clock_system, &own_log, &err));
    make_topics();
    load_config(NULL, NULL);
    start(false);
    take_orders(10);
    EVENTUALLY(atomic_load(&cursor) == rows);
    stop();
    store_posts();
    ck_assert_int_gt(fixture_query(&f, "SELECT count(*) FROM delivered"), 0);
    start(false);
    EVENTUALLY(is_state("online"));
    take_orders(1);
    EVENTUALLY(atomic_load(&cursor) == rows);
    stop();
    store_posts();
    ck_assert_int_eq(atomic_load(&resends[TB_RESEND_BEGUN]), 0);
    ck_assert_int_gt(fixture_query(&f, "SELECT count(*) FROM delivered WHERE checked"), 0);
    ck_ok(tb_db_exec(f.store->db,
                     "UPDATE delivered SET event_id = '00000000-0000-7000-8000-000000000000'"
                     " WHERE partition = (SELECT min(partition) FROM delivered)",
                     &err));
    start(false);
    EVENTUALLY(atomic_load(&resends[TB_RESEND_BEGUN]) == 1);
    EVENTUALLY(atomic_load(&resends[TB_RESEND_ENDED]) == 1);
    await_snapshots(11);
    take_orders(1);
    EVENTUALLY(atomic_load(&cursor) == rows);
    stop();
    store_posts();
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM resend"), 0);
    start(false);
    EVENTUALLY(is_state("online"));
    ck_assert_int_eq(atomic_load(&resends[TB_RESEND_BEGUN]), 1);
    stop();
    tb_log_inproc_free(own_log);
    start(true); /* for the teardown */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("edge_kafka");
    TCase *tc = tcase_create("kafka");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, down_and_up);
    tcase_add_loop_test(tc, brokers_that_fail, 0, 5);
    tcase_add_test(tc, forced_offline_and_a_restart);
    tcase_add_test(tc, a_wrong_topic_is_named);
    tcase_add_test(tc, certificates_and_mistakes);
    tcase_add_test(tc, a_refused_record_is_parked);
    tcase_add_test(tc, snapshots_of_a_restored_store_arrive);
    tcase_add_test(tc, heartbeats_arrive);
    tcase_add_test(tc, what_kafka_lost_is_sent_again);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
