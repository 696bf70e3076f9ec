#include "sim/broker.h"
#include <stdlib.h>

/* Copies of what the broker has on its disk. The bytes of the records live as long as the
 * broker. */

static void copy_partition(const struct broker_partition *from, struct broker_partition *to)
{
    free(to->records);
    *to = (struct broker_partition){.count = from->count, .cap = from->count + 1};
    to->records = calloc(to->cap, sizeof *to->records);
    TB_ASSERT(to->records);
    if (from->count > 0)
        memcpy(to->records, from->records, from->count * sizeof *to->records);
}

void broker_copy_make(const struct broker *broker, struct broker_copy *copy)
{
    for (int topic = 0; topic < BROKER_TOPICS; topic++)
        for (int p = 0; p < TEST_PARTITIONS; p++)
            copy_partition(&broker->topics[topic][p], &copy->topics[topic][p]);
    copy->group_count = broker->group_count;
    for (size_t i = 0; i < broker->group_count; i++)
        memcpy(copy->committed[i], broker->groups[i].committed, sizeof copy->committed[i]);
}

void broker_copy_release(struct broker_copy *copy)
{
    for (int topic = 0; topic < BROKER_TOPICS; topic++)
        for (int p = 0; p < TEST_PARTITIONS; p++)
            free(copy->topics[topic][p].records);
}

void broker_put_back(struct broker *broker, const struct broker_copy *copy,
                     enum broker_topic topic, int32_t partition)
{
    copy_partition(&copy->topics[topic][partition], &broker->topics[topic][partition]);
}

void broker_put_offsets_back(struct broker *broker, const struct broker_copy *copy)
{
    for (size_t i = 0; i < broker->group_count; i++)
        for (int p = 0; p < TEST_PARTITIONS; p++)
            broker->groups[i].committed[p] = i < copy->group_count ? copy->committed[i][p] : -1;
}
