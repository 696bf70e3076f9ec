/* The event log: topics of partitions, ordered per key, read by consumer groups with committed
 * offsets. Two implementations: inproc/ (one SQLite file on this machine) and kafka/.
 * tests/bridge/log/log_conformance.c holds this contract as tests; every implementation runs them.
 *
 * Thread:  each writer and each reader belongs to one thread. Only `wake` may be called from any.
 * Memory:  records passed to append are copied if they are needed longer than the call. Records
 *          of a batch live until the next poll of that reader.
 * Errors:  an append ends in one of three ways. TB_OK: the log has the record. TB_INVALID: the log
 *          will never take it. TB_UNKNOWN: the log may or may not have it; the caller appends it
 *          again, and readers drop the duplicate. A log that cannot be reached is TB_UNAVAILABLE,
 *          which says nothing about the record.
 * Units:   offsets count a partition's records from 0; timestamps are Unix milliseconds. */
#pragma once
#include "base/mem/arena.h"
#include "base/time/clock.h"

/* Partitions from this number on are not read: arrays indexed by partition are this long. */
#define TB_LOG_PARTITIONS_MAX 256
/* Most headers of a record that a writer takes, and most bytes of their names and values. In
 * Kafka others may have written more: a reader returns the first ones, within both limits. */
#define TB_LOG_HEADERS_MAX 64
#define TB_LOG_HEADER_BYTES_MAX ((size_t)8 << 10)
/* Most records of one batch, and most acknowledgements of one poll. */
#define TB_LOG_BATCH_MAX 1000
/* Most unacknowledged appends of one writer. With a tenth of this number bench/relay was a third
 * slower: a broker's partitions answer one after the other, and the writer waited for them. */
#define TB_LOG_INFLIGHT_MAX 10000

struct tb_header {
    struct tb_str name, value; /* value: any bytes */
};
struct tb_record {
    int32_t partition;        /* set by readers; a writer chooses it from the key */
    int64_t offset;           /* set by readers */
    int64_t timestamp_ms;     /* set by the log when it appends, unless: */
    bool sender_time;         /* set by readers: timestamp_ms is by the clock of who sent it */
    struct tb_str key, value; /* an absent value is a null record */
    const struct tb_header *headers;
    size_t header_count;
    bool fixed_partition; /* append to `partition`, whatever the key is (dead letters) */
};
/* Value of the first header of that name; absent if there is none. */
struct tb_str tb_record_header(const struct tb_record *record, const char *name);
size_t tb_record_size(const struct tb_record *record); /* bytes of key, value and headers */
/* Copies the record and all that it points to into `room`, which has tb_record_packed_size bytes
 * and is aligned for any type. Absent texts stay absent; behind each other one is a NUL. */
struct tb_record *tb_record_pack(void *room, const struct tb_record *record);
size_t tb_record_packed_size(const struct tb_record *record);
/* The same in the arena. False: out of memory. */
TB_CHECKED bool tb_record_copy(struct tb_arena *arena, const struct tb_record *record,
                               struct tb_record *ret_copy);

/* The partition that Kafka's Java client chooses: murmur2(key) without its sign bit, modulo
 * partitions. */
int32_t tb_log_partition(struct tb_str key, int32_t partitions);
uint32_t tb_murmur2(const void *bytes, size_t len);

struct tb_log_ack {
    int64_t tag; /* the one passed to append */
    enum tb_code code;
    /* Only with TB_UNKNOWN: the log refused a batch, and this record was in it. Append the record
     * again while nothing else is unacknowledged: the answer then is about this record alone. */
    bool retry_alone;
    bool placed; /* only with TB_OK: the record is at this offset; false: the log does not say */
    int32_t partition;
    int64_t offset;
};

struct tb_log_writer {
    const struct tb_log_writer_ops *ops;
};
struct tb_log_writer_ops {
    /* TB_OK: an acknowledgement with this tag will follow. TB_BUSY: the writer is full; poll, then
     * append again. TB_INVALID: the log will never take this record. TB_CORRUPT: the log is
     * damaged. */
    enum tb_code (*append)(struct tb_log_writer *writer, const struct tb_record *record,
                           int64_t tag, struct tb_error *err);
    /* Sends what was appended and returns at most max acknowledgements. Waits up to wait_ms for
     * the first one, unless nothing is unacknowledged. If poll fails, the outcome of every
     * unacknowledged append is unknown, and no acknowledgement will follow for it. */
    enum tb_code (*poll)(struct tb_log_writer *writer, int64_t wait_ms,
                         struct tb_log_ack *ret_acks, size_t max, size_t *ret_count,
                         struct tb_error *err);
    void (*free)(struct tb_log_writer *writer);
};
static inline void tb_log_writer_free(struct tb_log_writer *writer) /* NULL is fine */
{
    if (writer)
        writer->ops->free(writer);
}

