#include "edge/wiring.h"
#include "base/diag/diag.h"
#include "edge/link_status.h"
#include <stdio.h>

#define GROUP "tillbox-edge"
#define VIEW_NAME "sqlite"
/* How long a client waits until the consumer has dropped its dead letter, which normally takes
 * milliseconds. Then the client gets an error. */
#define DROP_WAIT_MS 5000

/* Callbacks. Each runs on the thread of the part that calls it. */

static void on_committed(void *ctx)
{
    struct edge *edge = ctx;

    tb_relay_wake(edge->relay);
    if (edge->kafka)
        tb_kafka_uplink_wake(edge->kafka);
}

static void on_cursor(void *ctx, const char *cursor_name, int64_t row, int64_t at_ms)
{
    tb_writer_post_cursor(((struct edge *)ctx)->writer, cursor_name, row, at_ms);
}

static bool on_park(void *ctx, const char *cursor_name, const char *order_id, int64_t row,
                    const char *reason)
{
    return tb_writer_post_parked(((struct edge *)ctx)->writer, cursor_name, order_id, row, reason,
                                 tb_clock_wall_ms(&tb_clock_system));
}

static void on_relay_error(void *ctx, const struct tb_error *err)
{
    static const struct tb_outage_words words = {
        "relay.failing", "relay.running", "the log does not take events", "the log takes events"};

    tb_outage_update(&((struct edge *)ctx)->relay_outage, &words, err);
}

static void on_durable(void *ctx, int32_t partition, int64_t next)
{
    tb_log_inproc_allow_removal(((struct edge *)ctx)->log, EDGE_TOPIC, partition, next);
}

static void on_append_queued(void *ctx)
{
    tb_relay_wake_for_append(((struct edge *)ctx)->relay);
}

static enum tb_code on_drop_dead_letter(void *ctx, struct tb_dead_letter_position position,
                                        struct tb_error *err)
{
    return tb_consumer_drop_dead_letter(((struct edge *)ctx)->shared.consumer, position,
                                        DROP_WAIT_MS, err);
}

static void on_link(void *ctx, struct tb_link_status *ret_status)
{
    struct edge *edge = ctx;

    if (edge->kafka)
        tb_kafka_uplink_status(edge->kafka, ret_status);
    else
        tb_link_status_of_relay(edge->relay, &tb_clock_system, ret_status);
}

static enum tb_code on_log_ranges(void *ctx, struct tb_log_range *ret_ranges, struct tb_error *err)
{
    struct edge *edge = ctx;

    for (int32_t p = 0; p < TB_LOG_PARTITIONS; p++)
        TB_TRY(tb_log_inproc_range(edge->log, EDGE_TOPIC, GROUP, p, &ret_ranges[p], err));
    return TB_OK;
}

static int64_t on_disk_free(void *ctx)
{
    return tb_data_dir_free_bytes(((struct edge *)ctx)->dir);
}

static void on_set_offline(void *ctx, bool offline)
{
    struct edge *edge = ctx;

    if (edge->kafka)
        tb_kafka_uplink_set_offline(edge->kafka, offline);
    else
        tb_relay_set_offline(edge->relay, offline);
    tb_diag(TB_DIAG_INFO, "link.forced", offline ? "link forced offline" : "link set to auto");
}

/* Opening. */

/* True: the edge sends events to Kafka too, besides the log on this node. */
static bool is_connected(const struct edge *edge)
{
    return strcmp(tb_config_text(edge->shared.config, TB_LOG_KIND), "kafka") == 0;
}

/* A store that is older than the log was restored from a backup. The log already has other events
 * with the sequences that this store gives next, so the store continues in a new epoch. */
static enum tb_code renew_restored_store(struct edge *edge, struct tb_store *store,
                                         struct tb_error *err)
{
    int64_t known = 0;

    TB_TRY(tb_log_inproc_high_sequence(edge->log, tb_store_epoch(store), &known, err));
    if (known <= tb_store_last_sequence(store))
        return TB_OK;
    tb_diag(TB_DIAG_WARN, "store.restored",
            "the log knows events up to %lld, the store only up to %lld: it was put back in "
            "time; a new epoch begins",
            (long long)known, (long long)tb_store_last_sequence(store));
    return tb_store_renew_epoch(store, err);
}

