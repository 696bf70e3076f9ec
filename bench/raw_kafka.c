#include "raw_kafka.h"
#include "bridge/log/kafka/kafka_priv.h"
#include <sys/resource.h>
#include <unistd.h>

#define RAW_PARTITIONS 6
#define CREATE_MS 10000
#define FLUSH_MS 60000
#define RELAYS_NICE 5

struct producer {
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    size_t acknowledged, failed;
    int64_t first_us; /* the first acknowledgement; 0: none yet */
    rd_kafka_resp_err_t why;
};

static struct tb_log_kafka_options options_of(const char *brokers)
{
    return (struct tb_log_kafka_options){.brokers = brokers,
                                         .client_id = "tillbox-bench",
                                         .partitions = RAW_PARTITIONS,
                                         .clock = &tb_clock_system};
}

static void on_answer(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct producer *producer = opaque;

    (void)rk;
    producer->acknowledged += message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (producer->first_us == 0)
        producer->first_us = tb_bench_now_us();
    if (message->err) {
        producer->failed++;
        producer->why = message->err;
    }
}

static void open_producer(struct producer *producer, const char *brokers, const char *topic)
{
    const struct tb_log_kafka_options options = options_of(brokers);
    struct tb_error err = {0};
    rd_kafka_conf_t *conf = NULL;
    char text[200] = "";

    if (tb_kafka_conf(&options, NULL, false, &conf, &err) != TB_OK)
        tb_bench_die("raw Kafka: %s", err.text);
    rd_kafka_conf_set_opaque(conf, producer);
    rd_kafka_conf_set_dr_msg_cb(conf, on_answer);
    producer->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!producer->rk)
        tb_bench_die("raw Kafka: %s", text);
    producer->topic = rd_kafka_topic_new(producer->rk, topic, NULL);
    if (!producer->topic)
        tb_bench_die("raw Kafka: no topic %s", topic);
}

static rd_kafka_headers_t *headers_of(const struct tb_record *record)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(record->header_count);

    for (size_t i = 0; i < record->header_count; i++) {
        const struct tb_header *header = &record->headers[i];

        rd_kafka_header_add(headers, header->name.ptr, (ssize_t)header->name.len,
                            header->value.ptr, (ssize_t)header->value.len);
    }
    return headers;
}

static void send_one(struct producer *producer, const struct tb_record *record)
{
    rd_kafka_headers_t *headers = headers_of(record);
    rd_kafka_resp_err_t code;

    for (;;) {
        code = rd_kafka_producev(
            producer->rk, RD_KAFKA_V_RKT(producer->topic),
            RD_KAFKA_V_PARTITION(tb_log_partition(record->key, RAW_PARTITIONS)),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_KEY(record->key.ptr, record->key.len),
            RD_KAFKA_V_VALUE((void *)(uintptr_t)record->value.ptr, record->value.len),
            RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            break;
        rd_kafka_poll(producer->rk, 100);
    }
    if (code)
        tb_bench_die("raw Kafka: %s", rd_kafka_err2str(code));
}

struct run {
    const char *brokers, *topic;
    const struct tb_record *records;
    size_t record_count, count;
    double per_second;
};

/* Runs on its own thread, because the priority belongs to a thread; librdkafka's threads inherit
 * it. */
static void *run_main(void *arg)
{
    struct run *run = arg;
    struct producer producer = {0};

    setpriority(PRIO_PROCESS, (id_t)gettid(), RELAYS_NICE);
    open_producer(&producer, run->brokers, run->topic);
    for (size_t i = 0; i < run->count; i++) {
        send_one(&producer, &run->records[i % run->record_count]);
        rd_kafka_poll(producer.rk, 0);
    }
    rd_kafka_flush(producer.rk, FLUSH_MS);
    double seconds = (double)(tb_bench_now_us() - producer.first_us) / 1e6;
    if (producer.acknowledged != run->count)
        tb_bench_die("raw Kafka: of %zu records %zu are acknowledged: %s", run->count,
                     producer.acknowledged, rd_kafka_err2str(producer.why));
    rd_kafka_topic_destroy(producer.topic);
    rd_kafka_destroy(producer.rk);
    run->per_second = (double)run->count / seconds;
    return NULL;
}

double tb_raw_kafka_run(const char *brokers, const char *topic, const struct tb_record *records,
                        size_t record_count, size_t count)
{
    struct run run = {.brokers = brokers,
                      .topic = topic,
                      .records = records,
                      .record_count = record_count,
                      .count = count};
    pthread_t thread;

    if (pthread_create(&thread, NULL, run_main, &run) != 0)
        tb_bench_die("no thread for the raw producer");
    pthread_join(thread, NULL);
    return run.per_second;
}

void tb_raw_kafka_topic(const char *brokers, const char *topic)
{
    const struct tb_log_kafka_options options = options_of(brokers);
    const struct tb_log_kafka_topic wanted = {.name = topic, .partitions = RAW_PARTITIONS};
    struct tb_error err = {0};

    if (tb_log_kafka_check_topics(&options, &wanted, 1, true, CREATE_MS, &err) != TB_OK)
        tb_bench_die("raw Kafka: %s", err.text);
}
