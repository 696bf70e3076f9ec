/* Shared by the parts of a rebuild: which job runs (jobs.c), filling the new view (fill.c),
 * comparing it (verify.c), the progress that users see (progress.c), and the steps (rebuild.c).
 *
 * Thread:  the owner's; other threads use only the fields that `lock` guards, and wakeup. */
#pragma once
#include "base/thread/mailbox.h"
#include "query/rebuild/bounded_reader.h"
#include "query/rebuild/rebuild.h"

struct tb_rebuild {
    struct tb_rebuild_options options;
    struct tb_mailbox wakeup; /* ends run's wait; gets no mail */
    _Atomic bool stopping;
    pthread_mutex_t lock; /* guards these */
    struct tb_rebuild_progress progress;
    bool known;        /* find_job has answered, or a job was claimed here */
    bool pending;      /* progress.job was requested, or found, and has not begun */
    bool pending_anew; /* it begins with an empty view */
    bool requesting;   /* a thread in start or cancel waits for the backend */

    /* The owner's state. It differs from progress.state, which is BUILDING as soon as a job is
     * requested, and which may be that of another process's job. */
    enum tb_rebuild_state state;
    struct tb_rebuild_job job;
    bool end_unpublished; /* the job has ended here, and publish has not been TB_OK since */
    int64_t find_job_at_ms, publish_at_ms, cleanup_at_ms; /* monotonic: when it is due */
    struct tb_rebuild_progress copy; /* for calls of the backend: too large for the stack */
    bool anew;                       /* open must empty the new view */
    bool opened;                     /* the backend's open was called: close is due */
    struct tb_view *view;            /* the backend's, like reader */
    struct tb_log_reader *reader;
    struct tb_bounded_reader bounded; /* `reader` up to the events that may be read now */
    struct tb_consumer *consumer;
    struct tb_error step_error; /* of the consumer's last step */
    int restarts;               /* how often this job has begun its view anew */

    int64_t first[TB_LOG_PARTITIONS_MAX]; /* offsets at which reading began */
    int64_t goal;                         /* BUILDING ends after this many events */
    int64_t rate_ms, rate_events;         /* time and events at the last sample of the rate */
    bool pinned;
    int64_t held_at_ms, may_hold_at_ms; /* when the writers began to wait; when they may again */
    char hold_problem[200];             /* why the last hold was given up; "": none was */
    int64_t pinned_next[TB_LOG_PARTITIONS_MAX];
    struct tb_view_reader *pinned_served, *pinned_rebuilt;
    struct tb_compare *compare; /* NULL: not begun */
    /* Before pin, if the backend has live_readers: rounds of comparisons while both views are
     * written. Each compares the orders that differed in the round before or were written since.
     */
    bool rechecking;                    /* a round has begun: written orders go to recheck_next */
    bool rechecked;                     /* the rounds are over: pin, and compare recheck_next */
    bool many_differ;                   /* list them without pin */
    bool scanning, scanned;             /* the rest, by the backend's scan_rest */
    int recheck_rounds;                 /* completed */
    struct tb_recheck_set recheck_next; /* of the next round, or of the pinned comparison */
    struct tb_recheck_set recheck_now;  /* of this round */
};

/* jobs.c */
bool tb_rebuild_find_job_due(const struct tb_rebuild *rebuild);
/* A job that another process has not finished becomes pending here. */
TB_CHECKED enum tb_code tb_rebuild_find_job(struct tb_rebuild *rebuild, struct tb_error *err);
/* True: a job was pending, and rebuild->job and rebuild->anew are now this job's. */
bool tb_rebuild_take_pending(struct tb_rebuild *rebuild);
bool tb_rebuild_is_cancelled(struct tb_rebuild *rebuild);
/* Publishes the progress if it is due. False: another process has taken the job over. */
bool tb_rebuild_publish(struct tb_rebuild *rebuild);

/* verify.c */
/* Does a little of the comparison: the rounds while both views are written, then the comparison of
 * the pinned views. TB_BUSY: unpin, and call it again later. */
TB_CHECKED enum tb_code tb_rebuild_compare(struct tb_rebuild *rebuild, bool *ret_done,
                                           int64_t *ret_wait_ms, struct tb_error *err);
void tb_rebuild_reset_recheck(struct tb_rebuild *rebuild); /* the next round is the first one */

/* hold.c: while the writers of the served view wait. */
void tb_rebuild_begin_hold(struct tb_rebuild *rebuild);
/* TB_BUSY: it has lasted TB_REBUILD_HOLD_MS. */
TB_CHECKED enum tb_code tb_rebuild_check_hold(const struct tb_rebuild *rebuild, const char *what,
                                              struct tb_error *err);
/* It was of no use: tells why, and sets when the next one may begin. */
void tb_rebuild_give_up_hold(struct tb_rebuild *rebuild, const char *why);
void tb_rebuild_forget_holds(struct tb_rebuild *rebuild); /* the next one may begin at once */
int64_t tb_rebuild_hold_due_ms(const struct tb_rebuild *rebuild); /* 0: now */

/* fill.c */
TB_CHECKED enum tb_code tb_rebuild_open(struct tb_rebuild *rebuild, bool anew,
                                        struct tb_error *err);
void tb_rebuild_unpin(struct tb_rebuild *rebuild); /* and ends the comparison */
void tb_rebuild_close(struct tb_rebuild *rebuild, enum tb_rebuild_end end);
/* Does one step of the consumer, which stops before next of each partition. *ret_left: events that
 * remain. *ret_wait_ms: pause before the next step; 0 unless view or log failed. An error that is
 * returned will not pass. */
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
