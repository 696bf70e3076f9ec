#include "query/doubles/fake_log.h"
#include <stdlib.h>
#include <string.h>

static struct fake_log *log_of(struct tb_log_reader *reader)
{
    return (struct fake_log *)reader;
}

static bool fails(struct fake_log *log, struct tb_error *err)
{
    log->calls++;
    if (!log->down && log->calls != log->fail_at)
        return false;
    tb_error_set(err, TB_UNAVAILABLE, "injected");
    return true;
}

/* Frees the last batch, so that ASan finds any later use of it. */
static void spoil(struct fake_log *log)
{
    free(log->handed_out);
    log->handed_out = NULL;
}

struct tb_record *fake_log_copies(const struct tb_record *from, size_t count)
{
    size_t bytes = 0;
    struct tb_record *copies;
    char *text;

    for (size_t i = 0; i < count; i++)
        bytes += from[i].value.len;
    copies = malloc(count * sizeof *copies + bytes + 1);
    ck_assert_ptr_nonnull(copies);
    text = (char *)(copies + count);
    for (size_t i = 0; i < count; i++) {
        copies[i] = from[i];
        if (from[i].value.ptr) {
            memcpy(text, from[i].value.ptr, from[i].value.len);
            copies[i].value.ptr = text;
            text += from[i].value.len;
        }
    }
    return copies;
}

static void hand_out(struct fake_log *log, int32_t partition, size_t count,
                     struct tb_log_batch *ret_batch)
{
    struct tb_record *copies =
        fake_log_copies(log->records[partition] + log->position[partition], count);

    log->handed_out = (char *)copies;
    log->position[partition] += (int64_t)count;
    *ret_batch = (struct tb_log_batch){partition, copies, count, 0};
}

size_t fake_log_before_marker(const struct tb_record *records, size_t count)
{
    size_t before = 0;

    while (before < count && records[before].timestamp_ms != FAKE_LOG_MARKER_MS)
        before++;
    return before;
}

static void skip_markers(struct fake_log *log, int32_t partition)
{
    int64_t *position = &log->position[partition];

    while (log->has_markers && *position >= 0 && *position < (int64_t)log->counts[partition] &&
           fake_log_before_marker(log->records[partition] + *position, 1) == 0)
        ++*position;
}

static enum tb_code poll(struct tb_log_reader *reader, size_t max, int64_t wait_ms,
                         struct tb_log_batch *ret_batch, struct tb_error *err)
{
    struct fake_log *log = log_of(reader);

    spoil(log);
    log->last_wait_ms = wait_ms;
    if (fails(log, err))
        return err->code;
    for (int i = 0; i < log->partitions && max > 0; i++) {
        int32_t p = log->turn++ % log->partitions;
        size_t left;

        skip_markers(log, p);
        left = log->counts[p] - (size_t)log->position[p];
        if (log->corrupt[p] || log->position[p] < log->begin[p] ||
            log->position[p] > (int64_t)log->counts[p])
            return tb_error_set(err, TB_CORRUPT, "partition %d is out of range", (int)p);
        if (left == 0)
            continue;
        if (left > max)
            left = max;
        if (log->batch_max > 0 && left > log->batch_max)
            left = 1 + fake_random_below(log->random, log->batch_max);
        left = fake_log_before_marker(log->records[p] + log->position[p], left);
        hand_out(log, p, left, ret_batch);
        return TB_OK;
    }
    *ret_batch = (struct tb_log_batch){0};
    return TB_OK;
}

enum tb_code fake_log_check_offset(int32_t partition, int64_t offset, int64_t most,
                                   struct tb_error *err)
{
    if (partition < 0 || partition >= TEST_PARTITIONS || offset < 0 || offset > most)
        return tb_error_set(err, TB_INVALID, "%d has no offset %lld", (int)partition,
                            (long long)offset);
    return TB_OK;
}

static enum tb_code seek(struct tb_log_reader *reader, int32_t partition, int64_t offset,
                         struct tb_error *err)
{
    struct fake_log *log = log_of(reader);

    if (fails(log, err))
        return err->code;
    TB_TRY(fake_log_check_offset(partition, offset, INT64_MAX, err));
    log->position[partition] = offset;
    return TB_OK;
}

static enum tb_code commit(struct tb_log_reader *reader, int32_t partition, int64_t next,
                           struct tb_error *err)
{
    struct fake_log *log = log_of(reader);

    if (fails(log, err))
        return err->code;
    TB_TRY(fake_log_check_offset(partition, next, INT64_MAX, err));
    TB_TRY(fake_log_check_offset(partition, next, (int64_t)log->counts[partition], err));
    if (!log->commits_repeat)
        ck_assert_int_gt(next, log->committed[partition]);
    log->committed[partition] = next;
    return TB_OK;
}

static enum tb_code range(struct tb_log_reader *reader, int32_t partition,
                          struct tb_log_range *ret_range, struct tb_error *err)
{
    struct fake_log *log = log_of(reader);

    if (fails(log, err))
        return err->code;
    TB_TRY(fake_log_check_offset(partition, 0, 0, err));
    *ret_range = (struct tb_log_range){log->begin[partition], (int64_t)log->counts[partition],
                                       log->committed[partition]};
    return TB_OK;
}

static int64_t position(struct tb_log_reader *reader, int32_t partition)
{
    const struct fake_log *log = log_of(reader);

    return partition < log->partitions ? log->position[partition] : -1;
}

static void wake(struct tb_log_reader *reader)
{
    log_of(reader)->wakes++;
}

/* The log remains; fake_log_release frees it. */
static void free_reader(struct tb_log_reader *reader)
{
    spoil(log_of(reader));
}

static const struct tb_log_reader_ops ops = {.poll = poll,
                                             .seek = seek,
                                             .commit = commit,
                                             .range = range,
                                             .wake = wake,
                                             .free = free_reader};
/* As of a log that may have markers. */
static const struct tb_log_reader_ops marker_ops = {.poll = poll,
                                                    .seek = seek,
                                                    .commit = commit,
                                                    .range = range,
                                                    .position = position,
                                                    .wake = wake,
                                                    .free = free_reader};

void fake_log_init(struct fake_log *log, struct fake_random *random)
{
    *log = (struct fake_log){.reader.ops = &ops, .random = random, .partitions = TEST_PARTITIONS};
    fake_log_reopen(log);
}

void fake_log_reopen(struct fake_log *log)
{
    spoil(log);
    log->turn = 0;
    for (int p = 0; p < TEST_PARTITIONS; p++) {
        log->position[p] = -1; /* a consumer that does not seek first fails */
        log->committed[p] = -1;
    }
}

void fake_log_release(struct fake_log *log)
{
    spoil(log);
    for (int p = 0; p < TEST_PARTITIONS; p++)
        free(log->records[p]);
}

static void add(struct fake_log *log, int32_t p, const struct tb_record *record)
{
    size_t count = log->counts[p];
    struct tb_record *grown = realloc(log->records[p], (count + 1) * sizeof *grown);

    ck_assert_ptr_nonnull(grown);
    grown[count] = *record;
    grown[count].partition = p;
    grown[count].offset = (int64_t)count;
    log->records[p] = grown;
    log->counts[p]++;
}

void fake_log_add(struct fake_log *log, const struct tb_record *record)
{
    add(log, tb_log_partition(record->key, log->partitions), record);
}

void fake_log_add_marker(struct fake_log *log, int32_t partition)
{
    static const struct tb_record marker = {.timestamp_ms = FAKE_LOG_MARKER_MS};

    log->has_markers = true;
    log->reader.ops = &marker_ops;
    add(log, partition, &marker);
}
