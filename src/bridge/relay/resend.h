/* What a relay needs to know, and to be told, so that a log that has lost records gets them again.
 *
 * The relay notes of each partition the last record that the log has acknowledged. If somebody
 * finds that the log does not have it any more (tb_relay_begin_resend), or asks for it (the table
 * resend), the relay sends the events again that the node's own log has: at most `rate` a second,
 * beside new orders. Changes of orders wait until it is done, because the log may lack what is
 * before them. If the node's own log does not go back far enough, all orders go first as
 * snapshots.
 *
 * Thread:  callbacks on the relay's thread.
 * Memory:  borrowed for the relay's life. */
#pragma once
#include "bridge/log/log.h"
#include "store/outbox.h"

struct tb_relay_resend_options {
    /* A reader of all of the node's own log, from its begin. */
    enum tb_code (*open_log)(void *ctx, struct tb_log_reader **ret_reader, struct tb_error *err);
    int64_t rate; /* events a second */
    /* As tb_writer_post_delivered. */
    bool (*on_delivered)(void *ctx, const char *cursor_name, const struct tb_delivered *delivered);
    void (*on_unchecked)(void *ctx, const char *cursor_name);
    /* As tb_writer_has_stored_delivered. NULL: it always has. */
    bool (*is_stored)(void *ctx);
    /* As tb_writer_post_resend. */
    void (*on_resend)(void *ctx, const char *cursor_name, const struct tb_resend *state,
                      enum tb_resend_event event, bool snapshots);
    void *ctx;
};
