#include "sim/check_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool mark_of(const struct tb_record *record, struct check_mark *ret_mark)
{
    struct tb_str mark = tb_record_header(record, "traceparent");

    return check_mark(mark.ptr, (int)mark.len, ret_mark);
}

static int64_t number_in(struct tb_str text)
{
    char digits[24];

    snprintf(digits, sizeof digits, "%.*s", (int)text.len, text.ptr ? text.ptr : "");
    return strtoll(digits, NULL, 10);
}

/* Orders, as the log shows them. */

static struct centre_order *find(struct centre *centre, struct tb_str id)
{
    for (int i = 0; i < centre->order_count; i++)
        if (tb_str_eq(id, tb_str_of(centre->orders[i].id)))
            return &centre->orders[i];
    return NULL;
}

static struct centre_order *find_or_add(struct centre *centre, const struct tb_record *record)
{
    struct tb_str source = tb_record_header(record, "ce_source");
    struct centre_order *order = find(centre, record->key);

    if (order)
        return order;
    SIM_REQUIRE(centre->order_count < ORACLE_ORDERS_MAX, "the checker is too small");
    order = &centre->orders[centre->order_count++];
    *order = (struct centre_order){.order = ORACLE_NONE};
    snprintf(order->id, sizeof order->id, "%.*s", (int)record->key.len, record->key.ptr);
    SIM_REQUIRE(source.len > 11 && memcmp(source.ptr, "/nodes/till", 11) == 0,
                "C1: an event of no till");
    order->node = source.ptr[11] - '1';
    return order;
}

static void see_event(struct sim *sim, const struct tb_record *record)
{
    struct check_mark mark = {0};
    int64_t version = number_in(tb_record_header(record, "ce_orderversion"));
    struct centre_order *order;

    SIM_REQUIRE(mark_of(record, &mark), "C1: a record of nobody is in the log");
    SIM_REQUIRE(record->offset < CENTRE_RECORDS_MAX, "the checker is too small");
    sim_trace("lands %d-%" PRId64 ": %s %d", (int)record->partition, record->offset,
              mark.poison ? "poison" : "attempt", mark.number);
    if (mark.poison)
        return;
    order = find_or_add(&sim->centre, record);
    SIM_REQUIRE(version >= 1 && version <= order->landed + 1,
                "C2: in the log version %" PRId64 " of order %s follows %" PRId64, version,
                order->id, order->landed);
    SIM_REQUIRE(version > order->landed || order->attempts[version] == mark.number,
                "C1: version %" PRId64 " of order %s was another event before", version,
                order->id);
    sim_cover(SIM_LANDED, version > order->landed);
    sim_cover(SIM_LANDED_AGAIN, version <= order->landed);
    order->attempts[version] = mark.number;
    if (version > order->landed)
        order->landed = version;
}

/* Java's ByteBuffer wrote it. */
static int64_t big_endian(struct tb_str bytes)
{
    int64_t number = 0;

    for (size_t i = 0; i < bytes.len; i++)
        number = number << 8 | (unsigned char)bytes.ptr[i];
    return number;
}

static void on_landed(void *ctx, enum broker_topic topic, const struct tb_record *record)
{
    struct sim *sim = ctx;

    if (topic == BROKER_EVENTS) {
        see_event(sim, record);
        for (int i = 0; i < sim->centre.central_count; i++)
            if (sim->centre.centrals[i].up)
                central_wake(&sim->centre.centrals[i], CENTRAL_EVENTS, 5000);
    }
    if (topic == BROKER_LETTERS)
        sim->centre.sent[record->partition]
                        [big_endian(tb_record_header(record, "kafka_dlt-original-offset"))] = true;
}

/* One event in so many, in a run where the broker refuses some. */
#define REFUSED_EVERY 24

static bool on_refuse_record(void *ctx, enum broker_topic topic, const struct tb_record *record)
{
    struct sim *sim = ctx;
    int64_t version = number_in(tb_record_header(record, "ce_orderversion"));
    struct check_mark mark = {0};
    struct centre_order *order;

    if (topic != BROKER_EVENTS || !(sim->centre.classes & STORM_REFUSE) ||
        tb_record_header(record, TB_HEADER_MENDED).ptr || !mark_of(record, &mark) ||
        ((unsigned)mark.number * 2654435761U >> 16) % REFUSED_EVERY != 0)
        return false;
    order = find_or_add(&sim->centre, record);
    if (order->refused == 0 || version < order->refused)
        order->refused = version;
    return true;
}

