/* The parts of the Kafka reader:
 *
 *   reader.c      open, free and most operations of log.h
 *   poll.c        the poll operation
 *   buffer.c      messages that were fetched and not returned yet
 *   assignment.c  which partitions the group assigns to us, and the positions in them
 *   commit.c      sending commits
 *   problem.c     the text that says what is wrong
 *
 * Thread:  the reader's; wake from any.
 * Memory:  messages belong to librdkafka until they are destroyed. */
#pragma once
#include "bridge/log/kafka/kafka_priv.h"
#include <stdatomic.h>

/* Limits of the buffer. It must hold messages of every partition, so that each gets its turn while
 * one has many. It is small beside librdkafka's own queue. */
#define KAFKA_BUFFER_MAX ((size_t)2 * TB_LOG_BATCH_MAX)
#define KAFKA_BUFFER_BYTES_MAX ((size_t)16 << 20)

struct kafka_reader_partition {
    bool assigned;
    bool corrupt;        /* the position is out of range; `why` has the text */
    bool dirty;          /* `committed` was not sent, or sending it failed */
    int64_t start;       /* position when it was assigned: commits below it are from an earlier
                            assignment; -1: no position yet */
    int64_t next;        /* offset of the next message to buffer; -1: the partition's begin */
    int64_t seek_to;     /* position to set as soon as possible; -1: none */
    int64_t committed;   /* as far as this reader knows; -1: none */
    uint64_t assignment; /* number, while assigned */
    char why[160];
    rd_kafka_message_t **fetched; /* a ring that grows */
    size_t capacity, head, count;
};

struct kafka_reader {
    struct tb_log_reader base;
    struct tb_log_kafka_options options;
    const char *topic; /* borrowed */
    char *group;
    enum { KAFKA_MEMBER, KAFKA_TAIL, KAFKA_STANDALONE } role; /* only a member has a group */
    struct kafka_handle *handle;
    rd_kafka_queue_t *queue; /* the consumer's; wake interrupts a poll of it */
    struct kafka_cluster cluster;
    struct kafka_problem problem;
    _Atomic bool woken;
    bool revoked, assigned; /* partitions, in this poll */
    bool paused;

    struct kafka_reader_partition parts[TB_LOG_PARTITIONS_MAX];
    int32_t turn; /* the partition that the next poll looks at first */
    size_t fetched, fetched_bytes;
    /* The batch returned last. */
    rd_kafka_message_t *batch[TB_LOG_BATCH_MAX];
    size_t batch_count;
    struct tb_record records[TB_LOG_BATCH_MAX];
    struct tb_header *headers;
    size_t headers_capacity;

    uint64_t assignments;   /* so far */
    bool needs_position;    /* some assigned partition has no position in librdkafka yet */
    int64_t position_at_ms; /* set positions not before; monotonic */

    int64_t unassigned_since_ms; /* monotonic; below 0: the group has answered */
    bool unassigned_too_long;    /* so long that it is a problem */

    rd_kafka_queue_t *answers; /* to commits */
    uintptr_t commit_number;   /* of the commit sent last; answers to others are ignored */
    bool dirty;                /* some partition is */
    bool committing;           /* an answer is awaited */
    int64_t commit_at_ms;      /* after a failure not before; monotonic */

    /* Texts of problems; "" if there is none. */
    char refused[160], commit_failed[160];
};

static inline int64_t now_ms(const struct kafka_reader *reader)
{
    return tb_clock_mono_ms(reader->options.clock);
}

/* buffer.c. Takes ownership of the message. */
void tb_kafka_buffer_add(struct kafka_reader *reader, rd_kafka_message_t *message);
void tb_kafka_buffer_clear(struct kafka_reader *reader, struct kafka_reader_partition *part);
bool tb_kafka_buffer_is_full(const struct kafka_reader *reader);
/* Makes a batch of up to max messages of the partition, which lives until the next call or
 * tb_kafka_buffer_release_batch. */
TB_CHECKED enum tb_code tb_kafka_buffer_take_batch(struct kafka_reader *reader, int32_t partition,
                                                   size_t max, struct tb_log_batch *ret_batch,
                                                   struct tb_error *err);
void tb_kafka_buffer_release_batch(struct kafka_reader *reader);
/* Puts the messages of the last batch from this offset on back into the buffer. False: the offset
 * is not in the batch. */
bool tb_kafka_buffer_put_back(struct kafka_reader *reader, int32_t partition, int64_t offset);

/* assignment.c */
void tb_kafka_assignment_set_callbacks(rd_kafka_conf_t *conf);
/* Once in each round of poll: sets positions, and notices a group that is not formed in time. */
void tb_kafka_assignment_serve(struct kafka_reader *reader);
void tb_kafka_assignment_seek(struct kafka_reader *reader, int32_t partition, int64_t offset);
/* Pauses or resumes all assigned partitions. */
void tb_kafka_assignment_pause(struct kafka_reader *reader, bool paused);
/* Asks the cluster for the group's committed offset; -1: none. */
TB_CHECKED enum tb_code tb_kafka_assignment_query_committed(struct kafka_reader *reader,
                                                            int32_t partition, int64_t *ret_next,
                                                            struct tb_error *err);

/* commit.c. All commits go through here; an offset is that of the next record to read. */
void tb_kafka_commit(struct kafka_reader *reader, int32_t partition, int64_t next);
/* Sends a commit and waits for the answer, for a bounded time. True: the group accepted it. */
bool tb_kafka_commit_now(struct kafka_reader *reader, int32_t partition, int64_t next);
/* Once in each round of poll: takes answers, and sends failed commits again. */
void tb_kafka_commit_serve(struct kafka_reader *reader);
/* Sends all commits and waits for the answers, for a bounded time. */
void tb_kafka_commit_flush(struct kafka_reader *reader);
/* After a revocation: forgets all commits, because another reader's count now. */
void tb_kafka_commit_discard(struct kafka_reader *reader);

/* poll.c: the operation of log.h. */
TB_CHECKED enum tb_code tb_kafka_reader_poll(struct tb_log_reader *base, size_t max,
                                             int64_t wait_ms, struct tb_log_batch *ret_batch,
                                             struct tb_error *err);

/* problem.c. For librdkafka's error_cb and messages that are errors. */
void tb_kafka_reader_on_error(struct kafka_reader *reader, rd_kafka_resp_err_t code,
                              const char *text);
/* Recomputes the text of KAFKA_PROBLEM_OPERATION from the reader's fields. */
void tb_kafka_reader_update_problem(struct kafka_reader *reader);
