/* Rebuild: fills a view from the start of the log beside the one that is served, compares the two,
 * and has the new one served.
 *
 *   NONE, DONE, FAILED, ROLLED_BACK --start--> BUILDING --> CATCHING_UP --> COMPARING
 *                                                                |              |
 *                                            (a rollback) -------+--> SWAPPING <+
 *                                                                         |
 *                                                                         +--> DONE, ROLLED_BACK
 *   and from each of those under way to FAILED, or where that may help to BUILDING again.
 *
 * BUILDING ends where the log ended at the start. The new view is filled by a consumer of its own
 * with the plans of the one that is served, and never gets in front of that one, so that both can
 * be brought to the same events: for the comparison, and once more for the swap, which happens
 * while nobody writes the served view. What differs is listed and ends the rebuild as FAILED,
 * unless it was started with `accept`. A rollback is the same with the view that was served
 * before: it catches up and is swapped in without a comparison.
 * A process that ends in the middle leaves what it has; look of the edition says whether the next
 * one, or another one of the same view, goes on with it.
 *
 * Thread:  step and run from the owner; start, get and stop from any.
 * Memory:  borrows what its options point to.
 * Errors:  trouble that may pass is waited out, and shown as `problem`; other trouble is FAILED.
 * Units:   milliseconds, events. */
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
    TB_REBUILD_STATE_COUNT
};
const char *tb_rebuild_state_name(enum tb_rebuild_state state); /* "catching-up" */
/* TB_REBUILD_NONE for what is no name. */
enum tb_rebuild_state tb_rebuild_state_parse(const char *name);
bool tb_rebuild_is_running(enum tb_rebuild_state state);

/* An old view is of use until somebody looks at the new one; it takes as much disk. */
#define TB_REBUILD_KEEP_MS (7 * INT64_C(86400000))

struct tb_rebuild_job {
    bool rollback;
    bool accept; /* whatever differs */
};
#define TB_REBUILD_OWNER_SIZE 64
struct tb_rebuild_progress {
    enum tb_rebuild_state state;
    struct tb_rebuild_job job;
    char owner[TB_REBUILD_OWNER_SIZE]; /* another process that is or was at it; "": this one */
    int64_t events, total; /* read, and to be read as far as is known; of the last job */
    int64_t per_second;
    int64_t seconds_left;                         /* -1: not known */
    bool compared;                                /* what follows is known */
    int64_t served_orders, rebuilt_orders;        /* that were compared */
    int64_t differences;                          /* all of them */
    int64_t listed;                               /* of them; 0 also where the list is not kept */
    struct tb_difference list[TB_COMPARE_LISTED]; /* the first ones */
    char problem[240]; /* what is in the way, or was the end; "": nothing */
};

struct tb_rebuild_generations {
    int64_t served, previous; /* generations; previous 0: there is none to go back to */
    int64_t previous_until_ms;
};