/* What a group may commit. */

static bool has_letter(const struct centre *centre, const struct tb_record *record)
{
    struct tb_str mended = tb_record_header(record, TB_HEADER_MENDED), topic;
    struct tb_letter_place home = {record->partition, record->offset};

    if (mended.ptr)
        SIM_REQUIRE(tb_letter_id_parse(mended, &topic, &home), "C4: a letter of no name");
    return centre->noted[home.partition][home.offset] &&
           centre->sent[record->partition][record->offset];
}

static bool is_done(struct sim *sim, const struct tb_record *record)
{
    struct check_mark mark = {0};
    const struct centre_order *order;

    (void)mark_of(record, &mark);
    if (mark.poison)
        return !check_is_deadly(sim->poison[mark.number].kind) || has_letter(&sim->centre, record);
    order = find(&sim->centre, record->key);
    return order->stored >= number_in(tb_record_header(record, "ce_orderversion")) ||
           has_letter(&sim->centre, record);
}

static void on_committing(void *ctx, const struct broker_group *group, int32_t partition,
                          int64_t next)
{
    struct sim *sim = ctx;
    int64_t committed = group->committed[partition];

    SIM_REQUIRE(next >= committed, "C5: group %s goes back from %" PRId64 " to %" PRId64,
                group->name, committed, next);
    for (int64_t at = committed < 0 ? 0 : committed; group->topic == BROKER_EVENTS && at < next;
         at++)
        SIM_REQUIRE(is_done(sim, &sim->centre.broker.topics[BROKER_EVENTS][partition].records[at]),
                    "C5: record %d-%" PRId64 " is committed, and neither stored nor a dead letter",
                    (int)partition, at);
}

struct broker_watch check_centre_broker(struct sim *sim)
{
    return (struct broker_watch){
        .ctx = sim, .landed = on_landed, .committing = on_committing, .refuses = on_refuse_record};
}

/* What the database may hold. */

static int64_t number_of(const bson_t *doc, const char *key)
{
    bson_iter_t iter;

    return bson_iter_init_find(&iter, doc, key) ? bson_iter_as_int64(&iter) : 0;
}

static const char *text_of(const bson_t *doc, const char *path)
{
    bson_iter_t iter, found;

    if (bson_iter_init(&iter, doc) && bson_iter_find_descendant(&iter, path, &found) &&
        BSON_ITER_HOLDS_UTF8(&found))
        return bson_iter_utf8(&found, NULL);
    return "";
}

static void see_order(struct sim *sim, const bson_t *doc)
{
    const char *id = text_of(doc, "_id");
    struct centre_order *order = find(&sim->centre, tb_str_of(id));
    int64_t version = number_of(doc, "version");

    if (strncmp(id, SIM_STRANGER, sizeof SIM_STRANGER - 1) == 0)
        return; /* from poison */
    SIM_REQUIRE(order, "C1: the database has order %s, the log has not", id);
    SIM_REQUIRE(version > order->stored,
                "C3: order %s is served at version %" PRId64 ", and then at %" PRId64, id,
                order->stored, version);
    SIM_REQUIRE(version <= order->landed, "C1: order %s is stored at %" PRId64 ", landed %" PRId64,
                id, version, order->landed);
    sim_trace("stores %s version %" PRId64, id, version);
    order->stored = version;
}

static void see_letter(struct sim *sim, const bson_t *doc)
{
    struct centre *centre = &sim->centre;
    struct tb_letter_place place = {0};
    struct check_mark mark = {0};
    struct tb_str topic;

    SIM_REQUIRE(tb_letter_id_parse(tb_str_of(text_of(doc, "_id")), &topic, &place),
                "C4: a letter of no name");
    sim_trace("notes letter %d-%" PRId64 ": %s", (int)place.partition, place.offset,
              text_of(doc, "reason"));
    const struct tb_record *record =
        &centre->broker.topics[BROKER_EVENTS][place.partition].records[place.offset];
    struct centre_order *order = find(centre, record->key);

    (void)mark_of(record, &mark);
    SIM_REQUIRE((mark.poison && check_is_deadly(sim->poison[mark.number].kind)) ||
                    (order && order->never),
                "C4: a dead letter that is no poison: %s %s", text_of(doc, "reason"),
                text_of(doc, "message"));
    if (!mark.poison && number_of(doc, "version") > order->died)
        order->died = number_of(doc, "version");
    centre->noted[place.partition][place.offset] = true;
    sim_cover(SIM_FAR_LETTER, 1);
    sim_cover(SIM_FAR_GAP, strcmp(text_of(doc, "reason"), TB_LETTER_GAP) == 0);
}

