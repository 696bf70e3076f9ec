#include "api/node.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOPIC "order-events"
#define GROUP "tillbox-edge"
#define WAIT_MS 20000

static void on_committed(void *ctx)
{
    tb_relay_wake(((struct node *)ctx)->relay);
}

static void on_cursor(void *ctx, const char *name, int64_t row, int64_t at_ms)
{
    tb_writer_post_cursor(((struct node *)ctx)->writer, name, row, at_ms);
}

static void on_trouble(void *ctx, const struct tb_error *err)
{
    (void)ctx;
    (void)err;
}

static void on_applied(void *ctx, const struct tb_plan *plan)
{
    struct node *node = ctx;

    for (size_t i = 0; i < plan->order_count; i++) {
        if (!plan->orders[i]->changed)
            continue;
        tb_api_notify(node->api, plan->orders[i]->order.order_id, plan->orders[i]->order.version,
                      plan->orders[i]->lineage.replaced);
        atomic_fetch_add(&node->told, 1);
    }
}

static void on_link(void *ctx, struct tb_link_status *ret_figures)
{
    const struct node *node = ctx;

    *ret_figures = (struct tb_link_status){
        .state = atomic_load(&((struct node *)(uintptr_t)node)->forced) == 1 ? "forced-offline"
                                                                             : "online",
        .since_ms = 1795425003660,
        .relay_state = tb_relay_state_name(tb_relay_state(node->relay)),
        .relay_sent = tb_relay_sent(node->relay),
    };
    for (int i = 0; i < TB_RELAY_STATE_COUNT; i++)
        ret_figures->relay_states[i] = tb_relay_state_name((enum tb_relay_state)i);
}

static void on_refill(void *ctx, int64_t *ret_rows_left, int64_t *ret_end)
{
    struct node *node = ctx;

    *ret_rows_left = node->rows_left;
    *ret_end = node->first_end;
}

static enum tb_code on_ranges(void *ctx, struct tb_log_range *ret_ranges, struct tb_error *err)
{
    (void)err;
    *ret_ranges = tb_log_inproc_range(((struct node *)ctx)->log, GROUP);
    return TB_OK;
}

static int64_t on_disk_free(void *ctx)
{
    return atomic_load(&((struct node *)ctx)->disk_free);
}

static void on_log_problem(void *ctx, char ret_text[240])
{
    (void)ctx;
    ret_text[0] = '\0';
}

static void on_damage(void *ctx, char ret_text[TB_DAMAGE_TEXT_SIZE])
{
    (void)ctx;
    ret_text[0] = '\0';
}

static size_t on_holds(void *ctx, struct tb_hold ret_holds[TB_HOLDS_MAX])
{
    struct node *node = ctx;

    if (!atomic_load(&node->has_hold))
        return 0;
    ret_holds[0] = node->hold;
    return 1;
}

static void on_forced(void *ctx, bool offline)
{
    atomic_store(&((struct node *)ctx)->forced, offline ? 1 : 2);
}

static void on_append_queued(void *ctx)
{
    tb_relay_wake_for_append(((struct node *)ctx)->relay);
}

static bool on_redrive(void *ctx, const struct tb_dead_letter *letter,
                       const struct tb_record *record)
{
    struct tb_error err = {0};

    (void)letter;
    return tb_append_queue_post(((struct node *)ctx)->append_queue, record, &err) == TB_OK;
}

static enum tb_code on_send(void *ctx, const struct tb_record *record, struct tb_error *err)
{
    return tb_append_queue_send(((struct node *)ctx)->append_queue, record, WAIT_MS, err);
}

static enum tb_code on_drop(void *ctx, struct tb_dead_letter_position place, struct tb_error *err)
{
    return tb_consumer_drop_dead_letter(((struct node *)ctx)->consumer, place, WAIT_MS, err);
}

static void on_audit(void *ctx, const char *what, bool sure, const char *letter_id,
                     const char *order_id, const char *who)
{
    struct node *node = ctx;

    snprintf(node->audited, sizeof(node->audited), "%s %s %s %s %s", what,
             sure ? "yes" : "perhaps", letter_id, order_id, who);
}

