#include "base/diag/diag.h"
#include "central/wiring.h"

/* A step waits for records at most this long. Then its thread checks whether it must stop. */
#define STEP_MS 1000
/* A poll that fails returns at once, so the thread waits this long before the next one. */
#define HINTS_RETRY_MS 500
/* A rebuild runs when the other threads leave time. */
#define NICE_BEHIND_VIEW 5

static void run_consumer(void *ctx)
{
    tb_consumer_run(((struct central *)ctx)->shared.consumer);
}

/* Wakes clients that wait for an order which a central has made visible. A lost or malformed hint
 * does no harm: the view poll finds the order later. */
static void run_ready(void *ctx)
{
    struct central *central = ctx;
    struct tb_log_reader *reader = central->ready_reader;

    while (!atomic_load(&central->stopping)) {
        struct tb_log_batch batch = {0};
        struct tb_error err = {0};
        char order_id[TB_UUID_SIZE];
        int64_t version = 0;
        int64_t replaced = 0;

        if (reader->ops->poll(reader, TB_LOG_BATCH_MAX, STEP_MS, &batch, &err) != TB_OK)
            tb_mailbox_wait(&central->pauses[CENTRAL_PAUSE_READY], HINTS_RETRY_MS);
        for (size_t i = 0; i < batch.count; i++) {
            if (tb_ready_decode(&batch.records[i], order_id, &version, &replaced))
                tb_api_notify(central->shared.api, order_id, version, replaced);
        }
    }
}

static void on_retired_sends(void *ctx, const char *node)
{
    (void)ctx;
    tb_diag(TB_DIAG_WARN, "nodes.retired",
            "node %s is retired and sends: its orders count, but nobody waits for them; "
            "`tillbox nodes unretire %s` if it is in use",
            node, node);
}

static enum tb_code on_heartbeats(void *ctx, const struct tb_heartbeat_record *list, size_t count,
                                  struct tb_error *err)
{
    return tb_mongo_save_heartbeats(((struct central *)ctx)->mongo, list, count, on_retired_sends,
                                    NULL, err);
}

static enum tb_code on_passed(void *ctx, int32_t partition, const struct tb_log_place *place,
                              struct tb_error *err)
{
    return tb_mongo_pass_heartbeats(&((struct central *)ctx)->node_positions, partition, place,
                                    err);
}

static void feed_heartbeats(struct central *central, struct tb_log_reader *reader)
{
    static struct tb_heartbeat_feed feed; /* large, and a process has one central */
    const struct tb_heartbeat_feed_options options = {
        .reader = reader,
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .save = on_heartbeats,
        .passed = on_passed,
        .on_outage = tb_central_on_nodes_error,
        .ctx = central,
    };

    tb_heartbeat_feed_init(&feed, &options);
    while (!atomic_load(&central->stopping)) {
        int64_t pause_ms = tb_heartbeat_feed_step(&feed, STEP_MS);

        if (pause_ms > 0)
            tb_mailbox_wait(&central->pauses[CENTRAL_PAUSE_NODES], pause_ms);
    }
    if (feed.invalid_count > 0)
        tb_diag(TB_DIAG_WARN, "nodes.strange", "%llu records of %s were no heartbeats",
                (unsigned long long)feed.invalid_count, TB_TOPIC_NODE_STATUS);
}

/* False: the central is stopping. */
static bool wait_until_prepared(struct central *central, enum central_pause pause)
{
    while (!atomic_load(&central->prepared) && !atomic_load(&central->stopping))
        tb_mailbox_wait(&central->pauses[pause], -1);
    return !atomic_load(&central->stopping);
}

/* Joins the group only when heartbeats can be saved, because joining takes partitions from other
 * centrals. */
static void run_nodes(void *ctx)
{
    struct central *central = ctx;
    struct tb_placed_reader_options placed = {
        .places = &central->node_places,
        .clock = &tb_clock_system,
        .partitions = TB_LOG_PARTITIONS_MAX,
        .compacted = true,
    };
    struct tb_log_reader *reader = NULL;
    struct tb_error err = {0};

    if (!wait_until_prepared(central, CENTRAL_PAUSE_NODES))
        return;
    if (tb_log_kafka_reader(&central->setup.others, TB_TOPIC_NODE_STATUS, central->nodes_group,
                            &placed.from, &err) != TB_OK ||
        tb_placed_reader_new(&placed, &reader, &err) != TB_OK) {
        tb_central_on_nodes_error(central, &err);
        return;
    }
    feed_heartbeats(central, reader);
    tb_log_reader_free(reader);
}

static void run_append(void *ctx)
{
    struct central *central = ctx;

    while (!atomic_load(&central->stopping))
        tb_append_queue_step(central->shared.append_queue, central->replay_writer, STEP_MS);
    tb_append_queue_close(central->shared.append_queue);
}

static void run_rebuild(void *ctx)
{
    struct central *central = ctx;

    (void)wait_until_prepared(central, CENTRAL_PAUSE_REBUILD);
    tb_rebuild_run(central->shared.rebuild); /* returns at once if it was stopped before */
}

enum tb_code tb_central_start(void *ctx, struct tb_error *err)
{
    struct central *central = ctx;

    TB_TRY(tb_daemon_start_thread(&central->consumer_thread, "consumer", 0, run_consumer, central,
                                  err));
    TB_TRY(tb_daemon_start_thread(&central->ready_thread, "ready", 0, run_ready, central, err));
    TB_TRY(tb_daemon_start_thread(&central->nodes_thread, "nodes", 0, run_nodes, central, err));
    TB_TRY(tb_daemon_start_thread(&central->append_thread, "dead-letters", 0, run_append, central,
                                  err));
    TB_TRY(tb_daemon_start_thread(&central->rebuild_thread, "rebuild", NICE_BEHIND_VIEW,
                                  run_rebuild, central, err));
    tb_diag(TB_DIAG_INFO, "central.started", "answers at %s; Kafka at %s",
            tb_api_url(central->shared.api),
            tb_config_text(central->shared.config, TB_KAFKA_BROKERS));
    return TB_OK;
}

void tb_central_wake_pauses(struct central *central)
{
    for (size_t i = 0; i < CENTRAL_PAUSES; i++)
        tb_mailbox_wake(&central->pauses[i]);
}

void tb_central_stop(void *ctx)
{
    struct central *central = ctx;

    atomic_store(&central->stopping, true);
    tb_consumer_stop(central->shared.consumer);
    tb_rebuild_stop(central->shared.rebuild);
    tb_central_wake_pauses(central);
    tb_append_queue_wake(central->shared.append_queue);
    central->ready_reader->ops->wake(central->ready_reader);
    pthread_join(central->consumer_thread.thread, NULL);
    pthread_join(central->ready_thread.thread, NULL);
    pthread_join(central->nodes_thread.thread, NULL);
    pthread_join(central->append_thread.thread, NULL);
    pthread_join(central->rebuild_thread.thread, NULL);
}
