/* Rebuild: fills a new view from the start of the log beside the served one, compares both, and
 * then serves the new one.
 *
 *   NONE or an end --start--> BUILDING --> CATCHING_UP --> COMPARING
 *                                              |               |
 *                             (rollback) ------+--> SWAPPING <-+
 *                                                       |
 *                                                       +--> DONE, ROLLED_BACK
 *   and from each running state to FAILED or CANCELLED, or to BUILDING again where a fresh start
 * may help. The ends are DONE, FAILED, ROLLED_BACK and CANCELLED.
 *
 * BUILDING ends when the new view has all events that the log had at the start. A separate
 * consumer fills the new view, with the same rules as the consumer of the served view. It reads
 * only as far as the backend's served_offsets allow. So both views can be brought to the same
 * events twice: for the comparison, and for the swap, during which nobody writes the served view.
 * Differences are listed, and the rebuild ends as FAILED, unless the job has `accept`. A rollback
 * brings back the view that was served before: that view catches up and is swapped in without a
 * comparison. A job that is cancelled ends within a second or so, wherever it runs: what it has
 * made is removed, and the served view stays. If a process ends during a job, the new view stays.
 * The backend's find_job decides whether the next process, or another process that serves the same
 * view, continues the job.
 *
 * Thread:  step and run on the owner's thread; the get functions, start, cancel and stop on any.
 * Memory:  borrows what its options point to.
 * Errors:  a transient error is retried and shown as `problem`; any other makes the job FAILED. */
#pragma once
#include "query/consumer/consumer.h"
#include "query/rebuild/compare.h"

enum tb_rebuild_state {
    TB_REBUILD_NONE,
    TB_REBUILD_BUILDING,
    TB_REBUILD_CATCHING_UP,
    TB_REBUILD_COMPARING,
    TB_REBUILD_SWAPPING,
    TB_REBUILD_DONE,
    TB_REBUILD_FAILED,
    TB_REBUILD_ROLLED_BACK,
    TB_REBUILD_CANCELLED,
    TB_REBUILD_STATE_COUNT
};
const char *tb_rebuild_state_name(enum tb_rebuild_state state); /* "catching-up" */
bool tb_rebuild_is_running(enum tb_rebuild_state state);

/* The writers of the served view wait at most this long for a rebuild. What is not done by then is
 * given up, and tried again after a pause. */
#define TB_REBUILD_HOLD_MS 5000
/* How long the previous view is kept for a rollback. It takes as much disk as the served one. */
#define TB_REBUILD_KEEP_MS (7 * INT64_C(86400000))

struct tb_rebuild_job {
    bool rollback;
    bool accept; /* swap even if the views differ */
};
#define TB_REBUILD_OWNER_SIZE 64
struct tb_rebuild_progress {
    enum tb_rebuild_state state;
    struct tb_rebuild_job job;
    bool cancelling; /* a client has cancelled the job, which has not ended yet */
    char owner[TB_REBUILD_OWNER_SIZE]; /* the process that runs or ran the job; "": this one */
    int64_t events, total;             /* read so far; to be read in all, as far as is known now */
    int64_t per_second;
    int64_t seconds_left; /* -1: not known */
    bool compared;        /* the comparison has ended: the next four fields are final */
    int64_t served_orders, rebuilt_orders; /* how many orders were compared */
    int64_t difference_count;
    char differences[TB_COMPARE_LIST_SIZE]; /* JSON array of the first ones; "": not known */
    char problem[240]; /* what delays the rebuild, or why it failed; "": nothing */
};

struct tb_rebuild_generations {
    int64_t served, previous; /* previous 0: there is no view to roll back to */
    int64_t previous_until_ms;
};

