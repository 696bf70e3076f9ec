#include "base/diag/diag.h"
#include "bridge/relay/record.h"
#include "edge/kafka_uplink_priv.h"
#include "edge/link_status.h"
#include <stdio.h>
#include <stdlib.h>

/* A round of the relay waits this long for the acknowledgements of its events. Orders that are
 * stored meanwhile are sent with the next batch. */
#define ACK_WAIT_MS 5

static void on_relay_error(void *ctx, const struct tb_error *err)
{
    struct tb_kafka_uplink *uplink = ctx;

    /* TB_UNAVAILABLE, TB_UNKNOWN: the connection fails, which kafka_connection.c reports. */
    if (err->code != TB_OK && err->code != TB_UNAVAILABLE && err->code != TB_UNKNOWN &&
        tb_outage_is_new(&uplink->outage, err->text))
        tb_diag(TB_DIAG_WARN, "relay.failing", "Kafka does not take events: %s", err->text);
}

static void on_cursor(void *ctx, const char *cursor_name, int64_t row, int64_t at_ms)
{
    const struct tb_kafka_uplink_options *options = &((struct tb_kafka_uplink *)ctx)->options;

    options->on_cursor(options->ctx, cursor_name, row, at_ms);
}

static void on_snapshots(void *ctx, const char *cursor_name, int64_t next)
{
    const struct tb_kafka_uplink_options *options = &((struct tb_kafka_uplink *)ctx)->options;

    options->on_snapshots(options->ctx, cursor_name, next);
}

static bool on_park(void *ctx, const char *cursor_name, const struct tb_parked_order *order,
                    const char *reason)
{
    struct tb_kafka_uplink *uplink = ctx;
    const struct tb_kafka_uplink_options *options = &uplink->options;
    char text[TB_OUTAGE_TEXT_SIZE];

    snprintf(text, sizeof text, "%s", reason);
    if (!text[0])
        tb_log_kafka_writer_problem(uplink->event_writer, text);
    if (!text[0])
        snprintf(text, sizeof text, "refused by the broker");
    if (!options->park(options->ctx, cursor_name, order, text))
        return false;
    tb_diag(TB_DIAG_ERROR, "relay.parked",
            "order %s stays on this node from outbox row %lld on: %s; `tillbox link parked`",
            order->order_id, (long long)order->row, text);
    return true;
}

static bool on_unparked(void *ctx, const char *cursor_name, const char *order_id)
{
    const struct tb_kafka_uplink_options *options = &((struct tb_kafka_uplink *)ctx)->options;

    if (!options->unparked(options->ctx, cursor_name, order_id))
        return false;
    tb_diag(TB_DIAG_INFO, "relay.unparked", "order %s was parked; Kafka has all of it now",
            order_id);
    return true;
}

int64_t tb_kafka_uplink_step(struct tb_kafka_uplink *uplink)
{
    int64_t relay_ms = tb_relay_step(uplink->relay);
    bool connected = uplink->is_open && tb_log_kafka_connected(uplink->status_writer);
    int64_t heartbeat_ms = tb_heartbeat_sender_step(&uplink->heartbeats, connected);

    return tb_kafka_connection_step(uplink, tb_sooner_ms(relay_ms, heartbeat_ms));
}

static void run(void *ctx)
{
    struct tb_kafka_uplink *uplink = ctx;

    while (!tb_relay_stopping(uplink->relay)) {
        int64_t wait_ms = tb_kafka_uplink_step(uplink);

        if (wait_ms > 0)
            tb_relay_wait(uplink->relay, wait_ms);
    }
}

/* Reports events that Kafka will never get: retention removed them before it was configured, or
 * while it was forgotten. */
static enum tb_code report_gap(struct tb_kafka_uplink *uplink, struct tb_error *err)
{
    struct tb_outbox_row row = {0};
    int64_t cursor = 0;
    bool more = false;

