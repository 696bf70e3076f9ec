#include "edge/wiring.h"
#include "base/diag/diag.h"
#include "base/sqlite/wal_backlog.h"
#include "edge/heartbeat_note.h"
#include "edge/identity.h"
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

void tb_edge_on_cursor(void *ctx, const char *cursor_name, int64_t row, int64_t at_ms)
{
    tb_writer_post_cursor(((struct edge *)ctx)->writer, cursor_name, row, at_ms);
}

void tb_edge_on_snapshots(void *ctx, const char *cursor_name, int64_t next)
{
    tb_writer_post_snapshots(((struct edge *)ctx)->writer, cursor_name, next);
}

static void on_view_cursor(void *ctx, const char *cursor_name, int64_t row, int64_t at_ms)
{
    tb_refill_on_cursor(&((struct edge *)ctx)->refill, row);
    tb_edge_on_cursor(ctx, cursor_name, row, at_ms);
}

static void on_view_snapshots(void *ctx, const char *cursor_name, int64_t next)
{
    tb_refill_on_snapshots(&((struct edge *)ctx)->refill, next);
    tb_edge_on_snapshots(ctx, cursor_name, next);
}

static void on_refill(void *ctx, int64_t *ret_rows_left, int64_t *ret_end)
{
    tb_refill_read(&((struct edge *)ctx)->refill, ret_rows_left, ret_end);
}

/* The store's own position, and that of the last heartbeat that Kafka has acknowledged, which may
 * be from before. */
void tb_edge_note_position(void *ctx, const char *epoch, int64_t sequence, int64_t number)
{
    struct edge *edge = ctx;
    struct tb_heartbeat_note note = {.sequence = sequence, .number = number};

    memcpy(note.store_id, edge->derived.origin.store_id, sizeof note.store_id);
    memcpy(note.epoch, epoch, sizeof note.epoch);
    pthread_mutex_lock(&edge->note_lock);
    if (sequence > edge->noted_sequence) {
        edge->noted_sequence = sequence;
        tb_heartbeat_note_write(tb_data_dir_path(edge->dir), &note);
    }
    pthread_mutex_unlock(&edge->note_lock);
}

static void on_query_failed(void *ctx, const struct tb_error *err)
{
    tb_damage_note(&((struct edge *)ctx)->damage, err);
}

static void on_log_problem(void *ctx, char ret_text[240])
{
    char problem[TB_OUTAGE_TEXT_SIZE];

    tb_outage_problem(&((struct edge *)ctx)->relay_outage, problem);
    snprintf(ret_text, 240, "%.239s", problem);
}

static void on_store_damage(void *ctx, char ret_text[TB_DAMAGE_TEXT_SIZE])
{
    tb_damage_of_store(&((struct edge *)ctx)->damage, ret_text);
}

static void on_derived_damage(void *ctx, char ret_text[TB_DAMAGE_TEXT_SIZE])
{
    tb_damage_of_derived(&((struct edge *)ctx)->damage, ret_text);
}

static void on_relay_error(void *ctx, const struct tb_error *err)
{
    static const struct tb_outage_words words = {
        "relay.failing", "relay.running", "the log does not take events", "the log takes events"};

    tb_outage_update(&((struct edge *)ctx)->relay_outage, &words, err);
    tb_damage_note(&((struct edge *)ctx)->damage, err);
}

static void on_consumer_error(void *ctx, const struct tb_error *err)
{
    tb_view_on_consumer_error(ctx, err);
    tb_damage_note(&((struct edge *)ctx)->damage, err);
}

static void on_checkpoint(void *ctx, const struct tb_error *err)
{
    struct edge_checkpoint_outage *outage = ctx;

    tb_outage_update(&outage->outage, &outage->words, err);
}

static void on_durable(void *ctx, int32_t partition, int64_t next)
{
    (void)partition; /* there is one */
    tb_log_inproc_allow_removal(((struct edge *)ctx)->derived.log, next);
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
    (void)err;
    *ret_ranges = tb_log_inproc_range(((struct edge *)ctx)->derived.log, GROUP);
    return TB_OK;
}

