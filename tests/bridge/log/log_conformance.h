/* The contract of log.h as tests, for any implementation.
 *
 * Thread:  the tests make their own.
 * Memory:  the struct outlives the suite's run.
 * Errors:  a failed check assertion.
 * Units:   as log.h. */
#pragma once
#include "bridge/log/log.h"
#include <check.h>

struct log_conformance {
    /* A new, empty log with one topic of TB_LOG_PARTITIONS partitions. */
    void *(*make)(void);
    enum tb_code (*writer)(void *log, struct tb_log_writer **ret_writer, struct tb_error *err);
    enum tb_code (*reader)(void *log, const char *group, struct tb_log_reader **ret_reader,
                           struct tb_error *err);
    /* As if the process ended and another began; all writers and readers are freed. */
    void (*reopen)(void *log);
    /* The log's own retention: the partition now begins at begin. Nothing else is open. NULL: only
     * the far end of what is kept can be tried. */
    void (*cut)(void *log, int32_t partition, int64_t begin);
    void (*destroy)(void *log);
    bool names_are_text; /* a header's name has no NUL */
    bool slow;           /* a reader takes seconds to begin: fewer repetitions */
};
TCase *log_conformance_case(const struct log_conformance *subject);
