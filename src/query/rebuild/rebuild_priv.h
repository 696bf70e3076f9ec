/* The rebuild's parts: whose job there is (rebuild_jobs.c), filling the new view (rebuild_fill.c),
 * comparing it (rebuild_compare.c), what is shown of it (rebuild_figures.c), and the steps
 * (rebuild.c).
 *
 * Thread:  the owner's, but for what the lock is for.
 * Memory:  as rebuild.h.
 * Errors:  as rebuild.h.
 * Units:   milliseconds, events. */
#pragma once
#include "base/thread/mailbox.h"
#include "query/rebuild/bounded_reader.h"
#include "query/rebuild/rebuild.h"

struct tb_rebuild {
    struct tb_rebuild_options options;
    struct tb_mailbox door; /* no mail: what a wait is cut short by */
    _Atomic bool stopping;
    pthread_mutex_t lock; /* of figures and pending */
    struct tb_rebuild_progress figures;
    bool pending; /* figures.job was asked for and not begun */

    enum tb_rebuild_state state; /* figures' is ahead of it while a job is pending */
    struct tb_rebuild_job job;
    bool starting; /* with the lock: start waits for the edition's claim */
    bool asked;    /* the edition, for what was begun before */
    bool untold;   /* the end, to others */
    int64_t look_at_ms, note_at_ms, tidy_at_ms; /* monotonic */
    struct tb_rebuild_progress copy;            /* for the edition: too large for a stack */
    bool anew;                                  /* it is to be opened with nothing in it */
    bool opened;          /* the edition is to close what it was asked to open */
    struct tb_view *view; /* the edition's */
    struct tb_log_reader *reader;
    struct tb_bounded_reader until;
    struct tb_consumer *consumer;
    struct tb_error trouble; /* of the last step of the consumer */
    int restarts;

    int64_t first[TB_LOG_PARTITIONS_MAX]; /* where reading began */
    int64_t goal;                         /* of BUILDING: events */
    int64_t rate_ms, rate_events;         /* the last sample */
    bool held;                            /* by the edition */
    int64_t held_next[TB_LOG_PARTITIONS_MAX];
    struct tb_view_reader *held_served, *held_rebuilt;
    struct tb_compare *compare;     /* NULL: not begun */
    bool sifting, sifted;           /* while both move; what is written counts from sifting on */
    int sift_rounds;                /* that are done */
    struct tb_recheck_set suspects; /* found in this round, and written since */
    struct tb_recheck_set last_suspects; /* whom this round looks at */
};

/* rebuild_jobs.c */
/* It is time to ask the edition whose job there is: first of all until there is an answer. */
bool tb_rebuild_find_job_due(const struct tb_rebuild *rebuild);
TB_CHECKED enum tb_code tb_rebuild_find_job(struct tb_rebuild *rebuild, bool *ret_left,
                                            struct tb_error *err);
/* A job was asked for: it is rebuild->job from here on. */
bool tb_rebuild_take_pending(struct tb_rebuild *rebuild);
/* What is due of telling others. False: the job is theirs by now. */
bool tb_rebuild_publish(struct tb_rebuild *rebuild);

/* rebuild_compare.c */
/* A little of the comparison. While both views move it is sifted who may differ, until few do;
 * then the served one is held. TB_BUSY: to be let go, and gone on with later. */
TB_CHECKED enum tb_code tb_rebuild_compare(struct tb_rebuild *rebuild, bool *ret_done,
                                           int64_t *ret_wait_ms, struct tb_error *err);
void tb_rebuild_reset_recheck(struct tb_rebuild *rebuild); /* from its beginning */
void tb_rebuild_add_to_recheck(struct tb_rebuild *rebuild, const struct tb_plan *plan);

/* rebuild_fill.c */
TB_CHECKED enum tb_code tb_rebuild_open(struct tb_rebuild *rebuild, bool anew,
                                        struct tb_error *err);
void tb_rebuild_unpin(struct tb_rebuild *rebuild); /* of both views, and of what compares them */
void tb_rebuild_close(struct tb_rebuild *rebuild, enum tb_rebuild_end end);
/* Reads on, up to next of each partition. *ret_left: events that are left; *ret_wait_ms: 0 unless
 * something is in the way. Fails only for good. */
TB_CHECKED enum tb_code tb_rebuild_fill(struct tb_rebuild *rebuild, const int64_t *next,
                                        int64_t *ret_left, int64_t *ret_wait_ms,
                                        struct tb_error *err);

/* The same, as far as the new view may be filled now. */
TB_CHECKED enum tb_code tb_rebuild_fill_allowed(struct tb_rebuild *rebuild, int64_t *ret_left,
                                                int64_t *ret_wait_ms, struct tb_error *err);

/* rebuild_figures.c */
void tb_rebuild_enter(struct tb_rebuild *rebuild, enum tb_rebuild_state state,
                      const char *problem);
void tb_rebuild_set_progress(struct tb_rebuild *rebuild, int64_t events, int64_t left);
void tb_rebuild_set_problem(struct tb_rebuild *rebuild, const char *problem);
void tb_rebuild_set_compared(struct tb_rebuild *rebuild);
