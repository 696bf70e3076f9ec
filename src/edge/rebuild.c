#include "edge/wiring.h"
#include "query/sqlite/view_sqlite.h"

enum tb_code tb_edge_open_view(struct edge *edge, struct tb_error *err)
{
    tb_view_sqlite_watch_checkpoints(edge->derived.view, &edge->checkpoints[EDGE_VIEW]);
    TB_TRY(tb_view_sqlite_reader(edge->derived.view_path, &edge->api_view, err));
    return tb_view_sqlite_reader(edge->derived.view_path, &edge->query_view, err);
}

static enum tb_code on_open_reader(void *ctx, struct tb_log_reader **ret_reader,
                                   struct tb_error *err)
{
    return tb_log_inproc_reader(((struct edge *)ctx)->derived.log, NULL, ret_reader, err);
}

static enum tb_code on_call_in_consumer(void *ctx,
                                        enum tb_code (*call)(void *arg, struct tb_error *err),
                                        void *arg, struct tb_error *err)
{
    return tb_consumer_call(((struct edge *)ctx)->shared.consumer, call, arg, -1, err);
}

static void on_view_switched(void *ctx, struct tb_view *view)
{
    struct edge *edge = ctx;

    tb_view_sqlite_watch_checkpoints(edge->derived.view, NULL);
    tb_view_sqlite_watch_checkpoints(view, &edge->checkpoints[EDGE_VIEW]);
    tb_consumer_switch_view(edge->shared.consumer, view);
    edge->derived.view = view;
}

static bool on_has_room(void *ctx)
{
    struct edge *edge = ctx;
    int64_t free_bytes = tb_edge_free_bytes(edge);

    return free_bytes < 0 ||
           free_bytes > tb_config_int(edge->shared.config, TB_LIMITS_DISK_RESERVE);
}

enum tb_code tb_edge_open_rebuild(struct edge *edge, struct tb_error *err)
{
    const struct tb_rebuild_sqlite_options sqlite_options = {
        .folder = tb_data_dir_path(edge->dir),
        .build = TB_VERSION,
        .clock = &tb_clock_system,
        .uptime = &edge->uptime,
        .serving = edge->derived.view,
        .origin = &edge->derived.origin,
        .readers = {edge->api_view, edge->query_view},
        .reader_count = 2,
        .open_reader = on_open_reader,
        .call_in_consumer = on_call_in_consumer,
        .moved = on_view_switched,
        .has_room = on_has_room,
        .ctx = edge,
    };

    TB_TRY(tb_rebuild_sqlite_new(&sqlite_options, &edge->rebuild_sqlite, err));
    return tb_view_open_rebuild(&edge->shared, &tb_rebuild_sqlite_backend, edge->rebuild_sqlite,
                                err);
}

void tb_edge_close_view(struct edge *edge)
{
    tb_rebuild_free(edge->shared.rebuild);
    tb_rebuild_sqlite_free(edge->rebuild_sqlite);
    tb_consumer_free(edge->shared.consumer);
    tb_view_reader_free(edge->query_view);
    tb_view_reader_free(edge->api_view);
    tb_view_free(edge->derived.view);
}