/* What becomes of the view that was filled. */
enum tb_rebuild_end {
    TB_REBUILD_KEEP,    /* it stays as it is: the process ends */
    TB_REBUILD_DISCARD, /* it is of no use; a rollback's stays what it was */
    TB_REBUILD_SWAPPED  /* it is served */
};
enum tb_rebuild_found {
    TB_REBUILD_FOUND_NOTHING,
    TB_REBUILD_FOUND_UNFINISHED, /* a job that nobody is at: to go on with */
    TB_REBUILD_FOUND_REPORT /* what another process, or an earlier one, did or is at: to be shown
                             */
};
struct tb_rebuild;
/* One kind of views; each is called on the owner's thread, but for what says otherwise. */
struct tb_rebuild_backend {
    /* View and log are reached over a network: trouble with them passes, however long it takes. */
    bool is_distant;
    /* How long its reader of the log may wait for records: 0 where they are there or not. */
    int64_t poll_ms;
    /* While nothing is under way here others may be at it: looked for so often. 0: nobody may. */
    int64_t look_every_ms;
    /* Whose job there is; but for NOTHING the figures say which, and how far it is. */
    enum tb_code (*look)(void *ctx, enum tb_rebuild_found *ret_found,
                         struct tb_rebuild_progress *ret_figures, struct tb_error *err);
    /* On start's thread, before the job is begun. TB_CONFLICT: another process is at one, which
     * the figures tell of. NULL: there is no other. */
    enum tb_code (*claim)(void *ctx, const struct tb_rebuild_job *job,
                          struct tb_rebuild_progress *ret_others, struct tb_error *err);
    /* Tells others how far it is, every second and at its end, until it is TB_OK. TB_CONFLICT:
     * the job is another process's by now. NULL: nobody wants to know. */
    enum tb_code (*note)(void *ctx, const struct tb_rebuild_progress *figures,
                         struct tb_error *err);
    /* The view to be filled, and a reader of the log of its own. anew: with nothing in it. After a
     * failure, too, it is to be closed. */
    enum tb_code (*open)(void *ctx, const struct tb_rebuild_job *job, bool anew,
                         struct tb_view **ret_view, struct tb_log_reader **ret_reader,
                         struct tb_error *err);
    /* How far the new view may be filled now: what the served one has of each partition, or more
     * where hold makes sure that both can be brought to the same events. 0: nothing. */
    enum tb_code (*served)(void *ctx, int64_t *ret_next, struct tb_error *err);
    /* Readers of both as they move. Where holding the served one keeps its writers waiting, most
     * is compared so, before it is held. NULL: a hold disturbs nobody. */
    void (*watch)(void *ctx, struct tb_view_reader **ret_served,
                  struct tb_view_reader **ret_rebuilt);
    /* Readers of both; that of the served one shows it as of the moment at which it has next,
     * until it is let go. TB_BUSY: not now. */
    enum tb_code (*hold)(void *ctx, int64_t *ret_next, struct tb_view_reader **ret_served,
                         struct tb_view_reader **ret_rebuilt, struct tb_error *err);
    /* Has the served one come to next, and is it still held? Asked before the comparison and
     * behind it. TB_BUSY: it does not come, to be let go and held again later. NULL: always. */
    enum tb_code (*settled)(void *ctx, bool *ret_settled, struct tb_error *err);
    void (*let_go)(void *ctx);
    /* Holds up whoever writes the served view, has tb_rebuild_catch_up bring the other one to the
     * same events, and then moves all readers and the writer to it. TB_BUSY: not now, nothing is
     * done. */
    enum tb_code (*swap)(void *ctx, struct tb_rebuild *rebuild, struct tb_error *err);
    enum tb_code (*close)(void *ctx, enum tb_rebuild_end end, struct tb_error *err);
    /* Now and then while nothing is under way: removes what nobody needs any more. */
    enum tb_code (*tidy)(void *ctx, struct tb_error *err);
    /* Any thread. */
    bool (*can_roll_back)(void *ctx);
    /* False: the disk has no room for this; orders come first. */
    bool (*has_room)(void *ctx);
};
struct tb_rebuild_options {
    const struct tb_rebuild_backend *edition;
    void *edition_ctx;
    const struct tb_clock *clock;
    const struct tb_random *random;
    struct tb_plan_rules rules;
    const char *topic;
    int32_t partitions; /* of the log */
    /* A state was entered, and what for ("": as it should be); on the owner's thread. */
    void (*entered)(void *ctx, enum tb_rebuild_state state, const char *why);
    void *ctx;
};
TB_CHECKED enum tb_code tb_rebuild_new(const struct tb_rebuild_options *options,
                                       struct tb_rebuild **ret_rebuild, struct tb_error *err);
void tb_rebuild_free(struct tb_rebuild *rebuild); /* NULL is fine */
/* TB_CONFLICT: one is under way, or there is nothing to roll back to. Waits for the edition's
 * claim. */
TB_CHECKED enum tb_code tb_rebuild_start(struct tb_rebuild *rebuild,
                                         const struct tb_rebuild_job *job, struct tb_error *err);
void tb_rebuild_get_progress(struct tb_rebuild *rebuild, struct tb_rebuild_progress *ret_figures);
/* A little of the work; returns how long there is nothing to do in milliseconds. */
int64_t tb_rebuild_step(struct tb_rebuild *rebuild);
void tb_rebuild_run(struct tb_rebuild *rebuild); /* until stop */
void tb_rebuild_stop(struct tb_rebuild *rebuild);

/* For swap, while the owner waits in it: fills the view until it has next of each partition.
 * TB_BUSY: that would take too long. */
TB_CHECKED enum tb_code tb_rebuild_catch_up(struct tb_rebuild *rebuild, const int64_t *next,
                                            struct tb_error *err);
