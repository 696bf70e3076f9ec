/* The parts of an edge: edge_parts.c opens them and tells each what the others did, edge.c runs
 * their threads.
 *
 * Thread:  opened and closed by the main one, while no other runs; each part has its owner.
 * Memory:  the edge owns its parts.
 * Errors:  TB_INVALID and TB_CONFLICT: the configuration; others: the machine.
 * Units:   milliseconds. */
#pragma once
#include "api/api.h"
#include "base/config.h"
#include "bridge/log_inproc.h"
#include "bridge/relay.h"
#include "edge_kafka.h"
#include "store/data_dir.h"
#include <pthread.h>

#define PATH_SIZE 4200

struct edge {
    struct tb_config *config;
    struct tb_data_dir *dir;
    char store_path[PATH_SIZE], log_path[PATH_SIZE], view_path[PATH_SIZE];
    struct tb_writer *writer; /* owns the store */
    struct tb_log_inproc *log;
    struct tb_log_writer *log_writer;
    struct tb_log_reader *log_reader;
    struct tb_outbox_reader *relay_outbox, *api_outbox, *query_outbox;
    struct tb_order_reader *query_orders;
    struct tb_relay *relay;       /* into the log on this node */
    struct tb_log_guests *guests; /* dead letters on their way into it again */
    struct tb_edge_kafka *kafka;  /* the second relay; NULL in the embedded edition */
    struct tb_view *view;
    struct tb_view_reader *api_view, *query_view;
    struct tb_consumer *consumer;
    struct tb_api *api;
    pthread_t writer_thread, relay_thread, consumer_thread;
    bool threads_started;
    bool forced_offline;
};

/* On failure what was opened is there to be closed. */
TB_CHECKED enum tb_code tb_edge_open(struct edge *edge, struct tb_error *err);
void tb_edge_close(struct edge *edge); /* the config too */
