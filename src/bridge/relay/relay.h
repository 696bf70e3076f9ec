/* The relay: reads the outbox after its cursor, appends to the log, and moves the cursor over
 * the contiguous prefix that the log has acknowledged.
 *
 *   running <--> held        held: forced offline; nothing is read or sent
 *      |  ^
 *      v  |  failing: the log or the store refused; retried for ever with back-off
 *   failing
 *
 * A record that the log refuses for good takes its neighbours along: what is outstanding is
 * waited for, then sent one by one. What is refused alone is parked with the rest of its order,
 * if somebody keeps that; the cursor passes them by, and everything else flows.
 *
 * Thread:  step and run from the owner; wake, ring, hold, stop and state from any thread.
 * Memory:  borrows what its options point to; owns nothing of them.
 * Errors:  none leaves it: trouble is a state, a count and a diagnostic by the callback.
 * Units:   milliseconds. */
#pragma once
#include "base/diag/metrics.h"
#include "bridge/log/append_queue.h"
#include "store/outbox.h"

/* A wake-up is answered at most this often, and the more rows the last look found the more rarely:
 * a commit of the log costs a sync, which the writer's commits have to wait behind. At 1,000
 * orders a second a look is due every 4 ms, at 3,000 every 12 ms. */
#define TB_RELAY_LINGER_MS 3
#define TB_RELAY_LINGER_MAX_MS 20
#define TB_RELAY_LINGER_ROWS 4 /* another millisecond for so many rows */
/* The fallback look at the outbox when nobody wakes the relay. */
#define TB_RELAY_IDLE_MS 500

enum tb_relay_state { TB_RELAY_RUNNING, TB_RELAY_OFFLINE, TB_RELAY_FAILING, TB_RELAY_STATE_COUNT };
const char *tb_relay_state_name(enum tb_relay_state state);

struct tb_relay_options {
    const char *node;
    const char *cursor_name;
    struct tb_outbox_reader *outbox;
    struct tb_log_writer *writer;
    /* Records of other threads for the same log, which refuses none together with its neighbours;
     * refused while held or failing, closed when run ends. NULL: none. */
    struct tb_append_queue *append_queue;
    const struct tb_clock *clock;
    const struct tb_random *random;
    bool start_offline; /* state OFFLINE until tb_relay_set_offline(false) */
    /* How long a round may wait for acknowledgements; wake-ups wait as long. 0: not at all. */
    int64_t ack_wait_ms;
    /* The order is passed by from this row on, and this is to be stored no later than a cursor
     * that moves over it; false: not now, it is tried again. reason: "" if the log gave none.
     * NULL: a refusal is an alarm that stays. Called on the relay's thread. */
    bool (*park)(void *ctx, const char *cursor_name, const char *order_id, int64_t row,
                 const char *reason);
    /* The cursor stands at row since at_ms; called on the relay's thread. */
    void (*on_cursor)(void *ctx, const char *cursor_name, int64_t row, int64_t at_ms);
    /* Something to tell a person; called once per change, not once per try. TB_OK: the trouble
     * that was told of is over. */
    void (*on_problem)(void *ctx, const struct tb_error *err);
    void *ctx;
};
struct tb_relay;
TB_CHECKED enum tb_code tb_relay_new(const struct tb_relay_options *options,
                                     struct tb_relay **ret_relay, struct tb_error *err);
void tb_relay_free(struct tb_relay *relay);
/* One round; returns milliseconds to wait for the next, 0: more is waiting. */
int64_t tb_relay_step(struct tb_relay *relay);
void tb_relay_run(struct tb_relay *relay); /* until tb_relay_stop */
/* For an owner with a loop of its own: returns when woken or wait_ms has passed. */
void tb_relay_wait(struct tb_relay *relay, int64_t wait_ms);
bool tb_relay_is_offline(const struct tb_relay *relay); /* as tb_relay_set_offline said last */
bool tb_relay_stopping(const struct tb_relay *relay);
size_t tb_relay_outstanding(const struct tb_relay *relay); /* not yet answered; the owner's */
void tb_relay_wake(struct tb_relay *relay);
void tb_relay_wake_for_append(struct tb_relay *relay); /* there are guests */
void tb_relay_set_offline(struct tb_relay *relay, bool held);
void tb_relay_stop(struct tb_relay *relay);
enum tb_relay_state tb_relay_state(const struct tb_relay *relay);
int64_t tb_relay_since_ms(const struct tb_relay *relay); /* wall time of the last change */
uint64_t tb_relay_sent(const struct tb_relay *relay);    /* records acknowledged, this run */
