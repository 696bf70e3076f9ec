#include "store/writer_priv.h"

void tb_writer_schedule_retention(struct tb_writer *writer, int64_t now_ms)
{
    if (writer->retention_at_ms < 0)
        writer->retention_at_ms = now_ms + TB_WRITER_RETENTION_MS;
}

bool tb_writer_run_retention(struct tb_writer *writer, int64_t now_ms)
{
    struct tb_error err = {0};
    bool more = false, left = false;
    const struct tb_writer_options *options = &writer->options;

    if (writer->retention_at_ms < 0 || writer->retention_at_ms > now_ms)
        return false;
    struct tb_retention what = {
        .now_ms = tb_retention_clock_now_ms(&writer->retention_clock, options->clock,
                                            options->idempotency_keep_ms),
        .outbox_keep_ms = options->outbox_keep_ms,
        .idempotency_keep_ms = options->idempotency_keep_ms,
        .cursor_names = options->cursor_names,
        .cursor_count = options->cursor_count,
    };
    enum tb_code code = tb_store_delete_expired(writer->store, &what, &more, &err);
    if (code == TB_OK && more)
        return true;
    if (code == TB_OK)
        code = tb_store_may_expire(writer->store, &left, &err);
    if (code != TB_OK && code != TB_FULL && code != TB_BUSY)
        tb_writer_mark_broken(writer);
    /* After a failure the next hour will do: what is kept too long is no harm. */
    writer->retention_at_ms = code != TB_OK || left ? now_ms + TB_WRITER_RETENTION_MS : -1;
    return true;
}
