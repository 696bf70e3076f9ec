/* A central: wiring.c opens its parts and connects their callbacks, rebuild.c does so for what
 * replaces the view, threads.c runs the parts.
 *
 * Thread:  opened and closed by the main thread while no other runs; each part has its owner.
 * Memory:  the central owns its parts; the configuration is borrowed.
 * Errors:  TB_INVALID and TB_CONFLICT: the configuration; others: the machine. An unreachable
 *          Kafka or MongoDB is no error: it is reported, and retried until it answers.
 * Units:   milliseconds. */
#pragma once
#include "base/thread/mailbox.h"
#include "bridge/log/kafka/offsets_query.h"
#include "bridge/log/kafka/setup.h"
#include "daemon/daemon.h"
#include "daemon/view_wiring.h"
#include "query/fleet/heartbeat_feed.h"
#include "query/mongo/dead_letters/drop.h"
#include "query/mongo/fleet/fleet.h"
#include "query/mongo/view/view_mongo.h"
#include "query/projection/ready_hint.h"
#include "query/rebuild/mongo/rebuild_mongo.h"

#define CENTRAL_NAME_SIZE 256
/* Query threads for lists and sums, and for single orders and pages. Together with the consumer,
 * the heartbeat feed and the rebuild they are fewer than the connections of the view's pool. */
#define CENTRAL_LIST_THREADS 2
#define CENTRAL_ORDER_THREADS 3
#define CENTRAL_QUERY_THREADS (CENTRAL_LIST_THREADS + CENTRAL_ORDER_THREADS)

/* What wakes a thread of ours that waits for something else than its work. */
enum central_pause { CENTRAL_PAUSE_NODES, CENTRAL_PAUSE_READY, CENTRAL_PAUSE_REBUILD };
#define CENTRAL_PAUSES 3

struct central {
    struct tb_view_wiring shared; /* First: callbacks of both kinds get the central as ctx. */
    struct tb_kafka_setup setup;
    char client_id[CENTRAL_NAME_SIZE], nodes_group[CENTRAL_NAME_SIZE];
    struct tb_outage nodes_outage;
    struct tb_mongo *mongo;
    struct tb_view *view;
    struct tb_view_reader *query_views[CENTRAL_QUERY_THREADS];
    struct tb_log_writer *dead_letter_writer; /* To their topic. */
    struct tb_log_writer *replay_writer;      /* Dead letters back to the topic of the events. */
    struct tb_log_writer *ready_writer;       /* Hints for the other centrals, ... */
    struct tb_log_reader *ready_reader;       /* ... and theirs. */
    struct tb_log_reader *_Atomic events;     /* NULL until the consumer reads. */
    struct tb_log_kafka_offsets_query *offsets_query;
    struct tb_ready_publisher ready_publisher;
    struct tb_rebuild_mongo *rebuild_mongo;
    struct tb_daemon_thread consumer_thread, ready_thread, nodes_thread, append_thread,
        rebuild_thread;
    struct tb_mailbox pauses[CENTRAL_PAUSES];
    _Atomic bool prepared; /* Topics, collections and indexes are there. */
    _Atomic bool stopping;
};

/* These take the central as tb_daemon's ctx. */
TB_CHECKED enum tb_code tb_central_open(void *ctx, struct tb_config *config,
                                        struct tb_api **ret_api, struct tb_error *err);
TB_CHECKED enum tb_code tb_central_start(void *ctx, struct tb_error *err);
void tb_central_report_started(const void *ctx);
void tb_central_stop(void *ctx);
void tb_central_close(void *ctx);

TB_CHECKED enum tb_code tb_central_open_rebuild(struct central *central, struct tb_error *err);
void tb_central_wake_pauses(struct central *central);
void tb_central_on_nodes_error(void *ctx, const struct tb_error *err);
