#include "base/mailbox.h"
#include "bridge/log_kafka_priv.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* A refusal is shown at least so long: what is refused may not be what a look shows. */
#define REFUSED_MS 5000

void tb_kafka_problem_init(struct kafka_problem *problem)
{
    TB_ASSERT(pthread_mutex_init(&problem->lock, NULL) == 0);
    problem->text[0] = '\0';
}

void tb_kafka_problem_release(struct kafka_problem *problem)
{
    pthread_mutex_destroy(&problem->lock);
}

void tb_kafka_problem_set(struct kafka_problem *problem, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    pthread_mutex_lock(&problem->lock);
    vsnprintf(problem->text, sizeof problem->text, format, args);
    pthread_mutex_unlock(&problem->lock);
    va_end(args);
}

void tb_kafka_problem_get(struct kafka_problem *problem, char ret_text[240])
{
    pthread_mutex_lock(&problem->lock);
    memcpy(ret_text, problem->text, sizeof problem->text);
    pthread_mutex_unlock(&problem->lock);
}

/* What matters comes by error_cb too, on the owner's thread. */
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
    rd_kafka_conf_set_opaque(conf, handle);
    rd_kafka_conf_set_log_cb(conf, drop_log);
    handle->rk = rd_kafka_new(type, conf, text, sizeof text);
    if (!handle->rk) {
        rd_kafka_conf_destroy(conf); /* taken only by success */
        free(handle);
        return tb_error_set(err, TB_INVALID, "Kafka settings: %s", text);
    }
    handle->topic = rd_kafka_topic_new(handle->rk, topic, NULL);
    if (!handle->topic) {
        rd_kafka_resp_err_t code = rd_kafka_last_error();

        tb_kafka_bury(handle, TB_KAFKA_ASK_MS);
        return tb_error_set(err, TB_INVALID, "Kafka topic %s: %s", topic, rd_kafka_err2str(code));
    }
    *ret_handle = handle;
    return TB_OK;
}

struct burial {
    struct kafka_handle *handle;
    struct tb_mailbox over;
    _Atomic bool done;
    atomic_int holders; /* the thread and who waits for it */
};

static void let_go(struct burial *burial)
{
    if (atomic_fetch_sub(&burial->holders, 1) > 1)
        return;
    tb_mailbox_release(&burial->over);
    free(burial);
}

static void end(struct kafka_handle *handle)
{
    if (handle->topic)
        rd_kafka_topic_destroy(handle->topic);
    if (rd_kafka_type(handle->rk) == RD_KAFKA_CONSUMER)
        (void)rd_kafka_consumer_close(handle->rk);
    rd_kafka_destroy(handle->rk);
    free(handle);
}

static void *bury_main(void *arg)
{
    struct burial *burial = arg;

    end(burial->handle);
    atomic_store(&burial->done, true);
    tb_mailbox_wake(&burial->over);
    let_go(burial);
    return NULL;
}

void tb_kafka_bury(struct kafka_handle *handle, int64_t wait_ms)
{
    struct burial *burial;
    pthread_t thread;

    if (!handle)
        return;
    handle->owner = NULL;
    burial = calloc(1, sizeof *burial);
    if (!burial) {
        end(handle);
        return;
    }
    burial->handle = handle;
    tb_mailbox_init(&burial->over, 0);
    atomic_store(&burial->holders, 2);
    if (pthread_create(&thread, NULL, bury_main, burial) != 0) {
        end(handle);
        atomic_store(&burial->holders, 1);
        let_go(burial);
        return;
    }
    tb_mailbox_wait(&burial->over, wait_ms);
    if (atomic_load(&burial->done))
        pthread_join(thread, NULL);
    else
        pthread_detach(thread);
    let_go(burial);
}

rd_kafka_resp_err_t tb_kafka_ask_partitions(const struct kafka_handle *handle, int timeout_ms,
                                            int *ret_count)
{
    const struct rd_kafka_metadata *found = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(handle->rk, 0, handle->topic, &found, timeout_ms);

    if (code)
        return code;
    *ret_count = 0;
    if (found->topic_cnt == 1) {
        code = found->topics[0].err;
        *ret_count = found->topics[0].partition_cnt;
    }
    rd_kafka_metadata_destroy(found);
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
        *ret_count = 0;
        code = RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    return code;
}

static enum kafka_state judge_topic(const struct kafka_handle *handle,
                                    const struct kafka_settings *settings,
                                    struct kafka_problem *problem)
{
    const char *name = rd_kafka_topic_name(handle->topic);
    int count = 0;
    rd_kafka_resp_err_t code = tb_kafka_ask_partitions(handle, TB_KAFKA_ASK_MS, &count);

    if (code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__TIMED_OUT)
        return KAFKA_DOWN;
    if (code)
        tb_kafka_problem_set(problem, "topic %s: %s", name, rd_kafka_err2str(code));
    else if (count == 0)
        tb_kafka_problem_set(problem, "topic %s is not there", name);
    else if (settings->partitions > 0 && count != settings->partitions)
        tb_kafka_problem_set(problem, "topic %s has %d partitions, not %d", name, count,
                             settings->partitions);
    else
        return KAFKA_FINE;
    return KAFKA_WRONG;
}

void tb_kafka_watch(struct kafka_watch *watch, const struct kafka_handle *handle,
                    const struct kafka_settings *settings, struct kafka_problem *problem)
{
    int64_t now_ms = tb_clock_mono_ms(settings->clock);
    enum kafka_state state;
    int count;

    if (watch->state == KAFKA_FINE || now_ms < watch->look_at_ms)
        return;
    watch->look_at_ms = now_ms + TB_KAFKA_LOOK_MS;
    /* Without time to wait this only tells whether a broker is connected: it is "timed out" then,
     * and the question itself may be waited for. */
    if (tb_kafka_ask_partitions(handle, 0, &count) == RD_KAFKA_RESP_ERR__TRANSPORT)
        return;
    state = judge_topic(handle, settings, problem);
    if (state == KAFKA_DOWN)
        return;
    watch->state = state;
    if (state == KAFKA_FINE)
        tb_kafka_problem_set(problem, "%s", "");
}

/* A lost connection is not yet trouble: the library makes another, and tells when it has none. */
void tb_kafka_watch_error(struct kafka_watch *watch, const struct kafka_settings *settings,
                          struct kafka_problem *problem, rd_kafka_resp_err_t code,
                          const char *text)
{
    bool transport = code == RD_KAFKA_RESP_ERR__TRANSPORT ||
                     code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__RESOLVE;

    if (transport && watch->state == KAFKA_FINE)
        return;
    tb_kafka_problem_set(problem, "%s", text);
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        watch->state = KAFKA_DOWN;
        watch->look_at_ms = 0;
    } else if (!transport) {
        watch->state = KAFKA_WRONG;
        watch->look_at_ms = tb_clock_mono_ms(settings->clock) + REFUSED_MS;
    }
}