/* What the backend does with the filled view when it closes it. */
enum tb_rebuild_end {
    TB_REBUILD_KEEP,    /* keep it: the job is continued later, here or in the next process */
    TB_REBUILD_DISCARD, /* remove it; but the previous view, which a rollback opens, stays */
    TB_REBUILD_SWAPPED  /* keep it: it is served now */
};
enum tb_rebuild_found {
    TB_REBUILD_FOUND_NOTHING,
    TB_REBUILD_FOUND_UNFINISHED, /* a job that no process runs: continue it */
    TB_REBUILD_FOUND_REPORT      /* a job of another or an earlier process: only show it */
};
struct tb_rebuild;
/* Where the views are kept: SQLite files or MongoDB collections. Each function is called on the
 * owner's thread unless it says otherwise. */
struct tb_rebuild_backend {
    /* View and log are reached over a network: an outage is waited for without end. */
    bool is_distant;
    /* How long a read of the log may wait for records; 0: not at all, the log is local. */
    int64_t poll_ms;
    /* How often find_job is called while no job runs here; 0: only once, by tb_rebuild_new, since
     * no other process serves this view. */
    int64_t find_job_every_ms;
    /* Finds a job of another or an earlier process. Fills ret_progress unless there is none. */
    enum tb_code (*find_job)(void *ctx, enum tb_rebuild_found *ret_found,
                             struct tb_rebuild_progress *ret_progress, struct tb_error *err);
    /* Stores the job, and claims it among all processes, before it begins; on the thread that
     * calls start. From TB_OK on a process that ends does not lose the job: find_job finds it.
     * TB_CONFLICT: another process runs one, and ret_others gets its progress. */
    enum tb_code (*claim)(void *ctx, const struct tb_rebuild_job *job,
                          struct tb_rebuild_progress *ret_others, struct tb_error *err);
    /* Stores that the job is cancelled that runs here or in another process; any thread. A process
     * that ends does not lose that. If another process runs it, ret_others gets its progress.
     * TB_CONFLICT: none runs. */
    enum tb_code (*cancel)(void *ctx, struct tb_rebuild_progress *ret_others,
                           struct tb_error *err);
    /* Publishes the progress to other processes: every second, and at the end until it is TB_OK.
     * *ret_cancelled: the job was cancelled, perhaps through another process; unchanged if not.
     * TB_CONFLICT: another process has taken the job over. */
    enum tb_code (*publish)(void *ctx, const struct tb_rebuild_progress *progress,
                            bool *ret_cancelled, struct tb_error *err);
    /* Opens the view to fill, and a log reader for it. anew: the view must be empty. After a
     * failure close is called too. */
    enum tb_code (*open)(void *ctx, const struct tb_rebuild_job *job, bool anew,
                         struct tb_view **ret_view, struct tb_log_reader **ret_reader,
                         struct tb_error *err);
    /* How far the new view may be filled now: the next offset of each partition in the served
     * view, or a later one if pin can still bring both views to the same events. 0 or -1: nothing
     * of this partition yet. */
    enum tb_code (*served_offsets)(void *ctx, int64_t *ret_next, struct tb_error *err);
    /* Returns readers of both views, which are still being written. A backend whose pin makes the
     * writers wait has this function, so that most of the comparison is done before pin. NULL: pin
     * makes nobody wait. */
    void (*live_readers)(void *ctx, struct tb_view_reader **ret_served,
                         struct tb_view_reader **ret_rebuilt);
    /* Returns readers of both views. With live_readers it is given up after TB_REBUILD_HOLD_MS,
     * and nothing that grows with the views is read before unpin. Until unpin ret_served sees the
     * served view with exactly the events before ret_next. TB_BUSY: not now. */
    enum tb_code (*pin)(void *ctx, int64_t *ret_next, struct tb_view_reader **ret_served,
                        struct tb_view_reader **ret_rebuilt, struct tb_error *err);
    /* Has the served view all records before ret_next of pin, as the new one has, and is it still
     * pinned? Called before and after the comparison. TB_BUSY: it is not pinned any more; the
     * caller unpins, and pins again later. NULL: it always has. */
    enum tb_code (*caught_up)(void *ctx, bool *ret_caught_up, struct tb_error *err);
    /* Looks at a little of what is to be compared besides the orders, while both views are
     * written: what is the same then need not be looked at by compare_rest. anew: begins at the
     * beginning. NULL: there is nothing to look at. */
    enum tb_code (*scan_rest)(void *ctx, bool anew, bool *ret_done, struct tb_error *err);
    /* Lists what else than orders and totals differs in both views (tb_compare_list), while they
     * are pinned. NULL: there is nothing else. */
    enum tb_code (*compare_rest)(void *ctx, struct tb_compare *compare, struct tb_error *err);
    void (*unpin)(void *ctx);
    /* Stops the writer of the served view, calls tb_rebuild_catch_up, and then switches the writer
     * and all readers to the new view. TB_BUSY: not now; nothing has changed. */
    enum tb_code (*swap)(void *ctx, struct tb_rebuild *rebuild, struct tb_error *err);
    enum tb_code (*close)(void *ctx, enum tb_rebuild_end end, struct tb_error *err);
    /* Removes views that are no longer needed. Called every hour while no job runs. */
    enum tb_code (*cleanup)(void *ctx, struct tb_error *err);
    /* As find_job or swap has read or changed them last. Any thread. */
    void (*get_generations)(void *ctx, struct tb_rebuild_generations *ret_generations);
    /* False: the free disk space is reserved for orders, so the job fails. NULL: the view is on
     * the disk of a server, which refuses writes when it is full. */
    bool (*has_room)(void *ctx);
};
struct tb_rebuild_options {
    const struct tb_rebuild_backend *backend;
    void *backend_ctx;
    const struct tb_clock *clock;
    const struct tb_random *random;
    struct tb_plan_rules rules;
    const char *topic;
    int32_t partitions; /* of the log */
    /* A state was entered. why: the error that led to it, or "". On the owner's thread. */
    void (*entered)(void *ctx, enum tb_rebuild_state state, const char *why);
    /* The writers of the served view have waited this long in vain. On the owner's thread. */
    void (*hold_given_up)(void *ctx, int64_t held_ms, const char *why);
    void *ctx;
};
/* Finds a job that an earlier process has not finished, unless the backend is_distant: that one is
 * asked by step. */
