#include "query/doubles/group_log.h"
#include "query/doubles/fake_log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct group_member *member_of(struct tb_log_reader *reader)
{
    return (struct group_member *)reader;
}

static int index_of(const struct group_member *member)
{
    return (int)(member - member->log->members);
}

static enum tb_code refuse(struct tb_error *err)
{
    return tb_error_set(err, TB_UNAVAILABLE, "injected");
}

static void spoil(struct group_member *member)
{
    free(member->handed_out);
    member->handed_out = NULL;
}

/* Applies the assignments that the group has decided meanwhile. */
static void rebalance(struct group_member *member)
{
    struct group_log *log = member->log;

    for (int p = 0; p < TEST_PARTITIONS; p++) {
        bool mine = log->owner[p] == index_of(member);

        /* Another member owned it in between: this poll revokes it, the next one may assign it. */
        if (member->assigned[p] && member->owners[p] != log->owners[p])
            mine = false;
        if (mine && !member->assigned[p]) {
            member->position[p] = log->committed[p] >= 0 ? log->committed[p] : 0;
            if (member->seek_to[p] > 0)
                member->position[p] = member->seek_to[p] - 1;
            member->seek_to[p] = 0;
            member->assignment[p] = ++member->tenures;
            member->owners[p] = log->owners[p];
        }
        member->assigned[p] = mine;
    }
}

static void hand_out(struct group_member *member, int32_t partition, size_t count,
                     struct tb_log_batch *ret_batch)
{
    struct tb_record *copies =
        fake_log_copies(member->log->records[partition] + member->position[partition], count);

    member->handed_out = (char *)copies;
    member->position[partition] += (int64_t)count;
    *ret_batch = (struct tb_log_batch){partition, copies, count, member->assignment[partition]};
}

static void skip_markers(struct group_member *member, int32_t partition)
{
    const struct group_log *log = member->log;
    int64_t *position = &member->position[partition];

    while (log->has_markers && *position >= 0 && *position < (int64_t)log->counts[partition] &&
           fake_log_before_marker(log->records[partition] + *position, 1) == 0)
        ++*position;
}

static enum tb_code poll(struct tb_log_reader *reader, size_t max, int64_t wait_ms,
                         struct tb_log_batch *ret_batch, struct tb_error *err)
{
    struct group_member *member = member_of(reader);
    struct group_log *log = member->log;

    (void)wait_ms;
    spoil(member);
    member->polls++;
    member->max = max;
    rebalance(member);
    *ret_batch = (struct tb_log_batch){0};
    if (log->down)
        return refuse(err);
    for (int i = 0; i < TEST_PARTITIONS && !member->paused && max > 0; i++) {
        int32_t p = member->turn++ % TEST_PARTITIONS;
        size_t left;

        if (!member->assigned[p])
            continue;
        skip_markers(member, p);
        if (member->position[p] > (int64_t)log->counts[p])
            return tb_error_set(err, TB_CORRUPT, "partition %d is out of range", (int)p);
        left = log->counts[p] - (size_t)member->position[p];
        if (left == 0)
            continue;
        left = left < max ? left : max;
        if (log->batch_max > 0 && left > log->batch_max)
            left = 1 + fake_random_below(log->random, log->batch_max);
        left = fake_log_before_marker(log->records[p] + member->position[p], left);
        hand_out(member, p, left, ret_batch);
        return TB_OK;
    }
    return TB_OK;
}

static enum tb_code seek(struct tb_log_reader *reader, int32_t partition, int64_t offset,
                         struct tb_error *err)
{
    struct group_member *member = member_of(reader);

    if (member->log->down)
        return refuse(err);
    TB_TRY(fake_log_check_offset(partition, offset, INT64_MAX, err));
    if (member->assigned[partition])
        member->position[partition] = offset;
    else
        member->seek_to[partition] = offset + 1;
    return TB_OK;
}

static enum tb_code commit(struct tb_log_reader *reader, int32_t partition, int64_t next,
                           struct tb_error *err)
{
    struct group_member *member = member_of(reader);
    struct group_log *log = member->log;
    int64_t before;

