/* The Kafka uplink from inside: kafka_uplink.c assembles it and runs its thread,
 * kafka_connection.c opens and closes the connections and reports what is wrong with them.
 *
 * Thread:  the uplink's, but for the fields that say otherwise.
 * Memory:  the uplink owns its parts. */
#pragma once
#include "bridge/link/link.h"
#include "bridge/log/kafka/setup.h"
#include "bridge/relay/heartbeat.h"
#include "bridge/relay/relay.h"
#include "daemon/daemon.h"
#include "daemon/outage.h"
#include "edge/kafka_uplink.h"
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
    struct tb_netlink_watch *network;
    struct tb_link link;
    struct tb_daemon_thread thread;
    bool started;

    /* Any thread. */
    _Atomic bool forced_offline; /* the setting */
    _Atomic int link_state;      /* what of it is carried out; enum tb_link_state */
    _Atomic int64_t link_since_ms;
    struct tb_outage outage;

    bool is_open;        /* the writers may connect */
    bool topics_ready;   /* they exist, or this program is not to create them */
    bool attempt_failed; /* creating them did, which ends this attempt to connect */
    uint64_t acknowledged;
};
void tb_kafka_connection_close(struct tb_kafka_uplink *uplink);
/* Opens or closes the connections as the link decides, and lets the relay send while one is up.
 * Returns milliseconds until the next call at the latest; relay_wait_ms is the relay's own. */
int64_t tb_kafka_connection_step(struct tb_kafka_uplink *uplink, int64_t relay_wait_ms);
