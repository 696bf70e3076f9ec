#include "bridge/relay/relay_priv.h"
#include <stdlib.h>

/* After a failure the relay tries again for ever, with pauses from the base up to the cap. */
#define RETRY_BASE_MS 100
#define RETRY_CAP_MS 5000

const char *tb_relay_state_name(enum tb_relay_state state)
{
    static const char *const names[] = {"running", "held", "failing"};

    TB_ASSERT(state < TB_RELAY_STATE_COUNT);
    return names[state];
}

/* The legal moves. A state may also stay as it is. */
static const bool moves[TB_RELAY_STATE_COUNT][TB_RELAY_STATE_COUNT] = {
    [TB_RELAY_RUNNING] = {[TB_RELAY_OFFLINE] = true, [TB_RELAY_FAILING] = true},
    [TB_RELAY_OFFLINE] = {[TB_RELAY_RUNNING] = true},
    [TB_RELAY_FAILING] = {[TB_RELAY_RUNNING] = true, [TB_RELAY_OFFLINE] = true},
};

static void enter(struct tb_relay *relay, enum tb_relay_state state)
{
    enum tb_relay_state from = tb_relay_state(relay);

    if (from == state)
        return;
    TB_ASSERT(moves[from][state]);
    atomic_store(&relay->since_ms, tb_clock_wall_ms(relay->options.clock));
    atomic_store(&relay->state, (int)state);
}

static void report(struct tb_relay *relay, const struct tb_error *err)
{
    if (relay->reported == err->code)
        return;
    relay->reported = err->code;
    if (relay->options.on_problem)
        relay->options.on_problem(relay->options.ctx, err);
}

void tb_relay_fail(struct tb_relay *relay, const struct tb_error *err)
{
    int64_t wait_ms;

    if (relay->failed)
        return;
    relay->failed = true;
    wait_ms = tb_backoff_next_ms(&relay->backoff, relay->options.random);
    relay->retry_at_us = tb_clock_mono_us(relay->options.clock) + wait_ms * 1000;
    if (tb_relay_state(relay) != TB_RELAY_OFFLINE)
        enter(relay, TB_RELAY_FAILING);
    report(relay, err);
}

static void recover(struct tb_relay *relay)
{
    struct tb_error fine = {0};

    tb_backoff_reset(&relay->backoff);
    relay->retry_at_us = 0;
    if (tb_relay_state(relay) == TB_RELAY_FAILING)
        enter(relay, TB_RELAY_RUNNING);
    tb_error_set(&fine, TB_OK, "delivering again");
    report(relay, &fine);
}

static void move_cursor(struct tb_relay *relay)
{
    if (tb_relay_window_advance(&relay->window, &relay->cursor) && relay->options.on_cursor)
        relay->options.on_cursor(relay->options.ctx, relay->options.cursor_name, relay->cursor,
                                 tb_clock_wall_ms(relay->options.clock));
    tb_relay_post_delivered(relay);
    if (tb_relay_window_rewind(&relay->window)) {
        relay->last = relay->cursor;
        relay->more = true;
    }
}

static void apply_offline(struct tb_relay *relay)
{
    bool offline = atomic_load(&relay->offline);

    if (offline == (tb_relay_state(relay) == TB_RELAY_OFFLINE))
        return;
    enter(relay, offline ? TB_RELAY_OFFLINE : TB_RELAY_RUNNING);
    tb_backoff_reset(&relay->backoff);
    relay->retry_at_us = relay->next_look_us = relay->unpark.trial_at_us = 0;
    relay->reported = TB_OK;
}

/* Polls for acknowledgements become rarer while none arrives. */
static int64_t answer_wait(struct tb_relay *relay)
{
    int64_t wait_ms = relay->answer_wait_ms;

    relay->answer_wait_ms = wait_ms * 2 < TB_RELAY_IDLE_MS ? wait_ms * 2 : TB_RELAY_IDLE_MS;
    return wait_ms;
}

/* Time until the next round. If a wake-up cannot make the round earlier, wake_pending is set,
 * which makes tb_relay_wake cheap. Therefore, when the outbox is due and wake_pending is set, the
 * round begins at once: there may have been a wake-up while this round waited for
 * acknowledgements. */
static int64_t next_round(struct tb_relay *relay, int64_t now_us)
{
    bool offline = tb_relay_state(relay) == TB_RELAY_OFFLINE;
    bool stuck = offline || tb_relay_is_blocked(relay);
    int64_t due_us =
        relay->retry_at_us > relay->next_look_us ? relay->retry_at_us : relay->next_look_us;
    int64_t wait_ms = TB_RELAY_IDLE_MS;

    if (stuck || due_us > now_us)
        atomic_store(&relay->wake_pending, true);
    if (due_us > now_us)
        wait_ms = (due_us - now_us + 999) / 1000;
    else if (!stuck && (relay->more || atomic_load(&relay->wake_pending)))
        wait_ms = 0;
    if ((tb_relay_outstanding(relay) > 0 || relay->log_full) && wait_ms > relay->answer_wait_ms)
        wait_ms = answer_wait(relay);
    due_us = offline ? INT64_MAX : tb_relay_resend_due_us(relay);
    due_us = due_us < relay->retry_at_us ? relay->retry_at_us : due_us;
    if (due_us < now_us + wait_ms * 1000)
        wait_ms = due_us > now_us ? (due_us - now_us + 999) / 1000 : 0;
    return wait_ms;
}

