/* An edge: wiring.c opens its parts and connects their callbacks, rebuild.c opens the view and its
 * rebuild, threads.c runs the parts.
 *
 * Thread:  the main thread opens and closes the parts while no other thread runs.
 * Memory:  the edge owns its parts.
 * Errors:  TB_INVALID, TB_CONFLICT: the configuration is wrong, or another process uses the data
 *          folder or the address. Any other: a file or the machine fails. */
#pragma once
#include "bridge/log/inproc/inproc.h"
#include "bridge/relay/relay.h"
#include "daemon/daemon.h"
#include "edge/kafka_uplink.h"
#include "query/rebuild/sqlite/rebuild_sqlite.h"
#include "store/data_dir.h"

#define PATH_SIZE 4200
#define EDGE_TOPIC "order-events"

struct edge {
    struct tb_view_wiring shared; /* first: its address is the edge's, and the ctx of callbacks */
    struct tb_data_dir *dir;
    char store_path[PATH_SIZE], log_path[PATH_SIZE];
    struct tb_writer *writer; /* owns the store */
    struct tb_log_inproc *log;
    struct tb_log_writer *log_writer;
    struct tb_log_reader *log_reader;
    struct tb_outbox_reader *relay_outbox, *api_outbox, *query_outbox;
    struct tb_order_reader *query_orders;
    struct tb_relay *relay;        /* to the log on this node */
    struct tb_kafka_uplink *kafka; /* NULL without --log kafka */
    struct tb_view *view;          /* the consumer fills it */
    struct tb_view_reader *api_view, *query_view;
    struct tb_rebuild_sqlite *rebuild_sqlite;
    struct tb_outage relay_outage;
    struct tb_daemon_thread writer_thread, relay_thread, consumer_thread, rebuild_thread;
    bool forced_offline; /* the link setting in the store, read at the start */
};

/* The functions of tb_daemon; ctx is the edge. */
TB_CHECKED enum tb_code tb_edge_open(void *ctx, struct tb_error *err);
TB_CHECKED enum tb_code tb_edge_start(void *ctx, struct tb_error *err);
void tb_edge_stop(void *ctx);
void tb_edge_close(void *ctx);

TB_CHECKED enum tb_code tb_edge_open_view(struct edge *edge, struct tb_error *err);
/* Call it after the consumer was created. */
TB_CHECKED enum tb_code tb_edge_open_rebuild(struct edge *edge, struct tb_error *err);
void tb_edge_close_view(struct edge *edge); /* frees the rebuild and the consumer too */
