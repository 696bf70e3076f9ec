#include "query/dead_letters/replay.h"
#include "sim/sim.h"
#include <stdio.h>
#include <stdlib.h>

#define MS INT64_C(1000)

static int64_t wall_ms(void *ctx)
{
    const struct central *central = ctx;

    return SIM_EPOCH_MS + central->sim->now_us / 1000;
}

static int64_t mono_us(void *ctx)
{
    const struct central *central = ctx;

    return central->sim->now_us + 1000000;
}

void central_init(struct central *central, struct sim *sim, int index)
{
    *central = (struct central){.sim = sim, .index = index};
    snprintf(central->name, sizeof central->name, "central%d", index + 1);
    snprintf(central->client_id, sizeof central->client_id, "tillbox-%s", central->name);
    central->client = broker_client(&sim->centre.broker, central->client_id);
    central->clock = (struct tb_clock){central, wall_ms, mono_us};
    fake_random_init(&central->random, sim->seed * 67 + (uint64_t)index + 300);
    central->other_options =
        (struct tb_log_kafka_options){.client_id = central->client_id, .clock = &central->clock};
    central->event_options = central->other_options;
    central->event_options.partitions = TEST_PARTITIONS;
    for (int i = 0; i < CENTRAL_ACTORS; i++)
        central->due_us[i] = SIM_NEVER;
    central->due_us[CENTRAL_START] = 0;
}

void central_wake(struct central *central, enum central_actor actor, int64_t in_us)
{
    int64_t due_us = central->sim->now_us + in_us / 2 +
                     (int64_t)sim_below(&central->sim->centre_random, (uint64_t)in_us / 2 + 1);

    if (due_us < central->due_us[actor])
        central->due_us[actor] = due_us;
}

/* Callbacks between the product's parts, wired as in src/central/wiring.c. */

void central_report_error(const struct central *central, const char *what,
                          const struct tb_error *err)
{
    sim_trace("%s %s: %s %s", central->name, what, tb_code_name(err->code), err->text);
    SIM_REQUIRE(err->code != TB_CORRUPT && err->code != TB_INTERNAL, "%s: %s: %s", central->name,
                what, err->text);
}

static void on_outage(void *ctx, const struct tb_error *err)
{
    central_report_error(ctx, "events", err);
    sim_cover(COVER_CENTRAL_FAILING, err->code != TB_OK);
}

static void on_applied(void *ctx, const struct tb_plan *plan)
{
    struct central *central = ctx;

    sim_trace("%s has partition %d up to %" PRId64 ", %zu dead", central->name,
              (int)plan->partition, plan->next_offset, plan->dead_letter_count);
    tb_ready_publish(&central->ready_publisher, plan);
}

static bool on_redrive(void *ctx, const struct tb_dead_letter *letter,
                       const struct tb_record *record)
{
    struct central *central = ctx;
    struct tb_error err = {0};

    if (tb_append_queue_post(central->append_queue, record, &err) != TB_OK)
        return false;
    sim_trace("%s sends dead letter %d-%" PRId64 " again", central->name,
              (int)letter->position.partition, letter->position.offset);
    sim_cover(COVER_CENTRE_REDRIVEN, 1);
    central_wake(central, CENTRAL_REDRIVE, 3 * MS);
    return true;
}

static enum tb_code on_open(void *ctx, struct tb_log_reader **ret_reader, struct tb_error *err)
{
    static const struct tb_log_kafka_topic topics[] = {{.name = SIM_TOPIC, .partitions = 6}};
    struct central *central = ctx;
    struct tb_placed_reader_options placed = {
        .places = &central->places, .clock = &central->clock, .partitions = TEST_PARTITIONS};
    char warning[240];

    TB_TRY(tb_log_kafka_check_topics(&central->event_options, topics, 1, false, 0, err));
    TB_TRY(tb_mongo_prepare(central->mongo, warning, err));
    TB_TRY(tb_log_kafka_reader(&central->event_options, SIM_TOPIC, CENTRE_GROUP,
                               &central->event_reader, err));
    placed.from = central->event_reader;
    TB_TRY(tb_placed_reader_new(&placed, &central->placed_reader, err));
    sim_trace("%s joins", central->name);
    central->prepared = true;
    central_wake(central, CENTRAL_NODES, 5 * MS);
    *ret_reader = central->sim->mutant == SIM_MUTANT_POSITION_NOT_WRITTEN ? central->event_reader
                                                                          : central->placed_reader;
    return TB_OK;
}

/* Opening. None of it contacts Kafka or MongoDB: both may be down. */

static enum tb_code open_log(struct central *central, struct tb_error *err)
{
    TB_TRY(tb_log_kafka_writer(&central->event_options, SIM_TOPIC ".DLT", &central->dead_letters,
                               err));
    TB_TRY(tb_log_kafka_writer(&central->event_options, SIM_TOPIC, &central->redrive_writer, err));
    TB_TRY(tb_append_queue_new(NULL, NULL, &central->append_queue, err));
    TB_TRY(tb_log_kafka_writer(&central->other_options, "projection-ready", &central->ready_writer,
                               err));
    central->ready_publisher =
        (struct tb_ready_publisher){.writer = central->ready_writer, .clock = &central->clock};
    return tb_log_kafka_tail(&central->other_options, "projection-ready", &central->ready_reader,
                             err);
}

