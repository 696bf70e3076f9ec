#include "sim/sim.h"

#define MS INT64_C(1000)
static struct fake_random *random_of(struct sim *sim)
{
    return &sim->centre_random;
}

static bool has(const struct sim *sim, enum centre_fault_class class)
{
    return (sim->centre.fault_classes & class) != 0;
}

/* Swarm testing: a run with few classes of faults finds what all classes together hide. */
void centre_faults_draw(struct sim *sim)
{
    struct centre *centre = &sim->centre;
    unsigned density = (unsigned)sim_below(random_of(sim), 4); /* 0: no faults */

    for (unsigned class = 1; class < CENTRE_FAULT_ALL; class <<= 1)
        if (sim_below(random_of(sim), 100) < density * 25)
            centre->fault_classes |= class;
    centre->fault_every_us = (int64_t)sim_below(random_of(sim), 900) * MS + 60 * MS;
    centre->fault_due_us = centre->fault_every_us;
    centre->broker.unreliable = has(sim, CENTRE_FAULT_BROKER_UNRELIABLE);
    centre->mongod.unreliable = has(sim, CENTRE_FAULT_MONGOD_UNRELIABLE);
    /* Short sessions too, so that others take over within a run. */
    centre->broker.session_us = (int64_t)sim_below(random_of(sim), 5000) * MS + 800 * MS;
}

static void cut_network(struct sim *sim, struct central *central)
{
    struct broker *broker = &sim->centre.broker;
    size_t roll = (size_t)sim_below(random_of(sim), broker->client_count + 1);
    bool *cut = roll < broker->client_count ? &broker->clients[roll].cut
                                            : &sim->centre.mongod.cut[central->index];

    *cut = !*cut;
    sim_cover(COVER_CENTRE_LINK_CUT, *cut);
    sim_trace("the network of %s is %s",
              roll < broker->client_count ? broker->clients[roll].id : central->name,
              *cut ? "cut" : "restored");
}

/* An order of which the database has version 2 or later, so that an event with version 2 is
 * old. NULL: the random tries found none. */
static const char *some_order(struct sim *sim)
{
    const struct centre *centre = &sim->centre;

    for (int tries = 0; tries < 8 && centre->order_count > 0; tries++) {
        int order = (int)sim_below(random_of(sim), (uint64_t)centre->order_count);

        if (centre->orders[order].db_version >= 2)
            return centre->orders[order].id;
    }
    return NULL;
}

/* Under which names a flood is sent. All nodes' names in turn look like a central that cannot read
 * events; made-up ones must not. Both are drawn most often: nothing else stops a central, or finds
 * one that believes every name. */
enum flood_kind {
    FLOOD_NO_NAME,
    FLOOD_ONE_NODE,
    FLOOD_ALL_NODES,
    FLOOD_ONE_MADE_UP,
    FLOOD_MADE_UP
};

static enum flood_kind draw_flood(struct sim *sim)
{
    static const enum flood_kind kinds[] = {FLOOD_NO_NAME,   FLOOD_ONE_NODE,    FLOOD_ALL_NODES,
                                            FLOOD_ALL_NODES, FLOOD_ALL_NODES,   FLOOD_ALL_NODES,
                                            FLOOD_ALL_NODES, FLOOD_ONE_MADE_UP, FLOOD_MADE_UP,
                                            FLOOD_MADE_UP,   FLOOD_MADE_UP};

    return kinds[sim_below(random_of(sim), sizeof kinds / sizeof *kinds)];
}

/* The name that the flood's next record is sent under; NULL: none. */
static const char *flood_source(const struct sim *sim, enum flood_kind kind, int number)
{
    static const char *const nodes[] = {"/nodes/till1", "/nodes/till2", "/nodes/till3"};
    static const char *const made_up[] = {"/nodes/till7", "/nodes/till8", "/nodes/till9"};

    switch (kind) {
    case FLOOD_NO_NAME:
        break;
    case FLOOD_ONE_NODE:
        return nodes[0];
    case FLOOD_ALL_NODES:
        return nodes[number % sim->node_count];
    case FLOOD_ONE_MADE_UP:
        return made_up[0];
    case FLOOD_MADE_UP:
        return made_up[number % 3];
    }
    return NULL;
}

static void flood(struct sim *sim, struct foreign_record *foreign, int count)
{
    enum flood_kind kind = draw_flood(sim);
    size_t headers = foreign->record.header_count;

    sim->centre.was_flooded = true;
    sim_cover(COVER_CENTRE_FLOOD, 1);
    for (int i = 0; i < count; i++) {
        const char *source = flood_source(sim, kind, i);

        foreign->headers[headers] = (struct tb_header){TB_STR("ce_source"), tb_str_of(source)};
        foreign->record.header_count = headers + (source != NULL);
        (void)broker_append(&sim->centre.broker, BROKER_EVENTS, &foreign->record);
    }
}

