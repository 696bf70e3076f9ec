#include "edge/kafka_uplink.h"
#include "base/diag/diag.h"
#include "base/thread/process.h"
#include "bridge/link/link.h"
#include "bridge/log/kafka/setup.h"
#include "bridge/relay/heartbeat.h"
#include "bridge/relay/record.h"
#include "bridge/relay/relay.h"
#include "edge/netlink_watch.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* A round waits so long for acknowledgements of what it sent; an order that comes meanwhile is
 * seen after it, and shares the next batch. */
#define PATIENCE_MS 5
/* While a connection is being made it is looked at so often. */
#define LOOK_MS 100
/* Topics are made, or not, within this; the end of the program waits for it. */
#define CREATE_MS 2000
#define CLIENT_ID_SIZE 48
#define PROBLEM_SIZE 240
/* Different problems told of one outage; a library that words one in many ways is cut off. */
#define TOLD_MAX 4
/* The background goes behind order taking, as the other relay does. */
#define BEHIND_ORDERS_NICE 5

struct tb_kafka_uplink {
    struct tb_kafka_uplink_options options;
    struct tb_kafka_setup setup;
    char client_id[CLIENT_ID_SIZE];
    struct tb_outbox_reader *outbox;
    struct tb_log_writer *events, *status;
    struct tb_relay *relay;
    struct tb_heartbeat_sender beats;
    struct tb_netlink_watch *net;
    struct tb_link link;
    pthread_t thread;
    bool started;

    _Atomic bool forced;
    _Atomic int state;        /* of the link */
    _Atomic int64_t since_ms; /* its last change */
    pthread_mutex_t lock;     /* guards the next */
    char problem[PROBLEM_SIZE];

    /* The thread's. */
    bool open, lost;
    bool created; /* the topics are there, or nobody asked for them to be made */
    uint64_t acknowledged;
    char told[TOLD_MAX][PROBLEM_SIZE];
    size_t told_count;
};

/* What goes wrong, told once per outage and shown as long as it lasts. */

static bool tell_once(struct tb_kafka_uplink *kafka, const char *text)
{
    for (size_t i = 0; i < kafka->told_count; i++) {
        if (strcmp(kafka->told[i], text) == 0)
            return false;
    }
    if (kafka->told_count == TOLD_MAX)
        return false;
    snprintf(kafka->told[kafka->told_count++], PROBLEM_SIZE, "%s", text);
    return true;
}

static void set_problem(struct tb_kafka_uplink *kafka, const char *text)
{
    pthread_mutex_lock(&kafka->lock);
    snprintf(kafka->problem, sizeof kafka->problem, "%s", text);
    pthread_mutex_unlock(&kafka->lock);
}

static void follow_problem(struct tb_kafka_uplink *kafka)
{
    char text[PROBLEM_SIZE];

    if (!kafka->created) /* said when the making failed */
        return;
    tb_log_kafka_writer_problem(kafka->events, text);
    if (!text[0])
        tb_log_kafka_writer_problem(kafka->status, text);
    if (!text[0] && kafka->open && kafka->link.state == TB_LINK_OFFLINE)
        snprintf(text, sizeof text, "no answer");
    /* While the way is closed nobody looks: what was wrong before it was closed still is. */
    if (!text[0] && !kafka->open)
        return;
    if (text[0] && strcmp(text, kafka->problem) != 0 && tell_once(kafka, text))
        tb_diag(TB_DIAG_WARN, "kafka.problem", "Kafka at %s: %s", kafka->setup.options.brokers,
                text);
    set_problem(kafka, text);
}

static void follow_state(struct tb_kafka_uplink *kafka)
{
    enum tb_link_state before = (enum tb_link_state)atomic_load(&kafka->state);

    if (kafka->link.state == before)
        return;
    atomic_store(&kafka->since_ms, kafka->link.since_ms);
    atomic_store(&kafka->state, (int)kafka->link.state);
    if (kafka->link.state == TB_LINK_ONLINE)
        kafka->told_count = 0;
    if (kafka->link.state == TB_LINK_OFFLINE && kafka->problem[0])
        tb_diag(TB_DIAG_WARN, "link.offline", "the link is offline: %s", kafka->problem);
    else
        tb_diag(TB_DIAG_INFO, "link.state", "the link is %s",
                tb_link_state_name(kafka->link.state));
}

