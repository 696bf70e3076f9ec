/* Internals of a consumer: broker_reader.c fetches, broker_reader_group.c is its group membership.
 *
 * Thread:  one.
 * Memory:  a batch lives until the next poll.
 * Units:   as broker.h. */
#pragma once
#include "sim/broker.h"

struct reader_partition {
    bool assigned, dirty;
    int64_t start;       /* the first offset since the assignment; -1: not assigned */
    int64_t next;        /* offset of the next record to return from poll */
    int64_t fetched;     /* end of what is fetched */
    int64_t committed;   /* position to commit; the group has it unless dirty */
    uint64_t assignment; /* assignment number (bridge/log/log.h) */
};
struct broker_reader {
    struct tb_log_reader base;
    struct broker_reader *next;
    struct broker *broker;
    struct broker_group *group; /* NULL: it follows a topic from its end, outside any group */
    enum broker_topic topic;
    int client, member; /* member 0: not joined */
    unsigned generation;
    uint64_t assignment_count; /* assignments so far */
    struct reader_partition parts[TEST_PARTITIONS];
    int64_t seek_to[TEST_PARTITIONS]; /* of partitions that are not assigned yet, + 1; 0: none */
    bool paused;
    bool dead; /* its process was killed */
    int32_t turn;
    int64_t heard_us;            /* last contact with the broker */
    struct tb_arena batch_arena; /* memory of the last batch */
};

/* Sends the positions that the group does not have. */
void broker_reader_commits(struct broker_reader *reader);
void broker_reader_revoke_all(struct broker_reader *reader); /* gives up all partitions */
/* One heartbeat: joins, rejoins, or takes over its new assignment. */
void broker_reader_group_round(struct broker_reader *reader);
