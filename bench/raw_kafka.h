/* Raw Kafka: what librdkafka alone does with the records and the settings of an edge.
 *
 * A producer with the product's own configuration and the relay's priority, which counts where the
 * broker is on the same machine; headers are built and bytes copied for each record, and the queue
 * is as short, since that is what the same settings mean.
 *
 * Thread:  one.
 * Memory:  records are borrowed for the call.
 * Errors:  tb_bench_die; a record that is not acknowledged is one.
 * Units:   records a second, from the first one sent to the last one acknowledged. */
#pragma once
#include "bench.h"
#include "bridge/log/log.h"

/* Sends count records, the given ones again and again, to a topic that is there. */
double tb_raw_kafka_run(const char *brokers, const char *topic, const struct tb_record *records,
                        size_t record_count, size_t count);
/* A topic as the product has it, made if it is missing. */
void tb_raw_kafka_topic(const char *brokers, const char *topic);
