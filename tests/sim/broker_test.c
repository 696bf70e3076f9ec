/* Goal: what the simulation shows of the product is not due to a broker that behaves unlike Kafka.
 * Method: the contract of log.h is run against the simulated broker, without faults. */
#include "bridge/log/log_conformance.h"
#include "sim/broker.h"
#include "sim/trace.h"
#include <stdlib.h>

#define IDLE_US 10000

struct subject {
    struct broker broker;
    struct tb_log_kafka_options options;
    int64_t now_us;
};

static void on_record(void *ctx, enum broker_topic topic, const struct tb_record *record)
{
    (void)ctx, (void)topic, (void)record;
}

static void on_commit(void *ctx, const struct broker_group *group, int32_t partition, int64_t next)
{
    (void)ctx, (void)group, (void)partition, (void)next;
}

static bool refuses(void *ctx, enum broker_topic topic, const struct tb_record *record)
{
    (void)ctx, (void)topic, (void)record;
    return false;
}

static void *make(void)
{
    struct subject *subject = calloc(1, sizeof *subject);

    ck_assert_ptr_nonnull(subject);
    subject->options = (struct tb_log_kafka_options){
        .brokers = "simulated", .client_id = "conformance", .clock = &tb_clock_system};
    broker_init(&subject->broker, 1, &subject->now_us,
                &(struct broker_hooks){NULL, on_record, on_commit, refuses});
    sim_trace_begin(1, "", &subject->now_us, false);
    return subject;
}

static enum tb_code writer(void *log, struct tb_log_writer **ret_writer, struct tb_error *err)
{
    return tb_log_kafka_writer(&((struct subject *)log)->options, "order-events", ret_writer, err);
}

static enum tb_code reader(void *log, const char *group, struct tb_log_reader **ret_reader,
                           struct tb_error *err)
{
    return tb_log_kafka_reader(&((struct subject *)log)->options, "order-events", group,
                               ret_reader, err);
}

static void idle(void *log)
{
    struct subject *subject = log;

    subject->now_us += IDLE_US;
    broker_step(&subject->broker);
}

static void destroy(void *log)
{
    struct subject *subject = log;

    broker_release(&subject->broker);
    free(subject);
}

int main(void)
{
    static const struct log_conformance simulated = {
        .lacks = LOG_LACKS_WAITING,
        .make = make,
        .writer = writer,
        .reader = reader,
        .idle = idle,
        .reopen = idle,
        .destroy = destroy,
    };
    Suite *suite = suite_create("sim_broker");

    suite_add_tcase(suite, log_conformance_case(&simulated));
    return test_main(suite);
}
