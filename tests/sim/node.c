#include "sim/sim.h"
#include "store/writer_priv.h"
#include <stdio.h>

#define MS INT64_C(1000)

bool node_healthy(const struct sim_node *node)
{
    return node->up && tb_writer_healthy(node->writer);
}

/* Mutant: the log may expire what the group has committed, whether the view has it durably or
 * not. */
static void release_log_mutant(struct sim_node *node)
{
    if (node->sim->mutant != SIM_MUTANT_LOG_EXPIRY_IGNORES_VIEW || !node_healthy(node))
        return;
    tb_log_inproc_allow_removal(node->log, tb_log_inproc_range(node->log, SIM_GROUP).committed);
}

static void close_readers(struct sim_node *node)
{
    tb_consumer_free(node->consumer);
    if (node->view_reader)
        node->view_reader->ops->free(node->view_reader);
    if (node->faulty_view.real)
        node->faulty_view.base.ops->free(&node->faulty_view.base);
    if (node->audit)
        node->audit->ops->free(node->audit);
    if (node->reader)
        node->reader->ops->free(node->reader);
    node->consumer = NULL;
    node->view_reader = NULL;
    node->faulty_view.real = NULL;
    node->audit = node->reader = NULL;
}

static void close_all(struct sim_node *node)
{
    node->dying = true;
    pinned_reader_close(node);
    operator_leave(node);
    check_disconnect(node);
    close_readers(node);
    tb_kafka_uplink_free(node->kafka);
    node->kafka = NULL;
    tb_relay_free(node->relay);
    node->relay = NULL;
    if (node->faulty_log.real)
        node->faulty_log.base.ops->free(&node->faulty_log.base);
    node->faulty_log.real = NULL;
    tb_outbox_reader_free(node->api_outbox);
    tb_outbox_reader_free(node->relay_outbox);
    node->api_outbox = node->relay_outbox = NULL;
    if (node->writer)
        tb_writer_free(node->writer);
    else
        tb_store_free(node->store);
    node->writer = NULL;
    node->store = NULL;
    tb_log_inproc_free(node->log);
    node->log = NULL;
    node->dying = node->up = false;
    foreign_records_lost(node);
    for (int i = 0; i < SIM_ACTORS; i++)
        node->due_us[i] = SIM_NEVER;
}

static int64_t pause_us(struct sim_node *node)
{
    return (int64_t)sim_below(&node->sim->order_random, 3000) * MS + 20 * MS;
}

static void start_failed(struct sim_node *node, const struct tb_error *err)
{
    sim_trace("%s does not start: %s", node->name, err->text);
    SIM_REQUIRE(err->code == TB_UNAVAILABLE || err->code == TB_FULL || err->code == TB_BUSY ||
                    err->code == TB_UNKNOWN,
                "I11: %s does not start: %s", node->name, err->text);
    sim_cover(COVER_OPEN_FAILED, 1);
    sim_cover(COVER_CUT_OPENING, node->disk.power_off);
    disk_kill_handles(&node->disk);
    close_all(node);
    sim_wake(node, SIM_START, pause_us(node));
}

/* The view is derived data and may go back at a power cut. */
static void forget_reads(struct sim_node *node)
{
    struct oracle *oracle = &node->sim->oracle;

    for (int i = 0; i < oracle->order_count; i++) {
        if (oracle->orders[i].node != node->index)
            continue;
        if (oracle->orders[i].read_version > 0)
            oracle->orders[i].read_before_power_cut = oracle->orders[i].read_version;
        oracle->orders[i].read_version = 0;
    }
}

