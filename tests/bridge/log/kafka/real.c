#include "bridge/log/kafka/real.h"
#include "support/support.h"
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

const char *real_brokers(void)
{
    static char address[64];
    const char *dir = getenv("TB_KAFKA_DIR");
    char path[512];
    FILE *file;

    if (!dir)
        return getenv("TILLBOX_TEST_KAFKA");
    snprintf(path, sizeof path, "%s/address", dir);
    file = fopen(path, "r");
    ck_assert_msg(file != NULL, "no broker was started in %s", dir);
    ck_assert_ptr_nonnull(fgets(address, sizeof address, file));
    fclose(file);
    address[strcspn(address, "\n")] = '\0';
    return address;
}

static void limit(const struct tb_log_kafka_options *options, const char *topic, int message_max)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    char text[200], value[16];
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event;
    rd_kafka_t *rk;

    snprintf(value, sizeof value, "%d", message_max);
    ck_assert_int_eq(rd_kafka_ConfigResource_set_config(resource, "max.message.bytes", value), 0);
    ck_assert_int_eq(
        rd_kafka_conf_set(conf, "bootstrap.servers", options->brokers, text, sizeof text), 0);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    ck_assert_ptr_nonnull(rk);
    queue = rd_kafka_queue_new(rk);
    rd_kafka_AlterConfigs(rk, &resource, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, REAL_PATIENCE_MS);
    ck_assert_ptr_nonnull(event);
    ck_assert_msg(!rd_kafka_event_error(event), "%s", rd_kafka_event_error_string(event));
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_destroy(rk);
}

void real_topic(const struct tb_log_kafka_options *options, const char *name, int partitions,
                int message_max, char ret_topic[64])
{
    struct tb_log_kafka_topic topic = {.name = ret_topic, .partitions = partitions};
    struct tb_error err = {0};

    snprintf(ret_topic, 64, "tillbox-test-%.20s-%d-%lld", name, (int)getpid(),
             (long long)tb_clock_mono_us(&tb_clock_system));
    ck_ok(tb_log_kafka_check_topics(options, &topic, 1, true, REAL_PATIENCE_MS, &err));
    if (message_max > 0)
        limit(options, ret_topic, message_max);
}

bool real_steer(const char *verb)
{
    const char *dir = getenv("TB_KAFKA_DIR"), *script = getenv("TB_SERVICES");
    char command[1024];
    int status;

    if (!dir || !script)
        return false;
    snprintf(command, sizeof command, "sh '%s' %s '%s' >/dev/null", script, verb, dir);
    status = system(command);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: %d", command, status);
    return true;
}
