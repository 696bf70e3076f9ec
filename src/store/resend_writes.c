#include "store/writer_priv.h"
#include <stdio.h>

/* Called with the lock held. */
static struct tb_resend_write *resend_of(struct tb_writer *writer, const char *cursor_name)
{
    struct tb_resend_write *resend = &writer->relay_writes.resend;

    TB_ASSERT(strlen(cursor_name) < sizeof resend->cursor_name);
    TB_ASSERT(!resend->cursor_name[0] || strcmp(resend->cursor_name, cursor_name) == 0);
    snprintf(resend->cursor_name, sizeof resend->cursor_name, "%s", cursor_name);
    resend->posts++;
    return resend;
}

static struct tb_delivered *find(struct tb_relay_writes *writes, int32_t partition, bool checked)
{
    for (size_t i = 0; i < writes->delivered_count; i++)
        if (writes->delivered[i].partition == partition && writes->delivered[i].checked == checked)
            return &writes->delivered[i];
    return NULL;
}

bool tb_writer_post_delivered(struct tb_writer *writer, const char *cursor_name,
                              const struct tb_delivered *delivered)
{
    struct tb_relay_writes *writes = &writer->relay_writes;
    struct tb_delivered *slot;
    bool wake = false;

    pthread_mutex_lock(&writer->relay_lock);
    (void)resend_of(writer, cursor_name);
    slot = find(writes, delivered->partition, delivered->checked);
    if (!slot && writes->delivered_count < TB_WRITER_DELIVERED_MAX)
        slot = &writes->delivered[writes->delivered_count++];
    if (slot) {
        *slot = *delivered;
        wake = tb_relay_writes_make_due(writer);
    }
    pthread_mutex_unlock(&writer->relay_lock);
    if (wake)
        tb_mailbox_wake(&writer->mailbox);
    return slot != NULL;
}

bool tb_writer_has_stored_delivered(struct tb_writer *writer)
{
    bool pending;

    pthread_mutex_lock(&writer->relay_lock);
    pending = tb_resend_writes_pending(&writer->relay_writes);
    pthread_mutex_unlock(&writer->relay_lock);
    return !pending;
}

void tb_writer_post_unchecked(struct tb_writer *writer, const char *cursor_name)
{
    bool wake;

    pthread_mutex_lock(&writer->relay_lock);
    resend_of(writer, cursor_name)->unchecked = true;
    wake = tb_relay_writes_make_due(writer);
    pthread_mutex_unlock(&writer->relay_lock);
    if (wake)
        tb_mailbox_wake(&writer->mailbox);
}

void tb_writer_post_resend(struct tb_writer *writer, const char *cursor_name,
                           const struct tb_resend *state, enum tb_resend_event event,
                           bool snapshots)
{
    struct tb_relay_writes *writes = &writer->relay_writes;
    struct tb_resend_write *resend;
    bool wake;

    pthread_mutex_lock(&writer->relay_lock);
    resend = resend_of(writer, cursor_name);
    resend->state = *state;
    resend->has_state = true;
    resend->end = event == TB_RESEND_ENDED;
    resend->snapshots |= snapshots;
    if (event == TB_RESEND_BEGUN) { /* what the log has acknowledged before tells nothing now */
        resend->begin = true;
        resend->unchecked = false;
        writes->delivered_count = 0;
    }
    if (snapshots)
        tb_relay_writes_restart_snapshots(writer, cursor_name);
    wake = tb_relay_writes_make_due(writer);
    pthread_mutex_unlock(&writer->relay_lock);
    if (wake)
        tb_mailbox_wake(&writer->mailbox);
}

static enum tb_code forget(struct tb_store *store, const char *cursor_name, int checked,
                           struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_FORGET_DELIVERED];

    tb_stmt_bind_text(stmt, ":cursor", tb_str_of(cursor_name));
    tb_stmt_bind_int64(stmt, ":checked", checked);
    return tb_stmt_run(stmt, err);
}

static enum tb_code begin(struct tb_store *store, const struct tb_resend_write *resend,
                          struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_BEGIN_RESEND];
    const struct tb_resend *state = &resend->state;

    TB_TRY(forget(store, resend->cursor_name, 0, err));
    tb_stmt_bind_text(stmt, ":cursor", tb_str_of(resend->cursor_name));
    tb_stmt_bind_int64(stmt, ":id", state->id);
    tb_stmt_bind_text(stmt, ":reason", tb_str_of(state->reason));
    tb_stmt_bind_int64(stmt, ":at", state->at_ms);
    tb_stmt_bind_int64(stmt, ":held", state->held);
    tb_stmt_bind_int64(stmt, ":after_row", state->after_row);
    tb_stmt_bind_int64(stmt, ":through_row", state->through_row);
    return tb_stmt_run(stmt, err);
}

