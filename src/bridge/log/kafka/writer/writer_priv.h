/* The Kafka writer's parts: what it has taken (log_kafka_window.c), the library's producer under
 * it (log_kafka_producer.c), how a record is given to that (log_kafka_send.c), the operations
 * (log_kafka_writer.c).
 *
 * Thread:  the writer's owner.
 * Memory:  what is sent is copied by the library.
 * Errors:  as log.h.
 * Units:   milliseconds. */
#pragma once
#include "bridge/log/kafka/kafka_priv.h"
#include "bridge/log/kafka/writer/inflight.h"

struct kafka_writer {
    struct tb_log_writer base;
    struct kafka_settings settings;
    char *topic;
    struct kafka_handle *handle; /* NULL while closed */
    bool enabled;                /* to be open */
    bool fatal;                  /* the handle is dead */
    bool has_delivered;          /* the handle, or the one before it, has delivered something */
    bool has_problem;            /* a record was not delivered; the problem says why */
    int64_t connect_at_ms;       /* the next handle not before; monotonic */
    struct kafka_cluster cluster;
    struct kafka_problem problem;
    struct kafka_inflight inflight;
};

/* log_kafka_producer.c */
/* The first one: settings that contradict each other are TB_INVALID. A certificate that cannot be
 * read today may be tomorrow: if the settings are right without any, it is a problem to show and
 * to try again, not a mistake. */
TB_CHECKED enum tb_code tb_kafka_producer_open(struct kafka_writer *writer, struct tb_error *err);
/* One to work with; replaces a dead one. */
TB_CHECKED enum tb_code tb_kafka_producer_ensure(struct kafka_writer *writer,
                                                 struct tb_error *err);
/* What is outstanding may be in the log or not. */
void tb_kafka_producer_discard(struct kafka_writer *writer);
/* A refusal is the record's own only if it was outstanding alone, and it is for good only if the
 * record is not in the log by an earlier try. */
void tb_kafka_producer_on_failure(struct kafka_writer *writer, size_t slot,
                                  rd_kafka_resp_err_t code, bool possibly_there);

/* log_kafka_send.c */
/* What can never be sent: TB_INVALID. */
TB_CHECKED enum tb_code tb_kafka_check_record(const struct tb_record *record,
                                              struct tb_error *err);
rd_kafka_resp_err_t tb_kafka_send(struct kafka_writer *writer, const struct tb_record *record,
                                  size_t slot);
/* Refused whatever the moment, the place and the sender. What a clock that is wrong or a missing
 * right brings about is not of the record: it passes. */
bool tb_kafka_is_permanent(rd_kafka_resp_err_t code);
