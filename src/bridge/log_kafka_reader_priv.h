/* The Kafka reader's parts: what was fetched (log_kafka_fetched.c), whose the partitions are and
 * how far they are done (log_kafka_group.c), the operations (log_kafka_reader.c).
 *
 * Thread:  the reader's owner; woken from any.
 * Memory:  fetched messages are the library's until they are destroyed.
 * Errors:  as log.h.
 * Units:   milliseconds. */
#pragma once
#include "bridge/log_kafka_priv.h"
#include <stdatomic.h>

/* More than any topic of ours has; the table is small. */
#define KAFKA_PARTITIONS_MAX 256
/* Fetched and not handed out: enough that every partition has its turn before a long one is
 * drained, and little beside the library's own queue. */
#define KAFKA_FETCHED_MAX ((size_t)2 * TB_LOG_BATCH_MAX)
#define KAFKA_FETCHED_BYTES_MAX ((size_t)16 << 20)

struct kafka_part {
    bool held;
    bool corrupt;      /* stands where the log has nothing: `why` says it */
    bool dirty;        /* committed is not sent, or its sending failed */
    int64_t start;     /* where it began when it came: a commit below is of another time */
    int64_t next;      /* the next offset to fetch; -1: wherever the beginning is */
    int64_t sought;    /* to start from once it can; -1: none */
    int64_t committed; /* as told; -1: none */
    char why[160];
    rd_kafka_message_t **fetched; /* a ring; grows */
    size_t room, head, count;
};

struct kafka_reader {
    struct tb_log_reader base;
    struct kafka_settings settings;
    char *topic, *group;
    bool tail;
    struct kafka_handle *handle;
    rd_kafka_queue_t *queue; /* the consumer's, to wake it */
    struct kafka_watch watch;
    struct kafka_problem problem;
    _Atomic bool woken;
    bool paused;

    struct kafka_part parts[KAFKA_PARTITIONS_MAX];
    int32_t turn; /* the partition looked at first */
    size_t fetched, fetched_bytes;
    rd_kafka_message_t *lent[TB_LOG_BATCH_MAX]; /* the batch handed out */
    size_t lent_count;
    struct tb_record records[TB_LOG_BATCH_MAX];
    struct tb_header *headers; /* of the batch handed out */
    size_t headers_room;

    bool unplaced;        /* partitions held that do not stand anywhere yet */
    int64_t place_at_ms;  /* not before; monotonic */
    bool committing;      /* a commit is under way */
    bool commit_failed;   /* the last one; the problem says why */
    int64_t commit_at_ms; /* after a failure not before; monotonic */
};

/* log_kafka_fetched.c */
void tb_kafka_fetched_add(struct kafka_reader *reader, rd_kafka_message_t *message);
void tb_kafka_fetched_clear(struct kafka_reader *reader, struct kafka_part *part);
bool tb_kafka_fetched_full(const struct kafka_reader *reader);
/* Up to max of the partition, until the next call or tb_kafka_fetched_return. */
TB_CHECKED enum tb_code tb_kafka_fetched_lend(struct kafka_reader *reader, int32_t partition,
                                              size_t max, struct tb_log_batch *ret_batch,
                                              struct tb_error *err);
void tb_kafka_fetched_return(struct kafka_reader *reader);

/* log_kafka_group.c */
void tb_kafka_group_callbacks(rd_kafka_conf_t *conf);
/* What is due: partitions get their place, commits that failed go again. */
void tb_kafka_group_serve(struct kafka_reader *reader);
void tb_kafka_group_seek(struct kafka_reader *reader, int32_t partition, int64_t offset);
void tb_kafka_group_commit(struct kafka_reader *reader, int32_t partition, int64_t next);
/* Waits, for a bounded time, until what was committed is sent. */
void tb_kafka_group_flush(struct kafka_reader *reader);
void tb_kafka_group_pause(struct kafka_reader *reader);
/* The group's committed offset, asked of the cluster; -1: none. */
TB_CHECKED enum tb_code tb_kafka_group_committed(struct kafka_reader *reader, int32_t partition,
                                                 int64_t *ret_next, struct tb_error *err);
