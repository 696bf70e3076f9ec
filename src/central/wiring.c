#include "central/wiring.h"
#include "base/diag/diag.h"
#include <stdio.h>

#define VIEW_NAME "mongodb"
/* The limit for checking or creating topics: meanwhile the consumer's thread cannot stop. */
#define TOPICS_MS 2000

/* Callbacks. Each runs on the thread of the part that calls it. */

void tb_central_on_nodes_error(void *ctx, const struct tb_error *err)
{
    static const struct tb_outage_words words = {
        "nodes.failing", "nodes.running", "heartbeats are not noted", "heartbeats are noted"};

    tb_outage_update(&((struct central *)ctx)->nodes_outage, &words, err);
}

static void on_applied(void *ctx, const struct tb_plan *plan)
{
    struct central *central = ctx;

    tb_view_on_applied(&central->shared, plan);
    tb_ready_publish(&central->ready_publisher, plan);
}

static void on_stepped(void *ctx)
{
    tb_ready_collect_acks(&((struct central *)ctx)->ready_publisher);
}

static enum tb_code on_drop_dead_letter(void *ctx, struct tb_dead_letter_position position,
                                        struct tb_error *err)
{
    return tb_mongo_drop_dead_letter(((struct central *)ctx)->mongo, position,
                                     tb_clock_wall_ms(&tb_clock_system), err);
}

static enum tb_code on_log_ranges(void *ctx, struct tb_log_range *ret_ranges, struct tb_error *err)
{
    struct central *central = ctx;
    const struct tb_log_reader *events = atomic_load(&central->events);

    if (!events)
        return tb_error_set(err, TB_UNAVAILABLE, "the log is not being read yet");
    return tb_log_kafka_query_assigned(central->offsets_query, events, ret_ranges,
                                       central->setup.options.partitions, err);
}

static int64_t on_generation(void *ctx, int32_t partition)
{
    return atomic_load(&((struct central *)ctx)->generations[partition]);
}

static enum tb_code on_nodes(void *ctx, int64_t now_ms, struct tb_arena *arena,
                             struct tb_node_report_list *ret_list, struct tb_error *err)
{
    return tb_mongo_list_nodes(((struct central *)ctx)->list_mongo, now_ms, arena, ret_list, err);
}

static enum tb_code on_retire(void *ctx, const char *node,
                              const struct tb_node_retirement *retired, const char *who,
                              struct tb_error *err)
{
    enum tb_code code = tb_mongo_retire_node(((struct central *)ctx)->mongo, node, retired, err);

    if (code == TB_OK || code == TB_UNKNOWN)
        tb_diag(TB_DIAG_INFO, "nodes.audit", "node %s was %s%s by %s", node,
                retired ? "retired" : "put back", code == TB_OK ? "" : ", or perhaps not,", who);
    return code;
}

static enum tb_code on_node_details(void *ctx, int64_t now_ms, struct tb_arena *arena,
                                    struct tb_node_report *nodes, size_t count,
                                    struct tb_error *err)
{
    return tb_mongo_detail_nodes(((struct central *)ctx)->list_mongo, now_ms, arena, nodes, count,
                                 err);
}

/* Of several problems it shows the one that matters most. */
static void on_problem(void *ctx, char ret_text[240])
{
    struct central *central = ctx;
    const struct tb_log_reader *events = atomic_load(&central->events);

    tb_outage_problem(&central->shared.consumer_outage, ret_text);
    if (!ret_text[0])
        tb_outage_problem(&central->nodes_outage, ret_text);
    if (!ret_text[0] && events)
        tb_log_kafka_reader_problem(events, ret_text);
}

/* Joining the group takes partitions from other centrals, which can apply events. So this central
 * joins only when it can apply events too. */
static enum tb_code on_open(void *ctx, struct tb_log_reader **ret_reader, struct tb_error *err)
{
    struct central *central = ctx;
    const struct tb_kafka_setup *setup = &central->setup;
    const char *group = tb_config_text(central->shared.config, TB_KAFKA_GROUP);
    struct tb_placed_reader_options placed = {
        .places = &central->event_places,
        .clock = &tb_clock_system,
        .partitions = setup->options.partitions,
    };
    char warning[240];