    TB_TRY(tb_outbox_cursor(uplink->outbox, TB_CURSOR_KAFKA, &cursor, err));
    TB_TRY(tb_outbox_read_after(uplink->outbox, cursor, 1, err));
    TB_TRY(tb_outbox_next(uplink->outbox, &row, &more, err));
    if (more && row.row > cursor + 1)
        tb_diag(TB_DIAG_WARN, "kafka.gap",
                "%lld events are not sent to Kafka: they were taken before it was configured or "
                "while it was forgotten, and are kept in this node's own log only",
                (long long)(row.row - cursor - 1));
    tb_outbox_end_read(uplink->outbox);
    return TB_OK;
}

static enum tb_code open_relay(struct tb_kafka_uplink *uplink, struct tb_error *err)
{
    const struct tb_kafka_uplink_options *options = &uplink->options;
    const struct tb_relay_options relay = {
        .node = tb_config_text(options->config, TB_NODE_NAME),
        .cursor_name = TB_CURSOR_KAFKA,
        .outbox = uplink->outbox,
        .writer = uplink->event_writer,
        .clock = options->clock,
        .random = options->random,
        .start_offline = true, /* until it is connected */
        .ack_wait_ms = ACK_WAIT_MS,
        .park = on_park,
        .unparked = on_unparked,
        .on_cursor = on_cursor,
        .on_snapshots = on_snapshots,
        .resend = options->resend,
        .on_problem = on_relay_error,
        .ctx = uplink,
    };

    return tb_relay_new(&relay, &uplink->relay, err);
}

static void init_link(struct tb_kafka_uplink *uplink)
{
    const struct tb_kafka_uplink_options *options = &uplink->options;
    const struct tb_link_settings settings = {
        .offline_after_ms = tb_config_int(options->config, TB_LINK_OFFLINE_AFTER),
        .retry_max_ms = tb_config_int(options->config, TB_LINK_RETRY_MAX),
        .first_retry_spread_ms = tb_config_int(options->config, TB_LINK_FIRST_RETRY_SPREAD),
    };

    tb_link_init(&uplink->link, &settings, options->random, options->forced_offline,
                 tb_clock_mono_ms(options->clock), tb_clock_wall_ms(options->clock));
    atomic_store(&uplink->forced_offline, options->forced_offline);
    atomic_store(&uplink->link_state, (int)uplink->link.state);
    atomic_store(&uplink->link_since_ms, uplink->link.since_ms);
}

static enum tb_code open_all(struct tb_kafka_uplink *uplink, struct tb_error *err)
{
    const struct tb_kafka_uplink_options *options = &uplink->options;
    const char *node = tb_config_text(options->config, TB_NODE_NAME);

    snprintf(uplink->client_id, sizeof uplink->client_id, "tillbox-%s", node);
    TB_TRY(tb_kafka_setup_make(options->config, uplink->client_id, options->clock, &uplink->setup,
                               err));
    TB_TRY(tb_outbox_reader_open(options->store_path, &uplink->outbox, err));
    if (strcmp(tb_config_text(options->config, TB_KAFKA_KEY), "customer") == 0)
        tb_outbox_include_customers(uplink->outbox);
    TB_TRY(report_gap(uplink, err));
    TB_TRY(tb_log_kafka_writer(&uplink->setup.options, uplink->setup.topic, &uplink->event_writer,
                               err));
    TB_TRY(tb_log_kafka_writer(&uplink->setup.others, TB_TOPIC_NODE_STATUS, &uplink->status_writer,
                               err));
    TB_TRY(open_relay(uplink, err));
    uplink->log_check.options = (struct tb_log_check_options){
        .setup = &uplink->setup,
        .outbox = uplink->outbox,
        .relay = uplink->relay,
        .resend = options->resend,
        .clock = options->clock,
        .hold = strcmp(tb_config_text(options->config, TB_LINK_ON_LOG_LOSS), "alarm") == 0};
    uplink->heartbeats = (struct tb_heartbeat_sender){
        .node = node,
        .version = TB_VERSION,
        .cursor_name = TB_CURSOR_KAFKA,
        .outbox = uplink->outbox,
        .writer = uplink->status_writer,
        .clock = options->clock,
        .day_start_minutes = (int)tb_config_int(options->config, TB_NODE_DAY_START),
        .on_acknowledged = options->on_heartbeat,
        .ctx = options->ctx};
    uplink->topics_ready = !uplink->setup.create;
    uplink->is_open = !options->forced_offline && uplink->topics_ready;
    if (!uplink->is_open)
        tb_kafka_connection_close(uplink);
    uplink->network = tb_netlink_watch_open();
    init_link(uplink);
    return TB_OK;
}