static int64_t linger_us(int64_t rows)
{
    int64_t linger_ms = TB_RELAY_LINGER_MS + rows / TB_RELAY_LINGER_ROWS;

    return 1000 * (linger_ms < TB_RELAY_LINGER_MAX_MS ? linger_ms : TB_RELAY_LINGER_MAX_MS);
}

int64_t tb_relay_step(struct tb_relay *relay)
{
    int64_t now_us = tb_clock_mono_us(relay->options.clock), last = relay->last;
    bool looked, appended, progress;

    apply_offline(relay);
    relay->failed = false;
    looked = tb_relay_state(relay) != TB_RELAY_OFFLINE && now_us >= relay->retry_at_us &&
             now_us >= relay->next_look_us;
    if (looked)
        tb_relay_fill(relay);
    if (tb_relay_state(relay) != TB_RELAY_OFFLINE && now_us >= relay->retry_at_us &&
        !relay->failed)
        tb_relay_resend_step(relay, now_us);
    tb_relay_serve_append_queue(relay, now_us);
    appended = relay->last > last;
    progress = tb_relay_poll_acks(relay, relay->more && looked && !tb_relay_is_blocked(relay)
                                             ? 0
                                             : relay->options.ack_wait_ms);
    move_cursor(relay);
    if (progress)
        relay->log_full = false;
    if (progress || appended)
        relay->answer_wait_ms = 1;
    if (!relay->failed && looked && (progress || relay->window.count == 0))
        recover(relay);
    now_us = tb_clock_mono_us(relay->options.clock);
    if (appended)
        relay->next_look_us = relay->more ? now_us : now_us + linger_us(relay->last - last);
    return next_round(relay, now_us);
}

void tb_relay_run(struct tb_relay *relay)
{
    while (!atomic_load(&relay->stopping)) {
        int64_t wait_ms = tb_relay_step(relay);

        if (wait_ms > 0)
            tb_mailbox_wait(&relay->mailbox, wait_ms);
    }
    if (relay->options.append_queue)
        tb_append_queue_close(relay->options.append_queue);
}

void tb_relay_wait(struct tb_relay *relay, int64_t wait_ms)
{
    tb_mailbox_wait(&relay->mailbox, wait_ms);
}

bool tb_relay_is_offline(const struct tb_relay *relay)
{
    return atomic_load(&relay->offline);
}

bool tb_relay_stopping(const struct tb_relay *relay)
{
    return atomic_load(&relay->stopping);
}

size_t tb_relay_outstanding(const struct tb_relay *relay)
{
    return relay->window.outstanding + relay->snapshots.outstanding + relay->unpark.outstanding +
           relay->resend.outstanding;
}

/* Called at every commit of the store, so it touches the mailbox only if the relay may sleep. */
void tb_relay_wake(struct tb_relay *relay)
{
    if (!atomic_exchange(&relay->wake_pending, true))
        tb_mailbox_wake(&relay->mailbox);
}

void tb_relay_wake_for_append(struct tb_relay *relay)
{
    tb_mailbox_wake(&relay->mailbox);
}

void tb_relay_wake_for_parked(struct tb_relay *relay)
{
    atomic_store(&relay->reload_parked, true);
    tb_relay_wake(relay);
}

void tb_relay_wake_for_resend(struct tb_relay *relay)
{
    atomic_store(&relay->reload_resend, true);
    tb_relay_wake(relay);
}

void tb_relay_set_offline(struct tb_relay *relay, bool offline)
{
    atomic_store(&relay->offline, offline);
    tb_mailbox_wake(&relay->mailbox);
}

void tb_relay_stop(struct tb_relay *relay)
{
    atomic_store(&relay->stopping, true);
    tb_mailbox_wake(&relay->mailbox);
}

enum tb_relay_state tb_relay_state(const struct tb_relay *relay)
{
    return (enum tb_relay_state)atomic_load(&relay->state);
}

int64_t tb_relay_since_ms(const struct tb_relay *relay)
{
    return atomic_load(&relay->since_ms);
}

uint64_t tb_relay_sent(const struct tb_relay *relay)
{
    return tb_counter_get(&relay->sent);
}

enum tb_code tb_relay_new(const struct tb_relay_options *options, struct tb_relay **ret_relay,
                          struct tb_error *err)
{
    struct tb_relay *relay = calloc(1, sizeof *relay);
    struct tb_buf source = {0};

    if (!relay)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    tb_mailbox_init(&relay->mailbox, 0);
    tb_buf_addf(&source, "/nodes/%s", options->node);
    relay->source = tb_buf_take(&source, NULL);
    if (!relay->source) {
        tb_relay_free(relay);
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    }
    relay->options = *options;
    relay->snapshots.left.next = 1; /* none */
    atomic_store(&relay->reload_parked, true);
    atomic_store(&relay->reload_resend, true);
    relay->ids = (struct tb_uuid_gen){.clock = options->clock, .random = options->random};
    relay->backoff = (struct tb_backoff){.base_ms = RETRY_BASE_MS, .cap_ms = RETRY_CAP_MS};
    relay->answer_wait_ms = 1;
    atomic_store(&relay->offline, options->start_offline);
    atomic_store(&relay->state,
                 (int)(options->start_offline ? TB_RELAY_OFFLINE : TB_RELAY_RUNNING));
    atomic_store(&relay->since_ms, tb_clock_wall_ms(options->clock));
    *ret_relay = relay;
    return TB_OK;
}

void tb_relay_free(struct tb_relay *relay)
{
    if (!relay)
        return;
    tb_mailbox_release(&relay->mailbox);
    tb_relay_resend_release(relay);
    free(relay->source);
    free(relay);
}