static int64_t on_disk_free(void *ctx)
{
    return tb_edge_free_bytes(ctx);
}

static size_t on_holds(void *ctx, struct tb_hold ret_holds[TB_HOLDS_MAX])
{
    return tb_file_watch_holds(((struct edge *)ctx)->file_watch, ret_holds);
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

int64_t tb_edge_free_bytes(struct edge *edge)
{
    int64_t bytes = tb_data_dir_free_bytes(edge->dir);

    if (bytes < 0)
        return -1;
    bytes -= tb_wal_backlog_bytes();
    tb_wal_give_back_space(bytes < tb_config_int(edge->shared.config, TB_LIMITS_DISK_RESERVE));
    return bytes > 0 ? bytes : 0;
}

/* Opening. */

static enum tb_code open_data_dir(struct edge *edge, struct tb_error *err)
{
    const struct tb_config *config = edge->shared.config;
    bool any = tb_config_int(config, TB_NODE_ALLOW_ANY_FILESYSTEM) != 0;

    TB_TRY(tb_data_dir_open(tb_config_text(config, TB_NODE_DATA), any, &edge->dir, err));
    if (tb_data_dir_warning(edge->dir))
        tb_diag(TB_DIAG_WARN, "data.filesystem", "%s %s", tb_data_dir_path(edge->dir),
                tb_data_dir_warning(edge->dir));
    return TB_OK;
}

bool tb_edge_is_connected(const struct edge *edge)
{
    return strcmp(tb_config_text(edge->shared.config, TB_LOG_KIND), "kafka") == 0;
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
        .cursor_count = tb_edge_is_connected(edge) ? 2 : 1,
        .lost = tb_edge_note_position,
        .lost_ctx = edge,
        .committed = on_committed,
        .committed_ctx = edge,
    };

    return tb_writer_new(&options, &edge->writer, err);
}

static void init_outages(struct edge *edge)
{
    static const struct {
        const char *file, *failing, *working;
    } files[EDGE_FILE_COUNT] = {
        [EDGE_STORE] = {"store.db", "store.db cannot be checkpointed, and its WAL grows",
                        "store.db is checkpointed"},
        [EDGE_LOG] = {"log.db", "log.db cannot be checkpointed, and its WAL grows",
                      "log.db is checkpointed"},
        [EDGE_VIEW] = {"view.db", "the view cannot be checkpointed, and its WAL grows",
                       "the view is checkpointed"},
    };

    tb_outage_init(&edge->relay_outage);
    for (int i = 0; i < EDGE_FILE_COUNT; i++) {
        struct edge_checkpoint_outage *outage = &edge->checkpoint_outages[i];

        tb_outage_init(&outage->outage);
        outage->words = (struct tb_outage_words){"checkpoint.failing", "checkpoint.working",
                                                 files[i].failing, files[i].working};
        tb_checkpoints_init(&edge->checkpoints[i], files[i].file, &tb_clock_system, on_checkpoint,
                            outage);
    }
}

static void release_outages(struct edge *edge)
{
    for (int i = 0; i < EDGE_FILE_COUNT; i++) {
        tb_checkpoints_release(&edge->checkpoints[i]);
        tb_outage_release(&edge->checkpoint_outages[i].outage);
    }
    tb_outage_release(&edge->relay_outage);
}

/* Without a new identity the till runs as well: only a copy of the store from before this moment
 * would not be noticed. But what is a copy now must not be one for ever. */
static enum tb_code renew_identity(struct edge *edge, struct tb_store *store, struct tb_error *err)
{
    const char *folder = tb_data_dir_path(edge->dir);
    bool is_copy = tb_store_is_copy(store);
    enum tb_code code = tb_identity_renew(folder, store, &tb_random_system, &edge->identity, err);

    if (code == TB_OK || is_copy)
        return code;
    tb_diag(TB_DIAG_WARN, "edge.identity",
            "%s has no new identity, so a store that is put back in place may not be noticed: %s",
            folder, err->text);
    *err = (struct tb_error){0};
    return TB_OK;
}

