#include "bridge/log/kafka/kafka_priv.h"
#include <stdlib.h>
#include <time.h>

/* Errors that matter also arrive in error_cb, on the owner's thread. */
static void drop_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk, (void)level, (void)facility, (void)text;
}

enum tb_code tb_kafka_handle_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *topic,
                                 void *owner, struct kafka_handle **ret_handle,
                                 struct tb_error *err)
{
    struct kafka_handle *handle = calloc(1, sizeof *handle);
    char text[200];

    if (!handle) {
        rd_kafka_conf_destroy(conf);
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    }
    handle->owner = owner;
    tb_kafka_sockets_init(&handle->sockets, conf);
    rd_kafka_conf_set_opaque(conf, handle);
    rd_kafka_conf_set_log_cb(conf, drop_log);
    handle->rk = rd_kafka_new(type, conf, text, sizeof text);
    if (!handle->rk) {
        rd_kafka_conf_destroy(conf); /* rd_kafka_new takes it only on success */
        tb_kafka_sockets_release(&handle->sockets);
        free(handle);
        return tb_error_set(err, TB_INVALID, "Kafka settings: %s", text);
    }
    handle->topic = rd_kafka_topic_new(handle->rk, topic, NULL);
    if (!handle->topic) {
        rd_kafka_resp_err_t code = rd_kafka_last_error();

        tb_kafka_handle_destroy(handle, TB_KAFKA_QUERY_TIMEOUT_MS);
        return tb_error_set(err, TB_INVALID, "Kafka topic %s: %s", topic, rd_kafka_err2str(code));
    }
    *ret_handle = handle;
    return TB_OK;
}

static void *destroy_main(void *arg)
{
    struct kafka_handle *handle = arg;

    if (handle->topic)
        rd_kafka_topic_destroy(handle->topic);
    if (rd_kafka_type(handle->rk) == RD_KAFKA_CONSUMER)
        rd_kafka_consumer_close(handle->rk);
    rd_kafka_destroy(handle->rk);
    tb_kafka_sockets_release(&handle->sockets);
    free(handle);
    return NULL;
}

void tb_kafka_handle_destroy(struct kafka_handle *handle, int64_t wait_ms)
{
    struct timespec until = tb_deadline_in(wait_ms);
    pthread_t thread;

    if (!handle)
        return;
    handle->owner = NULL;
    if (pthread_create(&thread, NULL, destroy_main, handle) != 0)
        destroy_main(handle);
    else if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) != 0)
        pthread_detach(thread);
}
