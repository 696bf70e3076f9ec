/* Queue of records that other threads append through the one thread that owns a log's writer.
 *
 * The owner appends queued records in the order of their arrival. After TB_UNKNOWN with
 * retry_alone it appends that record again while no other is unacknowledged; log.h says why.
 *
 * Thread:  send, post and wake from any thread, everything else from the writer's owner.
 * Memory:  records are copied; all copies together are bounded.
 * Errors:  TB_OK: acknowledged. TB_INVALID: the log will never take the record. TB_BUSY (queue
 *          full or closed) and TB_UNAVAILABLE: certainly not appended. TB_UNKNOWN: perhaps
 *          appended; sending it again has no effect where readers drop duplicates. */
#pragma once
#include "bridge/log/log.h"

/* Limit of queued and unacknowledged records together. It is low, because the records come from a
 * person who replays dead letters, or from one thread that does, and neither sends many at once.
 */
#define TB_APPEND_QUEUE_MAX 64
/* A record that is larger alone is still taken into an empty queue. */
#define TB_APPEND_QUEUE_BYTES_MAX (8u << 20)

struct tb_append_queue;
/* wake: called after a record was queued, for an owner that waits elsewhere than in
 * tb_append_queue_step. NULL: the owner waits there. */
TB_CHECKED enum tb_code tb_append_queue_new(void (*wake)(void *ctx), void *ctx,
                                            struct tb_append_queue **ret_queue,
                                            struct tb_error *err);
void tb_append_queue_free(struct tb_append_queue *queue); /* NULL is fine */

/* Waits up to wait_ms for the record's outcome. */
TB_CHECKED enum tb_code tb_append_queue_send(struct tb_append_queue *queue,
                                             const struct tb_record *record, int64_t wait_ms,
                                             struct tb_error *err);
/* Returns once the record is queued; its outcome is not reported. */
TB_CHECKED enum tb_code tb_append_queue_post(struct tb_append_queue *queue,
                                             const struct tb_record *record, struct tb_error *err);

/* Appends queued records until the queue is empty or the writer is full. */
void tb_append_queue_drain(struct tb_append_queue *queue, struct tb_log_writer *writer);
/* False: the acknowledgement is not of a record from this queue. Its tags are below 0, so the
 * owner's own appends must use tags from 0 on. */
bool tb_append_queue_on_ack(struct tb_append_queue *queue, const struct tb_log_ack *ack);
/* The writer's poll failed: every unacknowledged record ends as TB_UNKNOWN. */
void tb_append_queue_fail_sent(struct tb_append_queue *queue);
/* Ends every record that was not appended yet with this error. */
void tb_append_queue_fail_waiting(struct tb_append_queue *queue, const struct tb_error *why);
/* Ends all records: as TB_UNKNOWN if they were appended, else as TB_UNAVAILABLE. From now on send
 * and post return TB_BUSY. */
void tb_append_queue_close(struct tb_append_queue *queue);

/* One round of an owner whose writer serves only this queue: waits up to wait_ms for a record or,
 * while some are unacknowledged, for acknowledgements. */
void tb_append_queue_step(struct tb_append_queue *queue, struct tb_log_writer *writer,
                          int64_t wait_ms);
void tb_append_queue_wake(struct tb_append_queue *queue); /* a step that waits returns */
