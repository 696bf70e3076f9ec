#include "sim/broker.h"
#include "sim/trace.h"
#include <stdio.h>

struct broker_group *broker_group(struct broker *broker, const char *name, enum broker_topic topic)
{
    struct broker_group *group;

    for (size_t i = 0; i < broker->group_count; i++)
        if (strcmp(broker->groups[i].name, name) == 0)
            return &broker->groups[i];
    TB_ASSERT(broker->group_count < sizeof broker->groups / sizeof *broker->groups);
    group = &broker->groups[broker->group_count++];
    snprintf(group->name, sizeof group->name, "%s", name);
    group->topic = topic;
    for (int p = 0; p < TEST_PARTITIONS; p++)
        group->committed[p] = -1;
    return group;
}

static struct broker_member *find(struct broker_group *group, int member)
{
    for (size_t i = 0; i < group->member_count; i++)
        if (group->members[i].id == member)
            return &group->members[i];
    return NULL;
}

void broker_group_rebalance(struct broker *broker, struct broker_group *group)
{
    if (!group->rebalancing)
        group->until_us = *broker->now_us + BROKER_REBALANCE_US;
    for (size_t i = 0; i < group->member_count && !group->rebalancing; i++)
        group->members[i].joined = false;
    group->rebalancing = true;
}

static void remove_member(struct broker *broker, struct broker_group *group,
                          struct broker_member *member)
{
    *member = group->members[--group->member_count];
    broker_group_rebalance(broker, group);
}

int broker_group_join(struct broker *broker, struct broker_group *group, int client)
{
    struct broker_member *member = &group->members[group->member_count];

    TB_ASSERT(group->member_count < BROKER_MEMBERS_MAX);
    broker_group_rebalance(broker, group);
    *member = (struct broker_member){
        .id = ++group->last_id, .client = client, .seen_us = *broker->now_us, .joined = true};
    group->member_count++;
    return member->id;
}

void broker_group_leave(struct broker *broker, struct broker_group *group, int member)
{
    struct broker_member *leaving = find(group, member);

    if (leaving)
        remove_member(broker, group, leaving);
}

struct broker_member *broker_group_heartbeat(struct broker *broker, struct broker_group *group,
                                             int member)
{
    struct broker_member *heard = find(group, member);

    if (heard)
        heard->seen_us = *broker->now_us;
    return heard;
}

/* Range assignment, which is what the product's consumers are configured for. */
static void assign(struct broker_group *group)
{
    int partitions = broker_partitions(group->topic);

    for (size_t i = 0; i < group->member_count; i++)
        for (int p = 0; p < partitions; p++)
            group->members[i].assigned[p] =
                (size_t)p * group->member_count / (size_t)partitions == i;
}

void broker_group_finish_rebalance(struct broker *broker, struct broker_group *group)
{
    bool late = *broker->now_us >= group->until_us;

    for (size_t i = 0; i < group->member_count; i++)
        if (!group->members[i].joined && !late)
            return;
    for (size_t i = group->member_count; i > 0; i--)
        if (!group->members[i - 1].joined)
            group->members[i - 1] = group->members[--group->member_count];
    assign(group);
    sim_cover(COVER_REBALANCED, 1);
    sim_trace("group %s: generation %u of %zu", group->name, group->generation + 1,
              group->member_count);
    group->generation++;
    group->rebalancing = false;
}

void broker_group_step(struct broker *broker, struct broker_group *group)
{
    for (size_t i = group->member_count; i > 0; i--)
        if (group->members[i - 1].seen_us + broker->session_us < *broker->now_us) {
            sim_cover(COVER_MEMBER_EXPIRED, 1);
            remove_member(broker, group, &group->members[i - 1]);
        }
    if (group->rebalancing)
        broker_group_finish_rebalance(broker, group);
}

bool broker_group_commit(struct broker *broker, struct broker_group *group, int member,
                         unsigned generation, int32_t partition, int64_t next)
{
    const struct broker_member *known = find(group, member);
    bool good = known && generation == group->generation && known->assigned[partition];

    sim_cover(COVER_ZOMBIE_COMMIT, !good);
    sim_trace("group %s: member %d commits %d up to %" PRId64 "%s", group->name, member,
              (int)partition, next, good ? "" : ", which is refused");
    if (!good && broker->mutant != BROKER_ZOMBIE_COMMITS)
        return false;
    broker->hooks.on_commit(broker->hooks.ctx, group, partition, next);
    group->committed[partition] = next;
    return good;
}
