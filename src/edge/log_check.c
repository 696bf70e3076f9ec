#include "edge/log_check.h"
#include "base/diag/diag.h"
#include <inttypes.h>
#include <stdio.h>

#define EVERY_MS (60 * 60 * INT64_C(1000))
/* After a check that failed, and at least between two checks. */
#define AGAIN_MS (60 * INT64_C(1000))
/* So long a new connection waits for the first result: what is sent before it may be in front of
 * what is lost. Meanwhile a check that failed is tried again soon. */
#define BLOCKS_MS 5000
#define BLOCKED_AGAIN_MS 500
#define POLL_MS 20

void tb_log_check_release(struct tb_log_check *check)
{
    tb_log_probe_free(check->probe);
    check->probe = NULL;
}

/* Nothing is known. */
static void fail(struct tb_log_check *check, int64_t now_ms)
{
    tb_log_check_release(check);
    check->checked_ms = now_ms;
    check->due_ms = now_ms + (check->blocks ? BLOCKED_AGAIN_MS : AGAIN_MS);
}

/* False: there is nothing to look for, or *err says why it is not known. */
static bool begin(struct tb_log_check *check, struct tb_error *err)
{
    const struct tb_log_check_options *options = &check->options;
    struct tb_log_probe_position positions[TB_DELIVERED_MAX];

    check->count = 0;
    if (!check->has_looked && options->resend->is_stored &&
        !options->resend->is_stored(options->resend->ctx)) {
        (void)tb_error_set(err, TB_BUSY, "the store does not have the last places yet");
        return false;
    }
    if (tb_outbox_list_delivered(options->outbox, TB_CURSOR_KAFKA, check->delivered,
                                 TB_DELIVERED_MAX, &check->count, err) != TB_OK ||
        check->count == 0)
        return false;
    for (size_t i = 0; i < check->count; i++) {
        positions[i] = (struct tb_log_probe_position){.partition = check->delivered[i].partition,
                                                      .offset = check->delivered[i].offset};
        memcpy(positions[i].event_id, check->delivered[i].event_id, TB_UUID_SIZE);
    }
    return tb_log_probe_open(&options->setup->options, options->setup->topic, positions,
                             check->count, &check->probe, err) == TB_OK;
}

/* All of the outbox's rows up to the returned one are certainly in the log; 0: not known of any.
 * *ret_lost: the first record that is not there; NULL: none. */
static int64_t judge(const struct tb_log_check *check,
                     const struct tb_log_probe_position *positions,
                     const struct tb_delivered **ret_lost)
{
    int64_t sure[TB_LOG_PARTITIONS_MAX] = {0}, row = INT64_MAX;
    int partitions = check->options.setup->options.partitions;

    *ret_lost = NULL;
    for (size_t i = 0; i < check->count; i++) {
        const struct tb_delivered *delivered = &check->delivered[i];
        int64_t *known = &sure[delivered->partition];

        if (positions[i].result == TB_LOG_PROBE_LOST && !*ret_lost)
            *ret_lost = delivered;
        if (positions[i].result == TB_LOG_PROBE_LOST)
            continue;
        if (delivered->row > *known)
            *known = delivered->row;
    }
    for (int p = 0; p < partitions && p < TB_LOG_PARTITIONS_MAX; p++)
        row = sure[p] < row ? sure[p] : row;
    return row == INT64_MAX ? 0 : row;
}

/* What was found there is where the next check looks first. */
static void note_checked(const struct tb_log_check *check)
{
    const struct tb_relay_resend_options *resend = check->options.resend;

    for (size_t i = 0; i < check->count; i++) {
        struct tb_delivered delivered = check->delivered[i];

        if (delivered.checked)
            continue;
        delivered.checked = true;
        (void)resend->on_delivered(resend->ctx, TB_CURSOR_KAFKA, &delivered);
    }
}

static void begin_resend(const struct tb_log_check *check, const struct tb_delivered *lost,
                         int64_t sure_row)
{
    const struct tb_log_check_options *options = &check->options;
    char reason[TB_RESEND_REASON_SIZE];

    snprintf(reason, sizeof reason,
             "%.100s-%d does not have the record any more that it had at "
             "offset %" PRId64,
             options->setup->topic, (int)lost->partition, lost->offset);
    tb_diag(TB_DIAG_ERROR, "log.lost", "%s: %s", reason,
            options->hold ? "`tillbox resend --all` sends again what this node still has"
                          : "what may be lost is sent again");
    tb_relay_begin_resend(options->relay, reason, sure_row, options->hold);
}

/* Without a probe there was nothing to look for. */
static void conclude(struct tb_log_check *check, int64_t now_ms)
{
    const struct tb_delivered *lost = NULL;
    int64_t sure_row = 0;

    if (check->probe)
        sure_row = judge(check, tb_log_probe_positions(check->probe), &lost);
    check->has_looked = true;
    tb_relay_hold_delivered(check->options.relay, false);
    if (lost)
        begin_resend(check, lost, sure_row);
    else if (check->probe && !tb_relay_is_resending(check->options.relay))
        note_checked(check);
    tb_log_check_release(check);
    check->blocks = false;
    check->checked_ms = now_ms;
    check->due_ms = now_ms + EVERY_MS;
}

int64_t tb_log_check_step(struct tb_log_check *check, bool connected)
{
    int64_t now_ms = tb_clock_mono_ms(check->options.clock);
    struct tb_error err = {0};
    bool done = false;

    if (connected && !check->connected) {
        check->due_ms = now_ms;
        check->blocks = true;
        check->blocks_until_ms = now_ms + BLOCKS_MS;
    }
    check->connected = connected;
    if (!connected) {
        check->has_looked = false;
        tb_relay_hold_delivered(check->options.relay, true);
        tb_log_check_release(check);
        return EVERY_MS;
    }
    if (tb_relay_log_went_back(check->options.relay) && check->due_ms > now_ms)
        check->due_ms = check->checked_ms + AGAIN_MS;
    if (now_ms >= check->blocks_until_ms)
        check->blocks = false;
    if (!check->probe && now_ms < check->due_ms)
        return check->due_ms - now_ms;
    bool looks = check->probe || begin(check, &err);
    if (looks && tb_log_probe_step(check->probe, &done, &err) == TB_OK && !done)
        return POLL_MS;
    if (err.code != TB_OK)
        fail(check, now_ms);
    else
        conclude(check, now_ms);
    return 0;
}
