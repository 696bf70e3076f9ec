/* Dead letters: what of a batch cannot be applied goes to a topic of its own, and is acknowledged
 * there before anything else of the batch is done.
 *
 * A letter goes into its record's partition, with its key, value and headers and, in Spring
 * Kafka's names and encodings, why and from where. It may be there twice after a crash, told by
 * its original offset. One that the log refuses for good goes without its value, then without
 * key and headers too: the original offset says where they are.
 *
 * Thread:  the writer's owner.
 * Memory:  borrows writer and texts; a plan for the call.
 * Errors:  TB_UNAVAILABLE, TB_BUSY, TB_UNKNOWN: not all are acknowledged; send again, the same
 * plan or a new one of the same records. Never counts against a letter. Units:   milliseconds. */
#pragma once
#include "bridge/log/log.h"
#include "query/projection/plan.h"

/* An answer takes less, but while the log is away; then nobody waits longer for us to stop. */
#define TB_DLT_ACK_WAIT_MS 2000
/* What we add; headers of an earlier death are replaced. */
#define TB_DLT_HEADERS 9

enum tb_dlt_form {
    TB_DLT_COMPLETE,
    TB_DLT_WITHOUT_VALUE,
    TB_DLT_HEADERS_ONLY, /* only what we add */
};
struct tb_dlt_writer_options {
    struct tb_log_writer *writer;
    const char *topic, *group; /* the original's, and who could not apply it */
};
struct tb_dlt_writer;
TB_CHECKED enum tb_code tb_dlt_writer_new(const struct tb_dlt_writer_options *options,
                                          struct tb_dlt_writer **ret_letters,
                                          struct tb_error *err);
void tb_dlt_writer_free(struct tb_dlt_writer *letters); /* NULL is fine */
/* TB_OK: every dead letter of the plan is acknowledged. */
TB_CHECKED enum tb_code tb_dlt_writer_send(struct tb_dlt_writer *letters,
                                           const struct tb_plan *plan, struct tb_error *err);
/* The batch is done or abandoned: what was sent of it is no longer kept in mind. */
void tb_dlt_writer_reset(struct tb_dlt_writer *letters);

/* The record to append, in the arena; false when out of memory. */
TB_CHECKED bool tb_dlt_record(const struct tb_dlt_writer_options *options,
                              const struct tb_plan_dead_letter *letter, enum tb_dlt_form form,
                              struct tb_arena *arena, struct tb_record *ret_record);
/* A header that says of a record how it died: where dead letters are a topic they have it. */
bool tb_is_dlt_header(struct tb_str name);
