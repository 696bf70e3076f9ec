#include "store/outbox_priv.h"

enum tb_code tb_outbox_list_delivered(struct tb_outbox_reader *reader, const char *cursor_name,
                                      struct tb_delivered *ret_delivered, size_t max,
                                      size_t *ret_count, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const stmt = &reader->stmts[TB_STMT_OUTBOX_DELIVERED_AT];
    size_t count = 0;
    bool row = true;

    tb_stmt_bind_text(stmt, ":name", tb_str_of(cursor_name));
    tb_stmt_bind_int64(stmt, ":max", (int64_t)max);
    for (;;) {
        TB_TRY(tb_stmt_step(stmt, &row, err));
        if (!row)
            break;
        struct tb_delivered *found = &ret_delivered[count++];

        *found = (struct tb_delivered){.partition = (int32_t)tb_stmt_int64(stmt, 0),
                                       .checked = tb_stmt_int64(stmt, 1) != 0,
                                       .offset = tb_stmt_int64(stmt, 2),
                                       .row = tb_stmt_int64(stmt, 4)};
        tb_stmt_copy_text(stmt, 3, found->event_id, sizeof found->event_id);
    }
    *ret_count = count;
    return TB_OK;
}

enum tb_code tb_outbox_read_resend(struct tb_outbox_reader *reader, const char *cursor_name,
                                   struct tb_resend *ret_resend, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const stmt = &reader->stmts[TB_STMT_OUTBOX_RESEND];
    bool row = false;

    tb_stmt_bind_text(stmt, ":name", tb_str_of(cursor_name));
    TB_TRY(tb_stmt_step(stmt, &row, err));
    *ret_resend = (struct tb_resend){0};
    if (!row)
        return TB_OK;
    *ret_resend = (struct tb_resend){.id = tb_stmt_int64(stmt, 0),
                                     .at_ms = tb_stmt_int64(stmt, 2),
                                     .held = tb_stmt_int64(stmt, 3) != 0,
                                     .since_ms = tb_stmt_int64(stmt, 4),
                                     .after_row = tb_stmt_int64(stmt, 5),
                                     .through_row = tb_stmt_int64(stmt, 6),
                                     .next = tb_stmt_int64(stmt, 7),
                                     .done_row = tb_stmt_int64(stmt, 8),
                                     .sent = tb_stmt_int64(stmt, 9)};
    tb_stmt_copy_text(stmt, 1, ret_resend->reason, sizeof ret_resend->reason);
    return TB_OK;
}

enum tb_code tb_outbox_epoch_first(struct tb_outbox_reader *reader, struct tb_str epoch,
                                   int64_t *ret_row, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const stmt = &reader->stmts[TB_STMT_OUTBOX_EPOCH_FIRST];
    bool row = false;

    tb_stmt_bind_text(stmt, ":epoch", epoch);
    TB_TRY(tb_stmt_step(stmt, &row, err));
    if (!row)
        return tb_error_set(err, TB_NOT_FOUND, "the store has no such epoch");
    *ret_row = tb_stmt_int64(stmt, 0);
    return TB_OK;
}
