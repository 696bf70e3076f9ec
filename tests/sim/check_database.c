#include "sim/check_centre_priv.h"
#include <string.h>

/* Judges each document written to the database, and each order that a central serves. */

int64_t check_int(const bson_t *doc, const char *key)
{
    bson_iter_t iter;

    return bson_iter_init_find(&iter, doc, key) ? bson_iter_as_int64(&iter) : 0;
}

const char *check_str(const bson_t *doc, const char *path)
{
    bson_iter_t iter, found;

    if (bson_iter_init(&iter, doc) && bson_iter_find_descendant(&iter, path, &found) &&
        BSON_ITER_HOLDS_UTF8(&found))
        return bson_iter_utf8(&found, NULL);
    return "";
}

static void see_order(struct sim *sim, const bson_t *doc)
{
    const char *id = check_str(doc, "_id");
    struct centre_order *order = check_find_order(&sim->centre, tb_str_of(id));
    int64_t version = check_int(doc, "version");

    if (strncmp(id, UNKNOWN_ORDER_PREFIX, sizeof UNKNOWN_ORDER_PREFIX - 1) == 0)
        return; /* from a foreign record */
    SIM_REQUIRE(order, "C1: the database has order %s, the log has not", id);
    SIM_REQUIRE(version > order->db_version,
                "C3: order %s is served at version %" PRId64 ", and then at %" PRId64, id,
                order->db_version, version);
    SIM_REQUIRE(version <= order->log_version,
                "C1: order %s is stored at %" PRId64 ", the log ends at %" PRId64, id, version,
                order->log_version);
    sim_trace("stores %s version %" PRId64, id, version);
    order->db_version = version;
}

static void see_dead_letter(struct sim *sim, const bson_t *doc)
{
    struct centre *centre = &sim->centre;
    struct tb_dead_letter_position place = {0};
    struct check_mark mark = {0};
    struct tb_str topic;

    SIM_REQUIRE(tb_dead_letter_id_parse(tb_str_of(check_str(doc, "_id")), &topic, &place),
                "C4: a dead letter's id is malformed");
    sim_trace("stores dead letter %d-%" PRId64 ": %s", (int)place.partition, place.offset,
              check_str(doc, "reason"));
    const struct tb_record *record =
        &centre->broker.topics[BROKER_EVENTS][place.partition].records[place.offset];
    struct centre_order *order = check_find_order(centre, record->key);

    (void)check_record_mark(record, &mark);
    SIM_REQUIRE(mark.foreign ? foreign_becomes_dead_letter(sim->foreign[mark.number].kind)
                             : order && order->db_refuses,
                "C4: a dead letter without a cause: %s %s", check_str(doc, "reason"),
                check_str(doc, "message"));
    if (!mark.foreign && check_int(doc, "version") > order->dead_version)
        order->dead_version = check_int(doc, "version");
    centre->has_letter_in_db[place.partition][place.offset] = true;
    sim_cover(COVER_CENTRE_DEAD_LETTER, 1);
    sim_cover(COVER_CENTRE_GAP, strcmp(check_str(doc, "reason"), TB_REASON_GAP) == 0);
}

static void on_write(void *ctx, const char *collection, const bson_t *old, const bson_t *doc)
{
    if (strcmp(collection, "orders") == 0)
        see_order(ctx, doc);
    if (strcmp(collection, "dead_letters") == 0 && !old)
        see_dead_letter(ctx, doc);
}

/* The database rejects one order in so many from some version on, until the faults are over, in
 * a run with CENTRE_FAULT_MONGOD_REFUSES. */
#define NEVER_EVERY 4

static bool on_refuse_document(void *ctx, const char *collection, const bson_t *doc)
{
    struct sim *sim = ctx;
    struct centre_order *order;
    uint32_t hash;

    if (!(sim->centre.fault_classes & CENTRE_FAULT_MONGOD_REFUSES) || sim->healed ||
        strcmp(collection, "orders") != 0)
        return false;
    order = check_find_order(&sim->centre, tb_str_of(check_str(doc, "_id")));
    if (!order)
        return false;
    hash = tb_murmur2(order->id, strlen(order->id));
    if (hash % NEVER_EVERY != 0 || check_int(doc, "version") < 1 + hash / NEVER_EVERY % 2)
        return false;
    order->db_refuses = true;
    sim_cover(COVER_ORDER_REFUSED, 1);
    return true;
}

bool check_centre_next_dead_letter(const struct sim *sim, size_t *at,
                                   struct tb_dead_letter_position *ret_place)
{
    const struct centre *centre = &sim->centre;
    const struct mongod_collection *dead_letters = NULL;

    for (size_t i = 0; i < centre->mongod.collection_count; i++)
        if (strcmp(centre->mongod.collections[i].name, "dead_letters") == 0)
            dead_letters = &centre->mongod.collections[i];
    while (dead_letters && *at < dead_letters->count) {
        const bson_t *doc = dead_letters->list[(*at)++].doc;
        struct check_mark mark = {0};
        struct tb_str topic;

        SIM_REQUIRE(tb_dead_letter_id_parse(tb_str_of(check_str(doc, "_id")), &topic, ret_place),
                    "C4: a dead letter's id is malformed");
        (void)check_record_mark(
            &centre->broker.topics[BROKER_EVENTS][ret_place->partition].records[ret_place->offset],
            &mark);
        if (!mark.foreign && strcmp(check_str(doc, "status"), "open") == 0)
            return true;
    }
    return false;
}

static void on_wait(void *ctx, int client, int64_t us)
{
    struct sim *sim = ctx;

    sim_run_others(sim, &sim->centre.centrals[client], us);
}

struct mongod_hooks check_centre_mongod(struct sim *sim)
{
    return (struct mongod_hooks){
        .ctx = sim, .on_write = on_write, .on_wait = on_wait, .refuses = on_refuse_document};
}

/* Reads and hints. */

void check_centre_hint(struct central *central, const char *order_id, int64_t version)
{
    const struct centre_order *order =
        check_find_order(&central->sim->centre, tb_str_of(order_id));

    SIM_REQUIRE(!order || order->db_version >= version,
                "C3: %s gets a hint of order %s at version %" PRId64 ", stored is %" PRId64,
                central->name, order_id, version, order->db_version);
}

void check_centre_read(struct central *central)
{
    struct centre *centre = &central->sim->centre;
    TB_CLEANUP(tb_buf_release) struct tb_buf doc = {0};
    const struct centre_order *order;
    struct tb_error err = {0};
    int64_t version = 0;
    enum tb_code code;

    if (centre->order_count == 0)
        return;
    order =
        &centre->orders[sim_below(&central->sim->centre_random, (uint64_t)centre->order_count)];
    code = central->view_reader->ops->get(central->view_reader, tb_str_of(order->id), &doc,
                                          &version, &err);
    SIM_REQUIRE(code == TB_OK || code == TB_UNAVAILABLE || code == TB_NOT_FOUND, "%s: reading: %s",
                central->name, err.text);
    if (code != TB_UNAVAILABLE)
        SIM_REQUIRE(version == order->db_version,
                    "C3: %s serves order %s at version %" PRId64 ", stored is %" PRId64,
                    central->name, order->id, version, order->db_version);
    sim_cover(COVER_CENTRAL_READ, code == TB_OK);
}
