#include "sim/sim.h"

static void set_mutants(struct sim *sim)
{
    static const enum broker_mutant broker_mutants[SIM_MUTANT_COUNT] = {
        [SIM_MUTANT_KAFKA_EARLY_CURSOR] = BROKER_EARLY_ACKS,
        [SIM_MUTANT_DEAD_LETTER_NOT_AWAITED] = BROKER_UNACKED_DEAD_LETTERS,
        [SIM_MUTANT_TIMEOUT_IS_REFUSAL] = BROKER_FINAL_TIMEOUTS,
        [SIM_MUTANT_EARLY_OFFSET_COMMIT] = BROKER_EARLY_COMMITS,
        [SIM_MUTANT_ZOMBIE_OFFSET_COMMIT] = BROKER_ZOMBIE_COMMITS,
    };
    static const enum mongod_mutant mongod_mutants[SIM_MUTANT_COUNT] = {
        [SIM_MUTANT_MONGO_NO_VERSION_CHECK] = MONGOD_NO_VERSION_CHECK,
        [SIM_MUTANT_DUPLICATE_KEY_IS_FATAL] = MONGOD_FATAL_DUPLICATE,
        [SIM_MUTANT_STALE_READS] = MONGOD_STALE_READS,
    };

    sim->centre.broker.mutant = broker_mutants[sim->mutant];
    sim->centre.mongod.mutant = mongod_mutants[sim->mutant];
}

void centre_init(struct sim *sim)
{
    struct centre *centre = &sim->centre;
    const struct broker_hooks broker_hooks = check_centre_broker(sim);
    const struct mongod_hooks mongod_hooks = check_centre_mongod(sim);

    broker_init(&centre->broker, sim->seed * 71 + 6, &sim->now_us, &broker_hooks);
    mongod_init(&centre->mongod, sim->seed * 73 + 7, &sim->now_us, &mongod_hooks);
    set_mutants(sim);
    centre_faults_draw(sim);
    centre_past_init(sim);
    retirement_draw(sim);
    centre_restore_init(sim);
    odd_records_init(sim);
    centre->central_count = 1 + (int)sim_below(&sim->centre_random, CENTRALS_MAX);
    for (int i = 0; i < centre->central_count; i++)
        central_init(&centre->centrals[i], sim, i);
}

void centre_release(struct sim *sim)
{
    for (int i = 0; i < sim->centre.central_count; i++)
        central_release(&sim->centre.centrals[i]);
    broker_release(&sim->centre.broker);
    centre_past_release(sim);
    centre_restore_release(sim);
    mongod_release(&sim->centre.mongod);
}

int64_t centre_due_us(const struct sim *sim)
{
    int64_t broker_us = broker_due_us(&sim->centre.broker);
    int64_t mongod_us = mongod_due_us(&sim->centre.mongod);

    return broker_us < mongod_us ? broker_us : mongod_us;
}

void centre_step(struct sim *sim)
{
    broker_step(&sim->centre.broker);
    mongod_step(&sim->centre.mongod);
}

/* The group has committed every record of its topic. */
static bool has_all(const struct broker *broker, const struct broker_group *group)
{
    for (int p = 0; p < broker_partitions(group->topic); p++) {
        int64_t committed = group->committed[p] < 0 ? 0 : group->committed[p];

        if (committed != (int64_t)broker->topics[group->topic][p].count)
            return false;
    }
    return true;
}

/* The operator's part: every so often all open dead letters of our own orders are sent again. */
#define REPLAY_EVERY_US INT64_C(20000000)

static bool are_dead_letters_done(struct sim *sim)
{
    struct tb_dead_letter_position place;
    size_t at = 0, found = 0;

    for (; check_centre_next_dead_letter(sim, &at, &place); found++)
        if (sim->now_us >= sim->centre.replay_at_us)
            central_replay(&sim->centre.centrals[0], place);
    if (found > 0 && sim->now_us >= sim->centre.replay_at_us)
        sim->centre.replay_at_us = sim->now_us + REPLAY_EVERY_US;
    return found == 0;
}

bool centre_has_arrived(struct sim *sim)
{
    const struct broker *broker = &sim->centre.broker;

    if (sim->now_us <= sim->centre.notices_past_us)
        return false;
    for (int i = 0; i < sim->centre.central_count; i++) {
        struct central *central = &sim->centre.centrals[i];

        if (!central->up || !central->prepared)
            return false;
        if (!central->feed || atomic_load(&tb_consumer_stats(central->consumer)->failing))
            return false;
    }
    for (size_t i = 0; i < broker->group_count; i++)
        if (!has_all(broker, &broker->groups[i]))
            return false;
    /* The heartbeat of every node has arrived. */
    if (mongod_collection(&sim->centre.mongod, "nodes")->count < (size_t)sim->node_count)
        return false;
    return are_dead_letters_done(sim) && !retirement_is_open(sim) && broker_is_idle(broker) &&
           mongod_is_idle(&sim->centre.mongod);
}