static void on_trouble(void *ctx, const struct tb_error *err)
{
    struct tb_kafka_uplink *kafka = ctx;

    /* Of the way the link tells; this is what the store or a record has to say. */
    if (err->code != TB_OK && err->code != TB_UNAVAILABLE && err->code != TB_UNKNOWN &&
        tell_once(kafka, err->text))
        tb_diag(TB_DIAG_WARN, "relay.failing", "Kafka does not take events: %s", err->text);
}

static void on_moved(void *ctx, const char *cursor_name, int64_t row, int64_t at_ms)
{
    const struct tb_kafka_uplink_options *options = &((struct tb_kafka_uplink *)ctx)->options;

    options->moved(options->ctx, cursor_name, row, at_ms);
}

static bool on_park(void *ctx, const char *cursor_name, const char *order_id, int64_t row,
                    const char *reason)
{
    struct tb_kafka_uplink *kafka = ctx;
    const struct tb_kafka_uplink_options *options = &kafka->options;
    char text[PROBLEM_SIZE];

    snprintf(text, sizeof text, "%s", reason);
    if (!text[0])
        tb_log_kafka_writer_problem(kafka->events, text);
    if (!text[0])
        snprintf(text, sizeof text, "refused by the broker");
    if (!options->park(options->ctx, cursor_name, order_id, row, text))
        return false;
    tb_diag(TB_DIAG_ERROR, "relay.parked",
            "order %s stays on this node from outbox row %lld on: %s", order_id, (long long)row,
            text);
    return true;
}

/* The way out is opened and closed as the link says. */

static void close_way(struct tb_kafka_uplink *kafka)
{
    kafka->open = false;
    tb_log_kafka_disconnect(kafka->events);
    tb_log_kafka_disconnect(kafka->status);
}

static void create_topics(struct tb_kafka_uplink *kafka)
{
    const struct tb_kafka_setup *setup = &kafka->setup;
    char text[PROBLEM_SIZE];
    struct tb_error err = {0};

    if (kafka->created)
        return;
    kafka->created = tb_log_kafka_check_topics(&setup->options, setup->topics, setup->topic_count,
                                               true, CREATE_MS, &err) == TB_OK;
    if (kafka->created) {
        set_problem(kafka, "");
        return;
    }
    kafka->lost = true;
    snprintf(text, sizeof text, "%s", err.text);
    if (tell_once(kafka, text))
        tb_diag(TB_DIAG_WARN, "kafka.problem", "Kafka at %s: %s", setup->options.brokers, text);
    set_problem(kafka, text);
}

/* Whatever fails here shows as a problem, and as a way that does not connect. */
static void open_way(struct tb_kafka_uplink *kafka)
{
    struct tb_error err = {0};

    kafka->open = true;
    create_topics(kafka);
    if (!kafka->created)
        return;
    (void)!tb_log_kafka_connect(kafka->events, &err);
    (void)!tb_log_kafka_connect(kafka->status, &err);
}

static struct tb_link_input look(struct tb_kafka_uplink *kafka)
{
    uint64_t acknowledged = tb_relay_sent(kafka->relay) + kafka->beats.sent;
    struct tb_link_input in = {
        .mono_ms = tb_clock_mono_ms(kafka->options.clock),
        .wall_ms = tb_clock_wall_ms(kafka->options.clock),
        .forced = atomic_load(&kafka->forced),
        .connected = kafka->open && kafka->created && tb_log_kafka_connected(kafka->events),
        .progress = acknowledged != kafka->acknowledged,
        .waiting = tb_relay_outstanding(kafka->relay) > 0 || kafka->beats.outstanding,
        .all_brokers_down =
            kafka->lost || (kafka->open && tb_log_kafka_all_brokers_down(kafka->events)),
        .no_response = kafka->open && kafka->created && tb_log_kafka_no_response(kafka->events),
        .network_changed = tb_netlink_watch_changed(kafka->net),
    };

