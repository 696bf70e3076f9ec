/* Kafka behind the door of log.h, through librdkafka.
 *
 * Writer: idempotent, acks=all, keyed, murmur2 as Java's client. Records of one key go one after
 * the other, each when the one before is acknowledged: nothing of an order overtakes what failed
 * or was refused, and an order's events take a round trip each. An acknowledgement is the broker's
 * own word with an offset; a time-out or a lost producer is TB_UNKNOWN. A broker that will not
 * take a record refuses its whole batch: TB_INVALID is said only of a record that was outstanding
 * alone, of others TB_UNKNOWN with retry_alone. Once an answer was not TB_OK, append is TB_BUSY
 * until poll has handed that answer out. A fatal producer error closes the handle and opens a new
 * one at the next append or poll; what was outstanding is unknown.
 * Reader: range assignment, no auto-commit; a partition starts at its committed offset, with
 * none at its beginning. A position out of range stops that partition: whenever its turn comes
 * poll is TB_CORRUPT, and the others are read in between. While no broker answers or something is
 * refused, a poll without records is TB_UNAVAILABLE. A commit of a partition that the reader does
 * not hold, or from before it last got it, is dropped: the holder's counts. Commits are sent in
 * the background, the last one before a partition is given up or the reader freed is waited for.
 *
 * Thread:  as log.h: one owner each; the handles' own threads call only what opens and closes
 * their sockets. Memory:  options are copied. Errors:  TB_INVALID: the settings contradict each
 * other (text says which); what the cluster refuses shows in tb_log_kafka_writer_problem or
 * _reader_problem and as TB_UNAVAILABLE. Units:   milliseconds. */
#pragma once
#include "bridge/log/log.h"

/* What a broker would refuse for size is refused at the till first: an event and its headers
 * stay below this. */
#define TB_LOG_KAFKA_RECORD_MAX 1000000

/* A librdkafka property: key and value as the library takes them. */
struct tb_log_kafka_property {
    const char *key, *value;
    enum tb_log_kafka_side { TB_KAFKA_BOTH, TB_KAFKA_PRODUCER, TB_KAFKA_CONSUMER } side;
};
struct tb_log_kafka_options {
    const char *brokers, *client_id;
    const struct tb_log_kafka_property *properties; /* the user's, over our own */
    size_t property_count;
    int partitions; /* the topic is as it should be with so many; 0: with any number */
    const struct tb_clock *clock;
};

TB_CHECKED enum tb_code tb_log_kafka_writer(const struct tb_log_kafka_options *options,
                                            const char *topic, struct tb_log_writer **ret_writer,
                                            struct tb_error *err);
/* Closes the connection (outstanding appends are unknown) and opens it again; a writer starts
 * open. While closed, append is TB_UNAVAILABLE. Owner only. */
void tb_log_kafka_disconnect(struct tb_log_writer *writer);
TB_CHECKED enum tb_code tb_log_kafka_connect(struct tb_log_writer *writer, struct tb_error *err);
/* A broker answers and the topic is there as it should be. Owner only. */
bool tb_log_kafka_connected(const struct tb_log_writer *writer);
/* No broker can be reached: it was tried at all of them. Owner only. */
bool tb_log_kafka_all_brokers_down(const struct tb_log_writer *writer);
/* Since it was opened no machine has answered, not even to refuse. Owner only. */
bool tb_log_kafka_no_response(const struct tb_log_writer *writer);

TB_CHECKED enum tb_code tb_log_kafka_reader(const struct tb_log_kafka_options *options,
                                            const char *topic, const char *group,
                                            struct tb_log_reader **ret_reader,
                                            struct tb_error *err);
/* All partitions of a topic from their ends on, without a group: for wake-ups. */
TB_CHECKED enum tb_code tb_log_kafka_tail(const struct tb_log_kafka_options *options,
                                          const char *topic, struct tb_log_reader **ret_reader,
                                          struct tb_error *err);
/* All partitions of a topic without a group, each from its beginning unless it is sought
 * elsewhere; its commits are not kept. */
TB_CHECKED enum tb_code tb_log_kafka_standalone_reader(const struct tb_log_kafka_options *options,
                                                       const char *topic,
                                                       struct tb_log_reader **ret_reader,
                                                       struct tb_error *err);

/* What stands in the way, one line; "" if nothing does. Any thread. */
void tb_log_kafka_writer_problem(const struct tb_log_writer *writer, char ret_text[240]);
void tb_log_kafka_reader_problem(const struct tb_log_reader *reader, char ret_text[240]);

struct tb_log_kafka_topic {
    const char *name;
    int partitions;
    int replication; /* below 1: the broker's default */
    bool compacted;
    int64_t retention_ms; /* 0: the broker's; below 0: for ever */
};
/* Are they there, with that many partitions? Missing ones are created only with create, and are
 * ready for use then. TB_NOT_FOUND: missing; TB_INVALID: another partition count; both texts say
 * what to do. TB_UNAVAILABLE: no broker answers, or it refuses. */
TB_CHECKED enum tb_code tb_log_kafka_check_topics(const struct tb_log_kafka_options *options,
                                                  const struct tb_log_kafka_topic *topics,
                                                  size_t count, bool create, int64_t timeout_ms,
                                                  struct tb_error *err);
