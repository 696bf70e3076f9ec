#include "base/diag/diag.h"
#include "edge/wiring.h"

/* A rebuild runs when the threads above leave time. */
#define NICE_BEHIND_VIEWS 10

static void run_writer(void *ctx)
{
    tb_writer_run(((struct edge *)ctx)->writer);
}

static void run_relay(void *ctx)
{
    tb_relay_run(((struct edge *)ctx)->relay);
}

static void run_consumer(void *ctx)
{
    tb_consumer_run(((struct edge *)ctx)->shared.consumer);
}

static void run_rebuild(void *ctx)
{
    tb_rebuild_run(((struct edge *)ctx)->shared.rebuild);
}

static void run_file_watch(void *ctx)
{
    tb_file_watch_run(((struct edge *)ctx)->file_watch);
}

enum tb_code tb_edge_start(void *ctx, struct tb_error *err)
{
    struct edge *edge = ctx;

    TB_TRY(tb_daemon_start_thread(&edge->writer_thread, "writer", 0, run_writer, edge, err));
    TB_TRY(tb_daemon_start_thread(&edge->relay_thread, "relay", TB_NICE_BEHIND_ORDERS, run_relay,
                                  edge, err));
    TB_TRY(tb_daemon_start_thread(&edge->consumer_thread, "consumer", TB_NICE_BEHIND_ORDERS,
                                  run_consumer, edge, err));
    TB_TRY(tb_daemon_start_thread(&edge->rebuild_thread, "rebuild", NICE_BEHIND_VIEWS, run_rebuild,
                                  edge, err));
    TB_TRY(tb_daemon_start_thread(&edge->file_watch_thread, "file-watch", TB_NICE_BEHIND_ORDERS,
                                  run_file_watch, edge, err));
    if (edge->kafka)
        TB_TRY(tb_kafka_uplink_start(edge->kafka, err));
    tb_diag(TB_DIAG_INFO, "edge.ready", "node %s takes orders at %s, data in %s",
            tb_config_text(edge->shared.config, TB_NODE_NAME), tb_api_url(edge->shared.api),
            tb_data_dir_path(edge->dir));
    return TB_OK;
}

/* Stops the rebuild before the consumer, because the rebuild may be waiting for the consumer. */
void tb_edge_stop(void *ctx)
{
    struct edge *edge = ctx;

    tb_file_watch_stop(edge->file_watch);
    pthread_join(edge->file_watch_thread.thread, NULL);
    tb_writer_stop(edge->writer);
    pthread_join(edge->writer_thread.thread, NULL);
    tb_relay_stop(edge->relay);
    pthread_join(edge->relay_thread.thread, NULL);
    if (edge->kafka)
        tb_kafka_uplink_stop(edge->kafka);
    tb_rebuild_stop(edge->shared.rebuild);
    pthread_join(edge->rebuild_thread.thread, NULL);
    tb_consumer_stop(edge->shared.consumer);
    pthread_join(edge->consumer_thread.thread, NULL);
}