static enum tb_code open_writer(struct edge *edge, struct tb_store *store, struct tb_error *err)
{
    static const char *const cursor_names[] = {TB_CURSOR_INPROC, TB_CURSOR_KAFKA};
    const struct tb_config *config = edge->shared.config;
    const struct tb_writer_options options = {
        .store = store,
        .clock = &tb_clock_system,
        .disk_reserve_bytes = tb_config_int(config, TB_LIMITS_DISK_RESERVE),
        .disk_free = on_disk_free,
        .disk_ctx = edge,
        .outbox_keep_ms = tb_config_int(config, TB_RETENTION_OUTBOX),
        .idempotency_keep_ms = tb_config_int(config, TB_RETENTION_IDEMPOTENCY),
        .cursor_names = cursor_names,
        .cursor_count = is_connected(edge) ? 2 : 1,
        .committed = on_committed,
        .committed_ctx = edge,
    };

    return tb_writer_new(&options, &edge->writer, err);
}

static enum tb_code open_store(struct edge *edge, struct tb_error *err)
{
    const struct tb_config *config = edge->shared.config;
    const struct tb_store_options options = {
        .path = edge->store_path,
        .node = tb_config_text(config, TB_NODE_NAME),
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .day_start_minutes = (int)tb_config_int(config, TB_NODE_DAY_START),
        .event_max_bytes = is_connected(edge) ? tb_kafka_uplink_event_max() : 0,
    };
    struct tb_store *store = NULL;
    enum tb_code code;

    TB_TRY(tb_store_open(&options, &store, err));
    edge->forced_offline = tb_store_forced_offline(store);
    code = renew_restored_store(edge, store, err);
    if (code == TB_OK)
        code = open_writer(edge, store, err); /* from then on the writer owns the store */
    if (code != TB_OK)
        tb_store_free(store);
    return code;
}

static enum tb_code open_bridge(struct edge *edge, struct tb_error *err)
{
    struct tb_relay_options options = {
        .node = tb_config_text(edge->shared.config, TB_NODE_NAME),
        .cursor_name = TB_CURSOR_INPROC,
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .start_offline = edge->forced_offline && !is_connected(edge),
        .on_cursor = on_cursor,
        .on_problem = on_relay_error,
        .ctx = edge,
    };

    TB_TRY(tb_append_queue_new(on_append_queued, edge, &edge->shared.append_queue, err));
    TB_TRY(tb_outbox_reader_open(edge->store_path, &edge->relay_outbox, err));
    TB_TRY(tb_log_inproc_writer(edge->log, EDGE_TOPIC, &edge->log_writer, err));
    options.outbox = edge->relay_outbox;
    options.writer = edge->log_writer;
    options.append_queue = edge->shared.append_queue;
    return tb_relay_new(&options, &edge->relay, err);
}

static enum tb_code open_kafka(struct edge *edge, struct tb_error *err)
{
    const struct tb_kafka_uplink_options options = {
        .config = edge->shared.config,
        .store_path = edge->store_path,
        .forced_offline = edge->forced_offline,
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .on_cursor = on_cursor,
        .park = on_park,
        .ctx = edge,
    };

    return is_connected(edge) ? tb_kafka_uplink_open(&options, &edge->kafka, err) : TB_OK;
}

static enum tb_code open_view(struct edge *edge, struct tb_error *err)
{
    struct tb_consumer_options options = tb_view_consumer_options(&edge->shared);

    TB_TRY(tb_log_inproc_reader(edge->log, EDGE_TOPIC, GROUP, &edge->log_reader, err));
    TB_TRY(tb_edge_open_view(edge, err));
    options.reader = edge->log_reader;
    options.view = edge->view;
    if (tb_config_int(edge->shared.config, TB_RETENTION_LOG) >= 0)
        options.on_durable = on_durable;
    TB_TRY(tb_consumer_new(&options, &edge->shared.consumer, err));
    return tb_edge_open_rebuild(edge, err);
}

