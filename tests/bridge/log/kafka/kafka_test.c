/* Goal: the log on Kafka keeps the same contract as the in-process log.
 * Method: the contract's tests against librdkafka's mock brokers or, if TILLBOX_TEST_KAFKA is set,
 * against those brokers, each test with a topic of its own. */
#include "bridge/log/kafka/mock.h"
#include "bridge/log/log_conformance.h"
#include "bridge/log/log_tools.h"
#include "support/support.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct subject {
    struct mock mock; /* unused with real brokers */
    struct tb_log_kafka_options options;
    char topic[64];
    bool real;
};

static void make_real_topic(struct subject *subject)
{
    struct tb_log_kafka_topic topic = {.name = subject->topic, .partitions = TEST_PARTITIONS};
    struct tb_error err = {0};

    snprintf(subject->topic, sizeof subject->topic, "tillbox-test-conformance-%d-%lld",
             (int)getpid(), (long long)tb_clock_mono_us(&tb_clock_system));
    ck_ok(tb_log_kafka_check_topics(&subject->options, &topic, 1, true, LOG_PATIENCE_MS, &err));
}

static void *subject_make(void)
{
    struct subject *subject = calloc(1, sizeof *subject);
    const char *brokers = getenv("TILLBOX_TEST_KAFKA");

    ck_assert_ptr_nonnull(subject);
    subject->real = brokers != NULL;
    if (subject->real) {
        subject->options = (struct tb_log_kafka_options){
            .brokers = brokers, .client_id = "conformance", .clock = &tb_clock_system};
        make_real_topic(subject);
        return subject;
    }
    mock_make(&subject->mock, 1);
    mock_set(&subject->mock, "session.timeout.ms", "8000"); /* a busy machine keeps its group */
    subject->options = subject->mock.options;
    snprintf(subject->topic, sizeof subject->topic, "order-events");
    mock_topic(&subject->mock, subject->topic, TEST_PARTITIONS);
    return subject;
}

static enum tb_code subject_writer(void *log, struct tb_log_writer **ret_writer,
                                   struct tb_error *err)
{
    struct subject *subject = log;

    return tb_log_kafka_writer(&subject->options, subject->topic, ret_writer, err);
}

static enum tb_code subject_reader(void *log, const char *group, struct tb_log_reader **ret_reader,
                                   struct tb_error *err)
{
    struct subject *subject = log;
    char name[128];

    snprintf(name, sizeof name, "%s-%s", subject->topic, group);
    return tb_log_kafka_reader(&subject->options, subject->topic, name, ret_reader, err);
}

static void subject_reopen(void *log)
{
    (void)log; /* the brokers are another process, or stand for one */
}

/* Deletes records as retention does. */
static void subject_cut(void *log, int32_t partition, int64_t begin)
{
    struct subject *subject = log;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_DeleteRecords_t *before;
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event;
    rd_kafka_t *rk;
    char text[200];

    ck_assert_int_eq(
        rd_kafka_conf_set(conf, "bootstrap.servers", subject->options.brokers, text, sizeof text),
        RD_KAFKA_CONF_OK);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    ck_assert_ptr_nonnull(rk);
    rd_kafka_topic_partition_list_add(list, subject->topic, partition)->offset = begin;
    before = rd_kafka_DeleteRecords_new(list);
    queue = rd_kafka_queue_new(rk);
    rd_kafka_DeleteRecords(rk, &before, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, LOG_PATIENCE_MS);
    ck_assert_ptr_nonnull(event);
    ck_assert_int_eq(rd_kafka_event_error(event), 0);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_DeleteRecords_destroy(before);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
}

static void subject_destroy(void *log)
{
    struct subject *subject = log;

    if (!subject->real)
        mock_free(&subject->mock);
    free(subject);
}

/* A reader waits seconds until its group is formed. */
#define PROCESSES 8

static Suite *make_suite(void)
{
    static struct log_conformance kafka = {
        .make = subject_make,
        .writer = subject_writer,
        .reader = subject_reader,
        .reopen = subject_reopen,
        .destroy = subject_destroy,
        .names_are_text = true,
    };
    Suite *suite = suite_create("log_kafka");

    /* The mock cannot remove records. */
    if (getenv("TILLBOX_TEST_KAFKA"))
        kafka.cut = subject_cut;
    else
        kafka.slow = true;
    suite_add_tcase(suite, log_conformance_case(&kafka));
    return suite;
}

int main(void)
{
    return test_main_side_by_side(make_suite, PROCESSES);
}
