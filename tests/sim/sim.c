#include "sim/sim.h"
#include <stdio.h>
#include <stdlib.h>

#define MS INT64_C(1000)
/* A run with more turns than this is in an endless loop. */
#define TURNS_MAX 400000
/* I13: everything has arrived within half an hour after the last fault. */
#define ARRIVE_WITHIN_US (INT64_C(1800) * 1000000)
#define LOOK_EVERY_US (500 * MS)

const char *sim_mutant_name(enum sim_mutant mutant)
{
    static const char *const names[SIM_MUTANT_COUNT] = {
        [SIM_MUTANT_NONE] = "none",
        [SIM_MUTANT_SYNC_NORMAL] = "sync-normal",
        [SIM_MUTANT_LATE_SYNC] = "late-sync",
        [SIM_MUTANT_EARLY_CURSOR] = "early-cursor",
        [SIM_MUTANT_VIEW_TRUSTS_LOG] = "view-trusts-log",
        [SIM_MUTANT_NO_VERSION_CHECK] = "no-version-check",
        [SIM_MUTANT_NO_IDEMPOTENCY] = "no-idempotency",
        [SIM_MUTANT_KEY_NOT_STORED] = "key-not-in-transaction",
        [SIM_MUTANT_RETENTION_IGNORES_CURSOR] = "retention-ignores-cursor",
        [SIM_MUTANT_LOG_EXPIRY_IGNORES_VIEW] = "log-expiry-ignores-view",
        [SIM_MUTANT_COLUMN_NOT_WRITTEN] = "column-not-written",
        [SIM_MUTANT_IDENTITY_NOT_COMPARED] = "identity-not-compared",
        [SIM_MUTANT_RETRY_BELIEVES_BACKFILL] = "retry-believes-backfill",
        [SIM_MUTANT_RESTORE_NOT_NOTICED] = "restore-not-noticed",
        [SIM_MUTANT_SNAPSHOT_IGNORES_VERSION] = "snapshot-ignores-version",
        [SIM_MUTANT_FOLDER_NOT_COMPARED] = "folder-not-compared",
        [SIM_MUTANT_KAFKA_EARLY_CURSOR] = "kafka-early-cursor",
        [SIM_MUTANT_RETENTION_IGNORES_KAFKA] = "retention-ignores-kafka",
        [SIM_MUTANT_RETENTION_ASKS_CONFIGURED] = "retention-asks-configured",
        [SIM_MUTANT_TIMEOUT_IS_REFUSAL] = "timeout-is-refusal",
        [SIM_MUTANT_EARLY_OFFSET_COMMIT] = "early-offset-commit",
        [SIM_MUTANT_ZOMBIE_OFFSET_COMMIT] = "zombie-offset-commit",
        [SIM_MUTANT_MONGO_NO_VERSION_CHECK] = "mongo-no-version-check",
        [SIM_MUTANT_DUPLICATE_KEY_IS_FATAL] = "duplicate-key-is-fatal",
        [SIM_MUTANT_STALE_READS] = "stale-reads",
        [SIM_MUTANT_DEAD_LETTER_NOT_AWAITED] = "dead-letter-not-awaited",
        [SIM_MUTANT_CONFLICT_IS_DUPLICATE] = "conflict-is-duplicate",
        [SIM_MUTANT_ANY_NODE_IS_KNOWN] = "any-node-is-known",
        [SIM_MUTANT_APPLY_OVER_GAP] = "apply-over-gap",
        [SIM_MUTANT_POSITION_NOT_WRITTEN] = "position-not-written",
        [SIM_MUTANT_CONTINUITY_NOT_CHECKED] = "continuity-not-checked",
        [SIM_MUTANT_GENERATION_LEFT_OUT] = "generation-left-out",
        [SIM_MUTANT_LATE_BY_CENTRE_ZONE] = "late-by-centre-zone",
        [SIM_MUTANT_RETIRE_FORGOTTEN] = "retire-forgotten",
        [SIM_MUTANT_RESEND_SKIPPED] = "resend-skipped",
    };

    return names[mutant];
}

const char *sim_edition_name(enum sim_edition edition)
{
    static const char *const names[] = {"drawn", "embedded", "connected"};

    return names[edition];
}

uint64_t sim_below(struct fake_random *random, uint64_t bound)
{
    return fake_random_below(random, bound);
}

bool sim_chance(struct fake_random *random, unsigned percent)
{
    return sim_below(random, 100) < percent;
}