/* After a clean stop, so that a copy from before is noticed. What is in the way was reported. */
static void renew_identity_at_stop(struct edge *edge)
{
    struct tb_error err = {0};

    if (edge->shared.api && tb_writer_healthy(edge->writer))
        (void)renew_identity(edge, tb_writer_store(edge->writer), &err);
}

static enum tb_code open_files(struct edge *edge, struct tb_error *err)
{
    const struct tb_config *config = edge->shared.config;
    const struct tb_store_options options = {
        .path = edge->store_path,
        .node = tb_config_text(config, TB_NODE_NAME),
        .folder = &edge->identity,
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .day_start_minutes = (int)tb_config_int(config, TB_NODE_DAY_START),
        .event_max_bytes = tb_edge_is_connected(edge) ? tb_kafka_uplink_event_max() : 0,
        .checkpoints = &edge->checkpoints[EDGE_STORE],
    };
    struct tb_derived_options derived = {
        .folder = tb_data_dir_path(edge->dir),
        .node = options.node,
        .identity = &edge->identity,
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .gives_up_reading = edge->gives_up_reading,
    };
    struct tb_store *store = NULL;
    enum tb_code code;

    tb_folder_identity_read(derived.folder, &edge->identity);
    TB_TRY(tb_store_open(&options, &store, err));
    edge->forced_offline = tb_store_forced_offline(store);
    edge->uptime = tb_store_uptime(store);
    derived.store = store;
    code = tb_derived_open(&derived, &edge->derived, err);
    if (code == TB_OK)
        code = renew_identity(edge, store, err);
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
        .start_offline = edge->forced_offline && !tb_edge_is_connected(edge),
        .on_cursor = on_view_cursor,
        .on_snapshots = on_view_snapshots,
        .on_problem = on_relay_error,
        .ctx = edge,
    };

    TB_TRY(tb_append_queue_new(on_append_queued, edge, &edge->shared.append_queue, err));
    TB_TRY(tb_outbox_reader_open(edge->store_path, &edge->relay_outbox, err));
    TB_TRY(tb_refill_init(&edge->refill, edge->relay_outbox, edge->derived.log, err));
    TB_TRY(tb_log_inproc_writer(edge->derived.log, &edge->log_writer, err));
    options.outbox = edge->relay_outbox;
    options.writer = edge->log_writer;
    options.append_queue = edge->shared.append_queue;
    return tb_relay_new(&options, &edge->relay, err);
}

/* Reports logs that this node once sent to and that are not configured now. */
static enum tb_code report_unconfigured(struct edge *edge, struct tb_error *err)
{
    struct tb_outbox_cursor cursors[TB_OUTBOX_CURSORS_MAX];
    char text[TB_OUTBOX_TEXT_SIZE];
    size_t count = 0;

    TB_TRY(tb_outbox_list_cursors(edge->relay_outbox, cursors, &count, err));
    for (size_t i = 0; i < count; i++) {
        if (cursors[i].pending == 0 || strcmp(cursors[i].name, TB_CURSOR_INPROC) == 0 ||
            (tb_edge_is_connected(edge) && strcmp(cursors[i].name, TB_CURSOR_KAFKA) == 0))
            continue;
        tb_outbox_unconfigured_text(&cursors[i], text);
        tb_diag(TB_DIAG_WARN, "log.unconfigured", "%s", text);
    }
    return TB_OK;
}

static enum tb_code open_view(struct edge *edge, struct tb_error *err)
{
    struct tb_consumer_options options = tb_view_consumer_options(&edge->shared);
    struct tb_view *view = edge->derived.view;
    int64_t next = 0;

    TB_TRY(tb_log_inproc_reader(edge->derived.log, GROUP, &edge->log_reader, err));
    TB_TRY(tb_edge_open_view(edge, err));
    TB_TRY(view->ops->offset(view, 0, &next, err));
    tb_refill_report(&edge->refill, next);
    options.on_outage = on_consumer_error;
    options.reader = edge->log_reader;
    options.view = view;
    options.uptime = &edge->uptime;
    if (tb_config_int(edge->shared.config, TB_RETENTION_LOG) >= 0)
        options.on_durable = on_durable;
    TB_TRY(tb_consumer_new(&options, &edge->shared.consumer, err));
    return tb_edge_open_rebuild(edge, err);
}