static enum tb_code open_api(struct edge *edge, struct tb_error *err)
{
    const struct tb_config *config = edge->shared.config;
    const struct tb_api_edge role = {
        .node = tb_config_text(config, TB_NODE_NAME),
        .currency = tb_config_text(config, TB_NODE_CURRENCY),
        .lines_max = tb_config_int(config, TB_LIMITS_LINES),
        .disk_reserve_bytes = tb_config_int(config, TB_LIMITS_DISK_RESERVE),
        .writer = edge->writer,
        /* An order counts as delivered once the configured log has acknowledged it. */
        .cursor_name = is_connected(edge) ? TB_CURSOR_KAFKA : TB_CURSOR_INPROC,
        .view_cursor_name = TB_CURSOR_INPROC,
        .link = on_link,
        .disk_free = on_disk_free,
        .forced = on_set_offline,
    };
    struct tb_api_options options = tb_view_api_options(&edge->shared);

    options.edge = &role;
    options.view_name = VIEW_NAME;
    options.dead_letters.drop = on_drop_dead_letter;
    options.log_ranges = on_log_ranges;
    TB_TRY(tb_outbox_reader_open(edge->store_path, &edge->api_outbox, err));
    TB_TRY(tb_outbox_reader_open(edge->store_path, &edge->query_outbox, err));
    TB_TRY(tb_order_reader_open(edge->store_path, &edge->query_orders, err));
    options.inline_context =
        (struct tb_query_context){.view = edge->api_view, .outbox = edge->api_outbox};
    options.lists[0] = (struct tb_query_context){
        .view = edge->query_view, .outbox = edge->query_outbox, .store = edge->query_orders};
    return tb_api_open(&options, &edge->shared.api, err);
}

enum tb_code tb_edge_open(void *ctx, struct tb_error *err)
{
    struct edge *edge = ctx;
    const struct tb_config *config = edge->shared.config;
    const char *folder;

    edge->shared.topic = EDGE_TOPIC;
    edge->shared.group = GROUP;
    edge->shared.partitions = TB_LOG_PARTITIONS;
    tb_outage_init(&edge->relay_outage);
    TB_TRY(tb_view_check_config(config, err));
    TB_TRY(tb_data_dir_open(tb_config_text(config, TB_NODE_DATA), &edge->dir, err));
    folder = tb_data_dir_path(edge->dir);
    snprintf(edge->store_path, sizeof edge->store_path, "%s/store.db", folder);
    snprintf(edge->log_path, sizeof edge->log_path, "%s/log.db", folder);
    TB_TRY(tb_log_inproc_open(edge->log_path, &tb_clock_system, &edge->log, err));
    tb_log_inproc_set_retention(edge->log, tb_config_int(config, TB_RETENTION_LOG));
    TB_TRY(open_store(edge, err));
    TB_TRY(open_bridge(edge, err));
    TB_TRY(open_kafka(edge, err));
    TB_TRY(open_view(edge, err));
    TB_TRY(open_api(edge, err));
    tb_data_dir_write_owner(edge->dir, tb_api_url(edge->shared.api));
    return TB_OK;
}

void tb_edge_close(void *ctx)
{
    struct edge *edge = ctx;

    tb_api_free(edge->shared.api);
    tb_outbox_reader_free(edge->api_outbox);
    tb_outbox_reader_free(edge->query_outbox);
    tb_order_reader_free(edge->query_orders);
    tb_edge_close_view(edge);
    tb_log_reader_free(edge->log_reader);
    tb_kafka_uplink_free(edge->kafka);
    tb_relay_free(edge->relay);
    tb_append_queue_free(edge->shared.append_queue);
    tb_log_writer_free(edge->log_writer);
    tb_outbox_reader_free(edge->relay_outbox);
    tb_writer_free(edge->writer);
    tb_log_inproc_free(edge->log);
    tb_data_dir_free(edge->dir);
    tb_outage_release(&edge->relay_outage);
}
