#include "query/sqlite/view_sqlite_priv.h"
#include "sim/sim.h"
#include "store/writer_priv.h"
#include <stdio.h>
#include <string.h>

#define MS INT64_C(1000)
#define RESERVE_BYTES 1000

static int64_t wall_ms(void *ctx)
{
    struct sim_node *node = ctx;

    return SIM_EPOCH_MS + node->sim->now_us / 1000 + node->wall_offset_ms;
}

/* The monotonic clock starts again at each boot. */
static int64_t mono_us(void *ctx)
{
    struct sim_node *node = ctx;

    return node->sim->now_us - node->booted_us + 1000000;
}

static int64_t disk_free(void *ctx)
{
    struct sim_node *node = ctx;

    if (!node->reports_free_space)
        return -1;
    return node->disk.full ? 0 : INT64_MAX;
}

static void on_committed(void *ctx)
{
    struct sim_node *node = ctx;

    if (node->kafka) {
        tb_kafka_uplink_wake(node->kafka);
        sim_wake(node, SIM_KAFKA, 3 * MS);
    }
    if (!node->relay)
        return;
    tb_relay_wake(node->relay);
    /* Sometimes only the relay's own timer finds the rows. */
    if (!sim_chance(&node->sim->order_random, 10))
        sim_wake(node, SIM_RELAY, 3 * MS);
}

static void on_cursor(void *ctx, const char *cursor_name, int64_t row, int64_t at_ms)
{
    struct sim_node *node = ctx;

    tb_writer_post_cursor(node->writer, cursor_name, row, at_ms);
    sim_wake(node, SIM_WRITER, 60 * MS);
}

static void on_snapshots(void *ctx, const char *cursor_name, int64_t next)
{
    struct sim_node *node = ctx;

    tb_writer_post_snapshots(node->writer, cursor_name, next);
    sim_wake(node, SIM_WRITER, 60 * MS);
}

static bool on_park(void *ctx, const char *cursor_name, const struct tb_parked_order *order,
                    const char *reason)
{
    struct sim_node *node = ctx;

    sim_trace("%s parks %s from row %" PRId64 " on", node->name, order->order_id, order->row);
    check_centre_parked(node, order->order_id, order->row);
    sim_wake(node, SIM_WRITER, 60 * MS);
    return tb_writer_post_parked(node->writer, cursor_name, order, reason,
                                 tb_clock_wall_ms(&node->clock));
}

/* The simulated broker takes at no time what it has refused once. */
static bool on_unparked(void *ctx, const char *cursor_name, const char *order_id)
{
    struct sim_node *node = ctx;

    SIM_REQUIRE(false, "I7: %s takes %s for acknowledged by %s", node->name, order_id,
                cursor_name);
    return false;
}

static void on_relay_outage(void *ctx, const struct tb_error *err)
{
    struct sim_node *node = ctx;

    sim_trace("%s relay: %s %s", node->name, tb_code_name(err->code), err->text);
    sim_cover(COVER_RELAY_FAILING, err->code != TB_OK);
    file_damage_told(node, "relay", err);
}

static void on_consumer_outage(void *ctx, const struct tb_error *err)
{
    struct sim_node *node = ctx;

    sim_trace("%s consumer: %s %s", node->name, tb_code_name(err->code), err->text);
    sim_cover(COVER_CONSUMER_FAILING, err->code != TB_OK);
    file_damage_told(node, "consumer", err);
}

/* The log may now remove these records: check them before. A broken store cannot be checked, so
 * the log keeps them for another hour. */
static void on_durable(void *ctx, int32_t partition, int64_t next)
{
    struct sim_node *node = ctx;

    if (!node_healthy(node) || node->disk.power_off || file_is_damaged(node, SIM_LOG) ||
        file_is_damaged(node, SIM_VIEW))
        return;
    (void)partition; /* there is one */
    check_node(node);
    tb_log_inproc_allow_removal(node->log, next);
}

/* Configuration of the connected edition; the rest are the product's defaults. */
static void configure(struct sim_node *node)
{
    char name_flag[] = "--node", brokers[] = "--kafka-brokers=kafka:9092", log[] = "--log=kafka";
    char no_file[] = "TILLBOX_CONFIG=/dev/null", day_start[40];
    char *flags[] = {name_flag, node->name, brokers, log}, *env[] = {no_file, day_start, NULL};
    int minutes = sim_day_start_minutes(node->sim, node->index);
    char client_id[32];
    struct tb_buf report = {0};
    struct tb_error err = {0};

    snprintf(day_start, sizeof day_start, "TILLBOX_NODE_DAY_START=%02d:%02d", minutes / 60,
             minutes % 60);
    SIM_REQUIRE(tb_config_load(sizeof flags / sizeof *flags, flags, env, "127.0.0.1:0",
                               &node->config, &report, &err) == TB_OK,
                "%s: configuration: %s", node->name, err.text);
    tb_buf_release(&report);
    snprintf(client_id, sizeof client_id, "tillbox-%s", node->name);
    node->client = broker_client(&node->sim->centre.broker, client_id);
}