    kafka->acknowledged = acknowledged;
    kafka->lost = false;
    return in;
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

int64_t tb_kafka_uplink_step(struct tb_kafka_uplink *kafka)
{
    int64_t wait_ms = tb_relay_step(kafka->relay);
    bool status_there = kafka->open && tb_log_kafka_connected(kafka->status);

    wait_ms = sooner(wait_ms, tb_heartbeat_sender_step(&kafka->beats, status_there));
    struct tb_link_input in = look(kafka);
    struct tb_link_advice advice = tb_link_step(&kafka->link, &in);

    if (kafka->open && (!advice.open || advice.reopen))
        close_way(kafka);
    if (advice.open && (!kafka->open || !kafka->created))
        open_way(kafka);
    bool sends = kafka->open && !advice.reopen && in.connected;
    if (tb_relay_is_offline(kafka->relay) == sends) {
        tb_relay_set_offline(kafka->relay, !sends);
        wait_ms = 0;
    }
    follow_problem(kafka);
    follow_state(kafka);
    if (kafka->open && !in.connected)
        wait_ms = sooner(wait_ms, LOOK_MS);
    return sooner(wait_ms, advice.wait_ms);
}

static void *kafka_main(void *arg)
{
    struct tb_kafka_uplink *kafka = arg;

    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), BEHIND_ORDERS_NICE);
    while (!tb_relay_stopping(kafka->relay)) {
        int64_t wait_ms = tb_kafka_uplink_step(kafka);

        if (wait_ms > 0)
            tb_relay_wait(kafka->relay, wait_ms);
    }
    return NULL;
}

/* Rows that retention removed before Kafka was configured are nowhere to be sent from. */
static enum tb_code look_for_a_gap(struct tb_kafka_uplink *kafka, struct tb_error *err)
{
    struct tb_outbox_row row = {0};
    int64_t cursor = 0;
    bool more = false;

    TB_TRY(tb_outbox_cursor(kafka->outbox, TB_CURSOR_KAFKA, &cursor, err));
    TB_TRY(tb_outbox_read_after(kafka->outbox, cursor, 1, err));
    TB_TRY(tb_outbox_next(kafka->outbox, &row, &more, err));
    if (more && row.row > cursor + 1)
        tb_diag(TB_DIAG_WARN, "kafka.gap",
                "%lld events were taken before Kafka was configured and are kept in this node's "
                "own log only",
                (long long)(row.row - cursor - 1));
    tb_outbox_end_read(kafka->outbox);
    return TB_OK;
}

static enum tb_code open_relay(struct tb_kafka_uplink *kafka, struct tb_error *err)
{
    const struct tb_kafka_uplink_options *options = &kafka->options;
    const struct tb_relay_options relay = {
        .node = tb_config_text(options->config, TB_NODE_NAME),
        .cursor_name = TB_CURSOR_KAFKA,
        .outbox = kafka->outbox,
        .writer = kafka->events,
        .clock = options->clock,
        .random = options->random,
        .start_offline = true, /* until it is connected */
        .ack_wait_ms = PATIENCE_MS,
        .park = on_park,
        .on_cursor = on_moved,
        .on_problem = on_trouble,
        .ctx = kafka,
    };

    return tb_relay_new(&relay, &kafka->relay, err);
}

static void init_link(struct tb_kafka_uplink *kafka)
{
    const struct tb_kafka_uplink_options *options = &kafka->options;
    const struct tb_link_settings settings = {
        .offline_after_ms = tb_config_int(options->config, TB_LINK_OFFLINE_AFTER),
        .retry_max_ms = tb_config_int(options->config, TB_LINK_RETRY_MAX),
        .first_retry_spread_ms = tb_config_int(options->config, TB_LINK_FIRST_RETRY_SPREAD),
    };

    tb_link_init(&kafka->link, &settings, options->random, options->forced_offline,
                 tb_clock_mono_ms(options->clock), tb_clock_wall_ms(options->clock));
    atomic_store(&kafka->forced, options->forced_offline);
    atomic_store(&kafka->state, (int)kafka->link.state);
    atomic_store(&kafka->since_ms, kafka->link.since_ms);
}

static enum tb_code open_all(struct tb_kafka_uplink *kafka, struct tb_error *err)
{
    const struct tb_kafka_uplink_options *options = &kafka->options;
    const char *node = tb_config_text(options->config, TB_NODE_NAME);

