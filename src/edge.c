/* tillbox-edge: takes orders at a till, relays them to the log and projects them into the view.
 *
 * Four threads, one owner per handle (the arrows are wake-ups):
 *   api (main) --command--> writer --committed--> relay --log commit--> consumer --applied--> api
 * Open everything in that order, stop in that order too: what was taken is answered, written,
 * and moves on with the next start. */
#include "api/api.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/process.h"
#include "bridge/log_inproc.h"
#include "bridge/relay.h"
#include "query/view_sqlite.h"
#include "store/data_dir.h"
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define TOPIC "order-events"
#define GROUP "tillbox-edge"
#define VIEW_NAME "sqlite"
#define DEFAULT_LISTEN "127.0.0.1:8081"
#define PATH_SIZE 4200

enum { EXIT_CONFIG = 2 };

/* About a third of the share of a thread that takes orders, where there is not enough for all. */
#define BEHIND_ORDERS_NICE 5

struct edge {
    struct tb_config *config;
    struct tb_data_dir *dir;
    char store_path[PATH_SIZE], log_path[PATH_SIZE], view_path[PATH_SIZE];
    struct tb_writer *writer; /* owns the store */
    struct tb_log_inproc *log;
    struct tb_log_writer *log_writer;
    struct tb_log_reader *log_reader;
    struct tb_outbox_reader *relay_outbox, *api_outbox, *query_outbox;
    struct tb_relay *relay;
    struct tb_view *view;
    struct tb_view_reader *api_view, *query_view;
    struct tb_consumer *consumer;
    struct tb_api *api;
    pthread_t writer_thread, relay_thread, consumer_thread;
    bool threads_started;
    bool forced_offline;
};

static struct tb_api *stoppable; /* for the signal handler */
static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    if (stopping)
        _exit(1); /* the second one means now; the store survives that as it survives kill -9 */
    stopping = 1;
    if (stoppable)
        tb_api_stop(stoppable);
}

/* Callbacks between the parts; each runs on the caller's thread. */

static void on_committed(void *ctx)
{
    struct edge *edge = ctx;

    tb_relay_wake(edge->relay);
}

static void on_cursor(void *ctx, const char *cursor_name, int64_t row, int64_t at_ms)
{
    struct edge *edge = ctx;

    tb_writer_post_cursor(edge->writer, cursor_name, row, at_ms);
}

static void on_relay_trouble(void *ctx, const struct tb_error *err)
{
    (void)ctx;
    if (err->code != TB_OK)
        tb_diag(TB_DIAG_WARN, "relay.failing", "the log does not take events: %s", err->text);
    else
        tb_diag(TB_DIAG_INFO, "relay.running", "the log takes events again");
}

static void on_consumer_trouble(void *ctx, const struct tb_error *err)
{
    (void)ctx;
    if (err->code != TB_OK)
        tb_diag(TB_DIAG_WARN, "consumer.failing", "the view cannot be filled: %s", err->text);
    else
        tb_diag(TB_DIAG_INFO, "consumer.running", "the view is filled again");
}

static void on_applied(void *ctx, const struct tb_plan *plan)
{
    struct edge *edge = ctx;

    if (plan->dead_count > 0)
        tb_diag(TB_DIAG_WARN, "consumer.dead_letter", "%zu events became dead letters; first: %s",
                plan->dead_count, plan->dead[0].reason);
    for (size_t i = 0; i < plan->order_count; i++) {
        const struct tb_planned *planned = plan->orders[i];
        if (planned->changed)
            tb_api_notify(edge->api, planned->order.order_id, planned->order.version);
    }
}

static void on_link(void *ctx, struct tb_link_figures *ret_figures)
{
    static const char *const names[TB_RELAY_STATE_COUNT] = {
        [TB_RELAY_RUNNING] = "online",
        [TB_RELAY_HELD] = "forced-offline",
        [TB_RELAY_FAILING] = "offline",
    };
    struct edge *edge = ctx;
    enum tb_relay_state state = tb_relay_state(edge->relay);

    *ret_figures = (struct tb_link_figures){.state = names[state],
                                            .since_ms = tb_relay_since_ms(edge->relay),
                                            .relay_sent = tb_relay_sent(edge->relay),
                                            .relay_state = tb_relay_state_name(state)};
    for (int i = 0; i < TB_RELAY_STATE_COUNT; i++)
        ret_figures->relay_states[i] = tb_relay_state_name((enum tb_relay_state)i);
}

static enum tb_code on_log_range(void *ctx, int32_t partition, struct tb_log_range *ret_range,
                                 struct tb_error *err)
{
    struct edge *edge = ctx;