/* The moment is drawn within the interval, and so is the order of the actors. */
void sim_wake(struct sim_node *node, enum sim_actor actor, int64_t in_us)
{
    int64_t due_us = node->sim->now_us + in_us / 2 +
                     (int64_t)sim_below(&node->sim->order_random, (uint64_t)in_us / 2 + 1);

    if (due_us < node->due_us[actor])
        node->due_us[actor] = due_us;
}

/* A scan over a few dozen actors is faster than a heap. Times are drawn in microseconds, so two
 * actors are almost never due at once. */
struct turn {
    int64_t due_us;
    enum {
        EDGE_FAULTS,
        CLIENT,
        NODE,
        CENTRE,
        CENTRAL,
        CENTRE_FAULTS,
        CENTRE_PAST,
        RETIREMENT,
        CENTRE_RESTORE,
        ODD_RECORDS
    } actor_kind;
    int index, actor;
};

static void offer(struct turn *next, struct turn turn)
{
    if (turn.due_us < next->due_us)
        *next = turn;
}

static struct turn next_turn(const struct sim *sim)
{
    struct turn next = {.due_us = sim->fault_due_us, .actor_kind = EDGE_FAULTS};

    for (int i = 0; i < sim->client_count; i++)
        offer(&next, (struct turn){sim->clients[i].due_us, CLIENT, i, 0});
    for (int i = 0; i < sim->node_count; i++)
        for (int actor = 0; actor < SIM_ACTORS; actor++)
            offer(&next, (struct turn){sim->nodes[i].due_us[actor], NODE, i, actor});
    if (sim->edition != SIM_CONNECTED)
        return next;
    offer(&next, (struct turn){centre_due_us(sim), CENTRE, 0, 0});
    offer(&next, (struct turn){sim->centre.fault_due_us, CENTRE_FAULTS, 0, 0});
    offer(&next, (struct turn){sim->centre.past_due_us, CENTRE_PAST, 0, 0});
    offer(&next, (struct turn){sim->centre.retirement_due_us, RETIREMENT, 0, 0});
    offer(&next, (struct turn){sim->centre.restore_due_us, CENTRE_RESTORE, 0, 0});
    offer(&next, (struct turn){sim->centre.odd_due_us, ODD_RECORDS, 0, 0});
    for (int i = 0; i < sim->centre.central_count; i++)
        for (int actor = 0; actor < CENTRAL_ACTORS && !sim->centre.centrals[i].busy; actor++)
            offer(&next, (struct turn){sim->centre.centrals[i].due_us[actor], CENTRAL, i, actor});
    return next;
}

static void take_turn(struct sim *sim)
{
    struct turn turn = next_turn(sim);

    if (turn.due_us > sim->now_us)
        sim->now_us = turn.due_us;
    switch (turn.actor_kind) {
    case EDGE_FAULTS:
        edge_faults_step(sim);
        break;
    case CLIENT:
        client_step(sim, turn.index);
        break;
    case NODE:
        node_step(&sim->nodes[turn.index], (enum sim_actor)turn.actor);
        break;
    case CENTRE:
        centre_step(sim);
        break;
    case CENTRAL:
        central_step(&sim->centre.centrals[turn.index], (enum central_actor)turn.actor);
        break;
    case CENTRE_FAULTS:
        centre_faults_step(sim);
        break;
    case CENTRE_PAST:
        centre_past_step(sim);
        break;
    case RETIREMENT:
        retirement_step(sim);
        break;
    case CENTRE_RESTORE:
        centre_restore_step(sim);
        break;
    case ODD_RECORDS:
        odd_records_step(sim);
        break;
    }
}

void sim_run_others(struct sim *sim, struct central *central, int64_t us)
{
    int64_t until_us = sim->now_us + us;

    TB_ASSERT(!central->busy);
    central->busy = true;
    while (next_turn(sim).due_us < until_us)
        take_turn(sim);
    central->busy = false;
    if (sim->now_us < until_us)
        sim->now_us = until_us;
}

static bool clients_are_done(const struct sim *sim)
{
    for (int i = 0; i < sim->client_count; i++)
        if (sim->clients[i].waiting > 0 || sim->clients[i].due_us != SIM_NEVER)
            return false;
    return true;
}

static void run_faults(struct sim *sim)
{
    for (int turns = 0; !clients_are_done(sim); turns++) {
        /* The faults end at the latest after a tenth of the turns. */
        SIM_REQUIRE(turns < TURNS_MAX, "the run does not come to its end");
        if (turns > TURNS_MAX / 10 && !sim->healed)
            edge_faults_heal(sim);
        take_turn(sim);
    }
}

