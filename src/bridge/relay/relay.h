/* The relay: reads the outbox after its cursor, appends the rows to the log, and moves the cursor
 * over the rows that the log has acknowledged, as far as there is no gap.
 *
 *   RUNNING <--> OFFLINE     OFFLINE: forced; nothing is read or sent
 *      |  ^         ^
 *      v  |         |        FAILING: the log or the store fails; it tries again for ever, with
 *   FAILING --------+        growing pauses
 *
 * If the log refuses a batch, the relay waits for all acknowledgements and then sends the rows one
 * by one. A row that is refused alone is parked with the rest of its order, if options.park is
 * set: the cursor moves over them, and all other orders go on. A parked order is sent again when
 * somebody asks for it. When the relay starts, when it goes on after OFFLINE, and each hour, it
 * tries one by itself; if the log takes that one, it sends all of them again.
 *
 * If the store requests snapshots, the relay first sends those orders as they are, a page at a
 * time with pauses, and only then rows: a row may depend on events that the log does not have.
 *
 * Thread:  step, run, wait and outstanding from the owner; wake, wake_for_append, set_offline,
 *          stop and the state from any thread.
 * Memory:  borrows what its options point to.
 * Errors:  step and run report none: an error becomes a state, and a call of on_problem. */
#pragma once
#include "base/diag/metrics.h"
#include "bridge/log/append_queue.h"
#include "bridge/relay/resend.h"

/* Shortest pause between two reads of the outbox. It is longer after a read that found more rows:
 * each commit of the log syncs, and the store's commits wait for that sync. At 1,000 orders a
 * second the outbox is read every 4 ms, at 3,000 every 12 ms. */
#define TB_RELAY_LINGER_MS 3
#define TB_RELAY_LINGER_MAX_MS 20
#define TB_RELAY_LINGER_ROWS 4 /* for every so many rows the pause is 1 ms longer */
/* Longest pause, if nobody wakes the relay earlier. */
#define TB_RELAY_IDLE_MS 500

enum tb_relay_state { TB_RELAY_RUNNING, TB_RELAY_OFFLINE, TB_RELAY_FAILING, TB_RELAY_STATE_COUNT };
const char *tb_relay_state_name(enum tb_relay_state state); /* OFFLINE is "held" */

struct tb_relay_options {
    const char *node;
    const char *cursor_name;
    struct tb_outbox_reader *outbox;
    struct tb_log_writer *writer;
    /* Records of other threads for the same log. They fail while the relay is OFFLINE or FAILING;
     * the queue is closed when run ends. The log must be one that never refuses a batch. NULL:
     * none. */
    struct tb_append_queue *append_queue;
    const struct tb_clock *clock;
    const struct tb_random *random;
    bool start_offline;
    /* Longest wait of a step for acknowledgements; wake-ups take effect after it. */
    int64_t ack_wait_ms;
    /* Called on the relay's thread: from order->row on the order will not be sent. It must be
     * stored before or together with a cursor beyond the row. False: it cannot be stored now; the
     * relay tries again. reason: "" if the log gave none. NULL: a refused row stops the relay. */
    bool (*park)(void *ctx, const char *cursor_name, const struct tb_parked_order *order,
                 const char *reason);
    /* Called on the relay's thread: the log has all that was kept back of a parked order. It must
     * be stored before or together with any later call of park for it. False: it cannot be stored
     * now; the relay tries again. NULL: no parked order is sent again. */
    bool (*unparked)(void *ctx, const char *cursor_name, const char *order_id);
    /* Called on the relay's thread: the log has acknowledged the snapshots of all orders with
     * numbers below `next`. NULL: no snapshots are sent. */
    void (*on_snapshots)(void *ctx, const char *cursor_name, int64_t next);
    /* Called on the relay's thread: the cursor moved to row at at_ms. */
    void (*on_cursor)(void *ctx, const char *cursor_name, int64_t row, int64_t at_ms);
    /* NULL: what the log loses is not sent again. */
    const struct tb_relay_resend_options *resend;
    /* A text for a person, once for each change and not for each attempt. TB_OK: the problem that
     * was reported last is over. */
    void (*on_problem)(void *ctx, const struct tb_error *err);
    void *ctx;
};
struct tb_relay;
TB_CHECKED enum tb_code tb_relay_new(const struct tb_relay_options *options,
                                     struct tb_relay **ret_relay, struct tb_error *err);
void tb_relay_free(struct tb_relay *relay);
/* One round. Returns the time until the next one; 0: there is more to do. */
int64_t tb_relay_step(struct tb_relay *relay);
void tb_relay_run(struct tb_relay *relay); /* steps until tb_relay_stop */
/* For owners that call step themselves: returns after a wake-up or wait_ms. */
void tb_relay_wait(struct tb_relay *relay, int64_t wait_ms);
bool tb_relay_is_offline(const struct tb_relay *relay); /* as tb_relay_set_offline said last */
bool tb_relay_stopping(const struct tb_relay *relay);
size_t tb_relay_outstanding(const struct tb_relay *relay); /* unacknowledged rows */
void tb_relay_wake(struct tb_relay *relay);                /* there are new outbox rows */
void tb_relay_wake_for_append(struct tb_relay *relay);     /* there are records in append_queue */
void tb_relay_wake_for_parked(struct tb_relay *relay);     /* the store has requests to unpark */
void tb_relay_set_offline(struct tb_relay *relay, bool offline);
void tb_relay_stop(struct tb_relay *relay);
/* The log does not have what it has acknowledged: all rows above after_row may be lost. held: only
 * note it; nothing is sent before somebody asks for it. Owner only. */
void tb_relay_begin_resend(struct tb_relay *relay, const char *reason, int64_t after_row,
                           bool held);
bool tb_relay_is_resending(const struct tb_relay *relay); /* owner only */
/* While they are held, the store keeps the places of before: somebody is to look first whether the
 * log still has those records. Owner only. */
void tb_relay_hold_delivered(struct tb_relay *relay, bool hold);
/* The log acknowledged a record where it had acknowledged one before, since the last call. */
bool tb_relay_log_went_back(struct tb_relay *relay);
void tb_relay_wake_for_resend(struct tb_relay *relay); /* the store has a request to resend */
enum tb_relay_state tb_relay_state(const struct tb_relay *relay);
int64_t
tb_relay_since_ms(const struct tb_relay *relay);      /* wall time of the last change of state */
uint64_t tb_relay_sent(const struct tb_relay *relay); /* acknowledged rows since tb_relay_new */