static enum tb_code open_view(struct central *central, struct tb_error *err)
{
    char uri[80];
    const struct tb_mongo_options options = {
        .uri = uri,
        .database = "tillbox",
        .topic = SIM_TOPIC,
        .bulk_size = 1 + (int)sim_below(&central->sim->centre_random, 40),
        .day_start_minutes = SIM_CENTRE_DAY_START,
        .clock = &central->clock,
        .random = &central->random.random,
    };

    /* The database's secondaries lag behind: what a central decides must not come from them. */
    snprintf(uri, sizeof uri, "mongodb://%s/?readPreference=secondaryPreferred", central->name);
    TB_TRY(tb_mongo_new(&options, &central->mongo, err));
    TB_TRY(tb_view_mongo_open(central->mongo, &central->view, err));
    tb_view_mongo_places(central->view, &central->places);
    central->node_positions = (struct tb_mongo_positions){
        .mongo = central->mongo, .topic = "node-status", .feeds = "nodes"};
    tb_mongo_nodes_places(&central->node_positions, &central->node_places);
    if (central->sim->mutant == SIM_MUTANT_APPLY_OVER_GAP)
        gap_mutant_install(central);
    sender_mutants_install(central);
    place_mutant_install(central);
    day_mutant_install(central);
    return tb_view_mongo_open_reader(central->mongo, &central->view_reader, err);
}

static enum tb_code open_consumer(struct central *central, struct tb_error *err)
{
    static const struct tb_plan_partitions partitions = {.counts = {TEST_PARTITIONS}, .count = 1};
    const struct tb_consumer_options options = {
        .view = central->view,
        .clock = &central->clock,
        .random = &central->random.random,
        .rules = {.currency = "EUR", .partitions = &partitions},
        .dead_letter_keep_ms = -1,
        .dead_letters = central->dead_letters,
        .topic = SIM_TOPIC,
        .group = CENTRE_GROUP,
        .partitions = TEST_PARTITIONS,
        .open = on_open,
        .on_applied = on_applied,
        .on_outage = on_outage,
        .redrive = on_redrive,
        .ctx = central,
    };

    return tb_consumer_new(&options, &central->consumer, err);
}

void central_start(struct central *central)
{
    struct tb_error err = {0};

    SIM_REQUIRE(open_log(central, &err) == TB_OK && open_view(central, &err) == TB_OK &&
                    open_consumer(central, &err) == TB_OK,
                "%s does not start: %s", central->name, err.text);
    sim_trace("%s runs", central->name);
    central->up = true;
    for (int i = 0; i < CENTRAL_START; i++)
        central_wake(central, (enum central_actor)i, 5 * MS);
}

/* Sends again what the database refused. Dead letters with reason gap or parked need no help: they
 * follow when the version before them is applied, or the node is not parked any more. */
void central_replay(struct central *central, struct tb_dead_letter_position place)
{
    struct tb_arena arena = {0};
    struct tb_dead_letter letter;
    struct tb_record record;
    struct tb_error err = {0};

    if (central->view_reader->ops->get_dead_letter(central->view_reader, place, &arena, &letter,
                                                   &err) == TB_OK &&
        !tb_str_eq(letter.reason, TB_STR(TB_REASON_GAP)) &&
        !tb_str_eq(letter.reason, TB_STR(TB_REASON_PARKED)) &&
        tb_replay_record(&letter, SIM_TOPIC, (struct tb_str){0}, false, &arena, &record, &err) ==
            TB_OK &&
        tb_append_queue_post(central->append_queue, &record, &err) == TB_OK)
        sim_trace("%s: dead letter %d-%" PRId64 " is sent again", central->name,
                  (int)place.partition, place.offset);
    tb_arena_release(&arena);
}

/* Stopping. */

static void free_writer(struct tb_log_writer **writer)
{
    if (*writer)
        (*writer)->ops->free(*writer);
    *writer = NULL;
}

static void free_reader(struct tb_log_reader **reader)
{
    if (*reader)
        (*reader)->ops->free(*reader);
    *reader = NULL;
}

static void close_all(struct central *central)
{
    tb_consumer_free(central->consumer);
    central->consumer = NULL;
    free_reader(&central->placed_reader); /* and event_reader */
    central->event_reader = NULL;
    free_reader(&central->heartbeat_reader);
    free_reader(&central->ready_reader);
    free(central->feed);
    central->feed = NULL;
    tb_append_queue_close(central->append_queue);
    tb_append_queue_free(central->append_queue);
    central->append_queue = NULL;
    free_writer(&central->redrive_writer);
    free_writer(&central->dead_letters);
    free_writer(&central->ready_writer);
    tb_ready_publisher_release(&central->ready_publisher);
    central->view_reader->ops->free(central->view_reader);
    central->view->ops->free(central->view);
    tb_mongo_free(central->mongo);
    central->up = central->frozen = central->prepared = false;
    for (int i = 0; i < CENTRAL_ACTORS; i++)
        central->due_us[i] = SIM_NEVER;
}

static void start_later(struct central *central)
{
    central_wake(central, CENTRAL_START,
                 20 * MS + (int64_t)sim_below(&central->sim->centre_random, 4000) * MS);
}

void central_kill(struct central *central)
{
    sim_trace("%s is killed", central->name);
    broker_client_died(&central->sim->centre.broker, central->client);
    close_all(central);
    start_later(central);
}

void central_stop(struct central *central)
{
    sim_trace("%s is stopped", central->name);
    close_all(central);
    start_later(central);
}

void central_freeze(struct central *central, bool frozen)
{
    sim_trace("%s %s", central->name, frozen ? "freezes" : "thaws");
    central->frozen = frozen;
}

void central_release(struct central *central)
{
    if (central->up)
        close_all(central);
}