    return tb_log_inproc_range(edge->log, TOPIC, GROUP, partition, ret_range, err);
}

static int64_t on_disk_free(void *ctx)
{
    struct edge *edge = ctx;

    return tb_data_dir_free_bytes(edge->dir);
}

static void on_forced(void *ctx, bool offline)
{
    struct edge *edge = ctx;

    tb_relay_hold(edge->relay, offline);
    tb_diag(TB_DIAG_INFO, "link.forced", offline ? "link forced offline" : "link set to auto");
}

/* Opening. */

static enum tb_code open_store(struct edge *edge, struct tb_error *err)
{
    static const char *const cursor_names[] = {TB_CURSOR_INPROC};
    const struct tb_config *config = edge->config;
    struct tb_store *store = NULL;
    struct tb_store_options store_options = {
        .path = edge->store_path,
        .node = tb_config_text(config, TB_NODE_NAME),
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .day_start_minutes = (int)tb_config_int(config, TB_NODE_DAY_START),
    };
    int64_t known = 0;

    TB_TRY(tb_store_open(&store_options, &store, err));
    enum tb_code code = tb_log_inproc_high_sequence(edge->log, tb_store_epoch(store), &known, err);
    if (code == TB_OK && known > tb_store_last_sequence(store)) {
        tb_diag(TB_DIAG_WARN, "store.restored",
                "the log knows events up to %lld, the store only up to %lld: it was put back in "
                "time; a new epoch begins",
                (long long)known, (long long)tb_store_last_sequence(store));
        code = tb_store_renew_epoch(store, err);
    }
    if (code != TB_OK) {
        tb_store_free(store);
        return code;
    }
    edge->forced_offline = tb_store_forced_offline(store);
    struct tb_writer_options options = {
        .store = store,
        .clock = &tb_clock_system,
        .disk_reserve_bytes = tb_config_int(config, TB_LIMITS_DISK_RESERVE),
        .disk_free = on_disk_free,
        .disk_ctx = edge,
        .outbox_keep_ms = tb_config_int(config, TB_RETENTION_OUTBOX),
        .idempotency_keep_ms = tb_config_int(config, TB_RETENTION_IDEMPOTENCY),
        .cursor_names = cursor_names,
        .cursor_count = 1,
        .committed = on_committed,
        .committed_ctx = edge,
    };
    code = tb_writer_new(&options, &edge->writer, err);
    if (code != TB_OK)
        tb_store_free(store);
    return code;
}

static enum tb_code open_bridge(struct edge *edge, struct tb_error *err)
{
    struct tb_relay_options options = {
        .node = tb_config_text(edge->config, TB_NODE_NAME),
        .cursor_name = TB_CURSOR_INPROC,
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .held = edge->forced_offline,
        .moved = on_cursor,
        .trouble = on_relay_trouble,
        .ctx = edge,
    };

    TB_TRY(tb_outbox_reader_open(edge->store_path, &edge->relay_outbox, err));
    TB_TRY(tb_log_inproc_writer(edge->log, TOPIC, &edge->log_writer, err));
    options.outbox = edge->relay_outbox;
    options.writer = edge->log_writer;
    return tb_relay_new(&options, &edge->relay, err);
}

static enum tb_code open_view(struct edge *edge, struct tb_error *err)
{
    struct tb_consumer_options options = {
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .rules = {.currency = tb_config_text(edge->config, TB_NODE_CURRENCY),
                  .day_start_minutes = (int)tb_config_int(edge->config, TB_NODE_DAY_START)},
        .dead_letter_keep_ms = tb_config_int(edge->config, TB_RETENTION_DEAD_LETTERS),
        .applied = on_applied,
        .trouble = on_consumer_trouble,
        .ctx = edge,
    };

    TB_TRY(tb_log_inproc_reader(edge->log, TOPIC, GROUP, &edge->log_reader, err));
    TB_TRY(tb_view_sqlite_open(edge->view_path, &edge->view, err));
    TB_TRY(tb_view_sqlite_reader(edge->view_path, &edge->api_view, err));
    TB_TRY(tb_view_sqlite_reader(edge->view_path, &edge->query_view, err));
    options.reader = edge->log_reader;
    options.view = edge->view;
    return tb_consumer_new(&options, &edge->consumer, err);
}

