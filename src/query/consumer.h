/* The consumer: reads the log in batches, plans them, commits the plan to the view, then the
 * offset to the log.
 *
 * Where it starts: at the view's own offset, else at the beginning. Trouble with log or view is
 * retried for ever with back-off; it never counts against an event.
 *
 * Thread:  step and run from the owner; wake, stop and stats from any thread.
 * Memory:  borrows what its options point to.
 * Errors:  none leaves it: trouble is a state, a count and a diagnostic by the callback.
 * Units:   milliseconds. */
#pragma once
#include "base/metrics.h"
#include "query/view.h"

struct tb_consumer_stats {
    struct tb_counter events[TB_EVENT_RESULT_COUNT];
    struct tb_histogram end_to_end_us; /* commit at the till to visible; wall clock, not below 0 */
    _Atomic int64_t applied_at_ms;     /* wall time of the last commit of a plan; 0: none */
    _Atomic bool failing;
};
struct tb_consumer_options {
    struct tb_log_reader *reader;
    struct tb_view *view;
    const struct tb_clock *clock;
    const struct tb_random *random;
    struct tb_plan_rules rules;
    int64_t dead_letter_keep_ms; /* below 0: for ever */
    /* After a plan is committed: its changed orders are visible. On the consumer's thread. */
    void (*applied)(void *ctx, const struct tb_plan *plan);
    /* Once per change of state: what failed, or a code of TB_OK when it works again. */
    void (*trouble)(void *ctx, const struct tb_error *err);
    void *ctx;
};
struct tb_consumer;
TB_CHECKED enum tb_code tb_consumer_new(const struct tb_consumer_options *options,
                                        struct tb_consumer **ret_consumer, struct tb_error *err);
void tb_consumer_free(struct tb_consumer *consumer);
/* One batch, or nothing. Waits for records at most wait_ms. Returns how long to pause before the
 * next in milliseconds: 0 unless failing. */
int64_t tb_consumer_step(struct tb_consumer *consumer, int64_t wait_ms);
void tb_consumer_run(struct tb_consumer *consumer); /* until tb_consumer_stop */
void tb_consumer_stop(struct tb_consumer *consumer);
const struct tb_consumer_stats *tb_consumer_stats(const struct tb_consumer *consumer);
