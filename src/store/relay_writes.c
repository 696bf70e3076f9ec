#include "store/writer_priv.h"
#include <stdio.h>

static struct tb_cursor_write *slot_of(struct tb_relay_writes *writes, const char *name)
{
    struct tb_cursor_write *slot = writes->cursors;

    for (size_t i = 0; i < writes->cursor_count; i++, slot++)
        if (strcmp(slot->name, name) == 0)
            return slot;
    TB_ASSERT(writes->cursor_count < TB_WRITER_CURSORS_MAX);
    TB_ASSERT(strlen(name) < sizeof slot->name);
    writes->cursor_count++;
    snprintf(slot->name, sizeof slot->name, "%s", name);
    return slot;
}

/* It need not be woken if it wakes by itself soon: under load the write is then part of the next
 * commit of orders. */
bool tb_relay_writes_make_due(struct tb_writer *writer)
{
    if (writer->relay_due_ms >= 0)
        return false;
    writer->relay_due_ms = tb_clock_mono_ms(writer->options.clock) + TB_WRITER_CURSOR_MS;
    return !writer->timer_armed;
}

void tb_relay_writes_remember(struct tb_writer *writer)
{
    const struct tb_writer_options *options = &writer->options;

    for (size_t i = 0; i < options->cursor_count; i++)
        slot_of(&writer->relay_writes, options->cursor_names[i])->written = -1;
    if (options->cursor_count > 0)
        writer->relay_due_ms = tb_clock_mono_ms(options->clock);
}

bool tb_relay_writes_remembered(struct tb_writer *writer)
{
    bool all = true;

    pthread_mutex_lock(&writer->relay_lock);
    for (size_t i = 0; i < writer->relay_writes.cursor_count; i++)
        all = all && writer->relay_writes.cursors[i].written >= 0;
    pthread_mutex_unlock(&writer->relay_lock);
    return all;
}

void tb_writer_post_cursor(struct tb_writer *writer, const char *cursor_name, int64_t row,
                           int64_t at_ms)
{
    bool wake = false;

    pthread_mutex_lock(&writer->relay_lock);
    struct tb_cursor_write *slot = slot_of(&writer->relay_writes, cursor_name);
    if (row > slot->row) {
        slot->row = row;
        slot->at_ms = at_ms;
        wake = tb_relay_writes_make_due(writer);
    }
    pthread_mutex_unlock(&writer->relay_lock);
    if (wake)
        tb_mailbox_wake(&writer->mailbox);
}

void tb_writer_post_snapshots(struct tb_writer *writer, const char *cursor_name, int64_t next)
{
    bool wake = false;

    pthread_mutex_lock(&writer->relay_lock);
    struct tb_cursor_write *slot = slot_of(&writer->relay_writes, cursor_name);
    if (next > slot->snapshots) {
        slot->snapshots = next;
        wake = tb_relay_writes_make_due(writer);
    }
    pthread_mutex_unlock(&writer->relay_lock);
    if (wake)
        tb_mailbox_wake(&writer->mailbox);
}

static bool post_parked(struct tb_writer *writer, const struct tb_parked_write *parked)
{
    struct tb_relay_writes *writes = &writer->relay_writes;
    bool has_room, wake = false;

    pthread_mutex_lock(&writer->relay_lock);
    has_room = writes->parked_count < TB_WRITER_PARKED_MAX;
    if (has_room) {
        writes->parked[writes->parked_count++] = *parked;
        wake = tb_relay_writes_make_due(writer);
    }
    pthread_mutex_unlock(&writer->relay_lock);
    if (wake)
        tb_mailbox_wake(&writer->mailbox);
    return has_room;
}

bool tb_writer_post_parked(struct tb_writer *writer, const char *cursor_name,
                           const struct tb_parked_order *order, const char *reason, int64_t at_ms)
{
    struct tb_parked_write parked = {
        .row = order->row, .at_ms = at_ms, .snapshot = order->snapshot, .answered = order->unpark};

    TB_ASSERT(strlen(cursor_name) < TB_CURSOR_NAME_SIZE);
    snprintf(parked.cursor_name, sizeof parked.cursor_name, "%s", cursor_name);
    snprintf(parked.order_id, sizeof parked.order_id, "%s", order->order_id);
    snprintf(parked.reason, sizeof parked.reason, "%s", reason);
    return post_parked(writer, &parked);
}

bool tb_writer_post_unparked(struct tb_writer *writer, const char *cursor_name,
                             const char *order_id)
{
    struct tb_parked_write parked = {.unparked = true};

    TB_ASSERT(strlen(cursor_name) < TB_CURSOR_NAME_SIZE && strlen(order_id) < TB_UUID_SIZE);
    snprintf(parked.cursor_name, sizeof parked.cursor_name, "%s", cursor_name);
    snprintf(parked.order_id, sizeof parked.order_id, "%s", order_id);
    return post_parked(writer, &parked);
}

void tb_relay_writes_copy(struct tb_writer *writer, struct tb_relay_writes *ret_writes)
{
    pthread_mutex_lock(&writer->relay_lock);
    *ret_writes = writer->relay_writes;
    pthread_mutex_unlock(&writer->relay_lock);
}

/* Records that the relay skips the order from a row on, or no more. */
static enum tb_code park_order(struct tb_store *store, const struct tb_parked_write *parked,
                               struct tb_error *err)
{
    struct tb_stmt *stmt =
        &store->stmts[parked->unparked ? TB_STMT_UNPARK_ORDER : TB_STMT_PARK_ORDER];