    TB_TRY(tb_log_kafka_check_topics(&setup->options, setup->topics, TB_KAFKA_TOPICS,
                                     setup->create, TOPICS_MS, err));
    TB_TRY(tb_mongo_prepare(central->mongo, warning, err));
    TB_TRY(tb_mongo_note_partitions(central->mongo, setup->options.partitions,
                                    &central->shared.key_partitions, err));
    TB_TRY(tb_log_kafka_reader(&setup->options, setup->topic, group, &placed.from, err));
    TB_TRY(tb_placed_reader_new(&placed, &central->placed_events, err));
    if (warning[0] != '\0')
        tb_diag(TB_DIAG_WARN, "mongo.standalone", "%s", warning);
    tb_diag(TB_DIAG_INFO, "consumer.joining", "reading %s as group %s into database %s",
            setup->topic, group, tb_config_text(central->shared.config, TB_MONGO_DATABASE));
    atomic_store(&central->events, placed.from);
    atomic_store(&central->prepared, true);
    tb_central_wake_pauses(central);
    *ret_reader = central->placed_events;
    return TB_OK;
}

/* Opening. */

static enum tb_code check_config(const struct tb_config *config, struct tb_error *err)
{
    if (!tb_config_text(config, TB_KAFKA_BROKERS)[0])
        return tb_error_set(err, TB_INVALID,
                            "a central needs [kafka] brokers (--kafka-brokers host:port)");
    if (!tb_config_text(config, TB_MONGO_URI)[0])
        return tb_error_set(err, TB_INVALID,
                            "a central needs [mongo] uri (--mongo-uri mongodb://host:port)");
    TB_TRY(tb_mongo_check_uri(tb_config_text(config, TB_MONGO_URI), err));
    return tb_view_check_config(config, err);
}

/* Opens everything that joins no group. This comes first, so that wrong Kafka settings end the
 * start before other parts are open. */
static enum tb_code open_log(struct central *central, struct tb_error *err)
{
    const struct tb_config *config = central->shared.config;
    struct tb_kafka_setup *setup = &central->setup;

    snprintf(central->client_id, sizeof central->client_id, "tillbox-central-%s",
             tb_config_text(config, TB_NODE_NAME));
    snprintf(central->nodes_group, sizeof central->nodes_group, "%s-nodes",
             tb_config_text(config, TB_KAFKA_GROUP));
    TB_TRY(tb_kafka_setup_make(config, central->client_id, &tb_clock_system, setup, err));
    central->shared.topic = setup->topic;
    central->shared.group = tb_config_text(config, TB_KAFKA_GROUP);
    central->shared.partitions = setup->options.partitions;
    TB_TRY(tb_log_kafka_writer(&setup->letters, setup->dead_letters, &central->dead_letter_writer,
                               err));
    TB_TRY(tb_log_kafka_writer(&setup->options, setup->topic, &central->replay_writer, err));
    TB_TRY(tb_append_queue_new(NULL, NULL, &central->shared.append_queue, err));
    TB_TRY(tb_log_kafka_writer(&setup->others, TB_TOPIC_PROJECTION_READY, &central->ready_writer,
                               err));
    central->ready_publisher =
        (struct tb_ready_publisher){.writer = central->ready_writer, .clock = &tb_clock_system};
    TB_TRY(tb_log_kafka_offsets_query_open(&setup->options, setup->topic, central->shared.group,
                                           &central->offsets_query, err));
    return tb_log_kafka_tail(&setup->others, TB_TOPIC_PROJECTION_READY, &central->ready_reader,
                             err);
}

static enum tb_code open_view(struct central *central, struct tb_error *err)
{
    const struct tb_config *config = central->shared.config;
    struct tb_mongo_options options = {
        .uri = tb_config_text(config, TB_MONGO_URI),
        .database = tb_config_text(config, TB_MONGO_DATABASE),
        .topic = central->setup.topic,
        .bulk_size = (int)tb_config_int(config, TB_MONGO_BULK_SIZE),
        .day_start_minutes = (int)tb_config_int(config, TB_NODE_DAY_START),
        .clock = &tb_clock_system,
        .random = &tb_random_system,
    };

