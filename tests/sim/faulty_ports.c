#include "query/sqlite/view_sqlite_priv.h"
#include "sim/sim.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A fault happens once in so many calls. */
#define RARELY 8

static bool happens(struct sim_node *node, enum edge_fault_class class)
{
    return (node->sim->fault_classes & class) && sim_below(&node->sim->port_random, RARELY) == 0;
}

/* The node's log. */

/* Keeps a copy of a snapshot, which is appended a second time when later events are there. */
static void keep_snapshot(struct faulty_log *log, const struct tb_record *record)
{
    struct late_snapshot *late = &log->late[log->late_next++ % LATE_SNAPSHOTS];
    struct tb_header *headers;

    tb_arena_clear(&late->arena);
    headers = tb_arena_array(&late->arena, record->header_count, sizeof *headers);
    if (!headers)
        abort();
    for (size_t i = 0; i < record->header_count; i++)
        headers[i] = (struct tb_header){tb_arena_copy(&late->arena, record->headers[i].name),
                                        tb_arena_copy(&late->arena, record->headers[i].value)};
    late->record = (struct tb_record){.key = tb_arena_copy(&late->arena, record->key),
                                      .value = tb_arena_copy(&late->arena, record->value),
                                      .headers = headers,
                                      .header_count = record->header_count};
}

/* The relay writes the versions without zeroes in front. */
static bool is_later(const struct tb_record *event, const struct tb_record *snapshot)
{
    struct tb_str a = tb_record_header(event, "ce_orderversion");
    struct tb_str b = tb_record_header(snapshot, "ce_orderversion");

    return a.len != b.len ? a.len > b.len : a.len > 0 && memcmp(a.ptr, b.ptr, a.len) > 0;
}

/* The order has a later event: its snapshot comes again. Nobody waits for tag 0. */
static void append_snapshot_again(struct faulty_log *log, const struct tb_record *event)
{
    struct tb_error ignored = {0};

    for (int i = 0; i < LATE_SNAPSHOTS; i++) {
        struct tb_record *late = &log->late[i].record;

        if (!late->key.ptr || !tb_str_eq(late->key, event->key) || !is_later(event, late) ||
            log->real->ops->append(log->real, late, 0, &ignored) != TB_OK)
            continue;
        sim_cover(COVER_SNAPSHOT_LATE, 1);
        *late = (struct tb_record){0};
    }
}

static void repeat_snapshots(struct faulty_log *log, const struct tb_record *record)
{
    const struct sim *sim = log->node->sim;

    if (sim->healed || (!sim->has_file_faults && !sim->has_restores))
        return;
    if (tb_str_eq(tb_record_header(record, "ce_type"), TB_STR("OrderSnapshot.v1")))
        keep_snapshot(log, record);
    else
        append_snapshot_again(log, record);
}

static enum tb_code log_append(struct tb_log_writer *base, const struct tb_record *record,
                               int64_t tag, struct tb_error *err)
{
    struct faulty_log *log = (struct faulty_log *)base;
    struct tb_error ignored = {0};

    if (happens(log->node, EDGE_FAULT_LOG)) {
        sim_cover(COVER_LOG_BUSY, 1);
        return tb_error_set(err, TB_BUSY, "the simulated log is full");
    }
    if (happens(log->node, EDGE_FAULT_LOG)) {
        sim_cover(COVER_LOG_UNAVAILABLE, 1);
        return tb_error_set(err, TB_UNAVAILABLE, "the simulated log is away");
    }
    TB_TRY(log->real->ops->append(log->real, record, tag, err));
    if (log->node->sim->mutant == SIM_MUTANT_EARLY_CURSOR)
        log->early[log->early_count++] = tag;
    /* A duplicate, as after a lost acknowledgement. Nobody waits for tag 0. */
    if (happens(log->node, EDGE_FAULT_LOG) &&
        log->real->ops->append(log->real, record, 0, &ignored) == TB_OK)
        sim_cover(COVER_LOG_TWICE, 1);
    repeat_snapshots(log, record);
    return TB_OK;
}

static size_t return_early_acks(struct faulty_log *log, struct tb_log_ack *ret_acks)
{
    size_t count = log->early_count;

    for (size_t i = 0; i < count; i++)
        ret_acks[i] = (struct tb_log_ack){.tag = log->early[i], .code = TB_OK};
    log->early_count = 0;
    return count;
}