    if (log->down)
        return refuse(err);
    TB_TRY(fake_log_check_offset(partition, next, INT64_MAX, err));
    before = log->committed[partition];
    if (!member->assigned[partition] || log->owner[partition] != index_of(member))
        return TB_OK; /* only the owner's commit counts */
    TB_TRY(fake_log_check_offset(partition, next, (int64_t)log->counts[partition], err));
    if (log->committing)
        log->committing(partition, before < 0 ? 0 : before, next);
    log->committed[partition] = next;
    return TB_OK;
}

static enum tb_code range(struct tb_log_reader *reader, int32_t partition,
                          struct tb_log_range *ret_range, struct tb_error *err)
{
    const struct group_log *log = member_of(reader)->log;

    if (log->down)
        return refuse(err);
    TB_TRY(fake_log_check_offset(partition, 0, 0, err));
    *ret_range =
        (struct tb_log_range){0, (int64_t)log->counts[partition], log->committed[partition]};
    return TB_OK;
}

static enum tb_code pause(struct tb_log_reader *reader, bool paused, struct tb_error *err)
{
    (void)err;
    member_of(reader)->paused = paused;
    return TB_OK;
}

static bool is_assigned(struct tb_log_reader *reader, int32_t partition)
{
    return member_of(reader)->assigned[partition];
}

static enum tb_code confirm(struct tb_log_reader *reader, int32_t partition, int64_t next,
                            struct tb_error *err)
{
    struct group_member *member = member_of(reader);

    if (member->log->down || member->log->owner[partition] != index_of(member))
        return tb_error_set(err, TB_BUSY, "no word of the group");
    return commit(reader, partition, next, err);
}

static int64_t position(struct tb_log_reader *reader, int32_t partition)
{
    const struct group_member *member = member_of(reader);

    return partition < TEST_PARTITIONS && member->assigned[partition] ? member->position[partition]
                                                                      : -1;
}

static void wake(struct tb_log_reader *reader)
{
    (void)reader;
}

/* The log remains; group_log_release frees it. */
static void free_reader(struct tb_log_reader *reader)
{
    spoil(member_of(reader));
}

static const struct tb_log_reader_ops reader_ops = {.poll = poll,
                                                    .seek = seek,
                                                    .commit = commit,
                                                    .range = range,
                                                    .pause = pause,
                                                    .is_assigned = is_assigned,
                                                    .confirm = confirm,
                                                    .position = position,
                                                    .wake = wake,
                                                    .free = free_reader};

void group_log_init(struct group_log *log, struct fake_random *random)
{
    memset(log, 0, sizeof *log);
    log->random = random;
    for (int p = 0; p < TEST_PARTITIONS; p++)
        log->committed[p] = -1;
    for (int m = 0; m < GROUP_MEMBERS; m++)
        log->members[m] = (struct group_member){.reader.ops = &reader_ops, .log = log};
}

void group_log_release(struct group_log *log)
{
    for (int m = 0; m < GROUP_MEMBERS; m++)
        spoil(&log->members[m]);
    for (int p = 0; p < TEST_PARTITIONS; p++)
        free(log->records[p]);
}

static void add(struct group_log *log, int32_t p, const struct tb_record *record)
{
    size_t count = log->counts[p];

    log->records[p] = realloc(log->records[p], (count + 1) * sizeof *log->records[p]);
    ck_assert_ptr_nonnull(log->records[p]);
    log->records[p][count] = *record;
    log->records[p][count].partition = p;
    log->records[p][count].offset = (int64_t)count;
    log->counts[p]++;
}

void group_log_add(struct group_log *log, const struct tb_record *record)
{
    add(log, tb_log_partition(record->key, TEST_PARTITIONS), record);
}

void group_log_add_marker(struct group_log *log, int32_t partition)
{
    static const struct tb_record marker = {.timestamp_ms = FAKE_LOG_MARKER_MS};

    log->has_markers = true;
    add(log, partition, &marker);
}

void group_log_assign(struct group_log *log, int32_t partition, int member)
{
    log->owners[partition] += log->owner[partition] != member;
    log->owner[partition] = member;
}

void group_log_restart(struct group_log *log, int member)
{
    struct group_member *fresh = &log->members[member];

    spoil(fresh);
    *fresh = (struct group_member){.reader.ops = &reader_ops, .log = log};
}