enum tb_code tb_kafka_uplink_open(const struct tb_kafka_uplink_options *options,
                                  struct tb_kafka_uplink **ret_uplink, struct tb_error *err)
{
    struct tb_kafka_uplink *uplink = calloc(1, sizeof *uplink);
    enum tb_code code;

    if (!uplink)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    uplink->options = *options;
    tb_outage_init(&uplink->outage);
    code = open_all(uplink, err);
    if (code != TB_OK) {
        tb_kafka_uplink_free(uplink);
        return code;
    }
    *ret_uplink = uplink;
    return TB_OK;
}

enum tb_code tb_kafka_uplink_start(struct tb_kafka_uplink *uplink, struct tb_error *err)
{
    return tb_daemon_start_thread(&uplink->thread, "kafka", TB_NICE_BEHIND_ORDERS, run, uplink,
                                  err);
}

void tb_kafka_uplink_stop(struct tb_kafka_uplink *uplink)
{
    tb_relay_stop(uplink->relay);
    pthread_join(uplink->thread.thread, NULL);
}

void tb_kafka_uplink_free(struct tb_kafka_uplink *uplink)
{
    if (!uplink)
        return;
    tb_log_check_release(&uplink->log_check);
    tb_relay_free(uplink->relay);
    tb_heartbeat_sender_release(&uplink->heartbeats);
    tb_log_writer_free(uplink->event_writer);
    tb_log_writer_free(uplink->status_writer);
    tb_outbox_reader_free(uplink->outbox);
    tb_netlink_watch_free(uplink->network);
    tb_kafka_setup_release(&uplink->setup);
    tb_outage_release(&uplink->outage);
    free(uplink);
}

void tb_kafka_uplink_wake(struct tb_kafka_uplink *uplink)
{
    tb_relay_wake(uplink->relay);
}

void tb_kafka_uplink_unpark(struct tb_kafka_uplink *uplink)
{
    tb_relay_wake_for_parked(uplink->relay);
}

void tb_kafka_uplink_resend(struct tb_kafka_uplink *uplink)
{
    tb_relay_wake_for_resend(uplink->relay);
}

void tb_kafka_uplink_set_offline(struct tb_kafka_uplink *uplink, bool offline)
{
    atomic_store(&uplink->forced_offline, offline);
    /* The relay stops sending in both cases, and this call wakes the uplink's thread. That thread
     * lets the relay send again as soon as there is a connection. */
    tb_relay_set_offline(uplink->relay, true);
}

void tb_kafka_uplink_status(struct tb_kafka_uplink *uplink, struct tb_link_status *ret_status)
{
    tb_link_status_fill(
        atomic_load(&uplink->forced_offline), (enum tb_link_state)atomic_load(&uplink->link_state),
        atomic_load(&uplink->link_since_ms), uplink->relay, uplink->options.clock, ret_status);
    tb_outage_problem(&uplink->outage, ret_status->problem);
}

int64_t tb_kafka_uplink_event_max(void)
{
    return TB_LOG_KAFKA_RECORD_MAX - TB_RELAY_RECORD_OVERHEAD;
}
