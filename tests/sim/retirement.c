#include "sim/check_centre_priv.h"
#include <stdlib.h>
#include <string.h>

/* C10: people retire nodes at the centre and put them back. Whatever comes of a node, it stays as
 * they have decided last. Somebody who gets no answer asks for the same again until there is one.
 * Only some seeds draw that; the others are as they would be without this file. */

#define MS INT64_C(1000)
/* Heartbeats come in between. */
#define DECISIONS_EVERY_MS 12000

static uint64_t below(struct sim *sim, uint64_t bound)
{
    return fake_random_below(&sim->centre.retirement_random, bound);
}

static void draw_next(struct sim *sim)
{
    sim->centre.retirement_due_us =
        sim->now_us + (100 + (int64_t)below(sim, DECISIONS_EVERY_MS)) * MS;
}

void retirement_draw(struct sim *sim)
{
    struct centre *centre = &sim->centre;

    fake_random_init(&centre->retirement_random, sim->seed * 83 + 2);
    centre->retirement_due_us = SIM_NEVER;
    if (below(sim, 100) >= 25)
        return;
    centre->decisions_left = 1 + (int)below(sim, 8);
    draw_next(sim);
}

static struct retirement *find_open(struct centre *centre)
{
    for (int i = 0; i < ORACLE_NODES_MAX; i++)
        if (centre->retirements[i].is_open)
            return &centre->retirements[i];
    return NULL;
}

bool retirement_is_open(const struct sim *sim)
{
    return find_open((struct centre *)(uintptr_t)&sim->centre) != NULL;
}

/* The decision that is asked for next; NULL: no more of them. */
static struct retirement *choose(struct sim *sim)
{
    struct centre *centre = &sim->centre;
    struct retirement *open = find_open(centre);

    if (open || sim->healed || centre->decisions_left == 0)
        return open;
    centre->decisions_left--;
    open = &centre->retirements[below(sim, (uint64_t)sim->node_count)];
    open->is_open = true;
    open->asked = !open->retired;
    return open;
}

static void ask(struct sim *sim, struct central *central, struct retirement *retirement)
{
    const char *name = sim->nodes[retirement - sim->centre.retirements].name;
    const struct tb_node_retirement now = {tb_clock_wall_ms(&central->clock), "the operator"};
    struct tb_error err = {0};
    enum tb_code code =
        tb_mongo_retire_node(central->mongo, name, retirement->asked ? &now : NULL, &err);

    sim_trace("%s: %s is %s: %s", central->name, name, retirement->asked ? "retired" : "put back",
              tb_code_name(code));
    SIM_REQUIRE(code != TB_CORRUPT && code != TB_INTERNAL, "%s: %s", central->name, err.text);
    SIM_REQUIRE(code != TB_NOT_FOUND || !mongod_get(&sim->centre.mongod, "nodes", name),
                "C10: %s is not known, and has a document", name);
    if (code == TB_OK)
        retirement->retired = retirement->asked;
    retirement->is_open = code != TB_OK && code != TB_NOT_FOUND;
    sim_cover(COVER_NODE_RETIRED, code == TB_OK && retirement->retired);
    sim_cover(COVER_NODE_UNRETIRED, code == TB_OK && !retirement->retired);
}

void retirement_step(struct sim *sim)
{
    struct centre *centre = &sim->centre;
    struct central *central = &centre->centrals[below(sim, (uint64_t)centre->central_count)];
    struct retirement *retirement = choose(sim);

    centre->retirement_due_us = SIM_NEVER; /* others have their turns meanwhile */
    if (!retirement)
        return;
    if (central->up && central->prepared && !central->frozen && !central->busy)
        ask(sim, central, retirement);
    draw_next(sim);
}

static bool is_retired(const bson_t *doc)
{
    return doc && bson_has_field(doc, "retiredAt");
}

static struct retirement *find(struct centre *centre, const char *name)
{
    TB_ASSERT(strncmp(name, "till", 4) == 0);
    return &centre->retirements[atoi(name + 4) - 1];
}

void check_centre_retirement(struct sim *sim, const bson_t *old, const bson_t *doc)
{
    const struct retirement *retirement = find(&sim->centre, check_str(doc, "_id"));
    bool retired = is_retired(doc);

    SIM_REQUIRE(retired == is_retired(old) ||
                    (retirement->is_open && retirement->asked == retired),
                "C10: %s is %s, and nobody asked for it", check_str(doc, "_id"),
                retired ? "retired" : "not retired any more");
    sim_cover(COVER_RETIRED_SENDS, retired && is_retired(old));
}

/* The database was dropped or put back, and what people had decided with it. */
void retirement_see_database(struct sim *sim)
{
    for (int i = 0; i < sim->node_count; i++)
        sim->centre.retirements[i] = (struct retirement){
            .retired = is_retired(mongod_get(&sim->centre.mongod, "nodes", sim->nodes[i].name))};
}

/* A retired node holds nothing back, and all others do. */
void check_centre_retired(struct sim *sim, const struct tb_node_report_list *list)
{
    int64_t through_ms = tb_nodes_complete_through_ms(list), earliest_ms = INT64_MAX;

    for (size_t i = 0; i < list->count; i++) {
        const struct tb_node_report *node = &list->nodes[i];
        bool retired = find(&sim->centre, node->node)->retired;

        SIM_REQUIRE((node->state == TB_NODE_RETIRED) == retired, "C10: %s is %s, but it was %s",
                    node->node, tb_node_state_name(node->state),
                    retired ? "retired" : "not retired");
        if (!retired && node->complete_through_at_ms < earliest_ms)
            earliest_ms = node->complete_through_at_ms;
    }
    SIM_REQUIRE(through_ms == (earliest_ms < INT64_MAX ? earliest_ms : 0),
                "C10: the nodes are complete through %" PRId64 ", but told is %" PRId64,
                earliest_ms, through_ms);
}

/* Mutant: whoever saves a heartbeat forgets that the node is retired. */
enum tb_code retirement_forget(struct central *central, const struct tb_heartbeat_record *list,
                               size_t count, struct tb_error *err)
{
    for (size_t i = 0; i < count; i++)
        TB_TRY(tb_mongo_retire_node(central->mongo, list[i].heartbeat.node, NULL, err));
    return TB_OK;
}
