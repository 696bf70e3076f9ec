/* Dead-letter topic: records of a batch that cannot be applied are sent to a topic of their own.
 * The log acknowledges them before the view is written.
 *
 * A dead letter goes to the partition of its record, with the record's key, value and headers and,
 * in Spring Kafka's names and encodings, the reason and the origin. After a crash it may be there
 * twice, with the same original offset. If the log refuses it for good, it is sent without its
 * value, then without key and headers as well: the original offset shows where they are.
 *
 * Thread:  the log writer's owner.
 * Memory:  the log writer, the texts and the plan belong to the caller.
 * Errors:  TB_UNAVAILABLE, TB_BUSY, TB_UNKNOWN: not all are acknowledged; call send again with the
 *          same plan or a new one of the same records. */
#pragma once
#include "bridge/log/log.h"
#include "query/projection/plan.h"

/* A reachable log answers sooner. With an unreachable one, stopping waits no longer than this. */
#define TB_DLT_ACK_WAIT_MS 2000
/* Headers that are added; those of an earlier dead letter are left out. */
#define TB_DLT_HEADERS 9

enum tb_dlt_form {
    TB_DLT_COMPLETE,
    TB_DLT_WITHOUT_VALUE,
    TB_DLT_HEADERS_ONLY, /* only with the headers that are added */
};
struct tb_dlt_writer_options {
    struct tb_log_writer *writer;
    const char *topic, *group; /* of the record: its topic, and the consumer group */
};
struct tb_dlt_writer;
TB_CHECKED enum tb_code tb_dlt_writer_new(const struct tb_dlt_writer_options *options,
                                          struct tb_dlt_writer **ret_dlt, struct tb_error *err);
void tb_dlt_writer_free(struct tb_dlt_writer *dlt); /* NULL is fine */
/* TB_OK: every dead letter of the plan is acknowledged. */
TB_CHECKED enum tb_code tb_dlt_writer_send(struct tb_dlt_writer *dlt, const struct tb_plan *plan,
                                           struct tb_error *err);
/* The batch is done or abandoned: forgets what was sent of it. */
void tb_dlt_writer_reset(struct tb_dlt_writer *dlt);

/* Makes the record to append, in the arena; false when out of memory. */
TB_CHECKED bool tb_dlt_record(const struct tb_dlt_writer_options *options,
                              const struct tb_plan_dead_letter *letter, enum tb_dlt_form form,
                              struct tb_arena *arena, struct tb_record *ret_record);
/* True: the name begins with "kafka_dlt-", so the header describes a dead letter. */
bool tb_is_dlt_header(struct tb_str name);
