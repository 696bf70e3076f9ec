#include "sim/sim.h"
#include <stdlib.h>

#define MS INT64_C(1000)

/* One step of each of tillbox-central's threads (src/central/threads.c). */

static void step_events(struct central *central)
{
    int64_t pause_ms = tb_consumer_step(central->consumer, 0);
    bool behind = central->event_reader && broker_reader_behind(central->event_reader);

    if (atomic_load(&tb_consumer_stats(central->consumer)->stopped)) {
        SIM_REQUIRE(check_centre_may_stop(central->sim),
                    "C8: %s has stopped, but it was not several nodes that failed alike",
                    central->name);
        sim_cover(COVER_CENTRAL_STOPPED, 1); /* a service manager would restart it */
        central_stop(central);
        return;
    }
    tb_ready_collect_acks(&central->ready_publisher);
    if (pause_ms <= 0)
        pause_ms = behind ? 3 : 150;
    central_wake(central, CENTRAL_EVENTS, pause_ms * MS);
}

static void on_nodes_outage(void *ctx, const struct tb_error *err)
{
    central_report_error(ctx, "nodes", err);
}

static enum tb_code on_note(void *ctx, const struct tb_heartbeat_record *list, size_t count,
                            struct tb_error *err)
{
    struct central *central = ctx;

    TB_TRY(tb_mongo_save_heartbeats(central->mongo, list, count, NULL, NULL, err));
    return central->sim->mutant == SIM_MUTANT_RETIRE_FORGOTTEN
               ? retirement_forget(central, list, count, err)
               : TB_OK;
}

static enum tb_code on_passed(void *ctx, int32_t partition, const struct tb_log_place *place,
                              struct tb_error *err)
{
    return tb_mongo_pass_heartbeats(&((struct central *)ctx)->node_positions, partition, place,
                                    err);
}

static void open_feed(struct central *central)
{
    const struct tb_heartbeat_feed_options options = {
        .clock = &central->clock,
        .random = &central->random.random,
        .save = on_note,
        .passed = on_passed,
        .on_outage = on_nodes_outage,
        .ctx = central,
    };
    struct tb_placed_reader_options placed = {.places = &central->node_places,
                                              .clock = &central->clock,
                                              .partitions = 1,
                                              .compacted = true};
    struct tb_error err = {0};

    central->feed = malloc(sizeof *central->feed);
    SIM_REQUIRE(central->feed &&
                    tb_log_kafka_reader(&central->other_options, "node-status",
                                        CENTRE_GROUP "-nodes", &placed.from, &err) == TB_OK &&
                    tb_placed_reader_new(&placed, &central->heartbeat_reader, &err) == TB_OK,
                "%s: heartbeats: %s", central->name, err.text);
    tb_heartbeat_feed_init(central->feed, &options);
    central->feed->options.reader = central->heartbeat_reader;
}

static void step_nodes(struct central *central)
{
    int64_t pause_ms;

    if (!central->prepared)
        return; /* on_open wakes this actor */
    if (!central->feed)
        open_feed(central);
    pause_ms = tb_heartbeat_feed_step(central->feed, 0);
    central_wake(central, CENTRAL_NODES, (pause_ms > 0 ? pause_ms : 500) * MS);
}

static void step_redrive(struct central *central)
{
    tb_append_queue_step(central->append_queue, central->redrive_writer, 0);
    central_wake(central, CENTRAL_REDRIVE, 300 * MS);
}

/* Hints from other centrals may be lost or repeated, but a hint must never announce a version
 * that is not stored yet. */
static void step_hints(struct central *central)
{
    struct tb_log_batch batch = {0};
    struct tb_error err = {0};

    if (central->ready_reader->ops->poll(central->ready_reader, TB_LOG_BATCH_MAX, 0, &batch,
                                         &err) == TB_OK) {
        for (size_t i = 0; i < batch.count; i++) {
            char order_id[TB_UUID_SIZE];
            int64_t version = 0, replaced = 0;

            SIM_REQUIRE(tb_ready_decode(&batch.records[i], order_id, &version, &replaced),
                        "%s: a hint that is none", central->name);
            check_centre_hint(central, order_id, version);
        }
    }
    central_wake(central, CENTRAL_HINTS, 700 * MS);
}

static void step_reader(struct central *central)
{
    check_centre_read(central);
    central_wake(central, CENTRAL_READER, 900 * MS);
}

void central_step(struct central *central, enum central_actor actor)
{
    central->due_us[actor] = SIM_NEVER;
    if (central->frozen) {
        central_wake(central, actor, 100 * MS);
        return;
    }
    switch (actor) {
    case CENTRAL_EVENTS:
        step_events(central);
        break;
    case CENTRAL_NODES:
        step_nodes(central);
        break;
    case CENTRAL_REDRIVE:
        step_redrive(central);
        break;
    case CENTRAL_HINTS:
        step_hints(central);
        break;
    case CENTRAL_READER:
        step_reader(central);
        break;
    case CENTRAL_START:
        central_start(central);
        break;
    case CENTRAL_ACTORS:
        break;
    }
}
