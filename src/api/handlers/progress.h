/* Figures: how far the outbox and the view are, asked from the tables at the moment.
 *
 * Thread:  the asker's.
 * Memory:  none.
 * Errors:  as the stores'.
 * Units:   Unix milliseconds; records. */
#pragma once
#include "bridge/log/log.h"
#include "store/outbox.h"
#include <stdatomic.h>

struct tb_api;
struct tb_query_context;
/* As many as the configuration allows. */
#define TB_PARTITIONS_MAX 256

/* The last moment at which the view was seen to hold everything. */
struct tb_completeness {
    _Atomic int64_t complete_ms; /* 0: not seen yet */
};
struct tb_view_progress {
    /* An edge's; zero elsewhere. */
    struct tb_outbox_status outbox; /* by the cursor that means delivered */
    struct tb_outbox_status feed;   /* by the one that feeds the view */
    /* Of the partitions that this process reads. */
    bool lag_known;
    bool reads;   /* any; one that reads none does not know how far the view is */
    int64_t lag;  /* records of the log that the view has not */
    int64_t kept; /* records that the log holds */
    int64_t committed[TB_PARTITIONS_MAX]; /* next offset of the view; -1: not known, not read */
    int64_t end[TB_PARTITIONS_MAX];
    /* The view holds what happened up to then: now when nothing is pending anywhere; the oldest
     * pending event's time when all that left the outbox is visible; else the last moment at
     * which it held everything, or, if none was seen, when it was last filled (0: never). */
    int64_t complete_ms;
};
TB_CHECKED enum tb_code tb_view_progress_read(struct tb_api *api,
                                              const struct tb_query_context *context,
                                              struct tb_view_progress *ret_figures,
                                              struct tb_error *err);
