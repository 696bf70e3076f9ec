/* The parts of the Kafka writer:
 *
 *   writer.c    the operations of log.h
 *   inflight.c  records that were appended and not acknowledged, and their order
 *   producer.c  opens and replaces librdkafka's producer, and takes its delivery reports
 *   send.c      passes a record to the producer
 *
 * Thread:  the writer's.
 * Memory:  librdkafka copies what is sent. */
#pragma once
#include "bridge/log/kafka/kafka_priv.h"
#include "bridge/log/kafka/writer/inflight.h"

struct kafka_writer {
    struct tb_log_writer base;
    struct tb_log_kafka_options options;
    const char *topic;           /* borrowed */
    struct kafka_handle *handle; /* the producer; NULL while closed */
    bool enabled;                /* the writer should have a producer */
    bool fatal;                  /* the producer is unusable */
    /* Records were delivered since the last fatal error. Then the writer opens a new producer at
     * once after the next fatal error, otherwise after a pause. */
    bool has_delivered;
    bool has_problem; /* a record was not delivered; the problem's text says why */
    /* The broker refuses records of our clock: they get a time that is so much earlier. */
    int64_t earlier_ms;
    int64_t refused_skew_ms; /* of our clock to the monotonic one when that began */
    int64_t connect_at_ms;   /* open the next producer not before; monotonic */
    struct kafka_cluster cluster;
    struct kafka_problem problem;
    struct kafka_inflight inflight;
};

static inline int64_t now_ms(const struct kafka_writer *writer)
{
    return tb_clock_mono_ms(writer->options.clock);
}

/* producer.c */
/* Opens the first producer. TB_INVALID: the settings contradict each other. If only a certificate
 * cannot be read, the result is TB_OK, a problem is shown, and opening is tried again later. */
TB_CHECKED enum tb_code tb_kafka_producer_open(struct kafka_writer *writer, struct tb_error *err);
/* Makes sure that there is a usable producer; replaces one that had a fatal error. */
TB_CHECKED enum tb_code tb_kafka_producer_ensure(struct kafka_writer *writer,
                                                 struct tb_error *err);
/* Closes the producer. The outcome of unacknowledged records is unknown. */
void tb_kafka_producer_discard(struct kafka_writer *writer);
/* Ends a record that was not delivered. possibly_there: an earlier attempt may have reached the
 * log. The record ends as TB_INVALID only if the error is permanent, no other record was
 * unacknowledged when this one was appended, and this one certainly is not in the log; else as
 * TB_UNKNOWN. */
void tb_kafka_producer_on_failure(struct kafka_writer *writer, size_t slot,
                                  rd_kafka_resp_err_t code, bool possibly_there);

/* send.c */
/* TB_INVALID: Kafka can never take this record. */
TB_CHECKED enum tb_code tb_kafka_check_record(const struct tb_record *record,
                                              struct tb_error *err);
rd_kafka_resp_err_t tb_kafka_send(struct kafka_writer *writer, const struct tb_record *record,
                                  size_t slot);
/* The broker has refused the time of a record: the next ones get an earlier one. */
void tb_kafka_writer_turn_back(struct kafka_writer *writer);
/* Notices that a refused clock was set back since: then records get its time again, and if the
 * broker still refuses it, that begins anew. */
void tb_kafka_writer_check_clock(struct kafka_writer *writer);
/* True: the record will be refused at any time and by any sender. Errors that a wrong clock or a
 * missing permission causes are not permanent. */
bool tb_kafka_is_permanent(rd_kafka_resp_err_t code);
