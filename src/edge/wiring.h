/* The parts of an edge: edge_parts.c opens them and tells each what the others did, edge.c runs
 * their threads.
 *
 * Thread:  opened and closed by the main one, while no other runs; each part has its owner.
 * Memory:  the edge owns its parts.
 * Errors:  TB_INVALID and TB_CONFLICT: the configuration; others: the machine.
 * Units:   milliseconds. */
#pragma once
#include "api/api.h"
#include "base/config/config.h"
#include "bridge/log/inproc/inproc.h"
#include "bridge/relay/relay.h"
#include "edge/kafka_uplink.h"
#include "query/rebuild/sqlite/rebuild_sqlite.h"
#include "store/data_dir.h"
#include <pthread.h>

#define PATH_SIZE 4200
#define EDGE_TOPIC "order-events"

struct edge {
    struct tb_config *config;
    struct tb_data_dir *dir;
    char store_path[PATH_SIZE], log_path[PATH_SIZE];
    struct tb_writer *writer; /* owns the store */
    struct tb_log_inproc *log;
    struct tb_log_writer *log_writer;
    struct tb_log_reader *log_reader;
    struct tb_outbox_reader *relay_outbox, *api_outbox, *query_outbox;
    struct tb_order_reader *query_orders;
    struct tb_relay *relay;               /* into the log on this node */
    struct tb_append_queue *append_queue; /* dead letters on their way into it again */
    struct tb_kafka_uplink *kafka;        /* the second relay; NULL in the embedded edition */
    struct tb_view *view;                 /* the consumer's */
    struct tb_switch_reader *api_view, *query_view;
    struct tb_consumer *consumer;
    struct tb_rebuild_sqlite *views;
    struct tb_rebuild *rebuild;
    struct tb_api *api;
    pthread_t writer_thread, relay_thread, consumer_thread, rebuild_thread;
    bool threads_started;
    bool forced_offline;
};

/* On failure what was opened is there to be closed. */
TB_CHECKED enum tb_code tb_edge_open(struct edge *edge, struct tb_error *err);
void tb_edge_close(struct edge *edge); /* the config too */

/* edge_rebuild.c: the view that is served, and how another one comes to be. */
TB_CHECKED enum tb_code tb_edge_open_view(struct edge *edge, struct tb_error *err);
/* With the consumer. */
TB_CHECKED enum tb_code tb_edge_open_rebuild(struct edge *edge, struct tb_error *err);
void tb_edge_close_view(struct edge *edge);              /* and the rebuild */
extern const struct tb_api_rebuild tb_edge_rebuild_role; /* of the API, whose ctx is the edge */