static void on_writing(void *ctx, const char *collection, const bson_t *old, const bson_t *doc)
{
    if (strcmp(collection, "orders") == 0)
        see_order(ctx, doc);
    if (strcmp(collection, "dead_letters") == 0 && !old)
        see_letter(ctx, doc);
}

/* Some orders, from some version on, while not all is mended. */
#define NEVER_EVERY 4

static bool on_refuse_document(void *ctx, const char *collection, const bson_t *doc)
{
    struct sim *sim = ctx;
    struct centre_order *order;
    uint32_t hash;

    if (!(sim->centre.classes & STORM_NEVER) || sim->healed || strcmp(collection, "orders") != 0)
        return false;
    order = find(&sim->centre, tb_str_of(text_of(doc, "_id")));
    if (!order)
        return false;
    hash = tb_murmur2(order->id, strlen(order->id));
    if (hash % NEVER_EVERY != 0 || number_of(doc, "version") < 1 + hash / NEVER_EVERY % 2)
        return false;
    order->never = true;
    sim_cover(SIM_ORDER_REFUSED, 1);
    return true;
}

bool check_centre_letter(const struct sim *sim, size_t *at, struct tb_letter_place *ret_place)
{
    const struct centre *centre = &sim->centre;
    const struct mongod_collection *letters = NULL;

    for (size_t i = 0; i < centre->mongod.collection_count; i++)
        if (strcmp(centre->mongod.collections[i].name, "dead_letters") == 0)
            letters = &centre->mongod.collections[i];
    while (letters && *at < letters->count) {
        const bson_t *doc = letters->list[(*at)++].doc;
        struct check_mark mark = {0};
        struct tb_str topic;

        SIM_REQUIRE(tb_letter_id_parse(tb_str_of(text_of(doc, "_id")), &topic, ret_place),
                    "C4: a letter of no name");
        (void)mark_of(
            &centre->broker.topics[BROKER_EVENTS][ret_place->partition].records[ret_place->offset],
            &mark);
        if (!mark.poison && strcmp(text_of(doc, "status"), "open") == 0)
            return true;
    }
    return false;
}

static void on_waiting(void *ctx, int client, int64_t us)
{
    struct sim *sim = ctx;

    sim_meanwhile(sim, &sim->centre.centrals[client], us);
}

struct mongod_watch check_centre_mongod(struct sim *sim)
{
    return (struct mongod_watch){
        .ctx = sim, .writing = on_writing, .waiting = on_waiting, .refuses = on_refuse_document};
}

/* A node's orders: what came of them so far. */

static struct check_document document_of(const bson_t *doc)
{
    bson_iter_t iter, list, line;
    struct check_document d = {.id = text_of(doc, "_id"),
                               .status = text_of(doc, "status"),
                               .kind = text_of(doc, "kind"),
                               .currency = text_of(doc, "currency"),
                               .number = text_of(doc, "orderNumber"),
                               .sku = text_of(doc, "lines.0.sku"),
                               .address = text_of(doc, "shippingAddress.line1"),
                               .customer = text_of(doc, "customerId"),
                               .node = text_of(doc, "node"),
                               .version = number_of(doc, "version"),
                               .total_minor = number_of(doc, "totalMinor")};

    if (bson_iter_init_find(&iter, doc, "lines") && bson_iter_recurse(&iter, &list))
        for (; bson_iter_next(&list); d.line_count++)
            if (d.line_count == 0 && bson_iter_recurse(&list, &line))
                while (bson_iter_next(&line)) {
                    if (strcmp(bson_iter_key(&line), "quantity") == 0)
                        d.quantity = bson_iter_as_int64(&line);
                    if (strcmp(bson_iter_key(&line), "unitPriceMinor") == 0)
                        d.price = bson_iter_as_int64(&line);
                }
    return d;
}

