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

static struct tb_str bytes_of(const bson_iter_t *iter)
{
    struct tb_str bytes = {0};
    uint32_t len = 0;

    if (BSON_ITER_HOLDS_UTF8(iter)) {
        bytes.ptr = bson_iter_utf8(iter, &len);
    } else if (BSON_ITER_HOLDS_BINARY(iter)) {
        const uint8_t *data = NULL;

        bson_iter_binary(iter, NULL, &len, &data);
        bytes.ptr = (const char *)data;
    }
    bytes.len = len;
    return bytes;
}

/* The value of a header that the dead letter has of its record; empty without one. */
static struct tb_str header_of(const bson_t *doc, struct tb_str wanted)
{
    bson_iter_t iter, list, header;

    if (!bson_iter_init_find(&iter, doc, "headers") || !bson_iter_recurse(&iter, &list))
        return (struct tb_str){0};
    while (bson_iter_next(&list)) {
        struct tb_str name = {0}, value = {0};

        for (bool ok = bson_iter_recurse(&list, &header); ok && bson_iter_next(&header);) {
            if (strcmp(bson_iter_key(&header), "name") == 0)
                name = bytes_of(&header);
            if (strcmp(bson_iter_key(&header), "value") == 0)
                value = bytes_of(&header);
        }
        if (tb_str_eq(name, wanted))
            return value;
    }
    return (struct tb_str){0};
}

/* The mark of the record. */
static void read_letter_mark(const bson_t *doc, struct check_mark *ret_mark)
{
    struct tb_str mark = header_of(doc, TB_STR("traceparent"));

    (void)check_mark(mark.ptr ? mark.ptr : "", (int)mark.len, ret_mark);
}

/* The number in the name of the till that the record says it is from; 0: it does not say. */
static int sender_of(const bson_t *doc)
{
    struct tb_str source = header_of(doc, TB_STR("ce_source"));

    return source.len == 12 && memcmp(source.ptr, "/nodes/till", 11) == 0 ? source.ptr[11] - '0'
                                                                          : 0;
}

static void count_dead_letter(struct centre *centre, int sender, const char *reason)
{
    static const char *const counted[TB_SENDER_REASONS] = {"tillbox.decode", "tillbox.invalid",
                                                           TB_REASON_GAP, "tillbox.apply"};

    for (int i = 0; i < TB_SENDER_REASONS; i++)
        centre->letters_of[sender][i] += strcmp(reason, counted[i]) == 0;
}

/* A central parks a sender, whatever it sends, after a minute's limit of its records have become
 * dead letters. */
static bool may_be_parked(const struct centre *centre, int sender)
{
    int sum = 0;

    for (int i = 0; i < TB_SENDER_REASONS; i++)
        sum += centre->letters_of[sender][i];
    return sender != 0 && sum >= TB_DEAD_LETTERS_PER_MINUTE;
}

/* A central stops after a minute's limit of records that nodes have sent have become dead letters
 * for the same reason. Of each node TB_ALIKE_MAX count, of made-up names none. */
bool check_centre_may_stop(const struct sim *sim)
{
    for (int reason = 0; reason < TB_SENDER_REASONS; reason++) {
        int sum = 0;

        for (int node = 1; node <= sim->node_count; node++) {
            int count = sim->centre.letters_of[node][reason];

            sum += count < TB_ALIKE_MAX ? count : TB_ALIKE_MAX;
        }
        if (sum >= TB_DEAD_LETTERS_PER_MINUTE)
            return true;
    }
    return false;
}

/* A copy of a record in a partition that is not its key's. It is never applied from there. */
static bool is_misplaced(const bson_t *doc, const struct tb_dead_letter_position *place)
{
    const char *order_id = check_str(doc, "orderId");

    return strcmp(check_str(doc, "reason"), "tillbox.invalid") == 0 &&
           tb_log_partition(tb_str_of(order_id), TEST_PARTITIONS) != place->partition;
}

static bool has_cause(const struct sim *sim, int sender, const struct check_mark *mark,
                      const struct centre_order *order, const char *reason)
{
    if (strcmp(reason, TB_REASON_PARKED) == 0)
        return may_be_parked(&sim->centre, sender);
    if (mark->foreign)
        return foreign_becomes_dead_letter(sim->foreign[mark->number].kind);
    if (strcmp(reason, TB_REASON_GAP) == 0)
        return order && (order->dead_version > 0 || sim->centre.has_lost_records);
    return strcmp(reason, "tillbox.apply") == 0 && order && order->db_refuses;
}

static void see_dead_letter(struct sim *sim, const bson_t *doc, bool is_new)
{
    const char *reason = check_str(doc, "reason");
    struct centre *centre = &sim->centre;
    struct tb_dead_letter_position place = {0};
    struct check_mark mark = {0};
    struct tb_str topic;

    SIM_REQUIRE(tb_dead_letter_id_parse(tb_str_of(check_str(doc, "_id")), &topic, &place),
                "C4: a dead letter's id is malformed");
    if (is_new)
        sim_trace("stores dead letter %d-%" PRId64 ": %s", (int)place.partition, place.offset,
                  reason);
    struct centre_order *order = check_find_order(centre, tb_str_of(check_str(doc, "orderId")));

    read_letter_mark(doc, &mark);
    SIM_REQUIRE(is_misplaced(doc, &place) || has_cause(sim, sender_of(doc), &mark, order, reason),
                "C4: a dead letter without a cause: %s %s", reason, check_str(doc, "message"));
    if (!is_new)
        return;
    count_dead_letter(centre, sender_of(doc), reason);
    if (!mark.foreign && check_int(doc, "version") > order->dead_version)
        order->dead_version = check_int(doc, "version");
    centre->has_letter_in_db[place.partition][tb_log_offset(place.offset)] = true;
    sim_cover(COVER_CENTRE_DEAD_LETTER, 1);
    sim_cover(COVER_CENTRE_GAP, strcmp(reason, TB_REASON_GAP) == 0);
    sim_cover(COVER_CENTRE_PARKED, strcmp(reason, TB_REASON_PARKED) == 0);
}

static void on_write(void *ctx, const char *collection, const bson_t *old, const bson_t *doc)
{
    if (strcmp(collection, "orders") == 0)
        see_order(ctx, doc);
    if (strcmp(collection, "dead_letters") == 0)
        see_dead_letter(ctx, doc, !old);
    if (strcmp(collection, "nodes") == 0) {
        check_centre_see_node(ctx, doc);
        check_centre_retirement(ctx, old, doc);
    }
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

/* An event of ours follows, if need be with the operator's help. A foreign record follows only if
 * it was parked, but for one without a value, of which nothing is left to send, and for a version
 * whose order never comes so far. */
static bool must_follow(const struct sim *sim, const struct check_mark *mark, const char *reason)
{
    enum foreign_kind kind;

    if (!mark->foreign)
        return true;
    kind = sim->foreign[mark->number].kind;
    return strcmp(reason, TB_REASON_PARKED) == 0 && kind != FOREIGN_NULL_VALUE &&
           kind != FOREIGN_GAP_KNOWN_ORDER && kind != FOREIGN_GAP_UNKNOWN_ORDER;
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
        read_letter_mark(doc, &mark);
        if (strcmp(check_str(doc, "status"), "open") == 0 && !is_misplaced(doc, ret_place) &&
            must_follow(sim, &mark, check_str(doc, "reason")))
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

    SIM_REQUIRE(!order || order->db_version >= version || central->sim->centre.has_other_past,
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
