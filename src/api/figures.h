/* Figures: how far the outbox and the view are, asked from the tables at the moment.
 *
 * Thread:  the api thread.
 * Memory:  none.
 * Errors:  as the stores'.
 * Units:   Unix milliseconds; records. */
#pragma once
#include "bridge/log.h"
#include "store/outbox.h"

struct tb_api;

/* The last moment at which the view was seen to hold everything. */
struct tb_completeness {
    int64_t complete_ms; /* 0: not seen yet */
};
struct tb_figures {
    struct tb_outbox_figures outbox; /* by the cursor that means delivered */
    struct tb_outbox_figures feed;   /* by the one that feeds the view */
    bool lag_known;
    int64_t lag;                          /* records of the log that the view has not */
    int64_t committed[TB_LOG_PARTITIONS]; /* next offset of the view; -1: not known */
    int64_t end[TB_LOG_PARTITIONS];
    /* The view holds what happened up to then: now when nothing is pending anywhere; the oldest
     * pending event's time when all that left the outbox is visible; else the last moment at
     * which it held everything, or, if none was seen, when it was last filled (0: never). */
    int64_t complete_ms;
};
TB_CHECKED enum tb_code tb_figures_read(struct tb_api *api, struct tb_figures *ret_figures,
                                        struct tb_error *err);
