/* put_record BROKERS TOPIC KEY TIMESTAMP_MS VALUE: appends a record with this time, as a sender
 * does whose clock says so. */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 30000

static rd_kafka_resp_err_t result = RD_KAFKA_RESP_ERR__TIMED_OUT;

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk, (void)opaque;
    result = message->err;
}

static rd_kafka_t *open_producer(const char *brokers)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[200];

    if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof text))
        return NULL;
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    return rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
}

int main(int argc, char **argv)
{
    rd_kafka_t *producer = argc == 6 ? open_producer(argv[1]) : NULL;

    if (!producer)
        return 2;
    if (rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(argv[2]),
                          RD_KAFKA_V_KEY(argv[3], strlen(argv[3])),
                          RD_KAFKA_V_TIMESTAMP(strtoll(argv[4], NULL, 10)),
                          RD_KAFKA_V_VALUE(argv[5], strlen(argv[5])), RD_KAFKA_V_END) == 0)
        rd_kafka_flush(producer, WAIT_MS);
    if (result)
        fprintf(stderr, "not appended: %s\n", rd_kafka_err2str(result));
    rd_kafka_destroy(producer);
    return result ? 1 : 0;
}
