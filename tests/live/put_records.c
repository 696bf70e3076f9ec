/* put_records BROKERS TOPIC [commit|abort]: appends the records of standard input, a line for
 * each: partition, timestamp in ms, key, value, and name and value of each header, separated by
 * tabs. Partition -1: that of the key. With commit or abort they are one transaction, which ends
 * so. */
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 30000
#define FIELDS_MAX 64

static size_t failed;

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "put_records: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static void check(const char *what, rd_kafka_error_t *error)
{
    if (error)
        give_up(what, rd_kafka_error_string(error));
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk, (void)opaque;
    failed += message->err != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char text[200];

    if (rd_kafka_conf_set(conf, key, value, text, sizeof text))
        give_up(key, text);
}

static rd_kafka_t *open_producer(const char *brokers, bool transactional)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *producer;
    char text[200];

    set(conf, "bootstrap.servers", brokers);
    if (transactional)
        set(conf, "transactional.id", "put_records");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!producer)
        give_up("no producer", text);
    return producer;
}

static size_t split(char *line, char *fields[FIELDS_MAX])
{
    size_t count = 0;

    line[strcspn(line, "\n")] = '\0';
    for (char *at; count < FIELDS_MAX && (at = strsep(&line, "\t"));)
        fields[count++] = at;
    return count;
}

static void put(rd_kafka_t *producer, const char *topic, char *line)
{
    char *fields[FIELDS_MAX];
    size_t count = split(line, fields);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
    rd_kafka_resp_err_t error;

    if (count < 4)
        give_up("not a record", line);
    for (size_t i = 4; i + 1 < count; i += 2)
        rd_kafka_header_add(headers, fields[i], -1, fields[i + 1], -1);
    error = rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic),
                              RD_KAFKA_V_PARTITION((int32_t)strtol(fields[0], NULL, 10)),
                              RD_KAFKA_V_TIMESTAMP(strtoll(fields[1], NULL, 10)),
                              RD_KAFKA_V_KEY(fields[2], strlen(fields[2])),
                              RD_KAFKA_V_VALUE(fields[3], strlen(fields[3])),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                              RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (error)
        give_up("not appended", rd_kafka_err2str(error));
}

int main(int argc, char **argv)
{
    const char *end = argc == 4 ? argv[3] : NULL;
    rd_kafka_t *producer;
    char *line = NULL;
    size_t room = 0;

    if (argc < 3 || (end && strcmp(end, "commit") != 0 && strcmp(end, "abort") != 0)) {
        fputs("usage: put_records BROKERS TOPIC [commit|abort]\n", stderr);
        return 2;
    }
    producer = open_producer(argv[1], end != NULL);
    if (end) {
        check("no transactions", rd_kafka_init_transactions(producer, WAIT_MS));
        check("no transaction", rd_kafka_begin_transaction(producer));
    }
    while (getline(&line, &room, stdin) > 0)
        put(producer, argv[2], line);
    free(line);
    if (rd_kafka_flush(producer, WAIT_MS) || failed > 0)
        give_up("not appended", "see the broker");
    if (end)
        check("the transaction does not end",
              (strcmp(end, "commit") == 0 ? rd_kafka_commit_transaction
                                          : rd_kafka_abort_transaction)(producer, WAIT_MS));
    rd_kafka_destroy(producer);
    return EXIT_SUCCESS;
}