    tb_stmt_bind_text(stmt, ":cursor", tb_str_of(parked->cursor_name));
    tb_stmt_bind_text(stmt, ":order_id", tb_str_of(parked->order_id));
    if (parked->unparked)
        return tb_stmt_run(stmt, err);
    tb_stmt_bind_int64(stmt, ":row", parked->row);
    tb_stmt_bind_int64(stmt, ":snapshot", parked->snapshot);
    tb_stmt_bind_int64(stmt, ":answered", parked->answered);
    tb_stmt_bind_text(stmt, ":reason", tb_str_of(parked->reason));
    tb_stmt_bind_int64(stmt, ":at", parked->at_ms);
    return tb_stmt_run(stmt, err);
}

/* Moves a cursor forward: never back (see the statement), and never past the last row. */
static enum tb_code move_cursor(struct tb_store *store, const struct tb_cursor_write *cursor,
                                struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_MOVE_CURSOR];

    tb_stmt_bind_text(stmt, ":name", tb_str_of(cursor->name));
    tb_stmt_bind_int64(stmt, ":row",
                       cursor->row < store->last_row ? cursor->row : store->last_row);
    tb_stmt_bind_int64(stmt, ":at", cursor->at_ms);
    return tb_stmt_run(stmt, err);
}

static enum tb_code move_snapshots(struct tb_store *store, const struct tb_cursor_write *cursor,
                                   struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_MOVE_SNAPSHOTS];

    tb_stmt_bind_text(stmt, ":name", tb_str_of(cursor->name));
    tb_stmt_bind_int64(stmt, ":next", cursor->snapshots);
    return tb_stmt_run(stmt, err);
}

enum tb_code tb_relay_writes_store(struct tb_store *store, const struct tb_relay_writes *writes,
                                   struct tb_error *err)
{
    TB_TRY(tb_resend_writes_store(store, writes, err)); /* before the snapshots that it asks for */
    for (size_t i = 0; i < writes->parked_count; i++)
        TB_TRY(park_order(store, &writes->parked[i], err));
    for (size_t i = 0; i < writes->cursor_count; i++) {
        const struct tb_cursor_write *cursor = &writes->cursors[i];

        if (cursor->snapshots > cursor->snapshots_written)
            TB_TRY(move_snapshots(store, cursor, err));
        if (cursor->row > cursor->written)
            TB_TRY(move_cursor(store, cursor, err));
    }
    return TB_OK;
}

void tb_relay_writes_committed(struct tb_writer *writer, const struct tb_relay_writes *committed)
{
    struct tb_relay_writes *writes = &writer->relay_writes;
    bool all;

    pthread_mutex_lock(&writer->relay_lock);
    /* Posts since the copy have changed only rows of cursors, and added entries at the ends. */
    for (size_t i = 0; i < committed->cursor_count; i++) {
        writes->cursors[i].written = committed->cursors[i].row;
        if (writes->cursors[i].snapshots >= committed->cursors[i].snapshots)
            writes->cursors[i].snapshots_written = committed->cursors[i].snapshots;
    }
    tb_resend_writes_committed(writes, committed);
    writes->parked_count -= committed->parked_count;
    memmove(writes->parked, writes->parked + committed->parked_count,
            writes->parked_count * sizeof *writes->parked);
    all = writes->parked_count == 0 && !tb_resend_writes_pending(writes);
    for (size_t i = 0; i < writes->cursor_count; i++)
        all = all && writes->cursors[i].row == writes->cursors[i].written &&
              writes->cursors[i].snapshots == writes->cursors[i].snapshots_written;
    if (all)
        writer->relay_due_ms = -1;
    pthread_mutex_unlock(&writer->relay_lock);
}

void tb_relay_writes_delay(struct tb_writer *writer, int64_t at_ms)
{
    pthread_mutex_lock(&writer->relay_lock);
    if (writer->relay_due_ms >= 0)
        writer->relay_due_ms = at_ms;
    pthread_mutex_unlock(&writer->relay_lock);
}

void tb_relay_writes_restart_snapshots(struct tb_writer *writer, const char *cursor_name)
{
    struct tb_cursor_write *slot = slot_of(&writer->relay_writes, cursor_name);

    slot->snapshots = slot->snapshots_written = 0;
}

bool tb_relay_writes_are_due(struct tb_writer *writer, int64_t now_ms)
{
    bool due;

    pthread_mutex_lock(&writer->relay_lock);
    due = writer->relay_due_ms >= 0 &&
          (writer->relay_due_ms <= now_ms || atomic_load(&writer->stopping));
    pthread_mutex_unlock(&writer->relay_lock);
    return due;
}

int64_t tb_relay_writes_wait_ms(struct tb_writer *writer, int64_t now_ms)
{
    int64_t until_ms;

    pthread_mutex_lock(&writer->relay_lock);
    until_ms = writer->relay_due_ms;
    if (until_ms < 0 && writer->cursor_expected_until_ms > now_ms)
        until_ms = writer->cursor_expected_until_ms;
    writer->timer_armed = until_ms >= 0;
    pthread_mutex_unlock(&writer->relay_lock);
    if (until_ms < 0)
        return -1;
    return until_ms > now_ms ? until_ms - now_ms : 0;
}
