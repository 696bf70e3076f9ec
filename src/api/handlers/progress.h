/* Progress of the outbox and the view, read from their tables at the moment.
 *
 * Thread:  the one that owns the readers of the query context.
 * Errors:  those of the store and the view. A log that cannot be asked is none: lag_known.
 * Units:   Unix milliseconds; records. */
#pragma once
#include "bridge/log/log.h"
#include "store/outbox.h"
#include <stdatomic.h>

struct tb_api;
struct tb_query_context;
/* As many as the configuration allows. */
#define TB_PARTITIONS_MAX 256

/* The last moment at which the view was seen to be complete. */
struct tb_completeness {
    _Atomic int64_t complete_ms; /* 0: never */
};
struct tb_view_progress {
    /* Of an edge; zero elsewhere. */
    struct tb_outbox_status outbox;      /* by the cursor that means delivered */
    struct tb_outbox_status view_outbox; /* by the cursor that feeds the view */
    /* Of the partitions that this process reads. */
    bool lag_known;
    bool reads_any;      /* a process that reads none does not know how far the view is */
    int64_t lag;         /* records of the log that the view has yet to apply */
    int64_t log_records; /* records that the log holds */
    int64_t committed[TB_PARTITIONS_MAX]; /* next offset of the view; -1: not known, not read */
    int64_t end[TB_PARTITIONS_MAX];       /* of the log; -1: the same */
    /* The view holds every event until then: now when none is pending anywhere; the time of the
     * oldest pending event when all that left the outbox is visible; else the last moment at which
     * the view was complete; without one, its last commit (0: none). */
    int64_t complete_ms;
};
TB_CHECKED enum tb_code tb_view_progress_read(struct tb_api *api,
                                              const struct tb_query_context *context,
                                              struct tb_view_progress *ret_progress,
                                              struct tb_error *err);
