/* The Kafka reader's parts: what was fetched (log_kafka_fetched.c), whose the partitions are and
 * where they stand (log_kafka_group.c), how far they are done (log_kafka_commit.c), what is wrong
 * (log_kafka_trouble.c), the operations (log_kafka_poll.c, log_kafka_reader.c).
 *
 * Thread:  the reader's owner; woken from any.
 * Memory:  fetched messages are the library's until they are destroyed.
 * Errors:  as log.h.
 * Units:   milliseconds. */
#pragma once
#include "bridge/log/kafka/kafka_priv.h"
#include <stdatomic.h>

/* Fetched and not handed out: enough that every partition has its turn before a long one is
 * drained, and little beside the library's own queue. */
#define KAFKA_BUFFER_MAX ((size_t)2 * TB_LOG_BATCH_MAX)
#define KAFKA_BUFFER_BYTES_MAX ((size_t)16 << 20)

struct kafka_reader_partition {
    bool assigned;
    bool corrupt;        /* stands where the log has nothing: `why` says it */
    bool dirty;          /* committed is not sent, or its sending failed */
    int64_t start;       /* where it began since it came: a commit below is of another time; -1: it
                            does not stand anywhere yet */
    int64_t next;        /* the next offset to fetch; -1: wherever the beginning is */
    int64_t seek_to;     /* to start from once it can; -1: none */
    int64_t committed;   /* as told; -1: none */
    uint64_t assignment; /* while held */
    char why[160];
    rd_kafka_message_t **fetched; /* a ring; grows */
    size_t capacity, head, count;
};

struct kafka_reader {
    struct tb_log_reader base;
    struct kafka_settings settings;
    char *topic, *group;
    enum { KAFKA_MEMBER, KAFKA_TAIL, KAFKA_STANDALONE } role; /* of a group, or of none */
    struct kafka_handle *handle;
    rd_kafka_queue_t *queue; /* the consumer's, to wake it */
    struct kafka_cluster cluster;
    struct kafka_problem problem;
    _Atomic bool woken;
    bool revoked; /* partitions, in this poll */
    bool paused;

    struct kafka_reader_partition parts[TB_LOG_PARTITIONS_MAX];
    int32_t turn; /* the partition looked at first */
    size_t fetched, fetched_bytes;
    rd_kafka_message_t *batch[TB_LOG_BATCH_MAX]; /* the batch handed out */
    size_t batch_count;
    struct tb_record records[TB_LOG_BATCH_MAX];
    struct tb_header *headers; /* of the batch handed out */
    size_t headers_capacity;

    uint64_t assignments;   /* ever */
    bool needs_position;    /* partitions held that do not stand anywhere yet */
    int64_t position_at_ms; /* not before; monotonic */

    int64_t unassigned_since_ms; /* monotonic; below 0: the group has told it what it holds */
    bool unassigned_too_long;    /* for so long that it is trouble */

    rd_kafka_queue_t *answers; /* to commits */
    uintptr_t commit_number;   /* the last one sent: answers to others are of no interest */
    bool dirty;                /* some partition is */
    bool committing;           /* an answer is to come */
    int64_t commit_at_ms;      /* after a failure not before; monotonic */

    /* What stands in the way of the work; "" if nothing does. */
    char refused[160], commit_failed[160];
};

/* log_kafka_fetched.c */
void tb_kafka_buffer_add(struct kafka_reader *reader, rd_kafka_message_t *message);
void tb_kafka_buffer_clear(struct kafka_reader *reader, struct kafka_reader_partition *part);
bool tb_kafka_buffer_is_full(const struct kafka_reader *reader);
/* Up to max of the partition, until the next call or tb_kafka_buffer_release_batch. */
TB_CHECKED enum tb_code tb_kafka_buffer_take_batch(struct kafka_reader *reader, int32_t partition,
                                                   size_t max, struct tb_log_batch *ret_batch,
                                                   struct tb_error *err);
void tb_kafka_buffer_release_batch(struct kafka_reader *reader);
/* What was lent last, from that offset on, is the next to be lent. False: it does not begin there.
 */
bool tb_kafka_buffer_put_back(struct kafka_reader *reader, int32_t partition, int64_t offset);

/* log_kafka_group.c */
void tb_kafka_assignment_set_callbacks(rd_kafka_conf_t *conf);
/* What is due: partitions get their place, and a group that is not formed becomes trouble. */
void tb_kafka_assignment_serve(struct kafka_reader *reader);
void tb_kafka_assignment_seek(struct kafka_reader *reader, int32_t partition, int64_t offset);
void tb_kafka_assignment_pause(struct kafka_reader *reader);
/* The group's committed offset, asked of the cluster; -1: none. */
TB_CHECKED enum tb_code tb_kafka_assignment_query_committed(struct kafka_reader *reader,
                                                            int32_t partition, int64_t *ret_next,
                                                            struct tb_error *err);

/* log_kafka_commit.c: the one way by which an offset is committed, and it is the next one to read.
 */
void tb_kafka_commit(struct kafka_reader *reader, int32_t partition, int64_t next);
/* Sent at once, and the answer waited for, for a bounded time. True: the group took it. */
bool tb_kafka_commit_now(struct kafka_reader *reader, int32_t partition, int64_t next);
/* What is due: answers are taken, and what failed goes again. */
void tb_kafka_commit_serve(struct kafka_reader *reader);
/* Waits, for a bounded time, until what was committed is in the cluster. */
void tb_kafka_commit_flush(struct kafka_reader *reader);
/* The partitions are somebody else's now: what is under way is of no interest any more. */
void tb_kafka_commit_discard(struct kafka_reader *reader);

/* log_kafka_poll.c: the operation of log.h. */
TB_CHECKED enum tb_code tb_kafka_reader_poll(struct tb_log_reader *base, size_t max,
                                             int64_t wait_ms, struct tb_log_batch *ret_batch,
                                             struct tb_error *err);

/* log_kafka_trouble.c: what stands in the way, from wherever it is heard of. */
void tb_kafka_reader_on_error(struct kafka_reader *reader, rd_kafka_resp_err_t code,
                              const char *text);
void tb_kafka_reader_stop_partition(struct kafka_reader *reader, int32_t partition,
                                    const char *why);
/* Shows the worst of what stands in the way of the work. */
void tb_kafka_reader_update_problem(struct kafka_reader *reader);
