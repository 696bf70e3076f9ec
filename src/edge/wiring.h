/* An edge: start.c tries to start it, wiring.c opens its parts and connects their callbacks,
 * rebuild.c opens the view and its rebuild, threads.c runs the parts.
 *
 * Thread:  the main thread opens and closes the parts while no other thread runs.
 * Memory:  the edge owns its parts.
 * Errors:  TB_INVALID, TB_CONFLICT: the configuration is wrong, or another process uses the data
 *          folder or the address. Any other: a file or the machine fails. */
#pragma once
#include "base/sqlite/checkpoints.h"
#include "bridge/log/inproc/inproc.h"
#include "bridge/relay/relay.h"
#include "daemon/daemon.h"
#include "edge/damage.h"
#include "edge/derived.h"
#include "edge/file_watch.h"
#include "edge/heartbeat_note.h"
#include "edge/kafka_uplink.h"
#include "edge/refill.h"
#include "query/rebuild/sqlite/rebuild_sqlite.h"
#include "store/data_dir.h"

#define PATH_SIZE 4200

enum edge_file { EDGE_STORE, EDGE_LOG, EDGE_VIEW, EDGE_FILE_COUNT };

/* Reports checkpoints that fail. */
struct edge_checkpoint_outage {
    struct tb_outage outage;
    struct tb_outage_words words;
};

struct edge {
    struct tb_view_wiring shared; /* first: its address is the edge's, and the ctx of callbacks */
    struct tb_data_dir *dir;
    struct tb_folder_identity identity;
    char store_path[PATH_SIZE];
    struct tb_writer *writer; /* owns the store */
    struct tb_relay_resend_options resend;
    struct tb_derived derived; /* log and view; the consumer fills the view */
    struct tb_refill refill;
    struct tb_log_writer *log_writer;
    struct tb_log_reader *log_reader;
    struct tb_outbox_reader *relay_outbox, *api_outbox, *query_outbox;
    struct tb_order_reader *query_orders;
    struct tb_relay *relay;        /* to the log on this node */
    struct tb_kafka_uplink *kafka; /* NULL without --log kafka */
    struct tb_view_reader *api_view, *query_view;
    struct tb_rebuild_sqlite *rebuild_sqlite;
    struct tb_outage relay_outage;
    struct tb_file_watch *file_watch;
    struct tb_checkpoints checkpoints[EDGE_FILE_COUNT];
    struct edge_checkpoint_outage checkpoint_outages[EDGE_FILE_COUNT];
    struct tb_daemon_thread writer_thread, relay_thread, consumer_thread, rebuild_thread;
    struct tb_daemon_thread file_watch_thread;
    bool gives_up_reading; /* as in struct tb_derived_options */
    struct tb_damage damage;
    pthread_mutex_t note_lock; /* guards noted_sequence, and the note */
    int64_t noted_sequence;    /* of this process's epoch */
    bool forced_offline;       /* the link setting in the store, read at the start */
    struct tb_uptime uptime;   /* of the node */
};

/* Opens all parts once. After a failure some may be open: tb_edge_close. */
TB_CHECKED enum tb_code tb_edge_open_parts(struct edge *edge, struct tb_error *err);

/* kafka_wiring.c */
TB_CHECKED enum tb_code tb_edge_open_kafka(struct edge *edge, struct tb_error *err);
void tb_edge_unpark(void *ctx); /* ctx of both: the edge */
void tb_edge_resend(void *ctx);

/* True: the edge sends events to Kafka too, besides the log on this node. */
bool tb_edge_is_connected(const struct edge *edge);
/* Keeps what the store has acknowledged in the file "heartbeat". Any thread. */
void tb_edge_note_position(void *ctx, const char *epoch, int64_t sequence, int64_t number);
/* For relays: post to the writer. */
void tb_edge_on_cursor(void *ctx, const char *cursor_name, int64_t row, int64_t at_ms);
void tb_edge_on_snapshots(void *ctx, const char *cursor_name, int64_t next);

/* The functions of tb_daemon; ctx is the edge. */
TB_CHECKED enum tb_code tb_edge_open(void *ctx, struct tb_error *err);
TB_CHECKED enum tb_code tb_edge_start(void *ctx, struct tb_error *err);
void tb_edge_stop(void *ctx);
void tb_edge_close(void *ctx);

/* The disk's free bytes without those that checkpoints will take; below 0: not known. */
int64_t tb_edge_free_bytes(struct edge *edge);

TB_CHECKED enum tb_code tb_edge_open_view(struct edge *edge, struct tb_error *err);
/* Call it after the consumer was created. */
TB_CHECKED enum tb_code tb_edge_open_rebuild(struct edge *edge, struct tb_error *err);
void tb_edge_close_view(struct edge *edge); /* frees the rebuild and the consumer too */
