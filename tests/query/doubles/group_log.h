/* A log in memory with a consumer group, as Kafka's: assignments change only inside poll, only the
 * group's owner of a partition can commit its offset, and each poll frees the batch before. And a
 * writer for the dead-letter topic, with failures that the test chooses.
 *
 * Thread:  one.
 * Memory:  borrows the records; group_log_release frees the rest.
 * Errors:  TB_UNAVAILABLE, injected.
 * Units:   as log.h. */
#pragma once
#include "bridge/log/log.h"
#include "support/support.h"

#define GROUP_MEMBERS 3

struct group_log;
struct group_member {
    struct tb_log_reader reader; /* give the consumer &member->reader */
    struct group_log *log;
    unsigned owners[TEST_PARTITIONS]; /* the log's, when it was assigned */
    bool assigned[TEST_PARTITIONS];   /* as the member knows */
    int64_t position[TEST_PARTITIONS];
    int64_t seek_to[TEST_PARTITIONS]; /* of partitions that are not assigned yet, + 1; 0: none */
    uint64_t assignment[TEST_PARTITIONS], tenures;
    bool paused;
    int turn;
    size_t polls;     /* calls, failed ones too */
    size_t max;       /* of the last poll */
    char *handed_out; /* the last batch */
};
struct group_log {
    struct fake_random *random;
    struct tb_record *records[TEST_PARTITIONS]; /* owned lists; the records' bytes are not */
    size_t counts[TEST_PARTITIONS];
    int64_t committed[TEST_PARTITIONS]; /* -1: none */
    int owner[TEST_PARTITIONS];         /* as the group knows */
    unsigned owners[TEST_PARTITIONS];   /* how often the owner changed */
    struct group_member members[GROUP_MEMBERS];
    bool down;        /* every call fails */
    bool has_markers; /* a reader steps over them */
    size_t batch_max; /* batches of random size up to it */
    /* Called when an offset is committed. NULL: none. */
    void (*committing)(int32_t partition, int64_t before, int64_t next);
};
void group_log_init(struct group_log *log, struct fake_random *random);
void group_log_release(struct group_log *log);
void group_log_add(struct group_log *log, const struct tb_record *record);
void group_log_add_marker(struct group_log *log, int32_t partition); /* as fake_log_add_marker */
/* Makes the member the owner; both members learn it at their next poll. */
void group_log_assign(struct group_log *log, int32_t partition, int member);
/* The member forgets everything, as a process that is started again. */
void group_log_restart(struct group_log *log, int member);

/* The writer for the dead-letter topic. */
struct fake_dlt {
    struct tb_log_writer writer; /* give the consumer &box->writer */
    struct fake_random *random;
    enum fake_dlt_mode {
        FAKE_DLT_ACKNOWLEDGES, /* at the next poll */
        FAKE_DLT_SILENT,       /* never acknowledges */
        FAKE_DLT_FAILS,        /* poll fails; some of the outstanding records are stored */
        FAKE_DLT_REFUSES,      /* refuses records with a value */
        FAKE_DLT_RANDOM,       /* any of these, but for the last */
    } mood;
    struct fake_dead_letter {
        int32_t partition;
        int64_t offset; /* of the original */
        bool has_value;
        char reason[32], detail[160];
    } * kept;
    size_t kept_count, kept_max;
    struct tb_log_ack waiting[TB_LOG_BATCH_MAX];
    size_t waiting_count;
    size_t appended;
};
void fake_dlt_init(struct fake_dlt *box, struct fake_random *random);
void fake_dlt_release(struct fake_dlt *box);
bool fake_dlt_has(const struct fake_dlt *box, int32_t partition, int64_t offset);
