#include "sim/broker_reader_priv.h"
#include "sim/trace.h"
#include <inttypes.h>
#include <stdlib.h>

/* Records fetched ahead of the poll: a consumer still gets these while the broker is down. */
#define AHEAD 64
#define BATCH_MAX 40

static struct broker_reader *reader_of(const struct tb_log_reader *base)
{
    return (struct broker_reader *)(uintptr_t)base;
}

static int64_t end_of(const struct broker_reader *reader, int32_t partition)
{
    return (int64_t)reader->broker->topics[reader->topic][partition].count;
}

static bool is_there(const struct broker_reader *reader)
{
    return broker_reaches(reader->broker, reader->client);
}

static void start_at_end(struct broker_reader *reader)
{
    for (int32_t p = 0; p < broker_partitions(reader->topic); p++) {
        int64_t end = end_of(reader, p);

        if (!reader->parts[p].assigned)
            reader->parts[p] = (struct reader_partition){
                .assigned = true, .start = end, .next = end, .fetched = end, .committed = -1};
    }
}

/* A marker that is fetched is passed without being returned. */
static void skip_markers(struct broker_reader *reader, int32_t partition)
{
    const struct tb_record *records = reader->broker->topics[reader->topic][partition].records;
    struct reader_partition *part = &reader->parts[partition];

    while (part->assigned && part->next < part->fetched && broker_is_marker(&records[part->next]))
        part->next++;
}

static void fetch(struct broker_reader *reader)
{
    broker_step(reader->broker);
    if (!is_there(reader)) {
        /* librdkafka, too, gives up its partitions when the group has not answered for long. */
        if (reader->group &&
            reader->heard_us + 2 * reader->broker->session_us < *reader->broker->now_us)
            broker_reader_revoke_all(reader);
        return;
    }
    reader->heard_us = *reader->broker->now_us;
    if (reader->group)
        broker_reader_group_round(reader);
    else
        start_at_end(reader);
    for (int32_t p = 0; p < TEST_PARTITIONS; p++) {
        struct reader_partition *part = &reader->parts[p];
        int64_t end = end_of(reader, p);

        if (part->assigned)
            part->fetched = end < part->next + AHEAD ? end : part->next + AHEAD;
        skip_markers(reader, p);
    }
}

/* Reading. */

static void fill_batch(struct broker_reader *reader, int32_t partition, size_t max,
                       struct tb_log_batch *ret_batch)
{
    struct broker *broker = reader->broker;
    struct reader_partition *part = &reader->parts[partition];
    const struct tb_record *records =
        broker->topics[reader->topic][partition].records + part->next;
    size_t count = (size_t)(part->fetched - part->next), kept = 0;
    struct tb_record *copies;

    if (count > BATCH_MAX)
        count = 1 + (size_t)fake_random_below(&broker->random, BATCH_MAX);
    if (count > max)
        count = max;
    copies = tb_arena_array(&reader->batch_arena, count, sizeof *copies);
    TB_ASSERT(copies);
    for (size_t i = 0; i < count; i++)
        if (!broker_is_marker(&records[i]))
            TB_ASSERT(tb_record_copy(&reader->batch_arena, &records[i], &copies[kept++]));
    sim_trace("member %d polls %d-%" PRId64 ", %zu records", reader->member, (int)partition,
              part->next, kept);
    part->next += (int64_t)count;
    *ret_batch = (struct tb_log_batch){partition, copies, kept, part->assignment};
    if (broker->mutant == BROKER_EARLY_COMMITS && reader->topic == BROKER_EVENTS && reader->group)
        (void)broker_group_commit(broker, reader->group, reader->member, reader->generation,
                                  partition, part->next);
}

static enum tb_code poll(struct tb_log_reader *base, size_t max, int64_t wait_ms,
                         struct tb_log_batch *ret_batch, struct tb_error *err)
{
    struct broker_reader *reader = reader_of(base);

    (void)wait_ms;
    /* Freed, so that ASan finds a use after the next poll. */
    tb_arena_release(&reader->batch_arena);
    fetch(reader);
    *ret_batch = (struct tb_log_batch){0};
    for (int i = 0; i < TEST_PARTITIONS && max > 0 && !reader->paused; i++) {
        int32_t p = reader->turn++ % TEST_PARTITIONS;

        if (is_there(reader) && reader->parts[p].assigned &&
            reader->parts[p].next > end_of(reader, p))
            return tb_error_set(err, TB_CORRUPT, "%d is not in the simulated log", (int)p);
        if (!reader->parts[p].assigned || reader->parts[p].next >= reader->parts[p].fetched)
            continue;
        fill_batch(reader, p, max, ret_batch);
        return TB_OK;
    }
    if (!is_there(reader))
        return tb_error_set(err, TB_UNAVAILABLE, "no simulated broker answers");
    return TB_OK;
}

bool broker_reader_behind(const struct tb_log_reader *base)
{
    const struct broker_reader *reader = reader_of(base);

    for (int32_t p = 0; p < TEST_PARTITIONS; p++)
        if (reader->parts[p].assigned && reader->parts[p].next < end_of(reader, p))
            return true;
    return false;
}

/* TB_INVALID: no such partition, or the offset is outside of 0 and most. */
static enum tb_code check_offset(const struct broker_reader *reader, int32_t partition,
                                 int64_t offset, int64_t most, struct tb_error *err)
{
    if (partition < 0 || partition >= broker_partitions(reader->topic) || offset < 0 ||
        offset > most)
        return tb_error_set(err, TB_INVALID, "%d has no offset %" PRId64, (int)partition, offset);
    return TB_OK;
}