static void check_order(struct sim_node *node, struct centre_order *order)
{
    struct centre *centre = &node->sim->centre;
    const struct oracle *oracle = &node->sim->oracle;
    const struct oracle_order *known;

    if (order->order == ORACLE_NONE)
        order->order = oracle_find_order(oracle, order->id);
    SIM_REQUIRE(order->order != ORACLE_NONE, "C1: the centre's log knows order %s, %s does not",
                order->id, node->name);
    centre->by_order[order->order] = (int)(order - centre->orders) + 1;
    known = &oracle->orders[order->order];
    SIM_REQUIRE(order->landed <= known->top,
                "C1: the centre's log has order %s at %" PRId64 ", %s has it at %" PRId64,
                order->id, order->landed, node->name, known->top);
    for (int64_t version = 1; version <= order->landed; version++)
        SIM_REQUIRE(known->events[version].attempt == order->attempts[version],
                    "C1: version %" PRId64 " of order %s is of another attempt at the centre",
                    version, order->id);
    if (order->stored == order->checked)
        return;
    order->checked = order->stored;
    const struct check_document doc =
        document_of(mongod_get(&centre->mongod, "orders", order->id));
    check_document(node, &doc, order->order, order->stored);
}

void check_centre_node(struct sim_node *node)
{
    struct centre *centre = &node->sim->centre;

    for (int i = 0; i < centre->order_count; i++)
        if (centre->orders[i].node == node->index)
            check_order(node, &centre->orders[i]);
}

/* The far side's news of the order of a row; NULL: none. */
static const struct centre_order *order_of(const struct sim_node *node, int64_t row)
{
    struct centre *centre = &node->sim->centre;
    int order = node->rows[row].order, at = centre->by_order[order];

    return at > 0 ? &centre->orders[at - 1]
                  : find(centre, tb_str_of(node->sim->oracle.orders[order].id));
}

bool check_centre_keeps(const struct sim_node *node, int64_t row)
{
    const struct centre_order *order = order_of(node, row);

    return order && order->parked_row > 0;
}

bool check_centre_is_parked(const struct sim_node *node, int64_t row)
{
    const struct centre_order *order = order_of(node, row);

    return order && order->parked_row > 0 && row >= order->parked_row;
}

void check_centre_cursor(struct sim_node *node, int64_t cursor)
{
    SIM_REQUIRE(node->rows_gone <= cursor,
                "I7: %s: rows up to %" PRId64 " were removed, Kafka has acknowledged %" PRId64,
                node->name, node->rows_gone, cursor);
    for (int64_t row = 1; row <= cursor; row++) {
        const struct centre_order *order = order_of(node, row);

        SIM_REQUIRE(order && (order->landed >= node->rows[row].version ||
                              check_centre_is_parked(node, row)),
                    "I7: %s: Kafka's cursor has passed row %" PRId64 ", which is not in its log",
                    node->name, row);
    }
}

void check_centre_parked(struct sim_node *node, const char *order_id, int64_t row)
{
    struct centre_order *order = find(&node->sim->centre, tb_str_of(order_id));

    SIM_REQUIRE(order && order->refused > 0, "I7: %s: order %s is parked, and nobody refuses it",
                node->name, order_id);
    order->parked_row = row;
    sim_cover(SIM_PARKED, 1);
}

void check_centre_hint(struct central *central, const char *order_id, int64_t version)
{
    const struct centre_order *order = find(&central->sim->centre, tb_str_of(order_id));

    SIM_REQUIRE(!order || order->stored >= version,
                "C3: %s hears of order %s at version %" PRId64 ", stored is %" PRId64,
                central->name, order_id, version, order->stored);
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
    order = &centre->orders[sim_below(&central->sim->far_random, (uint64_t)centre->order_count)];
    code = central->asked->ops->get(central->asked, tb_str_of(order->id), &doc, &version, &err);
    SIM_REQUIRE(code == TB_OK || code == TB_UNAVAILABLE || code == TB_NOT_FOUND, "%s: reading: %s",
                central->name, err.text);
    if (code != TB_UNAVAILABLE)
        SIM_REQUIRE(version == order->stored,
                    "C3: %s serves order %s at version %" PRId64 ", stored is %" PRId64,
                    central->name, order->id, version, order->stored);
    sim_cover(SIM_CENTRAL_READ, code == TB_OK);
}