static enum tb_code save_delivered(struct tb_store *store, const char *cursor_name,
                                   const struct tb_delivered *delivered, struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_SAVE_DELIVERED];

    tb_stmt_bind_text(stmt, ":cursor", tb_str_of(cursor_name));
    tb_stmt_bind_int64(stmt, ":partition", delivered->partition);
    tb_stmt_bind_int64(stmt, ":checked", delivered->checked);
    tb_stmt_bind_int64(stmt, ":offset", delivered->offset);
    tb_stmt_bind_int64(stmt, ":row", delivered->row);
    tb_stmt_bind_text(stmt, ":event_id", tb_str_of(delivered->event_id));
    tb_stmt_bind_int64(stmt, ":event_row", delivered->event_row);
    return tb_stmt_run(stmt, err);
}

static enum tb_code move_or_end(struct tb_store *store, const struct tb_resend_write *resend,
                                struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[resend->end ? TB_STMT_END_RESEND : TB_STMT_MOVE_RESEND];
    const struct tb_resend *state = &resend->state;

    tb_stmt_bind_text(stmt, ":cursor", tb_str_of(resend->cursor_name));
    tb_stmt_bind_int64(stmt, ":id", state->id);
    if (resend->end)
        return tb_stmt_run(stmt, err);
    tb_stmt_bind_int64(stmt, ":through_row", state->through_row);
    tb_stmt_bind_int64(stmt, ":next", state->next);
    tb_stmt_bind_int64(stmt, ":done_row", state->done_row);
    tb_stmt_bind_int64(stmt, ":sent", state->sent);
    return tb_stmt_run(stmt, err);
}

enum tb_code tb_resend_writes_store(struct tb_store *store, const struct tb_relay_writes *writes,
                                    struct tb_error *err)
{
    const struct tb_resend_write *resend = &writes->resend;
    struct tb_stmt *snapshots = &store->stmts[TB_STMT_REQUEST_ALL_SNAPSHOTS];

    if (resend->begin)
        TB_TRY(begin(store, resend, err));
    if (resend->unchecked)
        TB_TRY(forget(store, resend->cursor_name, 1, err));
    for (size_t i = 0; i < writes->delivered_count; i++)
        TB_TRY(save_delivered(store, resend->cursor_name, &writes->delivered[i], err));
    if (resend->snapshots) {
        tb_stmt_bind_text(snapshots, ":cursor", tb_str_of(resend->cursor_name));
        TB_TRY(tb_stmt_run(snapshots, err));
    }
    return resend->has_state ? move_or_end(store, resend, err) : TB_OK;
}

void tb_resend_writes_committed(struct tb_relay_writes *writes,
                                const struct tb_relay_writes *committed)
{
    struct tb_resend_write *resend = &writes->resend;

    if (resend->posts == committed->resend.posts) {
        resend->has_state = resend->end = resend->unchecked = false;
        writes->delivered_count = 0;
    }
    /* Later posts are stored over what is stored already, but nothing begins twice. */
    if (resend->state.id == committed->resend.state.id) {
        resend->begin &= !committed->resend.begin;
        resend->snapshots &= !committed->resend.snapshots;
    }
}

bool tb_resend_writes_pending(const struct tb_relay_writes *writes)
{
    return writes->resend.has_state || writes->resend.unchecked || writes->delivered_count > 0;
}

enum tb_code tb_resend_ask(struct tb_writer *writer, struct tb_job *job, struct tb_error *err)
{
    struct tb_stmt *stmt = &writer->store->stmts[TB_STMT_ASK_RESEND];

    job->code = tb_cursors_is_configured(writer, job->log) ? TB_OK : TB_CONFLICT;
    if (job->code != TB_OK)
        return TB_OK;
    tb_stmt_bind_text(stmt, ":cursor", tb_str_of(job->log));
    tb_stmt_bind_int64(stmt, ":at", tb_clock_wall_ms(writer->options.clock));
    tb_stmt_bind_int64(stmt, ":since", job->since_ms);
    return tb_stmt_run(stmt, err);
}