static enum tb_code seek(struct tb_log_reader *base, int32_t partition, int64_t offset,
                         struct tb_error *err)
{
    struct broker_reader *reader = reader_of(base);
    struct reader_partition *part;

    TB_TRY(check_offset(reader, partition, offset, INT64_MAX, err));
    part = &reader->parts[partition];
    reader->seek_to[partition] = part->assigned ? 0 : offset + 1;
    if (!part->assigned)
        return TB_OK;
    part->next = part->fetched = offset;
    if (part->start > offset)
        part->start = offset;
    return TB_OK;
}

static enum tb_code commit(struct tb_log_reader *base, int32_t partition, int64_t next,
                           struct tb_error *err)
{
    struct broker_reader *reader = reader_of(base);
    struct reader_partition *part;
    bool zombie = reader->broker->mutant == BROKER_ZOMBIE_COMMITS;

    TB_TRY(check_offset(reader, partition, next, INT64_MAX, err));
    TB_TRY(check_offset(reader, partition, next, end_of(reader, partition), err));
    part = &reader->parts[partition];
    if (!zombie && (!part->assigned || next < part->start))
        return TB_OK; /* another member owns the partition: only its commits count */
    part->committed = next;
    part->dirty = true;
    if (is_there(reader))
        broker_reader_commits(reader);
    return TB_OK;
}

static enum tb_code range(struct tb_log_reader *base, int32_t partition,
                          struct tb_log_range *ret_range, struct tb_error *err)
{
    struct broker_reader *reader = reader_of(base);

    TB_TRY(check_offset(reader, partition, 0, 0, err));
    if (!is_there(reader))
        return tb_error_set(err, TB_UNAVAILABLE, "no simulated broker answers");
    *ret_range = (struct tb_log_range){
        .end = end_of(reader, partition),
        .committed = reader->group ? reader->group->committed[partition] : -1};
    return TB_OK;
}

static enum tb_code set_paused(struct tb_log_reader *base, bool paused, struct tb_error *err)
{
    (void)err;
    reader_of(base)->paused = paused;
    return TB_OK;
}

static bool is_assigned(struct tb_log_reader *base, int32_t partition)
{
    return reader_of(base)->parts[partition].assigned;
}

static enum tb_code confirm(struct tb_log_reader *base, int32_t partition, int64_t next,
                            struct tb_error *err)
{
    struct broker_reader *reader = reader_of(base);
    struct broker *broker = reader->broker;

    if (is_there(reader) && reader->parts[partition].assigned && !broker_chance(broker, 6) &&
        broker_group_commit(broker, reader->group, reader->member, reader->generation, partition,
                            next) &&
        !broker_chance(broker, 6))
        return TB_OK;
    return tb_error_set(err, TB_BUSY, "the simulated group does not confirm");
}

static int64_t position(struct tb_log_reader *base, int32_t partition)
{
    return partition < TEST_PARTITIONS && reader_of(base)->parts[partition].assigned
               ? reader_of(base)->parts[partition].next
               : -1;
}

static void wake(struct tb_log_reader *base)
{
    (void)base; /* poll never blocks here */
}

static void reader_free(struct tb_log_reader *base)
{
    struct broker_reader *reader = reader_of(base), **link = &reader->broker->readers;

    if (!reader->dead && reader->group && is_there(reader)) {
        broker_reader_commits(reader);
        broker_group_leave(reader->broker, reader->group, reader->member);
    }
    while (*link != reader)
        link = &(*link)->next;
    *link = reader->next;
    tb_arena_release(&reader->batch_arena);
    free(reader);
}

static enum tb_code reader_new(const struct tb_log_kafka_options *options, const char *topic,
                               const char *group, struct tb_log_reader **ret_reader,
                               struct tb_error *err)
{
    static const struct tb_log_reader_ops ops = {.poll = poll,
                                                 .seek = seek,
                                                 .commit = commit,
                                                 .range = range,
                                                 .pause = set_paused,
                                                 .is_assigned = is_assigned,
                                                 .confirm = confirm,
                                                 .position = position,
                                                 .wake = wake,
                                                 .free = reader_free};
    struct broker_reader *reader = calloc(1, sizeof *reader);

    if (!reader)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    reader->base.ops = &ops;
    reader->broker = broker_now;
    reader->client = broker_client(broker_now, options->client_id);
    reader->topic = broker_topic_of(topic);
    reader->heard_us = *broker_now->now_us;
    if (group)
        reader->group = broker_group(broker_now, group, reader->topic);
    reader->next = broker_now->readers;
    broker_now->readers = reader;
    *ret_reader = &reader->base;
    return TB_OK;
}

enum tb_code tb_log_kafka_reader(const struct tb_log_kafka_options *options, const char *topic,
                                 const char *group, struct tb_log_reader **ret_reader,
                                 struct tb_error *err)
{
    return reader_new(options, topic, group, ret_reader, err);
}

enum tb_code tb_log_kafka_tail(const struct tb_log_kafka_options *options, const char *topic,
                               struct tb_log_reader **ret_reader, struct tb_error *err)
{
    return reader_new(options, topic, NULL, ret_reader, err);
}

void tb_log_kafka_reader_problem(const struct tb_log_reader *base, char ret_text[240])
{
    strcpy(ret_text, is_there(reader_of(base)) ? "" : "no simulated broker answers");
}

void broker_readers_died(struct broker *broker, int client)
{
    for (struct broker_reader *reader = broker->readers; reader; reader = reader->next)
        if (reader->client == client)
            reader->dead = true;
}
