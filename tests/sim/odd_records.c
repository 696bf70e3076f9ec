#include "sim/sim.h"
#include <stdio.h>
#include <stdlib.h>

/* What other programs leave in the topic of events: markers of transactions, which no reader gets,
 * copies in the wrong partition, and orders with an id that another till has given. In some runs
 * only, with random numbers of their own, so that a run without them is the run that it would be
 * without this file. */

#define MS INT64_C(1000)

static uint64_t below(struct sim *sim, uint64_t bound)
{
    return fake_random_below(&sim->centre.odd_random, bound);
}

void odd_records_init(struct sim *sim)
{
    struct centre *centre = &sim->centre;

    fake_random_init(&centre->odd_random, sim->seed * 89 + 10);
    centre->odd_due_us = SIM_NEVER;
    if (below(sim, 100) >= 30)
        return;
    centre->odd_due_us = (int64_t)(100 + below(sim, 800)) * MS;
    centre->odd_left = 4 + (int)below(sim, 12);
    sim_trace("other programs write to the topic");
}

static void append_markers(struct sim *sim)
{
    int32_t partition = (int32_t)below(sim, TEST_PARTITIONS);

    for (uint64_t left = 1 + below(sim, 3); left > 0; left--)
        broker_append_marker(&sim->centre.broker, BROKER_EVENTS, partition);
    sim_cover(COVER_MARKER, 1);
    for (int i = 0; i < sim->centre.central_count; i++)
        if (sim->centre.centrals[i].up)
            central_wake(&sim->centre.centrals[i], CENTRAL_EVENTS, 5 * MS);
}

/* An event that a till has written, and that the database has. NULL: the random tries found
 * none. */
static const struct tb_record *some_event(struct sim *sim)
{
    for (int tries = 0; tries < 8; tries++) {
        const struct broker_partition *part =
            &sim->centre.broker.topics[BROKER_EVENTS][below(sim, TEST_PARTITIONS)];
        const struct tb_record *record =
            part->count > 0 ? &part->records[below(sim, part->count)] : NULL;

        if (record && !broker_is_marker(record) && check_centre_is_stored(sim, record))
            return record;
    }
    return NULL;
}

static void append_misplaced(struct sim *sim, const struct tb_record *event)
{
    struct tb_record record = *event;

    record.fixed_partition = true;
    record.partition =
        (event->partition + 1 + (int32_t)below(sim, TEST_PARTITIONS - 1)) % TEST_PARTITIONS;
    sim_cover(COVER_MISPLACED, 1);
    (void)broker_append(&sim->centre.broker, BROKER_EVENTS, &record);
}

/* A copy of the text in which every name of the till is the other one's. */
static struct tb_str rename_till(struct tb_arena *arena, struct tb_str text, int to)
{
    char *copy = tb_arena_alloc(arena, text.len + 1);

    TB_ASSERT(copy);
    memcpy(copy, text.ptr, text.len);
    for (size_t i = 0; i + 5 <= text.len; i++)
        if (memcmp(copy + i, "till", 4) == 0 && copy[i + 4] >= '1' && copy[i + 4] <= '3')
            copy[i + 4] = (char)('1' + to);
    return (struct tb_str){copy, text.len};
}

/* The event as it would be if its order were the other till's, which has another epoch. */
static size_t copy_headers(const struct tb_record *event, const char *mark, int till,
                           struct tb_arena *arena, struct tb_header *headers)
{
    size_t count = 0;

    for (size_t i = 0; i < event->header_count; i++) {
        struct tb_header header = event->headers[i];

        if (tb_str_eq(header.name, TB_STR("ce_sequence")) ||
            tb_str_eq(header.name, TB_STR("ce_epoch")))
            continue;
        if (tb_str_eq(header.name, TB_STR("ce_id")))
            header.value = TB_STR("of the other till");
        else if (tb_str_eq(header.name, TB_STR("traceparent")))
            header.value = tb_str_of(mark);
        else
            header.value = rename_till(arena, header.value, till);
        headers[count++] = header;
    }
    return count;
}

static void append_of_other_till(struct sim *sim, const struct tb_record *event)
{
    const struct centre_order *order = NULL;
    struct tb_header headers[TB_LOG_HEADERS_MAX];
    struct tb_arena arena = {0};
    struct tb_record record = *event;
    char mark[56];

    for (int i = 0; i < sim->centre.order_count; i++)
        if (tb_str_eq(event->key, tb_str_of(sim->centre.orders[i].id)))
            order = &sim->centre.orders[i];
    if (!order || sim->node_count == 1 || sim->foreign_count == FOREIGN_RECORDS_MAX)
        return;
    snprintf(mark, sizeof mark, "00-%032x-%016x-01", sim->foreign_count + 1, 2);
    sim->foreign[sim->foreign_count++] = (struct sim_foreign_record){
        .node = ORACLE_NONE, .kind = FOREIGN_OTHER_TILL, .order = order->order};
    int till = (order->node + 1) % sim->node_count;

    record.headers = headers;
    record.header_count = copy_headers(event, mark, till, &arena, headers);
    record.value = rename_till(&arena, event->value, till);
    sim_cover(COVER_OTHER_TILL, 1);
    (void)broker_append(&sim->centre.broker, BROKER_EVENTS, &record);
    tb_arena_release(&arena);
}

void odd_records_step(struct sim *sim)
{
    struct centre *centre = &sim->centre;
    uint64_t what = below(sim, 4);
    const struct tb_record *event = some_event(sim);

    centre->odd_due_us = sim->now_us + (int64_t)(20 + below(sim, 700)) * MS;
    if (centre->odd_left-- == 0)
        centre->odd_due_us = SIM_NEVER;
    if (what < 2)
        append_markers(sim);
    else if (event && what == 2)
        append_misplaced(sim, event);
    else if (event && centre->past_classes == 0)
        append_of_other_till(sim, event); /* a log without the first one would believe it */
}
