/* The log on Kafka, through librdkafka.
 *
 * Writer: an idempotent producer with acks=all and the partitioner of Kafka's Java client.
 * - Order: only one record of a key is with librdkafka at a time; the next one is sent when it is
 *   acknowledged. So no failure lets a later event of an order overtake an earlier one, and each
 *   event of an order takes a round trip. With options.partitions = 1 all records share one order,
 *   as if they had the same key, and each record takes a round trip.
 * - TB_OK is the broker's own acknowledgement with an offset. After a time-out or a lost producer
 *   the answer is TB_UNKNOWN.
 * - A broker refuses a whole batch. A record is TB_INVALID only if it was unacknowledged alone;
 *   otherwise it is TB_UNKNOWN with retry_alone.
 * - After an answer other than TB_OK, append is TB_BUSY until poll has returned that answer.
 * - After a fatal producer error the next append or poll opens a new producer; unacknowledged
 *   records are TB_UNKNOWN.
 *
 * Reader: range assignment, no auto-commit. A partition begins at its committed offset, else at
 * its begin.
 * - A position out of range stops that partition only: poll is TB_CORRUPT at each of its turns.
 * - While no broker answers, or something is refused, a poll without records is TB_UNAVAILABLE.
 * - A commit counts only while the partition is assigned to the reader, and only for records of
 *   this assignment; other commits are ignored.
 * - Commits are sent in the background. The last one before a partition is revoked or the reader
 *   is freed is waited for.
 *
 * Thread:  as log.h. librdkafka's own threads call only the code that opens and closes sockets.
 * Memory:  what options point to, and the topic, is borrowed until the writer or reader is freed.
 * Errors:  TB_INVALID: the settings contradict each other, and the text says which. What the
 *          cluster refuses is TB_UNAVAILABLE, and tb_log_kafka_writer_problem or
 *          tb_log_kafka_reader_problem says why. */
#pragma once
#include "bridge/log/log.h"

/* The till refuses an order whose event and headers are larger. A broker's default limit is just
 * above this one, so no broker refuses an event for its size after the till has accepted it. */
#define TB_LOG_KAFKA_RECORD_MAX 1000000

/* A librdkafka property. */
struct tb_log_kafka_property {
    const char *key, *value;
    enum tb_log_kafka_side { TB_KAFKA_BOTH, TB_KAFKA_PRODUCER, TB_KAFKA_CONSUMER } side;
};
struct tb_log_kafka_options {
    const char *brokers, *client_id;
    const struct tb_log_kafka_property *properties; /* the user's; they override ours */
    size_t property_count;
    int partitions;       /* that the topic must have; 0: any number */
    bool more_partitions; /* that many or more: records name their partition */
    const struct tb_clock *clock;
};

TB_CHECKED enum tb_code tb_log_kafka_writer(const struct tb_log_kafka_options *options,
                                            const char *topic, struct tb_log_writer **ret_writer,
                                            struct tb_error *err);
/* Closes and opens the writer's connection. A new writer is open. While it is closed, append is
 * TB_UNAVAILABLE; appends that were unacknowledged are TB_UNKNOWN. Writer's thread only. */
void tb_log_kafka_disconnect(struct tb_log_writer *writer);
TB_CHECKED enum tb_code tb_log_kafka_connect(struct tb_log_writer *writer, struct tb_error *err);
/* A broker answers, and the topic is as it should be. Writer's thread only. */
bool tb_log_kafka_connected(const struct tb_log_writer *writer);
/* All brokers were tried, and none can be reached. Writer's thread only. */
bool tb_log_kafka_all_brokers_down(const struct tb_log_writer *writer);
/* Since the connection was opened no machine has answered, not even to refuse it. Writer's thread
 * only. */
bool tb_log_kafka_no_response(const struct tb_log_writer *writer);

/* group NULL: a standalone reader. It reads all partitions without a group, each from its begin
 * unless it seeks elsewhere, and its commits are ignored. */
TB_CHECKED enum tb_code tb_log_kafka_reader(const struct tb_log_kafka_options *options,
                                            const char *topic, const char *group,
                                            struct tb_log_reader **ret_reader,
                                            struct tb_error *err);
/* Reads all partitions from their ends on, without a group: for wake-ups. */
TB_CHECKED enum tb_code tb_log_kafka_tail(const struct tb_log_kafka_options *options,
                                          const char *topic, struct tb_log_reader **ret_reader,
                                          struct tb_error *err);

/* What is wrong, in one line; "" if nothing is. Any thread. */
void tb_log_kafka_writer_problem(const struct tb_log_writer *writer, char ret_text[240]);
void tb_log_kafka_reader_problem(const struct tb_log_reader *reader, char ret_text[240]);

struct tb_log_kafka_topic {
    const char *name;
    int partitions;
    int replication; /* below 1: the broker's default */
    bool compacted;
    bool more_partitions; /* more partitions are fine */
    bool log_time;        /* records get the broker's time, whatever clock their writer has */
    int64_t retention_ms; /* 0: the broker's default; below 0: for ever */
};
/* Checks that these topics, at least one, exist with that many partitions. With `create` it
 * creates missing ones, and waits until they can be written and read; it adds partitions to a
 * topic that may have more. TB_NOT_FOUND: one is missing. TB_INVALID: one has another number of
 * partitions. Both texts say what to do. TB_UNAVAILABLE: no
 * broker answers, or it refuses. */
TB_CHECKED enum tb_code tb_log_kafka_check_topics(const struct tb_log_kafka_options *options,
                                                  const struct tb_log_kafka_topic *topics,
                                                  size_t count, bool create, int64_t timeout_ms,
                                                  struct tb_error *err);
