#include "base/diag/diag.h"
#include "base/thread/process.h"
#include "central/wiring.h"
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* At most so long in one step: then whether to stop is looked at. */
#define STEP_MS 1000
/* A log that fails does not wait: its hints are asked for again after so long. */
#define HINTS_AGAIN_MS 500
#define BEHIND_VIEW_NICE 5

static void *consumer_main(void *arg)
{
    tb_consumer_run(((struct central *)arg)->consumer);
    return NULL;
}

/* What other centrals, and this one, made visible. Whatever is strange or lost is no harm. */
static void *ready_main(void *arg)
{
    struct central *central = arg;
    struct tb_log_reader *reader = central->ready_reader;

    while (!atomic_load(&central->stopping)) {
        struct tb_log_batch batch = {0};
        struct tb_error err = {0};
        char order_id[TB_UUID_SIZE];
        int64_t version = 0;

        if (reader->ops->poll(reader, TB_LOG_BATCH_MAX, STEP_MS, &batch, &err) != TB_OK)
            tb_mailbox_wait(&central->ready_pause, HINTS_AGAIN_MS);
        for (size_t i = 0; i < batch.count; i++) {
            if (tb_ready_decode(&batch.records[i], order_id, &version))
                tb_api_notify(central->api, order_id, version);
        }
    }
    return NULL;
}

static enum tb_code on_note(void *ctx, const struct tb_heartbeat_record *list, size_t count,
                            struct tb_error *err)
{
    return tb_mongo_save_heartbeats(((struct central *)ctx)->mongo, list, count, err);
}

static void on_nodes_trouble(void *ctx, const struct tb_error *err)
{
    tb_central_outages_set(&((struct central *)ctx)->trouble, OUTAGE_NODES, err);
}

static void feed_nodes(struct central *central, struct tb_log_reader *reader)
{
    static struct tb_heartbeat_feed feed; /* large, and there is one central in a process */
    const struct tb_heartbeat_feed_options options = {
        .reader = reader,
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .note = on_note,
        .trouble = on_nodes_trouble,
        .ctx = central,
    };

    tb_heartbeat_feed_init(&feed, &options);
    while (!atomic_load(&central->stopping)) {
        int64_t pause_ms = tb_heartbeat_feed_step(&feed, STEP_MS);

        if (pause_ms > 0)
            tb_mailbox_wait(&central->nodes_pause, pause_ms);
    }
    if (feed.strange > 0)
        tb_diag(TB_DIAG_WARN, "nodes.strange", "%llu records of %s were no heartbeats",
                (unsigned long long)feed.strange, TB_TOPIC_NODE_STATUS);
}

/* As with the events: the group is joined once there is everything that heartbeats need. */
static void *nodes_main(void *arg)
{
    struct central *central = arg;
    struct tb_log_reader *reader = NULL;
    struct tb_error err = {0};

    while (!atomic_load(&central->prepared) && !atomic_load(&central->stopping))
        tb_mailbox_wait(&central->nodes_pause, -1);
    if (atomic_load(&central->stopping))
        return NULL;
    if (tb_log_kafka_reader(&central->setup.others, TB_TOPIC_NODE_STATUS, central->nodes_group,
                            &reader, &err) != TB_OK) {
        on_nodes_trouble(central, &err);
        return NULL;
    }
    feed_nodes(central, reader);
    reader->ops->free(reader);
    return NULL;
}

static void *append_main(void *arg)
{
    struct central *central = arg;

    while (!atomic_load(&central->stopping))
        tb_append_queue_step(central->append_queue, central->again, STEP_MS);
    tb_append_queue_close(central->append_queue);
    return NULL;
}

/* Filling a view anew takes what the others leave. */
static void *rebuild_main(void *arg)
{
    struct central *central = arg;

    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), BEHIND_VIEW_NICE);
    while (!atomic_load(&central->prepared) && !atomic_load(&central->stopping))
        tb_mailbox_wait(&central->rebuild_pause, -1);
    tb_rebuild_run(central->rebuild);
    return NULL;
}

/* Where one does not start the process ends: those that did hold nothing that a kill would lose.
 */
enum tb_code tb_central_start(struct central *central, struct tb_error *err)
{
    TB_TRY(tb_process_start_thread(&central->consumer_thread, "consumer", consumer_main, central,
                                   err));
    TB_TRY(tb_process_start_thread(&central->ready_thread, "ready", ready_main, central, err));
    TB_TRY(tb_process_start_thread(&central->nodes_thread, "nodes", nodes_main, central, err));
    TB_TRY(tb_process_start_thread(&central->append_thread, "letters", append_main, central, err));
    TB_TRY(
        tb_process_start_thread(&central->rebuild_thread, "rebuild", rebuild_main, central, err));
    central->threads_started = true;
    return TB_OK;
}

void tb_central_stop(struct central *central)
{
    if (!central->threads_started)
        return;
    atomic_store(&central->stopping, true);
    tb_consumer_stop(central->consumer);
    tb_rebuild_stop(central->rebuild);
    tb_mailbox_wake(&central->rebuild_pause);
    tb_mailbox_wake(&central->nodes_pause);
    tb_mailbox_wake(&central->ready_pause);
    tb_append_queue_wake(central->append_queue);
    central->ready_reader->ops->wake(central->ready_reader);
    pthread_join(central->consumer_thread, NULL);
    pthread_join(central->ready_thread, NULL);
    pthread_join(central->nodes_thread, NULL);
    pthread_join(central->append_thread, NULL);
    pthread_join(central->rebuild_thread, NULL);
    central->threads_started = false;
}