void node_init(struct sim_node *node, struct sim *sim, int index)
{
    *node = (struct sim_node){.sim = sim, .index = index, .reports_free_space = true};
    snprintf(node->name, sizeof node->name, "till%d", index + 1);
    snprintf(node->folder, sizeof node->folder, "/sim/%d", index);
    snprintf(node->store_path, sizeof node->store_path, "/sim/%d/store.db", index);
    snprintf(node->log_path, sizeof node->log_path, "/sim/%d/log.db", index);
    snprintf(node->view_path, sizeof node->view_path, "/sim/%d/view.db", index);
    node->clock = (struct tb_clock){node, wall_ms, mono_us};
    disk_init(&node->disk, index, sim->seed * 31 + (uint64_t)index + 100);
    fake_random_init(&node->random, sim->seed * 37 + (uint64_t)index + 200);
    for (int i = 0; i < SIM_ACTORS; i++)
        node->due_us[i] = SIM_NEVER;
    node->due_us[SIM_START] = 0;
    node->link_known = true;
    node->identity.is_known = true;
    if (sim->edition == SIM_CONNECTED)
        configure(node);
}

/* Opening, in the order of src/edge/wiring.c. */

static enum tb_code set_store_mutant(struct sim_node *node, struct tb_error *err)
{
    if (node->sim->mutant == SIM_MUTANT_SYNC_NORMAL)
        return tb_db_exec(node->store->db, "PRAGMA synchronous=NORMAL", err);
    if (node->sim->mutant == SIM_MUTANT_KEY_NOT_STORED)
        return tb_db_exec(node->store->db,
                          "DELETE FROM idempotency WHERE created_at ="
                          " (SELECT max(created_at) FROM idempotency)",
                          err);
    if (node->sim->mutant == SIM_MUTANT_LATE_SYNC)
        node->disk.late_sync = "store.db-wal";
    return TB_OK;
}

static enum tb_code open_writer(struct sim_node *node, struct tb_error *err)
{
    static const char *const cursor_names[] = {TB_CURSOR_INPROC, TB_CURSOR_KAFKA};
    const struct tb_writer_options options = {
        .store = node->store,
        .clock = &node->clock,
        .disk_reserve_bytes = RESERVE_BYTES,
        .disk_free = disk_free,
        .disk_ctx = node,
        .outbox_keep_ms = node->outbox_keep_ms,
        .idempotency_keep_ms = SIM_DAY_US / 1000,
        .cursor_names = cursor_names,
        .cursor_count = node->starts_without_kafka ? 1 : 2,
        .committed = on_committed,
        .committed_ctx = node,
    };

    return tb_writer_new(&options, &node->writer, err);
}

enum tb_code node_renew_identity(struct sim_node *node, struct tb_error *err)
{
    struct tb_folder_identity *identity = &node->identity;
    int64_t number = tb_store_last_number(node->store);

    if (identity->next[0] && strcmp(identity->next, tb_store_folder_id(node->store)) == 0) {
        memcpy(identity->present, identity->next, sizeof identity->present);
        identity->next[0] = '\0';
    }
    if (!identity->next[0]) {
        snprintf(identity->next, sizeof identity->next, "%016" PRIx64 ":1-1.1",
                 ++node->identities);
        node->next_number = number;
        if (number > identity->last_number) /* whoever reads them takes the higher one */
            identity->last_number = number;
    }
    TB_TRY(tb_store_bind(node->store, identity->next, err));
    memcpy(identity->present, identity->next, sizeof identity->present);
    identity->next[0] = '\0';
    identity->last_number = node->next_number;
    return TB_OK;
}

/* Without a new identity it runs as well, unless it would be a copy for ever. */
static enum tb_code renew_identity(struct sim_node *node, struct tb_error *err)
{
    bool is_copy = tb_store_is_copy(node->store);

    if (node_renew_identity(node, err) == TB_OK || is_copy)
        return err->code;
    *err = (struct tb_error){0};
    return TB_OK;
}

static enum tb_code open_files(struct sim_node *node, struct tb_error *err)
{
    bool compared = node->sim->mutant != SIM_MUTANT_FOLDER_NOT_COMPARED;
    const struct tb_store_options options = {.path = node->store_path,
                                             .node = node->name,
                                             .folder = compared ? &node->identity : NULL,
                                             .day_start_minutes =
                                                 sim_day_start_minutes(node->sim, node->index),
                                             .clock = &node->clock,
                                             .random = &node->random.random};
    struct tb_derived_options derived_options = {.folder = node->folder,
                                                 .node = node->name,
                                                 .identity = &node->identity,
                                                 .clock = &node->clock,
                                                 .random = &node->random.random};
    struct tb_derived derived;

