#include "edge/wiring.h"
#include "query/sqlite/view_sqlite.h"

/* A working consumer runs a call within seconds, so this limit is never reached. */
#define CONSUMER_CALL_MS (60 * 60 * 1000)

enum tb_code tb_edge_open_view(struct edge *edge, struct tb_error *err)
{
    const char *folder = tb_data_dir_path(edge->dir);
    struct tb_generations all = {0};
    char path[TB_VIEW_PATH_SIZE];

    TB_TRY(tb_generations_read(folder, &all, err));
    tb_generations_path(folder, all.served, path);
    TB_TRY(tb_view_sqlite_open(path, &edge->view, err));
    TB_TRY(tb_view_sqlite_reader(path, &edge->api_view, err));
    return tb_view_sqlite_reader(path, &edge->query_view, err);
}

static enum tb_code on_open_reader(void *ctx, struct tb_log_reader **ret_reader,
                                   struct tb_error *err)
{
    return tb_log_inproc_reader(((struct edge *)ctx)->log, EDGE_TOPIC, NULL, ret_reader, err);
}

struct view_call {
    enum tb_code (*call)(void *arg, struct tb_error *err);
    void *arg;
    _Atomic bool begun, ended;
};

static enum tb_code run_view_call(void *ctx, struct tb_error *err)
{
    struct view_call *call = ctx;

    atomic_store(&call->begun, true);
    (void)call->call(call->arg, err); /* err->code is its result */
    atomic_store(&call->ended, true);
    return err->code;
}

/* The called function and the rebuild's thread both use the new view, so this must not return
 * while the function is running. If the function has not begun by then, it never will. */
static enum tb_code on_run_in_consumer(void *ctx,
                                       enum tb_code (*run)(void *arg, struct tb_error *err),
                                       void *arg, struct tb_error *err)
{
    struct edge *edge = ctx;
    struct view_call call = {.call = run, .arg = arg};
    enum tb_code code;

    code = tb_consumer_call(edge->shared.consumer, run_view_call, &call, CONSUMER_CALL_MS, err);
    TB_ASSERT(atomic_load(&call.begun) == atomic_load(&call.ended));
    return atomic_load(&call.begun) ? code : (err->code = TB_BUSY);
}

static void on_view_switched(void *ctx, struct tb_view *view)
{
    struct edge *edge = ctx;

    tb_consumer_switch_view(edge->shared.consumer, view);
    edge->view = view;
}

static bool on_has_room(void *ctx)
{
    struct edge *edge = ctx;
    int64_t free_bytes = tb_data_dir_free_bytes(edge->dir);

    return free_bytes < 0 ||
           free_bytes > tb_config_int(edge->shared.config, TB_LIMITS_DISK_RESERVE);
}

static void on_get_generations(void *ctx, struct tb_rebuild_generations *ret_generations)
{
    tb_rebuild_sqlite_generations(((struct edge *)ctx)->rebuild_sqlite, ret_generations);
}

enum tb_code tb_edge_open_rebuild(struct edge *edge, struct tb_error *err)
{
    const struct tb_rebuild_sqlite_options sqlite_options = {
        .folder = tb_data_dir_path(edge->dir),
        .build = TB_VERSION,
        .clock = &tb_clock_system,
        .serving = edge->view,
        .readers = {edge->api_view, edge->query_view},
        .reader_count = 2,
        .open_reader = on_open_reader,
        .call_in_consumer = on_run_in_consumer,
        .moved = on_view_switched,
        .has_room = on_has_room,
        .ctx = edge,
    };

    edge->shared.get_generations = on_get_generations;
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
    tb_view_free(edge->view);
}
