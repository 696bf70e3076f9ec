/* Guests: records that other threads hand to the owner of a log's writer, beside its own.
 *
 * A record is appended once, in the order of coming, and as often again as the log asks for; what
 * the log refuses is found alone, as log.h wants it.
 *
 * Thread:  send and post from any thread; append, settle, lose, refuse, step and close from the
 *          writer's owner.
 * Memory:  records are copied; the box holds a bounded number of bytes.
 * Errors:  TB_OK: acknowledged. TB_INVALID: the log refuses it for good. TB_BUSY, TB_UNAVAILABLE:
 *          definitely not appended. TB_UNKNOWN: perhaps; again is harmless to readers that drop
 *          duplicates.
 * Units:   bytes, milliseconds. */
#pragma once
#include "bridge/log/log.h"

/* Waiting and appended together; a person or a follower sends no more at once. */
#define TB_APPEND_QUEUE_MAX 64
/* Copies of records in memory; a single larger one is taken when there is no other. */
#define TB_APPEND_QUEUE_BYTES_MAX (8u << 20)

struct tb_append_queue;
/* ring wakes an owner that waits elsewhere than in tb_append_queue_step; NULL: none does. */
TB_CHECKED enum tb_code tb_append_queue_new(void (*ring)(void *ctx), void *ctx,
                                            struct tb_append_queue **ret_guests,
                                            struct tb_error *err);
void tb_append_queue_free(struct tb_append_queue *queue); /* NULL is fine */

TB_CHECKED enum tb_code tb_append_queue_send(struct tb_append_queue *queue,
                                             const struct tb_record *record, int64_t wait_ms,
                                             struct tb_error *err);
/* Nobody waits for what becomes of it. */
TB_CHECKED enum tb_code tb_append_queue_post(struct tb_append_queue *queue,
                                             const struct tb_record *record, struct tb_error *err);

/* Appends what waits, as far as the log takes it. */
void tb_append_queue_drain(struct tb_append_queue *queue, struct tb_log_writer *writer);
/* True: the acknowledgement was a guest's. Guests' tags are below 0. */
bool tb_append_queue_on_ack(struct tb_append_queue *queue, const struct tb_log_ack *ack);
void tb_append_queue_fail_sent(struct tb_append_queue *queue); /* the writer's poll failed */
size_t tb_append_queue_outstanding(const struct tb_append_queue *queue);
/* What waits is told that it is not done, and why. */
void tb_append_queue_fail_waiting(struct tb_append_queue *queue, const struct tb_error *why);
/* Whoever comes from now on is refused as well; what is outstanding is unknown. */
void tb_append_queue_close(struct tb_append_queue *queue);

/* For an owner whose writer has no other use: waits at most wait_ms for a record or, while some
 * are outstanding, for their acknowledgements. */
void tb_append_queue_step(struct tb_append_queue *queue, struct tb_log_writer *writer,
                          int64_t wait_ms);
void tb_append_queue_wake(struct tb_append_queue *queue); /* any thread: a step returns soon */