static enum tb_code open_api(struct edge *edge, struct tb_error *err)
{
    const struct tb_config *config = edge->config;
    struct tb_api_options options = {
        .listen = tb_config_text(config, TB_HTTP_LISTEN),
        .allowed_hosts = tb_config_text(config, TB_HTTP_ALLOWED_HOSTS),
        .allowed_origins = tb_config_text(config, TB_HTTP_ALLOWED_ORIGINS),
        .node = tb_config_text(config, TB_NODE_NAME),
        .currency = tb_config_text(config, TB_NODE_CURRENCY),
        .body_max = tb_config_int(config, TB_LIMITS_BODY),
        .lines_max = tb_config_int(config, TB_LIMITS_LINES),
        .depth_max = tb_config_int(config, TB_LIMITS_DEPTH),
        .header_max = tb_config_int(config, TB_LIMITS_HEADER),
        .header_timeout_ms = tb_config_int(config, TB_LIMITS_HEADER_TIMEOUT),
        .body_timeout_ms = tb_config_int(config, TB_LIMITS_BODY_TIMEOUT),
        .connections_max = tb_config_int(config, TB_LIMITS_CONNECTIONS),
        .connections_per_address_max = tb_config_int(config, TB_LIMITS_CONNECTIONS_PER_ADDRESS),
        .disk_reserve_bytes = tb_config_int(config, TB_LIMITS_DISK_RESERVE),
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .writer = edge->writer,
        .cursor_name = TB_CURSOR_INPROC,
        .view = edge->api_view,
        .query_view = edge->query_view,
        .consumer = tb_consumer_stats(edge->consumer),
        .topic = TOPIC,
        .group = GROUP,
        .view_name = VIEW_NAME,
        .link = on_link,
        .log_range = on_log_range,
        .disk_free = on_disk_free,
        .forced = on_forced,
        .ctx = edge,
    };

    TB_TRY(tb_outbox_reader_open(edge->store_path, &edge->api_outbox, err));
    TB_TRY(tb_outbox_reader_open(edge->store_path, &edge->query_outbox, err));
    options.outbox = edge->api_outbox;
    options.query_outbox = edge->query_outbox;
    return tb_api_open(&options, &edge->api, err);
}

static enum tb_code check_currency(const struct tb_config *config, struct tb_error *err)
{
    const char *code = tb_config_text(config, TB_NODE_CURRENCY);

    if (tb_currency_known(tb_str_of(code), NULL))
        return TB_OK;
    return tb_error_set(err, TB_INVALID, "node.currency = %s: not a currency of ISO 4217", code);
}

static enum tb_code open_all(struct edge *edge, struct tb_error *err)
{
    TB_TRY(check_currency(edge->config, err));
    TB_TRY(tb_zone_set(tb_config_text(edge->config, TB_NODE_TIMEZONE), err));
    TB_TRY(tb_data_dir_open(tb_config_text(edge->config, TB_NODE_DATA), &edge->dir, err));
    const char *path = tb_data_dir_path(edge->dir);
    snprintf(edge->store_path, sizeof edge->store_path, "%s/store.db", path);
    snprintf(edge->log_path, sizeof edge->log_path, "%s/log.db", path);
    snprintf(edge->view_path, sizeof edge->view_path, "%s/view.db", path);
    TB_TRY(tb_log_inproc_open(edge->log_path, &tb_clock_system, &edge->log, err));
    TB_TRY(open_store(edge, err));
    TB_TRY(open_bridge(edge, err));
    TB_TRY(open_view(edge, err));
    TB_TRY(open_api(edge, err));
    tb_data_dir_describe(edge->dir, tb_api_url(edge->api));
    return TB_OK;
}

/* Threads. */

static void *writer_main(void *arg)
{
    tb_writer_run(((struct edge *)arg)->writer);
    return NULL;
}

/* Order taking goes first: on a machine with few cores the view may fall behind for a moment. */
static void yield_to_orders(void)
{
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), BEHIND_ORDERS_NICE);
}

static void *relay_main(void *arg)
{
    yield_to_orders();
    tb_relay_run(((struct edge *)arg)->relay);
    return NULL;
}

static void *consumer_main(void *arg)
{
    yield_to_orders();
    tb_consumer_run(((struct edge *)arg)->consumer);
    return NULL;
}

static int start_thread(pthread_t *thread, const char *name, void *(*run)(void *),
                        struct edge *edge)
{
    int failed = pthread_create(thread, NULL, run, edge);

    if (!failed)
        (void)pthread_setname_np(*thread, name); /* for top and perf */
    return failed;
}

static enum tb_code start(struct edge *edge, struct tb_error *err)
{
    int failed = start_thread(&edge->writer_thread, "writer", writer_main, edge);

