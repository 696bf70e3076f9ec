#include "sim/broker.h"
#include "bridge/log/kafka/setup.h"
#include "sim/trace.h"
#include <stdio.h>
#include <stdlib.h>

#define MS INT64_C(1000)
/* Latency of a request, and of its answer, in most cases. */
#define TRIP_US (3 * MS)
/* librdkafka retries a request that does not get through; this is the longest pause. */
#define AGAIN_US (200 * MS)
#define SESSION_US (6000 * MS)
/* An abandoned request may still be appended after this long. */
#define LATE_US (8000 * MS)

struct broker *broker_now;

void broker_init(struct broker *broker, uint64_t seed, int64_t *now_us,
                 const struct broker_hooks *hooks)
{
    *broker = (struct broker){.now_us = now_us, .hooks = *hooks, .session_us = SESSION_US};
    fake_random_init(&broker->random, seed);
    broker_now = broker;
}

void broker_release(struct broker *broker)
{
    TB_ASSERT(!broker->writers && !broker->readers);
    while (broker->requests) {
        struct broker_request *request = broker->requests;

        broker->requests = request->next;
        free(request);
    }
    for (int topic = 0; topic < BROKER_TOPICS; topic++)
        for (int p = 0; p < TEST_PARTITIONS; p++)
            free(broker->topics[topic][p].records);
    tb_arena_release(&broker->arena);
    broker_now = NULL;
}

bool broker_chance(struct broker *broker, unsigned in)
{
    return broker->unreliable && fake_random_below(&broker->random, in) == 0;
}

int64_t broker_delay_us(struct broker *broker, int64_t most_us)
{
    return 1 + (int64_t)fake_random_below(&broker->random, (uint64_t)most_us);
}

/* Topics. */

static const char *const topic_names[BROKER_TOPICS] = {
    "order-events", "order-events.DLT", TB_TOPIC_NODE_STATUS, TB_TOPIC_PROJECTION_READY};

enum broker_topic broker_topic_of(const char *name)
{
    int topic = 0;

    while (topic < BROKER_TOPICS && strcmp(topic_names[topic], name) != 0)
        topic++;
    TB_ASSERT(topic < BROKER_TOPICS);
    return (enum broker_topic)topic;
}

int32_t broker_partitions(enum broker_topic topic)
{
    return topic == BROKER_EVENTS || topic == BROKER_DEAD_LETTERS ? TEST_PARTITIONS : 1;
}

enum tb_code tb_log_kafka_check_topics(const struct tb_log_kafka_options *options,
                                       const struct tb_log_kafka_topic *topics, size_t count,
                                       bool create, int64_t timeout_ms, struct tb_error *err)
{
    int client = broker_client(broker_now, options->client_id);

    (void)create;
    (void)timeout_ms;
    for (size_t i = 0; i < count; i++)
        TB_ASSERT(topics[i].partitions == broker_partitions(broker_topic_of(topics[i].name)));
    if (!broker_reaches(broker_now, client))
        return tb_error_set(err, TB_UNAVAILABLE, "the simulated broker does not answer");
    return TB_OK;
}

/* Clients. */

int broker_client(struct broker *broker, const char *id)
{
    size_t i = 0;

    while (i < broker->client_count && strcmp(broker->clients[i].id, id) != 0)
        i++;
    TB_ASSERT(i < BROKER_CLIENTS_MAX);
    if (i == broker->client_count) {
        snprintf(broker->clients[i].id, sizeof broker->clients[i].id, "%s", id);
        broker->client_count++;
    }
    return (int)i;
}

bool broker_reaches(const struct broker *broker, int client)
{
    return !broker->down && !broker->is_restoring && !broker->clients[client].cut;
}

void broker_client_died(struct broker *broker, int client)
{
    broker_writers_died(broker, client);
    broker_readers_died(broker, client);
}

/* Records. */

static int32_t partition_of(enum broker_topic topic, const struct tb_record *record)
{
    return record->fixed_partition ? record->partition
                                   : tb_log_partition(record->key, broker_partitions(topic));
}

/* Room for one more record. */
static struct tb_record *room_in(struct broker_partition *part)
{
    if (part->count == part->cap) {
        part->cap = part->cap ? 2 * part->cap : 64;
        part->records = realloc(part->records, part->cap * sizeof *part->records);
        TB_ASSERT(part->records);
    }
    return &part->records[part->count];
}

void broker_append_marker(struct broker *broker, enum broker_topic topic, int32_t partition)
{
    struct broker_partition *part = &broker->topics[topic][partition];

    *room_in(part) = (struct tb_record){.partition = partition, .offset = -1};
    sim_trace("a marker at %d-%zu", (int)partition, part->count);
    part->count++;
}

bool broker_is_marker(const struct tb_record *record)
{
    return record->offset < 0;
}