TB_CHECKED enum tb_code tb_rebuild_new(const struct tb_rebuild_options *options,
                                       struct tb_rebuild **ret_rebuild, struct tb_error *err);
void tb_rebuild_free(struct tb_rebuild *rebuild); /* NULL is fine */
/* Requests a job, and waits for the backend's claim but not for the job. TB_OK: the job is stored.
 * TB_CONFLICT: a job runs already, or there is no view to roll back to. */
TB_CHECKED enum tb_code tb_rebuild_start(struct tb_rebuild *rebuild,
                                         const struct tb_rebuild_job *job, struct tb_error *err);
/* Waits until it is stored that the job is cancelled, which runs here or in another process, but
 * not for its end. It may be done before that. TB_CONFLICT: no job runs. */
TB_CHECKED enum tb_code tb_rebuild_cancel(struct tb_rebuild *rebuild, struct tb_error *err);
/* False: a distant backend has not been reached yet, so nobody here knows whether a job runs. */
bool tb_rebuild_get_progress(struct tb_rebuild *rebuild, struct tb_rebuild_progress *ret_progress);
void tb_rebuild_get_generations(const struct tb_rebuild *rebuild,
                                struct tb_rebuild_generations *ret_generations);
/* Does a little of the work. Returns how many milliseconds to wait before the next call. */
int64_t tb_rebuild_step(struct tb_rebuild *rebuild);
void tb_rebuild_run(struct tb_rebuild *rebuild); /* until stop */
void tb_rebuild_stop(struct tb_rebuild *rebuild);

/* Called by the backend's swap while the writer of the served view waits: fills the new view with
 * all events before next of each partition. TB_BUSY: that would take too long. */
TB_CHECKED enum tb_code tb_rebuild_catch_up(struct tb_rebuild *rebuild, const int64_t *next,
                                            struct tb_error *err);
