/* Helpers of the log's tests: append until acknowledged, read into copies.
 *
 * Memory:  the copies are in the caller's arena.
 * Errors:  a failed check assertion.
 * Units:   as log.h. */
#pragma once
#include "base/mem/arena.h"
#include "bridge/log/log.h"

/* Long enough for a busy machine; only a failing test waits for it. */
#define LOG_PATIENCE_MS 180000
/* Seconds after which check ends a test that waits LOG_PATIENCE_MS. */
#define LOG_TEST_TIMEOUT_S 240

/* Appends until the log has acknowledged it. */
void log_put(struct tb_log_writer *writer, const struct tb_record *record);
void log_put_text(struct tb_log_writer *writer, const char *key, const char *value);
/* Polls until every append is answered; all must be acknowledged. */
void log_await_acks(struct tb_log_writer *writer, size_t outstanding);

/* Copies of the records that a reader returned. */
struct log_seen {
    struct tb_arena arena;
    struct tb_record records[20000];
    size_t count;
};
void log_seen_add(struct log_seen *seen, const struct tb_log_batch *batch);
/* One poll of a test that may have to wait for the reader's group: while the group is still being
 * formed, which takes long on a busy machine, it returns an empty batch instead of the error. */
TB_CHECKED enum tb_code log_poll(struct tb_log_reader *reader, size_t max, int64_t wait_ms,
                                 struct tb_log_batch *ret_batch, struct tb_error *err);
/* Reads count more records. */
void log_read(struct tb_log_reader *reader, struct log_seen *seen, size_t count);
/* Checks that no more record can be read now. */
void log_check_end(struct tb_log_reader *reader);
void log_check_same(const struct tb_record *a, const struct tb_record *b);
/* A key that belongs to the partition: "key-<n>". */
void log_key_of(int32_t partition, char ret_key[16]);