const struct tb_record *broker_append(struct broker *broker, enum broker_topic topic,
                                      const struct tb_record *record)
{
    int32_t partition = partition_of(topic, record);
    struct broker_partition *part = &broker->topics[topic][partition];
    struct tb_record *kept = room_in(part);

    TB_ASSERT(tb_record_copy(&broker->arena, record, kept));
    kept->partition = partition;
    kept->offset = (int64_t)part->count++;
    kept->timestamp_ms = INT64_C(1795424400000) + *broker->now_us / 1000;
    broker->hooks.on_append(broker->hooks.ctx, topic, kept);
    return kept;
}

/* Requests. */

void broker_send(struct broker_writer *writer, enum broker_topic topic,
                 const struct tb_record *record, size_t slot)
{
    struct broker *broker = broker_now;
    struct broker_request *request = calloc(1, sizeof *request), **last = &broker->requests;

    TB_ASSERT(request && tb_record_copy(&broker->arena, record, &request->record));
    if (slot < TB_LOG_INFLIGHT_MAX)
        request->writer = writer;
    request->client = broker_writer_client(writer);
    request->topic = topic;
    request->slot = slot;
    request->due_us = *broker->now_us +
                      broker_delay_us(broker, broker_chance(broker, 8) ? 100 * TRIP_US : TRIP_US);
    while (*last)
        last = &(*last)->next;
    *last = request;
}

static void drop(struct broker *broker, struct broker_request *request)
{
    struct broker_request **link = &broker->requests;

    while (*link != request)
        link = &(*link)->next;
    *link = request->next;
    free(request);
}

void broker_abandon_requests(struct broker_writer *writer)
{
    struct broker *broker = broker_now;
    struct broker_request *next;

    for (struct broker_request *request = broker->requests; request; request = next) {
        next = request->next;
        if (request->writer != writer)
            continue;
        request->writer = NULL;
        if (request->appended || fake_random_below(&broker->random, 2) == 0)
            drop(broker, request);
        else if (broker_chance(broker, 2))
            request->due_us += broker_delay_us(broker, LATE_US);
    }
}

/* The broker rejects a whole batch: the refused record and all of the same partition sent with
 * it. */
static void refuse_batch(struct broker *broker, const struct broker_request *refused)
{
    struct broker_writer *writer = refused->writer;
    enum broker_topic topic = refused->topic;
    int32_t partition = partition_of(topic, &refused->record);
    struct broker_request *next;

    sim_cover(COVER_RECORD_REFUSED, 1);
    for (struct broker_request *request = broker->requests; request; request = next) {
        next = request->next;
        if (request->writer != writer || request->topic != topic || request->appended ||
            partition_of(topic, &request->record) != partition)
            continue;
        if (writer)
            broker_answered(writer, request->slot, true);
        drop(broker, request);
    }
}

static void append_request(struct broker *broker, struct broker_request *request)
{
    if (!broker_reaches(broker, request->client)) {
        if (request->writer)
            request->due_us = *broker->now_us + broker_delay_us(broker, AGAIN_US);
        else
            drop(broker, request);
        return;
    }
    if (broker->hooks.refuses(broker->hooks.ctx, request->topic, &request->record)) {
        refuse_batch(broker, request);
        return;
    }
    const struct tb_record *kept = broker_append(broker, request->topic, &request->record);
    request->partition = kept->partition;
    request->offset = kept->offset;
    sim_cover(COVER_BROKER_APPENDED_LATE, !request->writer);
    request->appended = true;
    request->due_us = *broker->now_us + broker_delay_us(broker, TRIP_US);
}

static void answer(struct broker *broker, struct broker_request *request)
{
    if (request->writer && !broker_reaches(broker, request->client)) {
        request->due_us = *broker->now_us + broker_delay_us(broker, AGAIN_US);
        return;
    }
    /* An unknown outcome: the library gives up although the broker has the record. */
    if (request->writer && broker_chance(broker, 20))
        broker_answered(request->writer, request->slot, false);
    else if (request->writer)
        broker_acknowledged(request->writer, request->slot, request->partition, request->offset);
    drop(broker, request);
}

void broker_lose_answers(struct broker *broker)
{
    struct broker_request *next;

    for (struct broker_request *request = broker->requests; request; request = next) {
        next = request->next;
        if (!request->appended)
            continue;
        if (request->writer)
            broker_answered(request->writer, request->slot, false);
        drop(broker, request);
    }
}

static struct broker_request *next_request(const struct broker *broker)
{
    struct broker_request *next = broker->requests;

    for (struct broker_request *request = next; request; request = request->next)
        if (request->due_us < next->due_us)
            next = request;
    return next;
}

int64_t broker_due_us(const struct broker *broker)
{
    const struct broker_request *next = next_request(broker);

    return next ? next->due_us : INT64_MAX;
}

void broker_step(struct broker *broker)
{
    struct broker_request *request;

    while ((request = next_request(broker)) != NULL && request->due_us <= *broker->now_us) {
        if (request->appended)
            answer(broker, request);
        else
            append_request(broker, request);
    }
    for (size_t i = 0; i < broker->group_count; i++)
        broker_group_step(broker, &broker->groups[i]);
}

bool broker_is_idle(const struct broker *broker)
{
    for (size_t i = 0; i < broker->group_count; i++)
        if (broker->groups[i].rebalancing)
            return false;
    return broker->requests == NULL;
}
