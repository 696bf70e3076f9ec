#include "sim/broker_reader_priv.h"
#include "sim/sim.h"
#include <stdlib.h>

/* The broker is restored from an older copy of itself: its log ends earlier than before, and grows
 * past that end again. In some runs only, with random numbers of their own, so that a run without
 * this fault is the run that it would be without this file. */

#define MS INT64_C(1000)
/* By then every till is connected, and has looked again a minute after it could not look. */
#define TILL_LOOKS_AGAIN_US (150000 * MS)

static uint64_t below(struct sim *sim, uint64_t bound)
{
    return fake_random_below(&sim->centre.restore_random, bound);
}

void centre_restore_init(struct sim *sim)
{
    struct centre *centre = &sim->centre;

    fake_random_init(&centre->restore_random, sim->seed * 83 + 9);
    centre->restore_due_us = SIM_NEVER;
    centre->tills_resend = below(sim, 100) < 40;
    if (!centre->tills_resend || below(sim, 100) >= 70)
        return;
    centre->restore_due_us = (int64_t)(200 + below(sim, 1500)) * MS;
    centre->restores_left = 2 + (int)below(sim, 6);
    sim_trace("the broker is restored");
}

static bool restores_topic(enum broker_topic topic, bool whole)
{
    return topic == BROKER_EVENTS ||
           (whole && (topic == BROKER_DEAD_LETTERS || topic == BROKER_STATUS));
}

static void restore_partition(struct sim *sim, enum broker_topic topic, int32_t partition)
{
    struct centre *centre = &sim->centre;

    sim_trace("topic %d, partition %d is restored: %zu records, not %zu", (int)topic,
              (int)partition, centre->broker_copy.topics[topic][partition].count,
              centre->broker.topics[topic][partition].count);
    broker_put_back(&centre->broker, &centre->broker_copy, topic, partition);
    for (struct broker_reader *reader = centre->broker.readers; reader; reader = reader->next)
        if (reader->topic == topic)
            reader->parts[partition].fetched = reader->parts[partition].next;
    if (topic != BROKER_EVENTS)
        return;
    memset(centre->has_letter_in_db[partition], 0, sizeof centre->has_letter_in_db[partition]);
    memset(centre->has_letter_in_topic[partition], 0,
           sizeof centre->has_letter_in_topic[partition]);
}

/* One disk of several, the topic of events, or the whole broker with the offsets of its groups. */
static void restore(struct sim *sim)
{
    struct centre *centre = &sim->centre;
    uint64_t what = below(sim, 4);

    for (int topic = 0; topic < BROKER_TOPICS; topic++)
        for (int32_t p = 0; p < broker_partitions((enum broker_topic)topic); p++)
            if (restores_topic((enum broker_topic)topic, what >= 2) &&
                (what > 0 || below(sim, 2) == 0))
                restore_partition(sim, (enum broker_topic)topic, p);
    if (what >= 1)
        broker_put_offsets_back(&centre->broker, &centre->broker_copy);
    broker_lose_answers(&centre->broker);
    /* Its members learn that it was away. */
    for (size_t i = 0; i < centre->broker.group_count; i++)
        broker_group_rebalance(&centre->broker, &centre->broker.groups[i]);
    centre->has_other_past = centre->has_lost_records = true;
    sim_cover(COVER_BROKER_RESTORED, 1);
}

void centre_restore_step(struct sim *sim)
{
    struct centre *centre = &sim->centre;

    centre->restore_due_us =
        sim->healed ? SIM_NEVER : sim->now_us + (int64_t)(50 + below(sim, 1500)) * MS;
    if (centre->broker.is_restoring) {
        centre->broker.is_restoring = false;
        sim_trace("the broker is back");
        return;
    }
    if (centre->restores_left-- == 0) {
        centre->restore_due_us = SIM_NEVER;
        return;
    }
    if (below(sim, 3) == 0) {
        broker_copy_make(&centre->broker, &centre->broker_copy);
        return;
    }
    restore(sim);
    /* A till that looks for a connection twice a second finds that it is gone. */
    centre->broker.is_restoring = true;
    centre->restore_due_us = sim->now_us + (int64_t)(1000 + below(sim, 5000)) * MS;
}

void centre_restore_heal(struct sim *sim)
{
    struct centre *centre = &sim->centre;
    int64_t since_us = sim->now_us;

    if (centre->broker.is_restoring)
        since_us = centre->restore_due_us; /* it comes back then */
    else
        centre->restore_due_us = SIM_NEVER;
    if (centre->tills_resend && centre->notices_past_us < since_us + TILL_LOOKS_AGAIN_US)
        centre->notices_past_us = since_us + TILL_LOOKS_AGAIN_US;
}

void centre_restore_release(struct sim *sim)
{
    broker_copy_release(&sim->centre.broker_copy);
}
