/* topic_dump BROKERS TOPIC: prints the records of a topic from its beginning to its present
 * end, a line for each: partition, offset, key, ce_id, ce_orderversion, traceparent, separated
 * by blanks; - for a missing value. */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

#define WAIT_MS 10000

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

static int assign_all(rd_kafka_t *consumer, const char *topic)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(consumer, topic, NULL);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    const struct rd_kafka_metadata *found = NULL;
    int count = 0;

    if (rd_kafka_metadata(consumer, 0, handle, &found, WAIT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        count = found->topics[0].partition_cnt;
        rd_kafka_metadata_destroy(found);
    }
    for (int p = 0; p < count; p++)
        rd_kafka_topic_partition_list_add(list, topic, p)->offset = RD_KAFKA_OFFSET_BEGINNING;
    if (rd_kafka_assign(consumer, list))
        count = 0;
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_topic_destroy(handle);
    return count;
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

int main(int argc, char **argv)
{
    rd_kafka_t *consumer = argc == 3 ? open_consumer(argv[1]) : NULL;
    int left = consumer ? assign_all(consumer, argv[2]) : 0;

    if (left == 0) {
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
        if (!message->err) {
            printf("%d %lld %.*s", (int)message->partition, (long long)message->offset,
                   (int)message->key_len, (const char *)message->key);
            print_header(message, "ce_id");
            print_header(message, "ce_orderversion");
            print_header(message, "traceparent");
            putchar('\n');
        }
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return EXIT_SUCCESS;
}
