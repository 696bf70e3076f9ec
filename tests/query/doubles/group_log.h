/* A log in memory that is read by a group, as Kafka's is: partitions come and go inside poll only,
 * a commit counts only for who holds the partition in the eyes of the group, and what was handed
 * out is gone at the next poll. And a writer of dead letters that does what it is told.
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
    struct tb_log_reader reader; /* hand out &member->reader */
    struct group_log *log;
    unsigned owners[TB_LOG_PARTITIONS]; /* the log's, when it was assigned */
    bool assigned[TB_LOG_PARTITIONS];   /* in its own eyes */
    int64_t position[TB_LOG_PARTITIONS];
    int64_t seek_to[TB_LOG_PARTITIONS]; /* of partitions that are not assigned yet, + 1; 0: none */
    uint64_t assignment[TB_LOG_PARTITIONS], tenures;
    bool paused;
    int turn;
    size_t polls;     /* calls, whatever came of them */
    size_t max;       /* of the last poll */
    char *handed_out; /* the last batch */
};
struct group_log {
    struct fake_random *random;
    struct tb_record *records[TB_LOG_PARTITIONS]; /* owned lists; the records' bytes are not */
    size_t counts[TB_LOG_PARTITIONS];
    int64_t committed[TB_LOG_PARTITIONS]; /* -1: none */
    int owner[TB_LOG_PARTITIONS];         /* in the eyes of the group */
    unsigned owners[TB_LOG_PARTITIONS];   /* how often the owner changed */
    struct group_member members[GROUP_MEMBERS];
    bool down;        /* nothing works */
    size_t batch_max; /* batches of random size up to it */
    /* Called when an offset is committed. NULL: none. */
    void (*committing)(int32_t partition, int64_t before, int64_t next);
};
void group_log_init(struct group_log *log, struct fake_random *random);
void group_log_release(struct group_log *log);
void group_log_add(struct group_log *log, const struct tb_record *record);
/* Whose a partition is from now on; both sides see it at their next poll. */
void group_log_assign(struct group_log *log, int32_t partition, int member);
/* As a process that is started again in the place of one that died. */
void group_log_restart(struct group_log *log, int member);

/* Dead letters. */
struct letter_box {
    struct tb_log_writer writer; /* hand out &box->writer */
    struct fake_random *random;
    enum letter_mood {
        LETTERS_TAKEN,   /* acknowledged at the next poll */
        LETTERS_UNHEARD, /* taken, never acknowledged */
        LETTERS_LOST,    /* the poll fails; what was outstanding is unknown, some of it kept */
        LETTERS_REFUSED, /* refused for good while they carry a value */
        LETTERS_RANDOM,  /* any of these, but for the last */
    } mood;
    struct kept_letter {
        int32_t partition;
        int64_t offset; /* of the original */
        bool has_value;
        char reason[32];
    } * kept;
    size_t kept_count, kept_max;
    struct tb_log_ack waiting[TB_LOG_BATCH_MAX];
    size_t waiting_count;
    size_t appended;
};
void letter_box_init(struct letter_box *box, struct fake_random *random);
void letter_box_release(struct letter_box *box);
bool letter_box_has(const struct letter_box *box, int32_t partition, int64_t offset);
