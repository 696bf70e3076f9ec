/* A log reader over records in memory. Its batches have a random size, each poll overwrites the
 * batch before, and calls fail when the test asks for that.
 *
 * Thread:  one.
 * Memory:  borrows the records; fake_log_release frees the rest.
 * Errors:  TB_UNAVAILABLE, injected; TB_CORRUPT for a partition that is marked so.
 * Units:   as log.h. */
#pragma once
#include "bridge/log/log.h"
#include "support/support.h"

struct fake_log {
    struct tb_log_reader reader; /* give the consumer &log->reader */
    struct fake_random *random;
    int32_t partitions;                         /* at first TEST_PARTITIONS */
    struct tb_record *records[TEST_PARTITIONS]; /* owned lists; the records' bytes are not */
    size_t counts[TEST_PARTITIONS];
    int64_t begin[TEST_PARTITIONS]; /* older records are removed */
    int64_t position[TEST_PARTITIONS], committed[TEST_PARTITIONS];
    bool corrupt[TEST_PARTITIONS];
    int turn;
    size_t batch_max;        /* 0: as many as are asked for */
    uint64_t calls, fail_at; /* of poll, seek, commit and range, from 1; 0: none */
    bool down;               /* every call fails */
    bool commits_repeat;     /* a commit need not be beyond the last one */
    bool has_markers;        /* a reader steps over them */
    int64_t last_wait_ms;
    size_t wakes;
    char *handed_out; /* the last batch's records and values */
};
void fake_log_init(struct fake_log *log, struct fake_random *random);
void fake_log_release(struct fake_log *log);
/* Appends the record to the partition of its key. The bytes of the record must outlive the log. */
void fake_log_add(struct fake_log *log, const struct tb_record *record);
/* Appends a transaction's marker, which has an offset and which no reader returns. */
void fake_log_add_marker(struct fake_log *log, int32_t partition);
#define FAKE_LOG_MARKER_MS INT64_MIN /* the timestamp of the record that stands for it */
/* How many of `count` records come before the next marker. */
size_t fake_log_before_marker(const struct tb_record *records, size_t count);
/* Moves every position to the committed offset, as a newly opened reader does. */
void fake_log_reopen(struct fake_log *log);
/* Copies records in one allocation, each value at an address of its own, so that ASan finds any
 * use after free(). */
struct tb_record *fake_log_copies(const struct tb_record *from, size_t count);
/* TB_INVALID: there is no such partition, or the offset is below 0 or above most. */
TB_CHECKED enum tb_code fake_log_check_offset(int32_t partition, int64_t offset, int64_t most,
                                              struct tb_error *err);
