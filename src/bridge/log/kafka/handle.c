#include "base/thread/mailbox.h"
#include "bridge/log/kafka/kafka_priv.h"
#include <stdatomic.h>
#include <stdlib.h>

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

struct teardown {
    struct kafka_handle *handle;
    struct tb_mailbox finished;
    _Atomic bool done;
    atomic_int holders; /* the thread, and the caller that waits for it */
};

static void release_teardown(struct teardown *teardown)
{
    if (atomic_fetch_sub(&teardown->holders, 1) > 1)
        return;
    tb_mailbox_release(&teardown->finished);
    free(teardown);
}

static void destroy_now(struct kafka_handle *handle)
{
    if (handle->topic)
        rd_kafka_topic_destroy(handle->topic);
    if (rd_kafka_type(handle->rk) == RD_KAFKA_CONSUMER)
        (void)rd_kafka_consumer_close(handle->rk);
    rd_kafka_destroy(handle->rk);
    tb_kafka_sockets_release(&handle->sockets);
    free(handle);
}

static void *teardown_main(void *arg)
{
    struct teardown *teardown = arg;

    destroy_now(teardown->handle);
    atomic_store(&teardown->done, true);
    tb_mailbox_wake(&teardown->finished);
    release_teardown(teardown);
    return NULL;
}

void tb_kafka_handle_destroy(struct kafka_handle *handle, int64_t wait_ms)
{
    struct teardown *teardown;
    pthread_t thread;

    if (!handle)
        return;
    handle->owner = NULL;
    teardown = calloc(1, sizeof *teardown);
    if (!teardown) {
        destroy_now(handle);
        return;
    }
    teardown->handle = handle;
    tb_mailbox_init(&teardown->finished, 0);
    atomic_store(&teardown->holders, 2);
    if (pthread_create(&thread, NULL, teardown_main, teardown) != 0) {
        destroy_now(handle);
        atomic_store(&teardown->holders, 1);
        release_teardown(teardown);
        return;
    }
    tb_mailbox_wait(&teardown->finished, wait_ms);
    if (atomic_load(&teardown->done))
        pthread_join(thread, NULL);
    else
        pthread_detach(thread);
    release_teardown(teardown);
}
