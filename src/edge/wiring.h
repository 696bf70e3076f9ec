/* An edge: wiring.c opens its parts and connects their callbacks, rebuild.c opens the view and
 * what replaces it, threads.c runs the parts.
 *
 * Thread:  opened and closed by the main thread while no other runs; each part has its owner.
 * Memory:  the edge owns its parts; the configuration is borrowed.
 * Errors:  TB_INVALID and TB_CONFLICT: the configuration; others: the machine.
 * Units:   milliseconds. */
#pragma once
#include "bridge/log/inproc/inproc.h"
#include "bridge/relay/relay.h"
#include "daemon/daemon.h"
#include "daemon/view_wiring.h"
#include "edge/kafka_uplink.h"
#include "query/rebuild/sqlite/rebuild_sqlite.h"
#include "store/data_dir.h"

#define PATH_SIZE 4200
#define EDGE_TOPIC "order-events"

struct edge {
    struct tb_view_wiring shared; /* First: callbacks of both kinds get the edge as ctx. */
    struct tb_data_dir *dir;
    char store_path[PATH_SIZE], log_path[PATH_SIZE];
    struct tb_writer *writer; /* Owns the store. */
    struct tb_log_inproc *log;
    struct tb_log_writer *log_writer;
    struct tb_log_reader *log_reader;
    struct tb_outbox_reader *relay_outbox, *api_outbox, *query_outbox;
    struct tb_order_reader *query_orders;
    struct tb_relay *relay;        /* Into the log on this node. */
    struct tb_kafka_uplink *kafka; /* NULL in the embedded edition. */
    struct tb_view *view;          /* The one that the consumer fills. */
    struct tb_switch_reader *api_view, *query_view;
    struct tb_rebuild_sqlite *rebuild_sqlite;
    struct tb_outage relay_outage;
    struct tb_daemon_thread writer_thread, relay_thread, consumer_thread, rebuild_thread;
    bool forced_offline; /* As the store had it at the start. */
};

/* These take the edge as tb_daemon's ctx. */
TB_CHECKED enum tb_code tb_edge_open(void *ctx, struct tb_config *config, struct tb_api **ret_api,
                                     struct tb_error *err);
TB_CHECKED enum tb_code tb_edge_start(void *ctx, struct tb_error *err);
void tb_edge_report_started(const void *ctx);
void tb_edge_stop(void *ctx);
void tb_edge_close(void *ctx);

TB_CHECKED enum tb_code tb_edge_open_view(struct edge *edge, struct tb_error *err);
/* Needs the consumer. */
TB_CHECKED enum tb_code tb_edge_open_rebuild(struct edge *edge, struct tb_error *err);
void tb_edge_close_view(struct edge *edge); /* The rebuild and the consumer too. */