struct tb_log_batch {
    int32_t partition;
    const struct tb_record *records; /* offsets rise */
    size_t count;                    /* 0: no record arrived in time */
    /* Number of the assignment, new each time the group assigns the partition to this reader. 0:
     * the reader has the partition for as long as it lives. */
    uint64_t assignment;
};
struct tb_log_range {
    int64_t begin, end; /* the oldest record that is kept; the offset of the next append */
    int64_t committed;  /* by this reader's group; -1: never */
};

struct tb_log_reader {
    const struct tb_log_reader_ops *ops;
};
struct tb_log_reader_ops {
    /* Returns a batch of one partition. Waits up to wait_ms for the first record (below 0: until a
     * record arrives or `wake` is called). If the position of a partition lies outside of its
     * begin and end, poll returns TB_CORRUPT each time it is that partition's turn and skips no
     * record; between these errors it goes on reading the other partitions. */
    enum tb_code (*poll)(struct tb_log_reader *reader, size_t max, int64_t wait_ms,
                         struct tb_log_batch *ret_batch, struct tb_error *err);
    /* Sets the offset that poll reads next. A new reader begins at the committed offset, or at the
     * partition's begin if there is none. */
    enum tb_code (*seek)(struct tb_log_reader *reader, int32_t partition, int64_t offset,
                         struct tb_error *err);
    /* next: offset of the last processed record + 1. TB_INVALID: beyond the end. The commit is
     * durable when reader and log have been freed; a crash may bring an older one back. */
    enum tb_code (*commit)(struct tb_log_reader *reader, int32_t partition, int64_t next,
                           struct tb_error *err);
    enum tb_code (*range)(struct tb_log_reader *reader, int32_t partition,
                          struct tb_log_range *ret_range, struct tb_error *err);
    /* While paused, poll returns no records but goes on serving the group (rebalances,
     * heartbeats), so that the reader stays a member. To pause a paused reader, or to resume one
     * that is not paused, does nothing and is TB_OK. NULL: there is no group to serve. */
    enum tb_code (*pause)(struct tb_log_reader *reader, bool paused, struct tb_error *err);
    /* Is the partition assigned to this reader? The answer changes only inside poll, and one poll
     * either assigns or revokes a partition, never both. A poll that assigns some returns
     * without waiting for records, so that the caller can seek before they are read. So the
     * partition of a batch stays assigned until the next poll, and a partition that another reader
     * had in between is seen as revoked first. NULL: all partitions always are. */
    bool (*is_assigned)(struct tb_log_reader *reader, int32_t partition);
    /* Commits `next` synchronously to prove that the group still assigns the partition to this
     * reader. TB_OK: it did when the call began, and no other reader had it before the answer.
     * TB_BUSY: not proven; another reader may have it. NULL: all partitions always are assigned.
     */
    enum tb_code (*confirm)(struct tb_log_reader *reader, int32_t partition, int64_t next,
                            struct tb_error *err);
    /* The offset from which poll goes on in a partition: every record before it was returned, or
     * is none that readers get (a transaction's marker). Equal to the end: all is read. -1: not
     * known, or not assigned. NULL: every offset has a record, so the last record's + 1. */
    int64_t (*position)(struct tb_log_reader *reader, int32_t partition);
    /* The view no longer stands where it stood: the next poll goes on where it stands now
     * (placed_reader.h). NULL: the reader does not know where a view stands. */
    void (*reposition)(struct tb_log_reader *reader);
    /* Any thread: a poll that waits returns, or the next one does if none waits. */
    void (*wake)(struct tb_log_reader *reader);
    void (*free)(struct tb_log_reader *reader);
};
static inline void tb_log_reader_free(struct tb_log_reader *reader) /* NULL is fine */
{
    if (reader)
        reader->ops->free(reader);
}