static int64_t wall_ms(void *ctx)
{
    (void)ctx;
    return tb_clock_wall_ms(&tb_clock_system);
}

static int64_t mono_us(void *ctx)
{
    return tb_clock_mono_us(&tb_clock_system) + atomic_load(&((struct node *)ctx)->ahead_us);
}

void node_init(struct node *node)
{
    memset(node, 0, sizeof(*node));
    node->clock = (struct tb_clock){node, wall_ms, mono_us};
    tb_checkpoints_init(&node->checkpoints, "store.db", &node->clock, NULL, NULL);
    tmpdir_make(node->dir);
    node->disk_free = INT64_C(1) << 40;
    node->options = (struct tb_api_options){
        .listen = "127.0.0.1:0",
        .allowed_hosts = "kasse.local",
        .body_max = 1 << 20,
        .depth_max = 32,
        .header_max = 8192,
        .header_timeout_ms = 5000,
        .body_timeout_ms = 10000,
        .connections_max = 200,
        .connections_per_address_max = 50,
        .clock = &node->clock,
        .topic = TOPIC,
        .group = GROUP,
        .view_name = "sqlite",
        .partitions = 1,
        .log_ranges = on_ranges,
        .dead_letters = {on_send, on_drop, on_audit},
        .ctx = node,
    };
    node->edge = (struct tb_api_edge){
        .node = "till1",
        .currency = "EUR",
        .lines_max = 1000,
        .disk_reserve_bytes = 64 << 20,
        .cursor_name = TB_CURSOR_INPROC,
        .refill = on_refill,
        .link = on_link,
        .disk_free = on_disk_free,
        .holds = on_holds,
        .log_problem = on_log_problem,
        .store_damage = on_damage,
        .derived_damage = on_damage,
        .checkpoints = &node->checkpoints,
        .checkpoint_count = 1,
        .forced = on_forced,
    };
}

static void open_store(struct node *node, const char *path)
{
    static const char *const cursors[] = {TB_CURSOR_INPROC};
    struct tb_error err = {0};
    struct tb_store *store = NULL;
    const struct tb_store_options options = {
        .path = path,
        .node = "till1",
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .checkpoints = &node->checkpoints,
    };

    ck_ok(tb_store_open(&options, &store, &err));
    node->edge.uptime = tb_store_uptime(store);
    const struct tb_writer_options writer = {
        .store = store,
        .clock = &tb_clock_system,
        .disk_reserve_bytes = 64 << 20,
        .disk_free = on_disk_free,
        .disk_ctx = node,
        .outbox_keep_ms = -1,
        .idempotency_keep_ms = -1,
        .cursor_names = cursors,
        .cursor_count = 1,
        .committed = on_committed,
        .committed_ctx = node,
    };
    ck_ok(tb_writer_new(&writer, &node->writer, &err));
}

static void open_bridge(struct node *node, const char *store_path, const char *log_path)
{
    struct tb_error err = {0};
    struct tb_relay_options relay = {
        .node = "till1",
        .cursor_name = TB_CURSOR_INPROC,
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .on_cursor = on_cursor,
        .on_problem = on_trouble,
        .ctx = node,
    };

    ck_ok(tb_log_inproc_open(log_path, &tb_clock_system, &node->log, &err));
    ck_ok(tb_outbox_reader_open(store_path, &node->relay_outbox, &err));
    ck_ok(tb_outbox_reader_open(store_path, &node->api_outbox, &err));
    ck_ok(tb_outbox_reader_open(store_path, &node->query_outbox, &err));
    ck_ok(tb_order_reader_open(store_path, &node->query_orders, &err));
    ck_ok(tb_log_inproc_writer(node->log, &node->log_writer, &err));
    relay.outbox = node->relay_outbox;
    relay.writer = node->log_writer;
    ck_ok(tb_append_queue_new(on_append_queued, node, &node->append_queue, &err));
    relay.append_queue = node->append_queue;
    ck_ok(tb_relay_new(&relay, &node->relay, &err));
}

