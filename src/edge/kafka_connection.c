#include "base/diag/diag.h"
#include "edge/kafka_uplink_priv.h"
#include <stdio.h>

/* While the writer connects, its state is polled this often. */
#define CONNECT_POLL_MS 100
/* The limit for creating topics: meanwhile the thread cannot stop. */
#define CREATE_TOPICS_MS 2000

static void report_problem(struct tb_kafka_uplink *uplink, const char *text)
{
    if (tb_outage_is_new(&uplink->outage, text))
        tb_diag(TB_DIAG_WARN, "kafka.problem", "Kafka at %s: %s", uplink->setup.options.brokers,
                text);
    tb_outage_set_problem(&uplink->outage, text);
}

/* Sets and reports the problem of the connections. A closed connection learns nothing, so the
 * problem from before it was closed stays. */
static void update_problem(struct tb_kafka_uplink *uplink)
{
    char text[TB_OUTAGE_TEXT_SIZE];

    if (!uplink->topics_ready) /* create_topics() has set the problem */
        return;
    tb_log_kafka_writer_problem(uplink->event_writer, text);
    if (!text[0])
        tb_log_kafka_writer_problem(uplink->status_writer, text);
    if (!text[0] && uplink->is_open && uplink->link.state == TB_LINK_OFFLINE)
        snprintf(text, sizeof text, "no answer");
    if (text[0])
        report_problem(uplink, text);
    else if (uplink->is_open)
        tb_outage_set_problem(&uplink->outage, "");
}

static void publish_link_state(struct tb_kafka_uplink *uplink)
{
    const struct tb_link *link = &uplink->link;
    char problem[TB_OUTAGE_TEXT_SIZE];

    if (atomic_load(&uplink->link_state) == (int)link->state)
        return;
    atomic_store(&uplink->link_since_ms, link->since_ms);
    atomic_store(&uplink->link_state, (int)link->state);
    if (link->state == TB_LINK_ONLINE)
        (void)tb_outage_end(&uplink->outage);
    tb_outage_problem(&uplink->outage, problem);
    if (link->state == TB_LINK_OFFLINE && problem[0])
        tb_diag(TB_DIAG_WARN, "link.offline", "the link is offline: %s", problem);
    else
        tb_diag(TB_DIAG_INFO, "link.state", "the link is %s", tb_link_state_name(link->state));
}

static void create_topics(struct tb_kafka_uplink *uplink)
{
    const struct tb_kafka_setup *setup = &uplink->setup;
    struct tb_error err = {0};

    if (uplink->topics_ready)
        return;
    uplink->topics_ready =
        tb_log_kafka_check_topics(&setup->options, setup->topics, TB_KAFKA_TOPICS, true,
                                  CREATE_TOPICS_MS, &err) == TB_OK;
    uplink->attempt_failed = !uplink->topics_ready;
    if (uplink->topics_ready)
        tb_outage_set_problem(&uplink->outage, "");
    else
        report_problem(uplink, err.text);
}

/* After a failure the link does not connect, and update_problem() finds the reason. */
static void open_connections(struct tb_kafka_uplink *uplink)
{
    struct tb_error err = {0};

    uplink->is_open = true;
    create_topics(uplink);
    if (!uplink->topics_ready)
        return;
    (void)!tb_log_kafka_connect(uplink->event_writer, &err);
    (void)!tb_log_kafka_connect(uplink->status_writer, &err);
}

void tb_kafka_connection_close(struct tb_kafka_uplink *uplink)
{
    uplink->is_open = false;
    uplink->topics_ready = !uplink->setup.create; /* somebody may have removed one */
    tb_log_kafka_disconnect(uplink->event_writer);
    tb_log_kafka_disconnect(uplink->status_writer);
}

/* What happened since the last step. */
static struct tb_link_input read_link_input(struct tb_kafka_uplink *uplink)
{
    const struct tb_log_writer *writer = uplink->event_writer;
    uint64_t acknowledged = tb_relay_sent(uplink->relay) + uplink->heartbeats.sent;
    bool is_up = uplink->is_open && uplink->topics_ready;
    struct tb_link_input input = {
        .mono_ms = tb_clock_mono_ms(uplink->options.clock),
        .wall_ms = tb_clock_wall_ms(uplink->options.clock),
        .forced = atomic_load(&uplink->forced_offline),
        .connected = is_up && tb_log_kafka_connected(writer),
        .progress = acknowledged != uplink->acknowledged,
        .waiting = tb_relay_outstanding(uplink->relay) > 0 || uplink->heartbeats.outstanding,
        .all_brokers_down =
            uplink->attempt_failed || (uplink->is_open && tb_log_kafka_all_brokers_down(writer)),
        .no_response = is_up && tb_log_kafka_no_response(writer),
        .network_changed = tb_netlink_watch_changed(uplink->network),
    };

    uplink->acknowledged = acknowledged;
    uplink->attempt_failed = false;
    return input;
}

int64_t tb_kafka_connection_step(struct tb_kafka_uplink *uplink, int64_t relay_wait_ms)
{
    struct tb_link_input input = read_link_input(uplink);
    struct tb_link_advice advice = tb_link_step(&uplink->link, &input);
    int64_t wait_ms = tb_sooner_ms(relay_wait_ms, advice.wait_ms);

    if (uplink->is_open && (!advice.open || advice.reopen))
        tb_kafka_connection_close(uplink);
    if (advice.open && (!uplink->is_open || !uplink->topics_ready))
        open_connections(uplink);
    bool connected = uplink->is_open && !advice.reopen && input.connected;
    if (uplink->options.resend)
        wait_ms = tb_sooner_ms(wait_ms, tb_log_check_step(&uplink->log_check, connected));
    bool may_send = connected && !uplink->log_check.blocks;
    if (tb_relay_is_offline(uplink->relay) == may_send) {
        tb_relay_set_offline(uplink->relay, !may_send);
        wait_ms = 0;
    }
    update_problem(uplink);
    publish_link_state(uplink);
    return uplink->is_open && !input.connected ? tb_sooner_ms(wait_ms, CONNECT_POLL_MS) : wait_ms;
}
