/* Raw Kafka: how fast librdkafka alone sends the records of an edge.
 *
 * The producer has the configuration that an edge has, and the relay's priority, which matters
 * when the broker runs on the same machine. For each record it builds headers and copies bytes.
 *
 * Thread:  main.
 * Memory:  records are borrowed for the call.
 * Errors:  tb_bench_die, also if a record is not acknowledged.
 * Units:   records a second, from the first to the last acknowledgement. */
#pragma once
#include "bench.h"
#include "bridge/log/log.h"

/* Sends count records to a topic that exists; repeats the given ones as often as needed. */
double tb_raw_kafka_run(const char *brokers, const char *topic, const struct tb_record *records,
                        size_t record_count, size_t count);
/* Creates the topic as an edge does, unless it exists. */
void tb_raw_kafka_topic(const char *brokers, const char *topic);