void node_start(struct sim_node *node)
{
    struct tb_error err = {0};

    node->due_us[SIM_START] = SIM_NEVER;
    if (node->disk.power_off) {
        disk_power_on(&node->disk);
        node->booted_us = node->sim->now_us;
        forget_reads(node);
    }
    node->restart_due = false;
    file_faults_before_start(node);
    check_numbers_known(node);
    edge_faults_before_start(node);
    node->starts_without_kafka =
        !node->config || (node->sim->modes_change && node->kafka_remembered &&
                          !node->sim->healed && sim_chance(&node->sim->mode_random, 40));
    sim_cover(COVER_WITHOUT_KAFKA, node->config && node->starts_without_kafka);
    if (node_open(node, &err) != TB_OK) {
        start_failed(node, &err);
        return;
    }
    sim_trace("%s runs", node->name);
    node->up = node->was_healthy = true;
    node->audit_fresh = true;
    for (int i = 0; i < SIM_WRITE_BACK; i++)
        sim_wake(node, (enum sim_actor)i, 5 * MS);
    sim_wake(node, SIM_WRITE_BACK, 30000 * MS);
    if (node->kafka)
        sim_wake(node, SIM_KAFKA, 5 * MS);
    if (!node->disk.power_off)
        check_node(node);
}

/* Stopping. */

void node_kill(struct sim_node *node)
{
    sim_trace("%s is killed", node->name);
    disk_kill_handles(&node->disk);
    close_all(node);
    sim_wake(node, SIM_START, pause_us(node));
}

void node_power_lost(struct sim_node *node)
{
    sim_trace("%s has no power", node->name);
    close_all(node);
    sim_wake(node, SIM_START, pause_us(node));
}

void node_stop(struct sim_node *node)
{
    struct tb_error ignored = {0};

    sim_trace("%s is stopped", node->name);
    tb_writer_stop(node->writer);
    for (int i = 0; i < 10 && tb_mailbox_count(&node->writer->mailbox) > 0; i++)
        (void)tb_writer_step(node->writer);
    (void)tb_writer_step(node->writer);
    if (node_healthy(node) && !node->disk.power_off)
        (void)!node_renew_identity(node, &ignored);
    close_all(node);
    sim_wake(node, SIM_START, pause_us(node));
}

void node_release(struct sim_node *node)
{
    if (node->up)
        close_all(node);
    if (node->disk.power_off)
        disk_power_on(&node->disk);
    disk_release(&node->disk, node->index);
    folder_copy_free(node->copy);
    tb_config_free(node->config);
}

/* Steps. */

static void wait_for(struct sim_node *node, enum sim_actor actor, int64_t wait_ms)
{
    if (wait_ms >= 0)
        sim_wake(node, actor, wait_ms * MS + 2 * MS);
}

static bool retention_is_due(const struct sim_node *node)
{
    int64_t at_ms = node->writer->retention_at_ms;

    return at_ms >= 0 && at_ms <= tb_clock_mono_ms(&node->clock);
}

static bool is_retention_mutant(const struct sim_node *node)
{
    enum sim_mutant mutant = node->sim->mutant;

    return mutant == SIM_MUTANT_RETENTION_IGNORES_KAFKA ||
           (mutant == SIM_MUTANT_RETENTION_ASKS_CONFIGURED && node->starts_without_kafka);
}

/* Mutants: while retention removes rows, Kafka's cursor stands at the last row. Returns where it
 * stood; below 0: it was not moved. */
static int64_t move_cursor_mutant(struct sim_node *node)
{
    static const char find[] =
        "SELECT coalesce((SELECT row FROM cursors WHERE name = 'kafka'), -1)";
    static const char move[] = "UPDATE cursors SET row = (SELECT max(row) FROM outbox)"
                               " WHERE name = 'kafka' AND EXISTS(SELECT 1 FROM outbox)";
    struct tb_error err = {0};
    int64_t row = -1;

    if (!is_retention_mutant(node) || !node_healthy(node) ||
        tb_db_query_int64(node->store->db, find, &row, &err) != TB_OK ||
        tb_db_exec(node->store->db, move, &err) != TB_OK)
        return -1;
    return row;
}

static void restore_cursor_mutant(struct sim_node *node, int64_t row)
{
    struct tb_error err = {0};
    char sql[80];

    snprintf(sql, sizeof sql, "UPDATE cursors SET row = %" PRId64 " WHERE name = 'kafka'", row);
    if (row >= 0 && node_healthy(node))
        (void)!tb_db_exec(node->store->db, sql, &err);
}