static void open_view(struct node *node, const char *path)
{
    struct tb_error err = {0};
    struct tb_consumer_options consumer = {
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .rules = {.currency = "EUR"},
        .dead_letter_keep_ms = -1,
        .topic = TOPIC,
        .on_applied = on_applied,
        .on_outage = on_trouble,
        .redrive = on_redrive,
        .ctx = node,
    };

    ck_ok(tb_log_inproc_reader(node->log, GROUP, &node->log_reader, &err));
    ck_ok(tb_view_sqlite_open(path, &node->view, &err));
    ck_ok(tb_view_sqlite_reader(path, &node->api_view, &err));
    ck_ok(tb_view_sqlite_reader(path, &node->query_view, &err));
    consumer.reader = node->log_reader;
    consumer.view = node->view;
    ck_ok(tb_consumer_new(&consumer, &node->consumer, &err));
}

static void *api_main(void *arg)
{
    tb_api_run(((struct node *)arg)->api);
    return NULL;
}

static void *writer_main(void *arg)
{
    tb_writer_run(((struct node *)arg)->writer);
    return NULL;
}

static void *relay_main(void *arg)
{
    tb_relay_run(((struct node *)arg)->relay);
    return NULL;
}

static void *consumer_main(void *arg)
{
    tb_consumer_run(((struct node *)arg)->consumer);
    return NULL;
}

static void run(struct node *node, int which, void *(*thread)(void *))
{
    ck_assert_int_eq(pthread_create(&node->threads[which], NULL, thread, node), 0);
    node->running[which] = true;
}

void node_run_writer(struct node *node)
{
    run(node, 1, writer_main);
}

void node_run_relay(struct node *node)
{
    run(node, 2, relay_main);
}

void node_start(struct node *node)
{
    char store[160], log[160], view[160];
    struct tb_error err = {0};

    snprintf(store, sizeof(store), "%s/store.db", node->dir);
    snprintf(log, sizeof(log), "%s/log.db", node->dir);
    snprintf(view, sizeof(view), "%s/view.db", node->dir);
    open_store(node, store);
    open_bridge(node, store, log);
    open_view(node, view);
    node->edge.writer = node->writer;
    node->options.edge = &node->edge;
    node->options.inline_context = (struct tb_query_context){
        .view = node->other_view != NULL ? node->other_view : node->api_view,
        .outbox = node->api_outbox};
    node->options.lists[0] = (struct tb_query_context){
        .view = node->other_query_view != NULL ? node->other_query_view : node->query_view,
        .outbox = node->query_outbox,
        .store = node->query_orders};
    node->options.consumer = tb_consumer_stats(node->consumer);
    ck_ok(tb_api_open(&node->options, &node->api, &err));
    node->port = atoi(strrchr(tb_api_url(node->api), ':') + 1);
    if (!node->no_writer)
        node_run_writer(node);
    if (!node->no_relay)
        node_run_relay(node);
    run(node, 3, consumer_main);
    run(node, 0, api_main);
}

static void join(struct node *node, int which)
{
    if (node->running[which])
        ck_assert_int_eq(pthread_join(node->threads[which], NULL), 0);
    node->running[which] = false;
}

void node_stop_api(struct node *node)
{
    tb_api_stop(node->api);
    join(node, 0);
}

void node_stop(struct node *node)
{
    if (node->running[0])
        node_stop_api(node);
    if (!node->running[1])
        node_run_writer(node); /* what was posted comes back */
    tb_writer_stop(node->writer);
    join(node, 1);
    tb_relay_stop(node->relay);
    join(node, 2);
    tb_consumer_stop(node->consumer);
    join(node, 3);
    tb_api_free(node->api);
    tb_outbox_reader_free(node->api_outbox);
    tb_outbox_reader_free(node->query_outbox);
    tb_order_reader_free(node->query_orders);
    tb_consumer_free(node->consumer);
    node->query_view->ops->free(node->query_view);
    node->api_view->ops->free(node->api_view);
    node->view->ops->free(node->view);
    node->log_reader->ops->free(node->log_reader);
    tb_relay_free(node->relay);
    tb_append_queue_free(node->append_queue);
    node->log_writer->ops->free(node->log_writer);
    tb_outbox_reader_free(node->relay_outbox);
    tb_writer_free(node->writer);
    tb_log_inproc_free(node->log);
    tb_checkpoints_release(&node->checkpoints);
    tmpdir_remove(node->dir);
}
