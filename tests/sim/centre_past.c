#include "bridge/log/placed_priv.h"
#include "sim/broker_reader_priv.h"
#include "sim/sim.h"
#include <stdlib.h>

/* Faults by which the centre's log or database gets another past: the topic is made anew with its
 * events in another order, in part or whole, or the database is dropped, or put back to what it
 * was some time ago. They have random numbers of their own, so that a run without them is the run
 * that it would be without this file. */

#define MS INT64_C(1000)

static uint64_t below(struct sim *sim, uint64_t bound)
{
    return fake_random_below(&sim->centre.past_random, bound);
}

void centre_past_init(struct sim *sim)
{
    struct centre *centre = &sim->centre;

    fake_random_init(&centre->past_random, sim->seed * 79 + 8);
    centre->past_due_us = SIM_NEVER;
    if (below(sim, 100) >= 35)
        return;
    centre->past_classes = 1U + (unsigned)below(sim, CENTRE_PAST_ALL);
    centre->past_due_us = (int64_t)(200 + below(sim, 1500)) * MS;
    centre->past_left = 2 + (int)below(sim, 8);
    sim_trace("the past changes, classes %x", centre->past_classes);
}

/* The log. */

static bool is_stored(struct sim *sim, const struct tb_record *record)
{
    return check_centre_is_stored(sim, record);
}

static bool same_key(const struct tb_record *a, const struct tb_record *b)
{
    return tb_str_eq(a->key, b->key);
}

/* True: an earlier record of the key is still to be moved. */
static bool must_wait(const struct tb_record *records, const bool *moved, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (!moved[i] && same_key(&records[i], &records[at]))
            return true;
    return false;
}

/* Records of which the database has everything are left out sometimes: of each order only the
 * first ones, because the till would send nothing again that is there. */
static bool is_left_out(struct sim *sim, const struct broker_partition *part, size_t count,
                        const struct tb_record *record)
{
    const struct broker_group *group =
        broker_group(&sim->centre.broker, CENTRE_GROUP, BROKER_EVENTS);

    if (sim->centre.past_classes != CENTRE_PAST_REPLACED || sim->centre.has_other_past ||
        below(sim, 2) == 0)
        return false;
    if (record->offset >= group->committed[record->partition])
        return false;
    for (size_t i = 0; i < count; i++)
        if (same_key(&part->records[i], record))
            return false;
    return is_stored(sim, record);
}

static void replace_partition(struct sim *sim, int32_t partition)
{
    struct broker *broker = &sim->centre.broker;
    struct broker_partition *part = &broker->topics[BROKER_EVENTS][partition], old = *part;
    bool *moved = calloc(old.count + 1, sizeof *moved);

    TB_ASSERT(moved);
    *part = (struct broker_partition){0};
    part->records = calloc(old.count + 1, sizeof *part->records);
    part->cap = old.count + 1;
    TB_ASSERT(part->records);
    for (size_t left = old.count; left > 0; left--) {
        size_t at = (size_t)below(sim, old.count);
        struct tb_record *record = &part->records[part->count];

        while (moved[at] || must_wait(old.records, moved, at))
            at = (at + 1) % old.count;
        moved[at] = true;
        *record = old.records[at];
        if (broker_is_marker(record))
            continue;
        if (is_left_out(sim, part, part->count, record)) {
            sim->centre.has_left_out = true;
            continue;
        }
        record->offset = (int64_t)part->count++;
        record->timestamp_ms = SIM_EPOCH_MS + sim->now_us / 1000;
    }
    sim_trace("partition %d is replaced: %zu records, not %zu", (int)partition, part->count,
              old.count);
    free(old.records);
    free(moved);
}

static void replace_log(struct sim *sim)
{
    struct centre *centre = &sim->centre;

    for (int32_t p = 0; p < TEST_PARTITIONS; p++) {
        if (below(sim, 3) == 0)
            continue;
        replace_partition(sim, p);
        for (struct broker_reader *reader = centre->broker.readers; reader; reader = reader->next)
            if (reader->topic == BROKER_EVENTS)
                reader->parts[p].fetched = reader->parts[p].next;
        memset(centre->has_letter_in_db[p], 0, sizeof centre->has_letter_in_db[p]);
        memset(centre->has_letter_in_topic[p], 0, sizeof centre->has_letter_in_topic[p]);
    }
    /* Its members learn that the topic was away. */
    broker_group_rebalance(&centre->broker,
                           broker_group(&centre->broker, CENTRE_GROUP, BROKER_EVENTS));
    sim_cover(COVER_LOG_REPLACED, 1);
}

/* The database. */

static void free_documents(struct mongod_collection *collection)
{
    for (size_t i = 0; i < collection->count; i++) {
        free(collection->list[i].id);
        bson_destroy(collection->list[i].doc);
        if (collection->list[i].before)
            bson_destroy(collection->list[i].before);
    }
    free(collection->list);
    collection->list = NULL;
    collection->count = collection->cap = 0;
}

