#include "store/writer_priv.h"
#include <stdio.h>

void tb_writer_cursors_init(struct tb_writer *writer)
{
    TB_ASSERT(pthread_mutex_init(&writer->cursor_lock, NULL) == 0);
    writer->cursors_due_ms = -1;
}

void tb_writer_cursors_release(struct tb_writer *writer)
{
    pthread_mutex_destroy(&writer->cursor_lock);
}

static struct tb_cursor_write *slot_of(struct tb_writer *writer, const char *name)
{
    struct tb_cursor_write *slot = writer->cursors;

    for (size_t i = 0; i < writer->cursor_count; i++, slot++)
        if (strcmp(slot->name, name) == 0)
            return slot;
    TB_ASSERT(writer->cursor_count < TB_WRITER_CURSORS_MAX);
    TB_ASSERT(strlen(name) < sizeof slot->name);
    writer->cursor_count++;
    snprintf(slot->name, sizeof slot->name, "%s", name);
    return slot;
}

/* With the lock held; true: the writer is to be woken. Under load a commit or the timer comes
 * anyway: no wake-up, no commit for this. */
static bool make_due(struct tb_writer *writer)
{
    if (writer->cursors_due_ms >= 0)
        return false;
    writer->cursors_due_ms = tb_clock_mono_ms(writer->options.clock) + TB_WRITER_CURSOR_MS;
    return !writer->timer_armed;
}

void tb_writer_post_cursor(struct tb_writer *writer, const char *cursor_name, int64_t row,
                           int64_t at_ms)
{
    bool wake = false;

    pthread_mutex_lock(&writer->cursor_lock);
    struct tb_cursor_write *slot = slot_of(writer, cursor_name);
    if (row > slot->row) {
        slot->row = row;
        slot->at_ms = at_ms;
        wake = make_due(writer);
    }
    pthread_mutex_unlock(&writer->cursor_lock);
    if (wake)
        tb_mailbox_wake(&writer->mailbox);
}

bool tb_writer_post_parked(struct tb_writer *writer, const char *cursor_name, const char *order_id,
                           int64_t row, const char *reason, int64_t at_ms)
{
    bool room, wake = false;

    TB_ASSERT(strlen(cursor_name) < TB_WRITER_CURSOR_NAME_MAX && strlen(order_id) < TB_UUID_SIZE);
    pthread_mutex_lock(&writer->cursor_lock);
    room = writer->parked_count < TB_WRITER_PARKED_MAX;
    if (room) {
        struct tb_parked_write *parked = &writer->parked[writer->parked_count++];

        *parked = (struct tb_parked_write){.row = row, .at_ms = at_ms};
        snprintf(parked->cursor_name, sizeof parked->cursor_name, "%s", cursor_name);
        snprintf(parked->order_id, sizeof parked->order_id, "%s", order_id);
        snprintf(parked->reason, sizeof parked->reason, "%s", reason);
        wake = make_due(writer);
    }
    pthread_mutex_unlock(&writer->cursor_lock);
    if (wake)
        tb_mailbox_wake(&writer->mailbox);
    return room;
}

void tb_relay_writes_copy(struct tb_writer *writer, struct tb_relay_writes *ret_marks)
{
    ret_marks->cursor_count = 0;
    pthread_mutex_lock(&writer->cursor_lock);
    for (size_t i = 0; i < writer->cursor_count; i++)
        if (writer->cursors[i].row > writer->cursors[i].written)
            ret_marks->cursors[ret_marks->cursor_count++] = writer->cursors[i];
    ret_marks->parked_count = writer->parked_count;
    memcpy(ret_marks->parked, writer->parked, writer->parked_count * sizeof *writer->parked);
    pthread_mutex_unlock(&writer->cursor_lock);
}

void tb_relay_writes_committed(struct tb_writer *writer, const struct tb_relay_writes *marks)
{
    bool clean;

    pthread_mutex_lock(&writer->cursor_lock);
    for (size_t i = 0; i < marks->cursor_count; i++)
        slot_of(writer, marks->cursors[i].name)->written = marks->cursors[i].row;
    /* Later ones are behind them. */
    writer->parked_count -= marks->parked_count;
    memmove(writer->parked, writer->parked + marks->parked_count,
            writer->parked_count * sizeof *writer->parked);
    clean = writer->parked_count == 0;
    for (size_t i = 0; i < writer->cursor_count; i++)
        clean = clean && writer->cursors[i].row == writer->cursors[i].written;
    if (clean)
        writer->cursors_due_ms = -1;
    pthread_mutex_unlock(&writer->cursor_lock);
}

void tb_writer_cursors_delay(struct tb_writer *writer, int64_t at_ms)
{
    pthread_mutex_lock(&writer->cursor_lock);
    if (writer->cursors_due_ms >= 0)
        writer->cursors_due_ms = at_ms;
    pthread_mutex_unlock(&writer->cursor_lock);
}

bool tb_writer_cursors_due(struct tb_writer *writer, int64_t now_ms)
{
    bool due;

    pthread_mutex_lock(&writer->cursor_lock);
    due = writer->cursors_due_ms >= 0 &&
          (writer->cursors_due_ms <= now_ms || atomic_load(&writer->stopping));
    pthread_mutex_unlock(&writer->cursor_lock);
    return due;
}

int64_t tb_writer_cursors_wait(struct tb_writer *writer, int64_t now_ms)
{
    int64_t until_ms;

    pthread_mutex_lock(&writer->cursor_lock);
    until_ms = writer->cursors_due_ms;
    if (until_ms < 0 && writer->cursor_expected_until_ms > now_ms)
        until_ms = writer->cursor_expected_until_ms;
    writer->timer_armed = until_ms >= 0;
    pthread_mutex_unlock(&writer->cursor_lock);
    if (until_ms < 0)
        return -1;
    return until_ms > now_ms ? until_ms - now_ms : 0;
}