    TB_TRY(tb_mongo_new(&options, &central->mongo, err));
    options.for_queries = true;
    TB_TRY(tb_mongo_new(&options, &central->list_mongo, err));
    TB_TRY(tb_mongo_new(&options, &central->order_mongo, err));
    TB_TRY(tb_view_mongo_open(central->mongo, &central->view, err));
    tb_central_open_places(central);
    for (size_t i = 0; i < CENTRAL_QUERY_THREADS; i++)
        TB_TRY(tb_view_mongo_open_reader(i < CENTRAL_LIST_THREADS ? central->list_mongo
                                                                  : central->order_mongo,
                                         &central->query_views[i], err));
    return TB_OK;
}

static enum tb_code open_consumer(struct central *central, struct tb_error *err)
{
    struct tb_consumer_options options = tb_view_consumer_options(&central->shared);

    options.view = central->view;
    options.dead_letters = central->dead_letter_writer;
    options.open = on_open;
    options.on_applied = on_applied;
    options.on_failure = tb_view_on_consumer_error;
    options.on_step = on_stepped;
    return tb_consumer_new(&options, &central->shared.consumer, err);
}

static enum tb_code open_api(struct central *central, struct tb_error *err)
{
    const struct tb_api_central role = {.nodes = on_nodes,
                                        .node_details = on_node_details,
                                        .retire = on_retire,
                                        .problem = on_problem,
                                        .generation = on_generation};
    struct tb_api_options options = tb_view_api_options(&central->shared);

    options.central = &role;
    options.view_name = VIEW_NAME;
    options.dead_letters.drop = on_drop_dead_letter;
    options.log_ranges = on_log_ranges;
    for (size_t i = 0; i < CENTRAL_LIST_THREADS; i++)
        options.lists[i].view = central->query_views[i];
    for (size_t i = 0; i < CENTRAL_ORDER_THREADS; i++)
        options.singles[i].view = central->query_views[CENTRAL_LIST_THREADS + i];
    return tb_api_open(&options, &central->shared.api, err);
}

enum tb_code tb_central_open(void *ctx, struct tb_error *err)
{
    struct central *central = ctx;

    tb_outage_init(&central->nodes_outage);
    for (size_t i = 0; i < CENTRAL_PAUSES; i++)
        tb_mailbox_init(&central->pauses[i], 0);
    TB_TRY(check_config(central->shared.config, err));
    TB_TRY(open_log(central, err));
    TB_TRY(open_view(central, err));
    TB_TRY(open_consumer(central, err));
    TB_TRY(tb_central_open_rebuild(central, err));
    return open_api(central, err);
}

/* Frees the reader of the events early: that leaves the group, so that other centrals get its
 * partitions soon. */
void tb_central_close(void *ctx)
{
    struct central *central = ctx;
    tb_api_free(central->shared.api);
    tb_rebuild_free(central->shared.rebuild);
    tb_rebuild_mongo_free(central->rebuild_mongo);
    tb_consumer_free(central->shared.consumer);
    atomic_store(&central->events, NULL);
    tb_log_reader_free(central->placed_events);
    tb_log_reader_free(central->ready_reader);
    tb_log_kafka_offsets_query_free(central->offsets_query);
    tb_append_queue_free(central->shared.append_queue);
    tb_log_writer_free(central->replay_writer);
    tb_log_writer_free(central->dead_letter_writer);
    tb_log_writer_free(central->ready_writer);
    tb_ready_publisher_release(&central->ready_publisher);
    for (size_t i = 0; i < CENTRAL_QUERY_THREADS; i++)
        tb_view_reader_free(central->query_views[i]);
    tb_view_free(central->view);
    tb_mongo_free(central->order_mongo);
    tb_mongo_free(central->list_mongo);
    tb_mongo_free(central->mongo);
    tb_kafka_setup_release(&central->setup);
    for (size_t i = 0; i < CENTRAL_PAUSES; i++)
        tb_mailbox_release(&central->pauses[i]);
    tb_outage_release(&central->nodes_outage);
}