    if (!failed)
        failed = start_thread(&edge->relay_thread, "relay", relay_main, edge);
    if (!failed)
        failed = start_thread(&edge->consumer_thread, "consumer", consumer_main, edge);
    if (failed) /* the process ends: threads that did start hold nothing that a kill would lose */
        return tb_error_errno(err, TB_INTERNAL, failed, "cannot start a thread");
    edge->threads_started = true;
    return TB_OK;
}

static void stop(struct edge *edge)
{
    if (!edge->threads_started)
        return;
    tb_writer_stop(edge->writer);
    pthread_join(edge->writer_thread, NULL);
    tb_relay_stop(edge->relay);
    pthread_join(edge->relay_thread, NULL);
    tb_consumer_stop(edge->consumer);
    pthread_join(edge->consumer_thread, NULL);
}

static void free_reader(struct tb_view_reader *reader)
{
    if (reader)
        reader->ops->free(reader);
}

static void close_all(struct edge *edge)
{
    stoppable = NULL;
    tb_api_free(edge->api);
    tb_outbox_reader_free(edge->api_outbox);
    tb_outbox_reader_free(edge->query_outbox);
    tb_consumer_free(edge->consumer);
    free_reader(edge->query_view);
    free_reader(edge->api_view);
    if (edge->view)
        edge->view->ops->free(edge->view);
    if (edge->log_reader)
        edge->log_reader->ops->free(edge->log_reader);
    tb_relay_free(edge->relay);
    if (edge->log_writer)
        edge->log_writer->ops->free(edge->log_writer);
    tb_outbox_reader_free(edge->relay_outbox);
    tb_writer_free(edge->writer);
    tb_log_inproc_free(edge->log);
    tb_data_dir_free(edge->dir);
    tb_config_free(edge->config);
}

static void install_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

static int run(struct edge *edge)
{
    struct tb_error err = {0};
    enum tb_code code = open_all(edge, &err);

    if (code != TB_OK) {
        tb_diag(TB_DIAG_ERROR, "edge.start", "%s", err.text);
        return code == TB_INVALID || code == TB_CONFLICT ? EXIT_CONFIG : EXIT_FAILURE;
    }
    stoppable = edge->api;
    install_signals();
    if (start(edge, &err) != TB_OK) {
        tb_diag(TB_DIAG_ERROR, "edge.start", "%s", err.text);
        _exit(EXIT_FAILURE);
    }
    printf("listening on %s\n", tb_api_url(edge->api));
    fflush(stdout);
    tb_diag(TB_DIAG_INFO, "edge.ready", "node %s takes orders at %s, data in %s",
            tb_config_text(edge->config, TB_NODE_NAME), tb_api_url(edge->api),
            tb_data_dir_path(edge->dir));
    tb_api_run(edge->api);
    stop(edge);
    tb_diag(TB_DIAG_INFO, "edge.stopped", "stopped; everything taken is stored");
    return EXIT_SUCCESS;
}

static void print_help(void)
{
    fputs(
        "Usage: tillbox edge [--node NAME] [--data FOLDER] [--listen HOST:PORT] [--config FILE]\n"
        "\n"
        "Takes orders over HTTP into FOLDER (default ./tillbox-data), and answers queries.\n"
        "The first line on standard output says where it listens. SIGTERM or Ctrl-C stops it\n"
        "cleanly, a second one at once. `tillbox config` lists every setting.\n"
        "\n"
        "Examples:\n"
        "  tillbox edge\n"
        "  tillbox edge --node till1 --data /var/lib/tillbox --listen 127.0.0.1:0\n"
        "\n"
        "Exit status: 0 stopped by a signal, 1 failed, 2 configuration.\n",
        stdout);
}

int main(int argc, char **argv)
{
    struct edge edge = {0};
    struct tb_error err = {0};
    struct tb_buf report = {0};
    int status;

    tb_process_standard_files();
    /* Few threads, small allocations: two malloc arenas serve them, and keep memory small. */
    mallopt(M_ARENA_MAX, 2);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help();
            return EXIT_SUCCESS;
        }
        if (strcmp(argv[i], "--version") == 0) {
            puts("tillbox-edge " TB_VERSION);
            return EXIT_SUCCESS;
        }
    }
    tb_diag_init("tillbox-edge", TB_DIAG_INFO);
    if (tb_config_load(argc - 1, argv + 1, environ, DEFAULT_LISTEN, &edge.config, &report, &err) !=
        TB_OK) {
        fputs(tb_buf_str(&report).ptr, stderr);
        if (report.len == 0)
            fprintf(stderr, "tillbox-edge: %s\n", err.text);
        tb_buf_release(&report);
        return EXIT_CONFIG;
    }
    status = run(&edge);
    close_all(&edge);
    tb_buf_release(&report);
    return status;
}