/* Removes acknowledgements that are not the relay's, and loses some of its own. */
static size_t filter(struct faulty_log *log, struct tb_log_ack *acks, size_t count)
{
    bool early = log->node->sim->mutant == SIM_MUTANT_EARLY_CURSOR;
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        struct tb_log_ack ack = acks[i];

        if (ack.tag < 0)
            foreign_record_acked(log->node->sim, ack.tag, ack.code == TB_OK);
        if (ack.tag <= 0 || early)
            continue;
        if (happens(log->node, EDGE_FAULT_LOG)) {
            sim_cover(COVER_LOG_ACK_LOST, 1);
            ack.code = TB_UNKNOWN;
        }
        acks[kept++] = ack;
    }
    return kept;
}

static enum tb_code log_poll(struct tb_log_writer *base, int64_t wait_ms,
                             struct tb_log_ack *ret_acks, size_t max, size_t *ret_count,
                             struct tb_error *err)
{
    struct faulty_log *log = (struct faulty_log *)base;
    size_t count = 0;

    if (log->early_count > 0) {
        *ret_count = return_early_acks(log, ret_acks);
        return TB_OK;
    }
    if (log->real->ops->poll(log->real, wait_ms, ret_acks, max, &count, err) != TB_OK) {
        foreign_records_lost(log->node);
        return err->code;
    }
    if (count > 0) { /* the log has new records: wake its readers */
        sim_wake(log->node, SIM_CONSUMER, 3000);
        sim_wake(log->node, SIM_AUDIT, 20000);
    }
    *ret_count = filter(log, ret_acks, count);
    if (count > 0 && happens(log->node, EDGE_FAULT_LOG)) {
        sim_cover(COVER_LOG_POLL_LOST, 1);
        return tb_error_set(err, TB_UNAVAILABLE, "the simulated log's answer was lost");
    }
    return TB_OK;
}

static void log_free(struct tb_log_writer *base)
{
    struct faulty_log *log = (struct faulty_log *)base;

    log->real->ops->free(log->real);
    for (int i = 0; i < LATE_SNAPSHOTS; i++) {
        log->late[i].record = (struct tb_record){0};
        tb_arena_release(&log->late[i].arena);
    }
}

void faulty_log_init(struct faulty_log *log, struct sim_node *node, struct tb_log_writer *real)
{
    static const struct tb_log_writer_ops ops = {log_append, log_poll, log_free};

    log->base.ops = &ops;
    log->real = real;
    log->node = node;
    log->early_count = 0;
}

/* The node's view. */

static enum tb_code view_load(struct tb_view *base, const char *order_id, struct tb_arena *arena,
                              struct tb_planned_order *ret_order, struct tb_error *err)
{
    struct faulty_view *view = (struct faulty_view *)base;

    TB_TRY(view->real->ops->load(view->real, order_id, arena, ret_order, err));
    if (view->node->sim->mutant == SIM_MUTANT_IDENTITY_NOT_COMPARED)
        ret_order->lineage.event_count = 0;
    return TB_OK;
}

/* Mutant: a view without the version check would set the order back when an event is repeated. */
static enum tb_code set_back_mutant(struct faulty_view *view, const struct tb_plan *plan,
                                    struct tb_error *err)
{
    struct tb_view_sqlite *real = (struct tb_view_sqlite *)view->real;

    for (size_t i = 0; i < plan->order_count; i++) {
        const struct tb_planned_order *planned = plan->orders[i];
        char sql[160];

        if (planned->changed || planned->order.version < 2)
            continue;
        snprintf(sql, sizeof sql, "UPDATE orders SET version = version - 1 WHERE order_id = '%s'",
                 planned->order.order_id);
        TB_TRY(tb_db_exec(real->db, sql, err));
    }
    return TB_OK;
}

/* Mutant: the column by which lists filter stays as it was before the order was shipped. */
static enum tb_code keep_column_mutant(struct faulty_view *view, const struct tb_plan *plan,
                                       struct tb_error *err)
{
    struct tb_view_sqlite *real = (struct tb_view_sqlite *)view->real;

    for (size_t i = 0; i < plan->order_count; i++) {
        char sql[160];

        if (plan->orders[i]->stub || plan->orders[i]->order.status != TB_SHIPPED)
            continue;
        snprintf(sql, sizeof sql, "UPDATE orders SET status = %d WHERE order_id = '%s'",
                 (int)TB_PLACED, plan->orders[i]->order.order_id);
        TB_TRY(tb_db_exec(real->db, sql, err));
    }
    return TB_OK;
}