static int64_t step_with_retention(struct sim_node *node)
{
    check_node(node); /* before rows are removed */
    int64_t kafka_row = move_cursor_mutant(node);
    int64_t wait_ms = tb_writer_step(node->writer);

    restore_cursor_mutant(node, kafka_row);
    return wait_ms;
}

static void step_writer(struct sim_node *node)
{
    bool healthy;

    wait_for(node, SIM_WRITER,
             retention_is_due(node) ? step_with_retention(node) : tb_writer_step(node->writer));
    healthy = tb_writer_healthy(node->writer);
    if (healthy == node->was_healthy)
        return;
    node->was_healthy = healthy;
    sim_trace("%s store is %s", node->name, healthy ? "reopened" : "broken");
    sim_cover(healthy ? COVER_STORE_REOPENED : COVER_STORE_BROKEN, 1);
    if (healthy && !node->disk.power_off)
        check_node(node);
}

static void step_relay(struct sim_node *node)
{
    uint64_t before = tb_relay_sent(node->relay);

    release_log_mutant(node);
    int64_t wait_ms = tb_relay_step(node->relay);

    if (tb_relay_sent(node->relay) > before)
        sim_trace("%s relay sent %" PRIu64, node->name, tb_relay_sent(node->relay) - before);
    wait_for(node, SIM_RELAY, wait_ms);
}

static void step_consumer(struct sim_node *node)
{
    int64_t pause_ms = tb_consumer_step(node->consumer, 0);

    /* The log wakes it when it grows. The timer finds what a lost wake-up has missed. */
    wait_for(node, SIM_CONSUMER, pause_ms > 0 ? pause_ms : 700);
}

static void audit_record(struct sim_node *node, const struct tb_record *record)
{
    int64_t *next = &node->audit_next;
    bool fresh = node->audit_fresh;

    SIM_REQUIRE(record->offset == *next || (fresh && record->offset < *next) ||
                    file_is_damaged(node, SIM_LOG),
                "I4: %s: the group %s reads offset %" PRId64 " of partition %d after %" PRId64,
                node->name, SIM_AUDIT_GROUP, record->offset, record->partition, *next - 1);
    node->audit_fresh = false;
    *next = record->offset + 1;
}

static void step_audit(struct sim_node *node)
{
    struct tb_error err = {0};
    struct tb_log_batch batch = {0};
    size_t max = (size_t)sim_below(&node->sim->order_random, 40) + 1;
    enum tb_code code = node->audit->ops->poll(node->audit, max, 0, &batch, &err);

    if (code == TB_CORRUPT)
        file_damage_told(node, "audit", &err);
    for (size_t i = 0; code == TB_OK && i < batch.count; i++)
        audit_record(node, &batch.records[i]);
    if (code == TB_OK && batch.count > 0 && sim_chance(&node->sim->order_random, 60))
        (void)!node->audit->ops->commit(node->audit, batch.partition,
                                        batch.records[batch.count - 1].offset + 1, &err);
    wait_for(node, SIM_AUDIT, batch.count > 0 ? 5 : 400);
}

/* The kernel writes its cache back about every half minute. */
static void step_write_back(struct sim_node *node)
{
    check_node(node);
    disk_write_back(&node->disk);
    wait_for(node, SIM_WRITE_BACK, 30000);
}

void node_step(struct sim_node *node, enum sim_actor actor)
{
    node->due_us[actor] = SIM_NEVER;
    switch (actor) {
    case SIM_WRITER:
        step_writer(node);
        break;
    case SIM_RELAY:
        step_relay(node);
        break;
    case SIM_CONSUMER:
        step_consumer(node);
        break;
    case SIM_AUDIT:
        step_audit(node);
        break;
    case SIM_WRITE_BACK:
        step_write_back(node);
        break;
    case SIM_START:
        node_start(node);
        break;
    case SIM_KAFKA:
        wait_for(node, SIM_KAFKA, tb_kafka_uplink_step(node->kafka));
        break;
    case SIM_ACTORS:
        break;
    }
    if (node->up && node->disk.power_off)
        node_power_lost(node);
    if (node->up && node->restart_due)
        node_stop(node); /* an operator has read the log */
}