    TB_TRY(tb_store_open(&options, &node->store, err));
    derived_options.store = node->store;
    TB_TRY(tb_derived_open(&derived_options, &derived, err));
    SIM_REQUIRE(strcmp(derived.view_path, node->view_path) == 0, "%s: the view is %s, not %s",
                node->name, derived.view_path, node->view_path);
    node->log = derived.log;
    faulty_view_init(&node->faulty_view, node, derived.view);
    TB_TRY(renew_identity(node, err));
    TB_TRY(set_store_mutant(node, err));
    return open_writer(node, err);
}

static void check_link(struct sim_node *node)
{
    bool forced = tb_store_forced_offline(node->store);

    SIM_REQUIRE(!node->link_known || forced == node->link_forced,
                "I1: %s: the link was %s, after the start it is not", node->name,
                node->link_forced ? "forced offline" : "set to auto");
    node->link_known = true;
    node->link_forced = forced;
}

static enum tb_code open_bridge(struct sim_node *node, struct tb_error *err)
{
    struct tb_log_writer *real = NULL;
    struct tb_relay_options options = {
        .node = node->name,
        .cursor_name = TB_CURSOR_INPROC,
        .clock = &node->clock,
        .random = &node->random.random,
        .start_offline = tb_store_forced_offline(node->store) && node->starts_without_kafka,
        .on_cursor = on_cursor,
        .on_snapshots = on_snapshots,
        .on_problem = on_relay_outage,
        .ctx = node,
    };

    TB_TRY(tb_outbox_reader_open(node->store_path, &node->relay_outbox, err));
    TB_TRY(tb_outbox_reader_open(node->store_path, &node->api_outbox, err));
    TB_TRY(tb_log_inproc_writer(node->log, &real, err));
    faulty_log_init(&node->faulty_log, node, real);
    options.outbox = node->relay_outbox;
    options.writer = &node->faulty_log.base;
    return tb_relay_new(&options, &node->relay, err);
}

static enum tb_code open_kafka(struct sim_node *node, struct tb_error *err)
{
    const struct tb_kafka_uplink_options options = {
        .config = node->config,
        .store_path = node->store_path,
        .forced_offline = tb_store_forced_offline(node->store),
        .clock = &node->clock,
        .random = &node->random.random,
        .on_cursor = on_cursor,
        .on_snapshots = on_snapshots,
        .park = on_park,
        .unparked = on_unparked,
        .resend = node_resend_options(node),
        .ctx = node,
    };

    return node->starts_without_kafka ? TB_OK : tb_kafka_uplink_open(&options, &node->kafka, err);
}

static enum tb_code open_view(struct sim_node *node, struct tb_error *err)
{
    struct tb_consumer_options options = {
        .clock = &node->clock,
        .random = &node->random.random,
        .rules = {.currency = "EUR"},
        .dead_letter_keep_ms = node->sim->dead_letter_keep_ms,
        .uptime = &node->uptime,
        .on_durable = on_durable,
        .on_outage = on_consumer_outage,
        .ctx = node,
    };

    TB_TRY(tb_log_inproc_reader(node->log, SIM_GROUP, &node->reader, err));
    TB_TRY(tb_log_inproc_reader(node->log, SIM_AUDIT_GROUP, &node->audit, err));
    TB_TRY(tb_view_sqlite_reader(node->view_path, &node->view_reader, err));
    options.reader = node->reader;
    options.view = &node->faulty_view.base;
    return tb_consumer_new(&options, &node->consumer, err);
}

/* A third of the nodes keep records for a second only: whatever else retention must wait for is
 * not on the disk yet when they expire. Two thirds do if files get lost: then snapshots must bring
 * what the log has no more. */
static int64_t log_keep_ms(const struct sim_node *node)
{
    const struct sim *sim = node->sim;
    uint64_t thirds = sim->has_file_faults || sim->has_restores ? 2 : 1;

    return (sim->seed + (uint64_t)node->index) % 3 < thirds ? 1000 : node->outbox_keep_ms;
}

enum tb_code node_open(struct sim_node *node, struct tb_error *err)
{
    TB_TRY(open_files(node, err));
    node->uptime = tb_store_uptime(node->store);
    tb_log_inproc_set_retention(node->log, log_keep_ms(node), node->uptime);
    check_link(node);
    TB_TRY(open_bridge(node, err));
    TB_TRY(open_kafka(node, err));
    return open_view(node, err);
}
