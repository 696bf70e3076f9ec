#include "sim/broker_reader_priv.h"
#include "sim/trace.h"

/* Commits are sent in the background, and again until an answer arrives. */

void broker_reader_commits(struct broker_reader *reader)
{
    for (int32_t p = 0; p < TEST_PARTITIONS; p++) {
        struct reader_partition *part = &reader->parts[p];

        if (!part->dirty)
            continue;
        if (broker_chance(reader->broker, 6)) {
            sim_cover(COVER_COMMIT_LOST, 1);
            continue;
        }
        (void)broker_group_commit(reader->broker, reader->group, reader->member,
                                  reader->generation, p, part->committed);
        part->dirty = broker_chance(reader->broker, 6); /* a lost answer: commit again */
    }
}

/* Membership. */

void broker_reader_revoke_all(struct broker_reader *reader)
{
    bool zombie = reader->broker->mutant == BROKER_ZOMBIE_COMMITS;

    for (int32_t p = 0; p < TEST_PARTITIONS; p++) {
        if (zombie) /* this mutant keeps the position, to commit it later */
            reader->parts[p].assigned = false;
        else
            reader->parts[p] = (struct reader_partition){.start = -1};
    }
}

static void accept_assignment(struct broker_reader *reader, const struct broker_member *member)
{
    for (int32_t p = 0; p < broker_partitions(reader->topic); p++) {
        int64_t committed = reader->group->committed[p], start = committed < 0 ? 0 : committed;
        int64_t next = reader->seek_to[p] > 0 ? reader->seek_to[p] - 1 : start;

        if (member->assigned[p])
            reader->parts[p] = (struct reader_partition){.assigned = true,
                                                         .start = next < start ? next : start,
                                                         .next = next,
                                                         .fetched = next,
                                                         .committed = -1,
                                                         .assignment = ++reader->assignment_count};
    }
    reader->generation = reader->group->generation;
}

void broker_reader_group_round(struct broker_reader *reader)
{
    struct broker *broker = reader->broker;
    struct broker_group *group = reader->group;
    struct broker_member *member = broker_group_heartbeat(broker, group, reader->member);

    /* A revoked partition is not assigned again before the next poll (bridge/log/log.h). */
    if (!member) {
        broker_reader_revoke_all(reader);
        reader->member = broker_group_join(broker, group, reader->client);
        return;
    }
    if (group->rebalancing && !member->joined) {
        broker_reader_commits(reader);
        broker_reader_revoke_all(reader);
        member->joined = true;
        return;
    }
    if (group->rebalancing)
        broker_group_finish_rebalance(broker, group);
    member = broker_group_heartbeat(broker, group, reader->member);
    if (member && !group->rebalancing && reader->generation != group->generation)
        accept_assignment(reader, member);
    broker_reader_commits(reader);
}