static struct fake_dlt *box_of(struct tb_log_writer *writer)
{
    return (struct fake_dlt *)writer;
}

static int64_t number_of(const struct tb_record *record, const char *name)
{
    struct tb_str text = tb_record_header(record, name);
    int64_t number = 0;

    for (size_t i = 0; i < text.len; i++)
        number = number << 8 | (unsigned char)text.ptr[i];
    return number;
}

static void keep(struct fake_dlt *box, const struct tb_record *record)
{
    struct tb_str reason = tb_record_header(record, "kafka_dlt-exception-fqcn");
    struct tb_str detail = tb_record_header(record, "kafka_dlt-exception-message");
    struct fake_dead_letter *letter;

    if (box->kept_count == box->kept_max) {
        box->kept_max = box->kept_max ? 2 * box->kept_max : 64;
        box->kept = realloc(box->kept, box->kept_max * sizeof *box->kept);
        ck_assert_ptr_nonnull(box->kept);
    }
    letter = &box->kept[box->kept_count++];
    ck_assert(record->fixed_partition);
    letter->partition = (int32_t)number_of(record, "kafka_dlt-original-partition");
    ck_assert_int_eq(letter->partition, record->partition);
    letter->offset = number_of(record, "kafka_dlt-original-offset");
    letter->has_value = record->value.ptr != NULL;
    snprintf(letter->reason, sizeof letter->reason, "%.*s", (int)reason.len, reason.ptr);
    snprintf(letter->detail, sizeof letter->detail, "%.*s", (int)detail.len, detail.ptr);
}

static enum tb_code append(struct tb_log_writer *writer, const struct tb_record *record,
                           int64_t tag, struct tb_error *err)
{
    struct fake_dlt *box = box_of(writer);
    struct tb_log_ack ack = {.tag = tag, .code = TB_OK};

    box->appended++;
    if (box->waiting_count == TB_LOG_BATCH_MAX)
        return tb_error_set(err, TB_BUSY, "full");
    if (box->mood == FAKE_DLT_REFUSES && record->value.ptr)
        return tb_error_set(err, TB_INVALID, "too large");
    if (box->mood == FAKE_DLT_RANDOM) {
        ack.code = fake_random_below(box->random, 4) == 0 ? TB_UNKNOWN : TB_OK;
        ack.retry_alone = fake_random_below(box->random, 2) == 0;
    }
    if (ack.code == TB_OK || fake_random_below(box->random, 2) == 0)
        keep(box, record);
    box->waiting[box->waiting_count++] = ack;
    return TB_OK;
}

static enum tb_code letters_poll(struct tb_log_writer *writer, int64_t wait_ms,
                                 struct tb_log_ack *ret_acks, size_t max, size_t *ret_count,
                                 struct tb_error *err)
{
    struct fake_dlt *box = box_of(writer);
    uint64_t chance = box->mood == FAKE_DLT_RANDOM ? fake_random_below(box->random, 6) : 6;
    size_t count = box->waiting_count < max ? box->waiting_count : max;

    (void)wait_ms;
    *ret_count = 0;
    if (box->mood == FAKE_DLT_SILENT || chance == 0)
        return TB_OK;
    if (box->mood == FAKE_DLT_FAILS || chance == 1) {
        box->waiting_count = 0;
        return refuse(err);
    }
    memcpy(ret_acks, box->waiting, count * sizeof *ret_acks);
    memmove(box->waiting, box->waiting + count,
            (box->waiting_count - count) * sizeof *box->waiting);
    box->waiting_count -= count;
    *ret_count = count;
    return TB_OK;
}

void fake_dlt_init(struct fake_dlt *box, struct fake_random *random)
{
    static const struct tb_log_writer_ops ops = {.append = append, .poll = letters_poll};

    memset(box, 0, sizeof *box);
    box->writer.ops = &ops;
    box->random = random;
}

void fake_dlt_release(struct fake_dlt *box)
{
    free(box->kept);
}

bool fake_dlt_has(const struct fake_dlt *box, int32_t partition, int64_t offset)
{
    for (size_t i = 0; i < box->kept_count; i++) {
        if (box->kept[i].partition == partition && box->kept[i].offset == offset)
            return true;
    }
    return false;
}
