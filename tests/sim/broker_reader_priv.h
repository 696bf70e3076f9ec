/* The parts of a reader: broker_reader.c hands out, broker_reader_group.c is a member of its
 * group.
 *
 * Thread:  one.
 * Memory:  a batch is gone at the next poll.
 * Errors:  none.
 * Units:   as broker.h. */
#pragma once
#include "sim/broker.h"

struct reader_partition {
    bool assigned, dirty;
    int64_t start;       /* where it was got; -1: nowhere yet */
    int64_t next;        /* to be handed out */
    int64_t fetched;     /* up to here */
    int64_t committed;   /* as far as this reader knows; sent unless dirty */
    uint64_t assignment; /* log.h */
};
struct broker_reader {
    struct tb_log_reader base;
    struct broker_reader *next;
    struct broker *broker;
    struct broker_group *group; /* NULL: a tail */
    enum broker_topic topic;
    int client, member; /* 0: of no group */
    unsigned generation;
    uint64_t tenures; /* ever */
    struct reader_partition parts[TB_LOG_PARTITIONS];
    bool paused;
    bool dead; /* its process is gone */
    int32_t turn;
    int64_t heard_us;       /* the broker */
    struct tb_arena handed; /* the last batch */
};

void broker_reader_commits(struct broker_reader *reader); /* sends what the group has not heard */
void broker_reader_revoke_all(struct broker_reader *reader); /* all it holds */
/* It is heard, and does as the group wants. */
void broker_reader_group_round(struct broker_reader *reader);
