/* The contract of log.h as tests, for any implementation, fakes included.
 *
 * Thread:  the tests start their own.
 * Memory:  the struct outlives the suite's run; one implementation in a program.
 * Errors:  a failed check assertion.
 * Units:   as log.h. */
#pragma once
#include "bridge/log/log.h"
#include <check.h>

/* Parts of the contract that an implementation cannot have. Tests that need them do not run, and
 * the program prints which and why. */
enum log_lacks {
    LOG_LACKS_WRITER = 1,        /* records are put into it by `put` */
    LOG_LACKS_GROUPS = 2,        /* there is one group only */
    LOG_LACKS_WAITING = 4,       /* poll returns at once; `idle` lets time pass */
    LOG_LACKS_CLOCK = 8,         /* timestamps are those of the records that were put */
    LOG_LACKS_REBALANCE = 16,    /* pause, is_assigned and confirm are NULL */
    LOG_LACKS_LOST_POSITION = 32 /* a position out of range is no error: it begins a generation */
};
struct log_conformance {
    unsigned lacks;
    int32_t partitions; /* of the topic; 0: TEST_PARTITIONS */
    /* A new, empty log with one topic. */
    void *(*make)(void);
    enum tb_code (*writer)(void *log, struct tb_log_writer **ret_writer, struct tb_error *err);
    void (*put)(void *log, const struct tb_record *record);
    enum tb_code (*reader)(void *log, const char *group, struct tb_log_reader **ret_reader,
                           struct tb_error *err);
    void (*idle)(void *log);
    /* As if the process ended and another began; all writers and readers are freed. */
    void (*reopen)(void *log);
    /* Removes records as retention does: the partition now begins at `begin`. No writer or reader
     * is open. NULL: only positions after the end are tried. */
    void (*cut)(void *log, int32_t partition, int64_t begin);
    void (*destroy)(void *log);
    bool names_are_text; /* a header's name has no NUL */
    bool slow;           /* a reader takes seconds to begin: fewer repetitions */
};
TCase *log_conformance_case(const struct log_conformance *subject);
