/* The event log: partitioned, ordered per key, with consumer groups and committed offsets.
 *
 * Two implementations behind one door: in-process (log_inproc.h, durable in SQLite) and Kafka.
 * tests/bridge/log_conformance.c is the contract, run against both.
 *
 * Thread:  a writer has one owner, a reader has one owner; wake from any thread.
 * Memory:  records given are borrowed for the call; records got are borrowed until the next poll
 *          of that reader.
 * Errors:  an append ends as acknowledged (TB_OK), refused for good (TB_INVALID) or unknown
 *          (TB_UNKNOWN: send it again; readers drop the duplicate). Transport trouble is
 *          TB_UNAVAILABLE and never counts against a record.
 * Units:   offsets count records of a partition from 0; timestamps are Unix milliseconds. */
#pragma once
#include "base/mem/arena.h"
#include "base/time/clock.h"

/* Of every topic of a node's own log. */
#define TB_LOG_PARTITIONS 6
/* More than any topic has that is read here; tables by partition are small. */
#define TB_LOG_PARTITIONS_MAX 256
#define TB_LOG_HEADERS_MAX 64
/* Records a reader hands out, and answers a writer, at once. */
#define TB_LOG_BATCH_MAX 1000
/* Appends a writer may hold unacknowledged: so many keep a broker busy while its partitions answer
 * one after the other (bench/relay: a tenth of it took a third longer). */
#define TB_LOG_INFLIGHT_MAX 10000

struct tb_header {
    struct tb_str name, value; /* value may be bytes */
};
struct tb_record {
    int32_t partition;        /* set by readers; writers choose it from the key */
    int64_t offset;           /* set by readers */
    int64_t timestamp_ms;     /* time of the append: set by the log */
    struct tb_str key, value; /* value absent: a null record */
    const struct tb_header *headers;
    size_t header_count;
    bool fixed_partition; /* for writers: into `partition`, whatever the key (dead letters) */
};
/* The first header of that name; absent if there is none. */
struct tb_str tb_record_header(const struct tb_record *record, const char *name);
size_t tb_record_size(const struct tb_record *record); /* bytes of key, value and headers */
/* A copy with all of its bytes in the arena; what is absent stays so. False: out of memory. */
TB_CHECKED bool tb_record_copy(struct tb_arena *arena, const struct tb_record *record,
                               struct tb_record *ret_copy);

/* Kafka's Java client's choice: murmur2(key) with the sign bit off, modulo partitions. */
int32_t tb_log_partition(struct tb_str key, int32_t partitions);
uint32_t tb_murmur2(const void *bytes, size_t len);

struct tb_log_ack {
    int64_t tag; /* as given to append */
    enum tb_code code;
    /* With TB_UNKNOWN: refused together with its neighbours. Sent again while nothing else is
     * outstanding, the answer is its own: TB_OK, or TB_INVALID for good. */
    bool retry_alone;
};

struct tb_log_writer {
    const struct tb_log_writer_ops *ops;
};
struct tb_log_writer_ops {
    /* TB_OK: taken, an acknowledgement follows; TB_BUSY: full, poll first; TB_INVALID: refused. */
    enum tb_code (*append)(struct tb_log_writer *writer, const struct tb_record *record,
                           int64_t tag, struct tb_error *err);
    /* Pushes what was taken and collects acknowledgements, at most max; waits up to wait_ms for
     * the first one while any is outstanding. On failure the outstanding appends are unknown and
     * no further acknowledgement comes for them. */
    enum tb_code (*poll)(struct tb_log_writer *writer, int64_t wait_ms,
                         struct tb_log_ack *ret_acks, size_t max, size_t *ret_count,
                         struct tb_error *err);
    void (*free)(struct tb_log_writer *writer);
};

struct tb_log_batch {
    int32_t partition;
    const struct tb_record *records; /* offsets rising */
    size_t count;                    /* 0: nothing arrived in time */
    /* Another one each time the partition has come to this reader; 0: it comes and goes not. */
    uint64_t assignment;
};
struct tb_log_range {
    int64_t begin, end; /* the oldest kept offset, and the next to be written */
    int64_t committed;  /* of this reader's group; -1: none yet */
};

struct tb_log_reader {
    const struct tb_log_reader_ops *ops;
};
struct tb_log_reader_ops {
    /* A batch of one partition; waits up to wait_ms (below 0: until woken) for the first record.
     * A position outside the partition's begin and end is TB_CORRUPT whenever its turn comes: it
     * never skips. The other partitions are still read in between. */
    enum tb_code (*poll)(struct tb_log_reader *reader, size_t max, int64_t wait_ms,
                         struct tb_log_batch *ret_batch, struct tb_error *err);
    /* The next offset to read of a partition; a fresh reader stands at the committed offset, or at
     * the beginning. */
    enum tb_code (*seek)(struct tb_log_reader *reader, int32_t partition, int64_t offset,
                         struct tb_error *err);
    /* next is the last processed offset + 1; TB_INVALID beyond the end. Durable at the latest when
     * the reader and the log are freed; after a crash an older one may come back. */
    enum tb_code (*commit)(struct tb_log_reader *reader, int32_t partition, int64_t next,
                           struct tb_error *err);
    enum tb_code (*range)(struct tb_log_reader *reader, int32_t partition,
                          struct tb_log_range *ret_range, struct tb_error *err);
    /* While paused poll hands out nothing, but goes on serving the log: rebalances, heartbeats.
     * NULL: there is nothing to serve. */
    enum tb_code (*pause)(struct tb_log_reader *reader, bool paused, struct tb_error *err);
    /* Is the partition this reader's? It comes and goes inside poll only, and never both in
     * one: a batch stays the reader's own until its next poll, and is not taken for its own when
     * the partition was another's in between. NULL: always. */
    bool (*is_assigned)(struct tb_log_reader *reader, int32_t partition);
    /* A word of the group's that the partition was still this reader's when the call began, and
     * nobody had it after it came: a commit of next, where it stands. TB_BUSY: there is none, the
     * partition may be another's by now. NULL: it comes and goes not. */
    enum tb_code (*confirm)(struct tb_log_reader *reader, int32_t partition, int64_t next,
                            struct tb_error *err);
    void (*wake)(struct tb_log_reader *reader); /* any thread: a waiting poll returns */
    void (*free)(struct tb_log_reader *reader);
};