/* Every node is up, its link is not forced offline, and everything has arrived. */
static bool everything_has_arrived(struct sim *sim)
{
    for (int i = 0; i < sim->node_count; i++) {
        struct sim_node *node = &sim->nodes[i];

        if (!node_healthy(node))
            return false;
        if (node->config && !node->kafka) {
            node_stop(node); /* starts with Kafka now */
            return false;
        }
        if (!node->link_known || node->link_forced) {
            client_link(node, false);
            return false;
        }
        if (!check_has_arrived(node))
            return false;
    }
    return sim->edition != SIM_CONNECTED || centre_has_arrived(sim);
}

static void run_to_rest(struct sim *sim)
{
    int64_t since_us, look_us;

    if (!sim->healed)
        edge_faults_heal(sim);
    since_us = look_us = sim->now_us;
    for (;;) {
        SIM_REQUIRE(sim->now_us - since_us < ARRIVE_WITHIN_US,
                    "I13: not everything has arrived within half an hour");
        if (sim->now_us >= look_us) {
            if (everything_has_arrived(sim))
                break;
            look_us = sim->now_us + LOOK_EVERY_US;
        }
        take_turn(sim);
    }
    sim_trace("everything has arrived");
    for (int i = 0; i < sim->node_count; i++)
        check_final(&sim->nodes[i]);
    if (sim->edition == SIM_CONNECTED)
        check_centre_final(sim);
}

static void draw_world(struct sim *sim)
{
    struct fake_random *random = &sim->order_random;

    sim->node_count = (int)sim_below(random, SIM_NODES_MAX) + 1;
    sim->client_count = (int)sim_below(random, SIM_CLIENTS_MAX) + 1;
    sim->ops_left = (int)sim_below(random, 120) + 20;
    sim->dead_letter_keep_ms = sim_chance(random, 70) ? -1 : 90 * (SIM_DAY_US / 1000);
    edge_faults_draw(sim);
    operator_draw(sim);
    file_faults_draw(sim);
    sim->modes_change = sim->edition == SIM_CONNECTED && sim_chance(&sim->mode_random, 30);
    pinned_readers_draw(sim);
    derived_mutants_install(sim->mutant);
    if (sim->edition == SIM_CONNECTED)
        centre_init(sim);
    for (int i = 0; i < sim->node_count; i++) {
        node_init(&sim->nodes[i], sim, i);
        sim->nodes[i].outbox_keep_ms = (int64_t)(sim_below(random, 24) + 1) * 3600 * 1000;
    }
    for (int i = 0; i < sim->client_count; i++)
        sim->clients[i].again_op = ORACLE_NONE;
}

static enum sim_edition draw_edition(struct sim *sim, const struct sim_options *options)
{
    bool connected = sim_chance(&sim->centre_random, 50);

    if (options->edition != SIM_DRAWN)
        return options->edition;
    return connected ? SIM_CONNECTED : SIM_EMBEDDED;
}

uint64_t sim_run(const struct sim_options *options)
{
    static char repeat[80];
    struct sim *sim = calloc(1, sizeof *sim);

    if (!sim)
        abort();
    sim->seed = options->seed;
    sim->mutant = options->mutant;
    fake_random_init(&sim->centre_random, sim->seed * 61 + 5);
    sim->edition = draw_edition(sim, options);
    snprintf(repeat, sizeof repeat, " --edition %s%s%s", sim_edition_name(sim->edition),
             sim->mutant ? " --mutant " : "", sim->mutant ? sim_mutant_name(sim->mutant) : "");
    sim_trace_begin(sim->seed, repeat, &sim->now_us, options->echo);
    disk_vfs_install(sim->seed * 41 + 5, &sim->now_us);
    fake_random_init(&sim->order_random, sim->seed * 43 + 1);
    fake_random_init(&sim->client_random, sim->seed * 47 + 2);
    fake_random_init(&sim->fault_random, sim->seed * 53 + 3);
    fake_random_init(&sim->port_random, sim->seed * 59 + 4);
    fake_random_init(&sim->mode_random, sim->seed * 67 + 6);
    fake_random_init(&sim->operator_random, sim->seed * 73 + 7);
    draw_world(sim);
    sim_trace("%d nodes, %d clients, classes %x", sim->node_count, sim->client_count,
              sim->fault_classes);
    if (sim->edition == SIM_CONNECTED)
        sim_trace("%d centrals, classes %x", sim->centre.central_count, sim->centre.fault_classes);
    run_faults(sim);
    run_to_rest(sim);
    for (int i = 0; i < sim->node_count; i++)
        node_release(&sim->nodes[i]);
    if (sim->edition == SIM_CONNECTED)
        centre_release(sim);
    free(sim);
    return sim_trace_hash();
}
