/* A central: wiring.c opens its parts and connects their callbacks, rebuild.c opens the rebuild of
 * the view, threads.c runs the parts.
 *
 * Thread:  the main thread opens and closes the parts while no other thread of ours runs.
 * Memory:  the central owns its parts.
 * Errors:  TB_INVALID, TB_CONFLICT: the configuration is wrong, or another process uses the
 *          address. Any other: the machine fails. An unreachable Kafka or MongoDB is no error: the
 *          central reports that, and retries until it answers. */
#pragma once
#include "base/thread/mailbox.h"
#include "bridge/log/kafka/offsets_query.h"
#include "bridge/log/kafka/setup.h"
#include "daemon/daemon.h"
#include "query/fleet/heartbeat_feed.h"
#include "query/mongo/dead_letters/drop.h"
#include "query/mongo/fleet/fleet.h"
#include "query/mongo/view/view_mongo.h"
#include "query/projection/ready_hint.h"
#include "query/rebuild/mongo/rebuild_mongo.h"

#define CENTRAL_NAME_SIZE 256
/* Query threads for lists, sums and dead letters, and for single orders and status pages. */
#define CENTRAL_LIST_THREADS 2
#define CENTRAL_ORDER_THREADS 3
#define CENTRAL_QUERY_THREADS (CENTRAL_LIST_THREADS + CENTRAL_ORDER_THREADS)

/* Mailboxes that wake a thread while it waits for a retry, or for the preparation. */
enum central_pause { CENTRAL_PAUSE_NODES, CENTRAL_PAUSE_READY, CENTRAL_PAUSE_REBUILD };
#define CENTRAL_PAUSES 3

struct central {
    struct tb_view_wiring
        shared; /* first: its address is the central's, and the ctx of callbacks */
    struct tb_kafka_setup setup;
    char client_id[CENTRAL_NAME_SIZE], nodes_group[CENTRAL_NAME_SIZE];
    struct tb_outage nodes_outage;
    struct tb_mongo *mongo; /* for what decides: the consumer, the heartbeats, the rebuild */
    /* For people's queries. If a connection fails, its whole pool takes the server for down, and
     * single orders must not suffer from lists and sums. */
    struct tb_mongo *list_mongo, *order_mongo;
    struct tb_view *view;
    struct tb_view_reader *query_views[CENTRAL_QUERY_THREADS];
    struct tb_log_writer *dead_letter_writer; /* to the topic of dead letters */
    struct tb_log_writer *replay_writer;      /* dead letters to the topic of the events again */
    struct tb_log_writer *ready_writer;       /* our hints for other centrals */
    struct tb_log_reader *ready_reader;       /* the hints of all centrals */
    struct tb_log_reader *_Atomic events;     /* NULL until the consumer has opened it */
    struct tb_log_reader *placed_events;      /* reads `events` from where the view stands */
    struct tb_log_places view_places, event_places, node_places;
    struct tb_mongo_positions node_positions;
    _Atomic int64_t generations[TB_LOG_PARTITIONS_MAX]; /* of the log; 0: not known */
    struct kafka_handle *offsets_query;
    struct tb_ready_publisher ready_publisher;
    struct tb_rebuild_mongo *rebuild_mongo;
    int64_t rebuild_generations[TB_LOG_PARTITIONS_MAX]; /* of the log that the rebuild reads */
    struct tb_daemon_thread consumer_thread, ready_thread, nodes_thread, append_thread,
        rebuild_thread;
    struct tb_mailbox pauses[CENTRAL_PAUSES];
    _Atomic bool prepared; /* the topics, collections and indexes exist */
    _Atomic bool stopping;
};

/* The functions of tb_daemon; ctx is the central. */
TB_CHECKED enum tb_code tb_central_open(void *ctx, struct tb_error *err);
TB_CHECKED enum tb_code tb_central_start(void *ctx, struct tb_error *err);
void tb_central_stop(void *ctx);
void tb_central_close(void *ctx);

TB_CHECKED enum tb_code tb_central_open_rebuild(struct central *central, struct tb_error *err);
void tb_central_wake_pauses(struct central *central);
/* Reports where the view stands, and the beginning of a generation. */
void tb_central_open_places(struct central *central);
void tb_central_on_nodes_error(void *ctx, const struct tb_error *err);
