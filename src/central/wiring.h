/* The parts of a central: central_parts.c opens them and tells each what the others did,
 * central_rebuild.c has the view made anew, central_threads.c runs the ones that are not the main
 * thread's, central.c is the program.
 *
 * Thread:  opened and closed by the main one, while no other runs; each part has its owner.
 * Memory:  the central owns its parts.
 * Errors:  TB_INVALID and TB_CONFLICT: the configuration; others: the machine. That Kafka or
 *          MongoDB is away is neither: it is waited for, and told.
 * Units:   milliseconds. */
#pragma once
#include "api/api.h"
#include "base/config/config.h"
#include "base/thread/mailbox.h"
#include "bridge/log/append_queue.h"
#include "bridge/log/kafka/offsets_query.h"
#include "bridge/log/kafka/setup.h"
#include "central/outage.h"
#include "query/fleet/heartbeat_feed.h"
#include "query/mongo/view_mongo.h"
#include "query/projection/ready_hint.h"
#include "query/rebuild/mongo/rebuild_mongo.h"

#define CENTRAL_NAME_SIZE 256
/* Query threads: lists and sums; single orders and pages. With the consumer, the node feed and the
 * rebuild they are fewer than the connections that the view's pool has. */
#define CENTRAL_LIST_THREADS 2
#define CENTRAL_ORDER_THREADS 3

struct central {
    struct tb_config *config;
    struct tb_kafka_setup setup;
    char client_id[CENTRAL_NAME_SIZE], nodes_group[CENTRAL_NAME_SIZE];
    struct central_outages trouble;
    struct tb_mongo *mongo;
    struct tb_view *view;
    struct tb_view_reader *asked[CENTRAL_LIST_THREADS + CENTRAL_ORDER_THREADS];
    struct tb_log_writer *dead_letters, *ready_writer;
    struct tb_log_writer *again; /* of the events: dead letters on their way into the log again */
    struct tb_append_queue *append_queue;
    struct tb_log_kafka_offsets_query *asker;
    struct tb_log_reader *_Atomic events; /* once the consumer reads */
    struct tb_log_reader *ready_reader;   /* what the others tell */
    struct tb_ready_publisher teller;
    struct tb_consumer *consumer;
    struct tb_rebuild_mongo *views;
    struct tb_rebuild *rebuild;
    struct tb_api *api;
    pthread_t consumer_thread, ready_thread, nodes_thread, append_thread, rebuild_thread;
    bool threads_started;
    struct tb_mailbox nodes_pause, ready_pause,
        rebuild_pause;     /* no mail: what cuts a pause short */
    _Atomic bool prepared; /* all is there that events and heartbeats need */
    _Atomic bool stopping;
};

/* On failure what was opened is there to be closed. */
TB_CHECKED enum tb_code tb_central_open(struct central *central, struct tb_error *err);
void tb_central_close(struct central *central); /* the config too */

/* central_rebuild.c */
TB_CHECKED enum tb_code tb_central_open_rebuild(struct central *central, struct tb_error *err);
extern const struct tb_api_rebuild tb_central_rebuild_role;

/* central_threads.c */
TB_CHECKED enum tb_code tb_central_start(struct central *central, struct tb_error *err);
void tb_central_stop(struct central *central); /* and waits for them */