    snprintf(kafka->client_id, sizeof kafka->client_id, "tillbox-%s", node);
    TB_TRY(tb_kafka_setup_make(options->config, kafka->client_id, options->clock, &kafka->setup,
                               err));
    TB_TRY(tb_outbox_reader_open(options->store_path, &kafka->outbox, err));
    if (strcmp(tb_config_text(options->config, TB_KAFKA_KEY), "customer") == 0)
        tb_outbox_include_customers(kafka->outbox);
    TB_TRY(look_for_a_gap(kafka, err));
    TB_TRY(tb_log_kafka_writer(&kafka->setup.options, kafka->setup.topic, &kafka->events, err));
    TB_TRY(tb_log_kafka_writer(&kafka->setup.others, TB_TOPIC_NODE_STATUS, &kafka->status, err));
    TB_TRY(open_relay(kafka, err));
    kafka->beats = (struct tb_heartbeat_sender){.node = node,
                                                .version = TB_VERSION,
                                                .cursor_name = TB_CURSOR_KAFKA,
                                                .outbox = kafka->outbox,
                                                .writer = kafka->status,
                                                .clock = options->clock};
    kafka->created = !kafka->setup.create;
    kafka->open = !options->forced_offline && kafka->created;
    if (!kafka->open)
        close_way(kafka);
    kafka->net = tb_netlink_watch_open();
    init_link(kafka);
    return TB_OK;
}

enum tb_code tb_kafka_uplink_open(const struct tb_kafka_uplink_options *options,
                                  struct tb_kafka_uplink **ret_kafka, struct tb_error *err)
{
    struct tb_kafka_uplink *kafka = calloc(1, sizeof *kafka);
    enum tb_code code;

    if (!kafka)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    kafka->options = *options;
    TB_ASSERT(pthread_mutex_init(&kafka->lock, NULL) == 0);
    code = open_all(kafka, err);
    if (code != TB_OK) {
        tb_kafka_uplink_free(kafka);
        return code;
    }
    *ret_kafka = kafka;
    return TB_OK;
}

enum tb_code tb_kafka_uplink_start(struct tb_kafka_uplink *kafka, struct tb_error *err)
{
    TB_TRY(tb_process_start_thread(&kafka->thread, "kafka", kafka_main, kafka, err));
    kafka->started = true;
    return TB_OK;
}

void tb_kafka_uplink_stop(struct tb_kafka_uplink *kafka)
{
    if (!kafka || !kafka->started)
        return;
    tb_relay_stop(kafka->relay);
    pthread_join(kafka->thread, NULL);
    kafka->started = false;
}

void tb_kafka_uplink_free(struct tb_kafka_uplink *kafka)
{
    if (!kafka)
        return;
    tb_relay_free(kafka->relay);
    tb_heartbeat_sender_release(&kafka->beats);
    if (kafka->events)
        kafka->events->ops->free(kafka->events);
    if (kafka->status)
        kafka->status->ops->free(kafka->status);
    tb_outbox_reader_free(kafka->outbox);
    tb_netlink_watch_free(kafka->net);
    tb_kafka_setup_release(&kafka->setup);
    pthread_mutex_destroy(&kafka->lock);
    free(kafka);
}

void tb_kafka_uplink_wake(struct tb_kafka_uplink *kafka)
{
    tb_relay_wake(kafka->relay);
}

void tb_kafka_uplink_set_offline(struct tb_kafka_uplink *kafka, bool offline)
{
    atomic_store(&kafka->forced, offline);
    /* Held in both cases, which wakes its thread too: that one lets go once it is connected. */
    tb_relay_set_offline(kafka->relay, true);
}

void tb_kafka_uplink_status(const struct tb_kafka_uplink *kafka,
                            struct tb_link_status *ret_figures)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&kafka->lock;

    *ret_figures = (struct tb_link_status){
        .state = tb_link_state_name((enum tb_link_state)atomic_load(&kafka->state)),
        .since_ms = atomic_load(&kafka->since_ms),
        .relay_sent = tb_relay_sent(kafka->relay),
        .relay_state = tb_relay_state_name(tb_relay_state(kafka->relay)),
    };
    pthread_mutex_lock(lock);
    snprintf(ret_figures->problem, sizeof ret_figures->problem, "%s", kafka->problem);
    pthread_mutex_unlock(lock);
}

int64_t tb_kafka_uplink_event_max(void)
{
    return TB_LOG_KAFKA_RECORD_MAX - TB_RELAY_RECORD_OVERHEAD;
}