static void do_foreign_record(struct sim *sim)
{
    enum foreign_kind kind = (enum foreign_kind)sim_below(random_of(sim), FOREIGN_KIND_COUNT);
    bool of_ours = kind == FOREIGN_GAP_KNOWN_ORDER || kind == FOREIGN_OTHER_EVENT;
    const char *order_id = of_ours ? some_order(sim) : NULL;
    /* Fewer than three nodes cannot stop a central. */
    bool floods = sim_chance(random_of(sim), sim->node_count == SIM_NODES_MAX ? 9 : 3);
    int count = floods ? TB_DEAD_LETTERS_PER_MINUTE + 10 : 1;
    struct foreign_record foreign;

    if (sim->foreign_count == FOREIGN_RECORDS_MAX || (of_ours && !order_id))
        return;
    foreign_record_make(sim, ORACLE_NONE, kind, order_id, &foreign);
    sim_cover(COVER_CENTRE_FOREIGN, 1);
    if (count > 1)
        flood(sim, &foreign, count);
    else
        (void)broker_append(&sim->centre.broker, BROKER_EVENTS, &foreign.record);
    tb_buf_release(&foreign.value);
}

static void toggle(bool *state, enum sim_cover cover, const char *what)
{
    *state = !*state;
    sim_cover(cover, *state);
    sim_trace("the %s is %s", what, *state ? "down" : "up");
}

static void act(struct sim *sim, struct central *central, enum centre_fault_class class)
{
    switch (class) {
    case CENTRE_FAULT_BROKER_DOWN:
        toggle(&sim->centre.broker.down, COVER_BROKER_DOWN, "broker");
        break;
    case CENTRE_FAULT_MONGOD_DOWN:
        toggle(&sim->centre.mongod.down, COVER_MONGOD_DOWN, "database");
        break;
    case CENTRE_FAULT_LINK_CUT:
        cut_network(sim, central);
        break;
    case CENTRE_FAULT_KILL:
        sim_cover(COVER_CENTRAL_KILL, central->up);
        if (central->up)
            central_kill(central);
        break;
    case CENTRE_FAULT_STOP:
        sim_cover(COVER_CENTRAL_STOP, central->up && !central->frozen);
        if (central->up && !central->frozen)
            central_stop(central);
        break;
    case CENTRE_FAULT_FREEZE:
        if (!central->up)
            break;
        sim_cover(COVER_CENTRAL_FREEZE, !central->frozen);
        central_freeze(central, !central->frozen);
        break;
    case CENTRE_FAULT_FOREIGN_RECORD:
        do_foreign_record(sim);
        break;
    case CENTRE_FAULT_BROKER_UNRELIABLE: /* these act inside broker and database */
    case CENTRE_FAULT_MONGOD_UNRELIABLE:
    case CENTRE_FAULT_BROKER_REFUSES:
    case CENTRE_FAULT_MONGOD_REFUSES:
    case CENTRE_FAULT_ALL:
        break;
    }
}

void centre_faults_step(struct sim *sim)
{
    struct centre *centre = &sim->centre;
    struct central *central =
        &centre->centrals[sim_below(random_of(sim), (uint64_t)centre->central_count)];
    unsigned class = 1U << sim_below(random_of(sim), 11);

    centre->fault_due_us = sim->now_us + centre->fault_every_us / 2 +
                           (int64_t)sim_below(random_of(sim), (uint64_t)centre->fault_every_us);
    while (centre->fault_classes && !(centre->fault_classes & class))
        class = class == 1U << 10 ? 1 : class << 1;
    if ((centre->fault_classes & class) && !central->busy)
        act(sim, central, (enum centre_fault_class) class);
}

void centre_faults_heal(struct sim *sim)
{
    struct centre *centre = &sim->centre;

    centre->fault_due_us = centre->past_due_us = SIM_NEVER;
    centre->odd_due_us = SIM_NEVER;
    centre_restore_heal(sim);
    centre->broker.unreliable = centre->broker.down = false;
    centre->mongod.unreliable = centre->mongod.down = false;
    for (size_t i = 0; i < centre->broker.client_count; i++)
        centre->broker.clients[i].cut = false;
    for (int i = 0; i < MONGOD_CLIENTS_MAX; i++)
        centre->mongod.cut[i] = false;
    for (int i = 0; i < centre->central_count; i++)
        if (centre->centrals[i].frozen)
            central_freeze(&centre->centrals[i], false);
}