static enum tb_code open_file_watch(struct edge *edge, struct tb_error *err)
{
    const struct tb_file_watch_options options = {
        .clock = &tb_clock_system,
        .dir = edge->dir,
        .writer = edge->writer,
        .damage = &edge->damage,
        .store_path = edge->store_path,
        .on_position = tb_edge_note_position,
        .ctx = edge,
    };

    return tb_file_watch_new(&options, &edge->file_watch, err);
}

static enum tb_code open_api(struct edge *edge, struct tb_error *err)
{
    const struct tb_config *config = edge->shared.config;
    struct tb_api_edge role = {
        .node = tb_config_text(config, TB_NODE_NAME),
        .currency = tb_config_text(config, TB_NODE_CURRENCY),
        .lines_max = tb_config_int(config, TB_LIMITS_LINES),
        .disk_reserve_bytes = tb_config_int(config, TB_LIMITS_DISK_RESERVE),
        .uptime = edge->uptime,
        .writer = edge->writer,
        /* An order counts as delivered once the configured log has acknowledged it. */
        .cursor_name = tb_edge_is_connected(edge) ? TB_CURSOR_KAFKA : TB_CURSOR_INPROC,
        .view_cursor_name = TB_CURSOR_INPROC,
        .refill = on_refill,
        .link = on_link,
        .disk_free = on_disk_free,
        .holds = on_holds,
        .query_failed = on_query_failed,
        .log_problem = on_log_problem,
        .store_damage = on_store_damage,
        .derived_damage = on_derived_damage,
        .checkpoints = edge->checkpoints,
        .checkpoint_count = EDGE_FILE_COUNT,
        .forced = on_set_offline,
        .unpark = tb_edge_unpark,
        .resend = tb_edge_resend,
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

enum tb_code tb_edge_open_parts(struct edge *edge, struct tb_error *err)
{
    const struct tb_config *config = edge->shared.config;
    const char *folder;

    edge->shared.topic = "order-events";
    edge->shared.group = GROUP;
    edge->shared.partitions = 1;
    init_outages(edge);
    TB_TRY(tb_view_check_config(config, err));
    TB_TRY(open_data_dir(edge, err));
    folder = tb_data_dir_path(edge->dir);
    snprintf(edge->store_path, sizeof edge->store_path, "%s/store.db", folder);
    tb_damage_init(&edge->damage, folder, edge->store_path);
    TB_ASSERT(pthread_mutex_init(&edge->note_lock, NULL) == 0);
    TB_TRY(open_files(edge, err));
    tb_log_inproc_watch_checkpoints(edge->derived.log, &edge->checkpoints[EDGE_LOG]);
    tb_log_inproc_set_retention(edge->derived.log, tb_config_int(config, TB_RETENTION_LOG),
                                edge->uptime);
    TB_TRY(open_bridge(edge, err));
    TB_TRY(report_unconfigured(edge, err));
    TB_TRY(tb_edge_open_kafka(edge, err));
    TB_TRY(open_view(edge, err));
    TB_TRY(open_file_watch(edge, err));
    TB_TRY(open_api(edge, err));
    tb_data_dir_fill_ballast(edge->dir);
    tb_data_dir_write_owner(edge->dir, tb_api_url(edge->shared.api));
    return TB_OK;
}

void tb_edge_close(void *ctx)
{
    struct edge *edge = ctx;

    renew_identity_at_stop(edge);
    tb_api_free(edge->shared.api);
    tb_file_watch_free(edge->file_watch);
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
    tb_log_inproc_free(edge->derived.log);
    if (edge->damage.folder)
        pthread_mutex_destroy(&edge->note_lock);
    tb_damage_release(&edge->damage);
    tb_data_dir_free(edge->dir);
    release_outages(edge);
}
