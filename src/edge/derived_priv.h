/* The parts of opening log and view:
 *
 *   derived.c          acts: sets aside, makes anew, reports
 *   derived_judge.c    compares the files with the store
 *   derived_numbers.c  finds the highest order number that they know
 *
 * Thread:  the main thread. */
#pragma once
#include "edge/derived.h"
#include "edge/heartbeat_note.h"
#include "query/rebuild/sqlite/generations.h"

#define TB_DERIVED_REASON_SIZE 240

/* What is known of a file while it is judged. */
struct tb_derived_finding {
    bool existed;
    bool bad;                            /* it must be made anew */
    char reason[TB_DERIVED_REASON_SIZE]; /* why; "": it never existed */
};
struct tb_derived_state {
    const struct tb_derived_options *options;
    char log_path[TB_VIEW_PATH_SIZE], view_path[TB_VIEW_PATH_SIZE];
    char store_id[TB_STORE_ID_SIZE];
    struct tb_log_inproc *log; /* NULL: it is damaged */
    char new_log_id[TB_LOG_ID_SIZE];
    struct tb_view *view; /* NULL: it is damaged */
    struct tb_view_origin view_origin;
    struct tb_generations generations;
    struct tb_derived_finding log_state, view_state;
    bool had_orders;               /* the store: log and view were made before */
    struct tb_store_position told; /* what the log has acknowledged, as the store says */
    bool is_told_known; /* log or view have that event: the store was not put back since then */
    bool restored;      /* log, view or the note know events that the store does not have */
    /* The highest one that the note (heartbeat_note.h) or the folder's identity tells; 0: none. */
    int64_t noted_number;
    char lost[TB_DERIVED_REASON_SIZE];
};

/* The file must be made anew. The first reason counts. */
void tb_derived_condemn(struct tb_derived_finding *finding, const char *format, ...)
    TB_PRINTF(2, 3);
/* True: the error condemns the file, and is cleared. */
bool tb_derived_condemn_for(const struct tb_derived_state *derived,
                            struct tb_derived_finding *finding, struct tb_error *err);
/* True: the folder had another store, and this one has just been made. */
bool tb_derived_store_is_missing(const struct tb_derived_state *derived);
/* Opens log and view, as far as they are not damaged, and compares them with the store. */
TB_CHECKED enum tb_code tb_derived_judge(struct tb_derived_state *derived, struct tb_error *err);
/* True: the view's offsets are of this log. */
bool tb_derived_is_of_log(const struct tb_derived_state *derived);
/* True: the log never had a record. */
bool tb_derived_is_log_empty(const struct tb_derived_state *derived);
/* The next start will not check all pages. */
void tb_derived_remove_marker(const struct tb_derived_state *derived);

/* The highest number of this node that log, view, note and identity know. What is damaged is
 * left out. */
TB_CHECKED enum tb_code tb_derived_known_number(struct tb_derived_state *derived,
                                                int64_t *ret_number, struct tb_error *err);
