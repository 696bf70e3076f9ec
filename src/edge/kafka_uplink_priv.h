/* The Kafka uplink: kafka_uplink.c opens it and runs its thread, kafka_connection.c opens and
 * closes the connections and reports their problems.
 *
 * Thread:  the uplink's, except for the fields that say otherwise. */
#pragma once
#include "bridge/link/link.h"
#include "bridge/log/kafka/setup.h"
#include "bridge/relay/heartbeat.h"
#include "bridge/relay/relay.h"
#include "daemon/daemon.h"
#include "edge/kafka_uplink.h"
#include "edge/log_check.h"
#include "edge/netlink_watch.h"

#define KAFKA_CLIENT_ID_SIZE 48

struct tb_kafka_uplink {
    struct tb_kafka_uplink_options options;
    struct tb_kafka_setup setup;
    char client_id[KAFKA_CLIENT_ID_SIZE];
    struct tb_outbox_reader *outbox;
    struct tb_log_writer *event_writer, *status_writer;
    struct tb_relay *relay;
    struct tb_heartbeat_sender heartbeats;
    struct tb_log_check log_check;
    struct tb_netlink_watch *network;
    struct tb_link link;
    struct tb_daemon_thread thread;

    /* Used by any thread. */
    _Atomic bool forced_offline; /* the setting */
    _Atomic int link_state;      /* the state of link: an enum tb_link_state */
    _Atomic int64_t link_since_ms;
    struct tb_outage outage;

    bool is_open;          /* the writers may connect */
    bool topics_ready;     /* the topics exist, or the settings do not let us create them */
    bool attempt_failed;   /* topics could not be created, so this attempt to connect has failed */
    uint64_t acknowledged; /* events and heartbeats, at the last step */
};
void tb_kafka_connection_close(struct tb_kafka_uplink *uplink);
/* Opens or closes the connections as the link decides, and lets the relay send while the
 * connection is up. relay_wait_ms: how long relay and heartbeats can wait. Returns how many
 * milliseconds to wait before the next step. */
int64_t tb_kafka_connection_step(struct tb_kafka_uplink *uplink, int64_t relay_wait_ms);
