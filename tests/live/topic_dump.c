/* topic_dump BROKERS TOPIC: prints the records of a topic from its beginning to its present
 * end, a line for each: partition, offset, key, ce_id, ce_orderversion, traceparent, separated
 * by blanks; - for a missing value.
 *
 * topic_dump BROKERS TOPIC records: prints them as put_records takes them.
 *
 * topic_dump BROKERS TOPIC ends: prints partition and end for each partition; nothing if there is
 * no such topic. */
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAIT_MS 10000
/* With 100 ms in between: a topic that has just been made has no leaders yet. */
#define END_TRIES 300

static rd_kafka_t *open_consumer(const char *brokers)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[200];

    if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof text) ||
        rd_kafka_conf_set(conf, "group.id", "dump", text, sizeof text) ||
        rd_kafka_conf_set(conf, "enable.auto.commit", "false", text, sizeof text) ||
        rd_kafka_conf_set(conf, "enable.partition.eof", "true", text, sizeof text))
        return NULL;
    return rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
}

/* The number of partitions, 0 without such a topic, -1 without a broker. */
static int count_partitions(rd_kafka_t *consumer, const char *topic)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(consumer, topic, NULL);
    const struct rd_kafka_metadata *found = NULL;
    int count = -1;

    if (rd_kafka_metadata(consumer, 0, handle, &found, WAIT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        count = found->topics[0].partition_cnt;
        rd_kafka_metadata_destroy(found);
    }
    rd_kafka_topic_destroy(handle);
    return count;
}

static int assign_all(rd_kafka_t *consumer, const char *topic)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    int count = count_partitions(consumer, topic);

    for (int p = 0; p < count; p++)
        rd_kafka_topic_partition_list_add(list, topic, p)->offset = RD_KAFKA_OFFSET_BEGINNING;
    if (rd_kafka_assign(consumer, list))
        count = 0;
    rd_kafka_topic_partition_list_destroy(list);
    return count;
}

static int end_of(rd_kafka_t *consumer, const char *topic, int32_t partition, int64_t *ret_end)
{
    int64_t begin;

    for (int i = 0; i < END_TRIES; i++) {
        if (!rd_kafka_query_watermark_offsets(consumer, topic, partition, &begin, ret_end,
                                              WAIT_MS))
            return 0;
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    return -1;
}

static int print_ends(rd_kafka_t *consumer, const char *topic)
{
    int count = count_partitions(consumer, topic);

    for (int p = 0; p < count; p++) {
        int64_t end;

        if (end_of(consumer, topic, p, &end)) {
            count = -1;
            break;
        }
        printf("%d %lld\n", p, (long long)end);
    }
    rd_kafka_destroy(consumer);
    return count < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void print_header(const rd_kafka_message_t *message, const char *name)
{
    rd_kafka_headers_t *headers = NULL;
    const void *value = "-";
    size_t size = 1;

    if (!rd_kafka_message_headers(message, &headers))
        (void)rd_kafka_header_get_last(headers, name, &value, &size);
    printf(" %.*s", (int)size, (const char *)value);
}

static void print_record(const rd_kafka_message_t *message)
{
    printf("%d %lld %.*s", (int)message->partition, (long long)message->offset,
           (int)message->key_len, (const char *)message->key);
    print_header(message, "ce_id");
    print_header(message, "ce_orderversion");
    print_header(message, "traceparent");
    putchar('\n');
}

static void print_whole(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    const char *name;
    const void *value;
    size_t size;

    printf("%d\t%lld\t%.*s\t%.*s", (int)message->partition,
           (long long)rd_kafka_message_timestamp(message, NULL), (int)message->key_len,
           (const char *)message->key, (int)message->len, (const char *)message->payload);
    if (!rd_kafka_message_headers(message, &headers)) {
        for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &size); i++)
            printf("\t%s\t%.*s", name, (int)size, (const char *)value);
    }
    putchar('\n');
}

int main(int argc, char **argv)
{
    rd_kafka_t *consumer = argc >= 3 ? open_consumer(argv[1]) : NULL;
    bool whole = argc == 4 && !strcmp(argv[3], "records");
    int left = 0;

    if (consumer && argc == 4 && !strcmp(argv[3], "ends"))
        return print_ends(consumer, argv[2]);
    if (consumer)
        left = assign_all(consumer, argv[2]);
    if (left <= 0) {
        fputs("topic_dump: no such topic, or no broker\n", stderr);
        return EXIT_FAILURE;
    }
    while (left > 0) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, WAIT_MS);

        if (!message) {
            fputs("topic_dump: the broker says nothing\n", stderr);
            return EXIT_FAILURE;
        }
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            left--;
        if (!message->err)
            (whole ? print_whole : print_record)(message);
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return EXIT_SUCCESS;
}