static void copy_documents(const struct mongod_collection *from, struct mongod_collection *to)
{
    memcpy(to->name, from->name, sizeof to->name);
    to->list = calloc(from->count + 1, sizeof *to->list);
    TB_ASSERT(to->list);
    to->count = from->count;
    to->cap = from->count + 1;
    for (size_t i = 0; i < from->count; i++)
        to->list[i] = (struct mongod_document){.id = strdup(from->list[i].id),
                                               .doc = bson_copy(from->list[i].doc)};
}

static void forget_copy(struct centre *centre)
{
    for (size_t c = 0; c < centre->copy_count; c++)
        free_documents(&centre->copy[c]);
    centre->copy_count = 0;
}

static void copy_database(struct centre *centre)
{
    forget_copy(centre);
    for (; centre->copy_count < centre->mongod.collection_count; centre->copy_count++)
        copy_documents(&centre->mongod.collections[centre->copy_count],
                       &centre->copy[centre->copy_count]);
}

/* Puts the copy in the place of the database; without a copy the database is empty then. The
 * server was stopped for that, so no write is under way. */
static void put_database_back(struct sim *sim)
{
    struct centre *centre = &sim->centre;
    struct mongod *mongod = &centre->mongod;

    mongod_drop_late(mongod);
    for (size_t c = 0; c < mongod->collection_count; c++) {
        free_documents(&mongod->collections[c]);
        if (c < centre->copy_count)
            copy_documents(&centre->copy[c], &mongod->collections[c]);
    }
    retirement_see_database(sim);
    for (int i = 0; i < centre->order_count; i++) {
        struct centre_order *order = &centre->orders[i];
        const bson_t *doc = mongod_get(mongod, "orders", order->id);
        bson_iter_t iter;

        order->checked = 0;
        order->db_version =
            doc && bson_iter_init_find(&iter, doc, "version") ? bson_iter_as_int64(&iter) : 0;
    }
}

static bool is_any_busy(const struct centre *centre)
{
    for (int i = 0; i < centre->central_count; i++)
        if (centre->centrals[i].busy)
            return true;
    return false;
}

void centre_past_step(struct sim *sim)
{
    struct centre *centre = &sim->centre;
    unsigned class = 1U << below(sim, 3);

    centre->past_due_us = sim->now_us + (int64_t)(50 + below(sim, 1500)) * MS;
    if (centre->past_left-- == 0)
        centre->past_due_us = SIM_NEVER;
    if (!(centre->past_classes & class) || (class != CENTRE_PAST_REPLACED && is_any_busy(centre)))
        return;
    if (class == CENTRE_PAST_PUT_BACK && (centre->copy_count == 0 || below(sim, 2) == 0)) {
        copy_database(centre);
        return;
    }
    centre->has_other_past = true;
    centre->notices_past_us = sim->now_us + PLACED_LOOK_EVERY_MS * MS;
    if (class == CENTRE_PAST_REPLACED) {
        centre->has_lost_records = true; /* of where they were */
        replace_log(sim);
        return;
    }
    if (class == CENTRE_PAST_DROPPED)
        forget_copy(centre);
    sim_trace("the database is %s", centre->copy_count ? "put back" : "dropped");
    sim_cover(centre->copy_count ? COVER_MONGOD_PUT_BACK : COVER_MONGOD_DROPPED, 1);
    put_database_back(sim);
}

void centre_past_release(struct sim *sim)
{
    forget_copy(&sim->centre);
}

/* Mutants. */

static enum tb_code (*sound_load)(void *ctx, int32_t partition, struct tb_log_place *ret_place,
                                  int64_t *ret_unused, bool *ret_take_over, struct tb_error *err);

static enum tb_code load_without_record(void *ctx, int32_t partition,
                                        struct tb_log_place *ret_place, int64_t *ret_unused,
                                        bool *ret_take_over, struct tb_error *err)
{
    TB_TRY(sound_load(ctx, partition, ret_place, ret_unused, ret_take_over, err));
    ret_place->last_offset = -1;
    return TB_OK;
}

static enum tb_code (*sound_commit)(struct tb_view *view, const struct tb_plan *plan,
                                    struct tb_error *err);

static enum tb_code commit_without_generation(struct tb_view *view, const struct tb_plan *plan,
                                              struct tb_error *err)
{
    for (size_t i = 0; i < plan->sales_delta_count; i++)
        plan->sales_deltas[i].offset = tb_log_offset(plan->sales_deltas[i].offset);
    return sound_commit(view, plan, err);
}

void place_mutant_install(struct central *central)
{
    static struct tb_view_ops ops;

    if (central->sim->mutant == SIM_MUTANT_CONTINUITY_NOT_CHECKED) {
        sound_load = central->places.load;
        central->places.load = load_without_record;
    }
    if (central->sim->mutant == SIM_MUTANT_GENERATION_LEFT_OUT) {
        if (central->view->ops != &ops)
            sound_commit = central->view->ops->commit;
        ops = *central->view->ops;
        ops.commit = commit_without_generation;
        central->view->ops = &ops;
    }
}
