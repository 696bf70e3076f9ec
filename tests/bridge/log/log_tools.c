#include "bridge/log/log_tools.h"
#include "support/support.h"
#include <sched.h>
#include <stdio.h>

void log_await_acks(struct tb_log_writer *writer, size_t outstanding)
{
    struct tb_error err = {0};
    struct tb_log_ack acks[64];
    size_t n = 0;

    while (outstanding > 0) {
        ck_ok(writer->ops->poll(writer, LOG_PATIENCE_MS, acks, 64, &n, &err));
        ck_assert_uint_gt(n, 0);
        ck_assert_uint_le(n, outstanding);
        for (size_t i = 0; i < n; i++)
            ck_assert_int_eq(acks[i].code, TB_OK);
        outstanding -= n;
    }
}

void log_put(struct tb_log_writer *writer, const struct tb_record *record)
{
    struct tb_error err = {0};

    ck_ok(writer->ops->append(writer, record, 1, &err));
    log_await_acks(writer, 1);
}

void log_put_text(struct tb_log_writer *writer, const char *key, const char *value)
{
    log_put(writer, &(struct tb_record){.key = tb_str_of(key), .value = tb_str_of(value)});
}

static struct tb_str copy(struct tb_arena *arena, struct tb_str text)
{
    struct tb_str kept = tb_arena_copy(arena, text);

    ck_assert(!text.ptr == !kept.ptr);
    return kept;
}

void log_seen_add(struct log_seen *seen, const struct tb_log_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct tb_record *from = &batch->records[i];
        struct tb_record *to = &seen->records[seen->count++];
        struct tb_header *headers =
            tb_arena_array(&seen->arena, from->header_count + 1, sizeof *headers);

        ck_assert_uint_le(seen->count, sizeof seen->records / sizeof *seen->records);
        ck_assert_int_eq(from->partition, batch->partition);
        *to = *from;
        to->key = copy(&seen->arena, from->key);
        to->value = copy(&seen->arena, from->value);
        to->headers = headers;
        for (size_t h = 0; h < from->header_count; h++) {
            headers[h].name = copy(&seen->arena, from->headers[h].name);
            headers[h].value = copy(&seen->arena, from->headers[h].value);
        }
    }
}

enum tb_code log_poll(struct tb_log_reader *reader, size_t max, int64_t wait_ms,
                      struct tb_log_batch *ret_batch, struct tb_error *err)
{
    enum tb_code code = reader->ops->poll(reader, max, wait_ms, ret_batch, err);

    if (code != TB_UNAVAILABLE || !strstr(err->text, "is still being formed"))
        return code;
    *ret_batch = (struct tb_log_batch){0};
    sched_yield(); /* the caller polls again at once */
    return TB_OK;
}

void log_read(struct tb_log_reader *reader, struct log_seen *seen, size_t count)
{
    struct tb_error err = {0};
    struct tb_log_batch batch;
    size_t wanted = seen->count + count;
    int64_t until_ms = tb_clock_mono_ms(&tb_clock_system) + LOG_PATIENCE_MS;

    while (seen->count < wanted) {
        ck_ok(log_poll(reader, TB_LOG_BATCH_MAX, LOG_PATIENCE_MS, &batch, &err));
        /* A poll of a group's member returns early when partitions are revoked. */
        ck_assert(batch.count > 0 || reader->ops->is_assigned);
        ck_assert_int_lt(tb_clock_mono_ms(&tb_clock_system), until_ms);
        log_seen_add(seen, &batch);
    }
    ck_assert_uint_eq(seen->count, wanted);
}

void log_check_end(struct tb_log_reader *reader)
{
    struct tb_error err = {0};
    struct tb_log_batch batch;

    ck_ok(log_poll(reader, TB_LOG_BATCH_MAX, 0, &batch, &err));
    ck_assert_uint_eq(batch.count, 0);
}

static void check_same_text(struct tb_str a, struct tb_str b)
{
    ck_assert(!a.ptr == !b.ptr);
    ck_assert(tb_str_eq(a, b));
}

void log_check_same(const struct tb_record *a, const struct tb_record *b)
{
    check_same_text(a->key, b->key);
    check_same_text(a->value, b->value);
    ck_assert_uint_eq(a->header_count, b->header_count);
    for (size_t i = 0; i < a->header_count; i++) {
        check_same_text(a->headers[i].name, b->headers[i].name);
        check_same_text(a->headers[i].value, b->headers[i].value);
    }
}

void log_key_of(int32_t partition, char ret_key[16])
{
    for (int n = 0;; n++) {
        snprintf(ret_key, 16, "key-%d", n);
        if (tb_log_partition(tb_str_of(ret_key), TEST_PARTITIONS) == partition)
            return;
    }
}
