/* Parts of a rebuild: which job runs (jobs.c), filling the new view (fill.c), comparing it
 * (verify.c), the progress that is shown (progress.c), and the steps (rebuild.c).
 *
 * Thread:  the owner's, except that the lock guards what it names.
 * Memory:  as rebuild.h.
 * Errors:  as rebuild.h.
 * Units:   milliseconds, events. */
#pragma once
#include "base/thread/mailbox.h"
#include "query/rebuild/bounded_reader.h"
#include "query/rebuild/rebuild.h"

struct tb_rebuild {
    struct tb_rebuild_options options;
    struct tb_mailbox wakeup; /* carries no mail: waking it ends a wait */
    _Atomic bool stopping;
    pthread_mutex_t lock; /* guards progress, pending and starting */
    struct tb_rebuild_progress progress;
    bool pending;  /* progress.job was requested and has not begun */
    bool starting; /* a thread in start waits for the backend's claim */

    enum tb_rebuild_state state; /* while a job is pending progress.state is BUILDING already */
    struct tb_rebuild_job job;
    bool job_looked_up;   /* find_job has answered at least once */
    bool end_unpublished; /* the end of the job is to be published */
    int64_t find_job_at_ms, publish_at_ms, cleanup_at_ms; /* monotonic */
    struct tb_rebuild_progress copy; /* handed to the backend: too large for a stack */
    bool anew;                       /* open must empty the new view */
    bool opened;                     /* the backend's open was called: close is due */
    struct tb_view *view;            /* the backend's, like reader */
    struct tb_log_reader *reader;
    struct tb_bounded_reader bounded; /* reader, up to what the new view may have */
    struct tb_consumer *consumer;
    struct tb_error step_error; /* of the consumer's last step */
    int restarts;

    int64_t first[TB_LOG_PARTITIONS_MAX]; /* offsets at which reading began */
    int64_t goal;                         /* events that BUILDING reads */
    int64_t rate_ms, rate_events;         /* the last sample of the rate */
    bool pinned;
    int64_t pinned_next[TB_LOG_PARTITIONS_MAX];
    struct tb_view_reader *pinned_served, *pinned_rebuilt;
    struct tb_compare *compare; /* NULL: not begun */
    /* Comparison while both views are written: in rounds, each over the orders that differed in
     * the round before or were written since. */
    bool rechecking;                    /* a round has begun: written orders are added */
    bool rechecked;                     /* few orders are left */
    int recheck_rounds;                 /* completed */
    struct tb_recheck_set recheck_next; /* of the next round, or of the pinned comparison */
    struct tb_recheck_set recheck_now;  /* of this round */
};

/* jobs.c */
/* Is it time to call the backend's find_job? */
bool tb_rebuild_find_job_due(const struct tb_rebuild *rebuild);
/* *ret_unfinished: rebuild->job is a job that an earlier process left. */
TB_CHECKED enum tb_code tb_rebuild_find_job(struct tb_rebuild *rebuild, bool *ret_unfinished,
                                            struct tb_error *err);
/* True: a job was requested; it is rebuild->job from here on. */
bool tb_rebuild_take_pending(struct tb_rebuild *rebuild);
/* Publishes the progress if that is due. False: another process has taken the job over. */
bool tb_rebuild_publish(struct tb_rebuild *rebuild);

/* verify.c */
/* A little of the comparison: rounds while both views are written, then the pinned comparison.
 * TB_BUSY: unpin, and continue later. */
TB_CHECKED enum tb_code tb_rebuild_compare(struct tb_rebuild *rebuild, bool *ret_done,
                                           int64_t *ret_wait_ms, struct tb_error *err);
void tb_rebuild_reset_recheck(struct tb_rebuild *rebuild); /* back to the first round */
/* Adds the orders that the plan changed to the next round. */
void tb_rebuild_add_to_recheck(struct tb_rebuild *rebuild, const struct tb_plan *plan);

/* fill.c */
TB_CHECKED enum tb_code tb_rebuild_open(struct tb_rebuild *rebuild, bool anew,
                                        struct tb_error *err);
void tb_rebuild_unpin(struct tb_rebuild *rebuild); /* and ends the comparison */
void tb_rebuild_close(struct tb_rebuild *rebuild, enum tb_rebuild_end end);
/* Reads on, up to next of each partition. *ret_left: events that remain; *ret_wait_ms: 0 unless
 * view or log failed. An error is permanent. */
TB_CHECKED enum tb_code tb_rebuild_fill(struct tb_rebuild *rebuild, const int64_t *next,
                                        int64_t *ret_left, int64_t *ret_wait_ms,
                                        struct tb_error *err);
/* The same, up to the backend's served_offsets. */
TB_CHECKED enum tb_code tb_rebuild_fill_allowed(struct tb_rebuild *rebuild, int64_t *ret_left,
                                                int64_t *ret_wait_ms, struct tb_error *err);

/* progress.c */
void tb_rebuild_enter(struct tb_rebuild *rebuild, enum tb_rebuild_state state,
                      const char *problem);
void tb_rebuild_set_progress(struct tb_rebuild *rebuild, int64_t events, int64_t left);
void tb_rebuild_set_problem(struct tb_rebuild *rebuild, const char *problem);
void tb_rebuild_set_compared(struct tb_rebuild *rebuild);