static enum tb_code view_commit(struct tb_view *base, const struct tb_plan *plan,
                                struct tb_error *err)
{
    struct faulty_view *view = (struct faulty_view *)base;

    if (happens(view->node, EDGE_FAULT_VIEW)) {
        sim_cover(COVER_VIEW_REFUSED, 1);
        return tb_error_set(err, TB_UNAVAILABLE, "the simulated view is away");
    }
    if (view->node->sim->mutant == SIM_MUTANT_NO_VERSION_CHECK)
        TB_TRY(set_back_mutant(view, plan, err));
    TB_TRY(view->real->ops->commit(view->real, plan, err));
    if (view->node->sim->mutant == SIM_MUTANT_COLUMN_NOT_WRITTEN)
        TB_TRY(keep_column_mutant(view, plan, err));
    sim_trace("%s view takes the log up to %" PRId64, view->node->name, plan->next_offset);
    sim_wake(view->node, SIM_CONSUMER, 3000); /* there may be more records */
    if (happens(view->node, EDGE_FAULT_VIEW)) {
        sim_cover(COVER_VIEW_UNKNOWN, 1);
        return tb_error_set(err, TB_UNKNOWN, "the simulated view's answer was lost");
    }
    return TB_OK;
}

static bool view_keep_up(struct tb_view *base)
{
    struct faulty_view *view = (struct faulty_view *)base;

    return view->real->ops->keep_up(view->real);
}

static enum tb_code view_sync(struct tb_view *base, struct tb_error *err)
{
    struct faulty_view *view = (struct faulty_view *)base;

    if (happens(view->node, EDGE_FAULT_VIEW))
        return tb_error_set(err, TB_UNAVAILABLE, "the simulated view cannot be made durable");
    return view->real->ops->sync(view->real, err);
}

static enum tb_code view_offset(struct tb_view *base, int32_t partition, int64_t *ret_next,
                                struct tb_error *err)
{
    struct faulty_view *view = (struct faulty_view *)base;

    if (view->node->sim->mutant != SIM_MUTANT_VIEW_TRUSTS_LOG)
        return view->real->ops->offset(view->real, partition, ret_next, err);
    *ret_next = tb_log_inproc_range(view->node->log, SIM_GROUP).committed;
    return TB_OK;
}

static enum tb_code view_expire_dead(struct tb_view *base, int64_t before_ms, int64_t limit,
                                     int64_t *ret_removed, struct tb_error *err)
{
    struct faulty_view *view = (struct faulty_view *)base;

    return view->real->ops->expire_dead_letters(view->real, before_ms, limit, ret_removed, err);
}

static void view_free(struct tb_view *base)
{
    struct faulty_view *view = (struct faulty_view *)base;

    view->real->ops->free(view->real);
}

void faulty_view_init(struct faulty_view *view, struct sim_node *node, struct tb_view *real)
{
    static const struct tb_view_ops ops = {.load = view_load,
                                           .commit = view_commit,
                                           .sync = view_sync,
                                           .keep_up = view_keep_up,
                                           .offset = view_offset,
                                           .expire_dead_letters = view_expire_dead,
                                           .free = view_free};

    view->base.ops = &ops;
    view->real = real;
    view->node = node;
}

/* Mutant: a central's view counts a version with a dead letter as applied. */

static const struct tb_view_ops *sound_ops;
static const struct centre *gap_centre;

static enum tb_code load_over_gap(struct tb_view *base, const char *order_id,
                                  struct tb_arena *arena, struct tb_planned_order *ret_order,
                                  struct tb_error *err)
{
    const struct centre *centre = gap_centre;

    TB_TRY(sound_ops->load(base, order_id, arena, ret_order, err));
    for (int i = 0; i < centre->order_count; i++)
        if (strcmp(centre->orders[i].id, order_id) == 0 &&
            centre->orders[i].dead_version > ret_order->order.version && ret_order->exists)
            ret_order->order.version = centre->orders[i].dead_version;
    return TB_OK;
}

void gap_mutant_install(struct central *central)
{
    static struct tb_view_ops ops;

    if (central->view->ops != &ops)
        sound_ops = central->view->ops;
    ops = *sound_ops;
    ops.load = load_over_gap;
    central->view->ops = &ops;
    gap_centre = &central->sim->centre;
}
