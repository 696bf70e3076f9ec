#include "sim/check_centre_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Judges each record appended to the broker's log, and each committed offset. */

bool check_record_mark(const struct tb_record *record, struct check_mark *ret_mark)
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

int64_t check_record_version(const struct tb_record *record)
{
    return number_in(tb_record_header(record, "ce_orderversion"));
}

bool check_record_is_snapshot(const struct tb_record *record)
{
    return tb_str_eq(tb_record_header(record, "ce_type"), TB_STR("OrderSnapshot.v1"));
}

/* Orders in the log. */

struct centre_order *check_find_order(struct centre *centre, struct tb_str id)
{
    for (int i = 0; i < centre->order_count; i++)
        if (tb_str_eq(id, tb_str_of(centre->orders[i].id)))
            return &centre->orders[i];
    return NULL;
}

static struct centre_order *find_or_add(struct centre *centre, const struct tb_record *record)
{
    struct tb_str source = tb_record_header(record, "ce_source");
    struct centre_order *order = check_find_order(centre, record->key);

    if (order)
        return order;
    SIM_REQUIRE(centre->order_count < ORACLE_ORDERS_MAX, "the checker is too small");
    order = &centre->orders[centre->order_count++];
    *order = (struct centre_order){.order = ORACLE_NONE};
    for (int version = 0; version <= ORACLE_VERSIONS_MAX; version++)
        order->attempts[version] = ORACLE_NONE;
    snprintf(order->id, sizeof order->id, "%.*s", (int)record->key.len, record->key.ptr);
    SIM_REQUIRE(source.len > 11 && memcmp(source.ptr, "/nodes/till", 11) == 0,
                "C1: an event with a malformed ce_source");
    order->node = source.ptr[11] - '1';
    return order;
}

/* A till sends whole orders if its own log has not all that Kafka has lost. What is in the
 * document is checked when the database has it. */
static void see_appended_snapshot(struct sim *sim, const struct tb_record *record)
{
    struct centre_order *order = find_or_add(&sim->centre, record);
    int64_t version = check_record_version(record);

    SIM_REQUIRE(sim->centre.has_lost_records, "C11: a snapshot of order %s, and nothing was lost",
                order->id);
    sim_trace("appended %d-%" PRId64 ": snapshot of %s at %" PRId64, (int)record->partition,
              record->offset, order->id, version);
    if (version > order->snapshot_version)
        order->snapshot_version = version;
    if (version > order->log_version)
        order->log_version = version;
}

static void see_appended_event(struct sim *sim, const struct tb_record *record)
{
    struct check_mark mark = {0};
    int64_t version = check_record_version(record);
    struct centre_order *order;

    if (check_record_is_snapshot(record))
        return see_appended_snapshot(sim, record);
    SIM_REQUIRE(check_record_mark(record, &mark),
                "C1: the broker's log has a record of unknown origin");
    SIM_REQUIRE(record->offset < CENTRE_RECORDS_MAX, "the checker is too small");
    sim_trace("appended %d-%" PRId64 ": %s %d", (int)record->partition, record->offset,
              mark.foreign ? "foreign record" : "attempt", mark.number);
    if (mark.foreign)
        return;
    order = find_or_add(&sim->centre, record);
    SIM_REQUIRE(version >= 1 && version <= order->log_version + 1,
                "C2: in the log version %" PRId64 " of order %s follows %" PRId64, version,
                order->id, order->log_version);
    SIM_REQUIRE(version > order->log_version || order->attempts[version] == ORACLE_NONE ||
                    order->attempts[version] == mark.number,
                "C1: version %" PRId64 " of order %s was another event before", version,
                order->id);
    sim_cover(COVER_BROKER_APPENDED, version > order->log_version);
    sim_cover(COVER_BROKER_APPENDED_AGAIN, version <= order->log_version);
    order->attempts[version] = mark.number;
    if (version > order->log_version)
        order->log_version = version;
}

/* Big-endian, as Java's ByteBuffer writes it. */
static int64_t big_endian(struct tb_str bytes)
{
    int64_t number = 0;

    for (size_t i = 0; i < bytes.len; i++)
        number = number << 8 | (unsigned char)bytes.ptr[i];
    return number;
}

static void on_append(void *ctx, enum broker_topic topic, const struct tb_record *record)
{
    struct sim *sim = ctx;

    if (topic == BROKER_EVENTS) {
        see_appended_event(sim, record);
        for (int i = 0; i < sim->centre.central_count; i++)
            if (sim->centre.centrals[i].up)
                central_wake(&sim->centre.centrals[i], CENTRAL_EVENTS, 5000);
    }
    if (topic == BROKER_DEAD_LETTERS)
        sim->centre.has_letter_in_topic[record->partition][big_endian(
            tb_record_header(record, "kafka_dlt-original-offset"))] = true;
}

/* The broker rejects one event in so many, in a run with CENTRE_FAULT_BROKER_REFUSES. */
#define REFUSED_EVERY 24

static bool on_refuse_record(void *ctx, enum broker_topic topic, const struct tb_record *record)
{
    struct sim *sim = ctx;
    int64_t version = check_record_version(record);
    struct check_mark mark = {0};
    struct centre_order *order;

    if (topic != BROKER_EVENTS || check_record_is_snapshot(record) ||
        !(sim->centre.fault_classes & CENTRE_FAULT_BROKER_REFUSES) ||
        tb_record_header(record, TB_HEADER_REPLAY_OF).ptr || !check_record_mark(record, &mark) ||
        ((unsigned)mark.number * 2654435761U >> 16) % REFUSED_EVERY != 0)
        return false;
    order = find_or_add(&sim->centre, record);
    if (order->refused_from == 0 || version < order->refused_from)
        order->refused_from = version;
    return true;
}

/* Commits: only records that are stored or have a dead letter. */

static bool has_dead_letter(const struct centre *centre, const struct tb_record *record)
{
    struct tb_str mended = tb_record_header(record, TB_HEADER_REPLAY_OF), topic;
    struct tb_dead_letter_position home = {record->partition, record->offset};

    if (mended.ptr)
        SIM_REQUIRE(tb_dead_letter_id_parse(mended, &topic, &home),
                    "C4: a dead letter's id is malformed");
    return centre->has_letter_in_db[home.partition][home.offset] &&
           centre->has_letter_in_topic[record->partition][record->offset];
}

/* Of records without a node that cannot be read, no more than a minute's limit are kept. */
static bool may_be_left_out(const struct sim *sim, enum foreign_kind kind)
{
    return sim->centre.was_flooded && (kind == FOREIGN_BAD_JSON || kind == FOREIGN_NULL_VALUE ||
                                       kind == FOREIGN_NO_TYPE || kind == FOREIGN_BAD_TIME);
}

bool check_centre_is_stored(struct sim *sim, const struct tb_record *record)
{
    struct check_mark mark = {0};
    const struct centre_order *order = check_find_order(&sim->centre, record->key);

    return check_record_mark(record, &mark) && !mark.foreign && order &&
           order->db_version >= check_record_version(record);
}

static bool is_done(struct sim *sim, const struct tb_record *record)
{
    struct check_mark mark = {0};
    const struct centre_order *order;

    (void)check_record_mark(record, &mark);
    if (mark.foreign)
        return !foreign_becomes_dead_letter(sim->foreign[mark.number].kind) ||
               may_be_left_out(sim, sim->foreign[mark.number].kind) ||
               has_dead_letter(&sim->centre, record);
    order = check_find_order(&sim->centre, record->key);
    return order->db_version >= check_record_version(record) ||
           has_dead_letter(&sim->centre, record);
}

static void on_commit(void *ctx, const struct broker_group *group, int32_t partition, int64_t next)
{
    struct sim *sim = ctx;
    int64_t committed = group->committed[partition];

    if (sim->centre.has_other_past)
        return; /* what is committed says nothing of this database, or of this log */
    SIM_REQUIRE(next >= committed, "C5: group %s goes back from %" PRId64 " to %" PRId64,
                group->name, committed, next);
    for (int64_t at = committed < 0 ? 0 : committed; group->topic == BROKER_EVENTS && at < next;
         at++)
        SIM_REQUIRE(
            broker_is_marker(&sim->centre.broker.topics[BROKER_EVENTS][partition].records[at]) ||
                is_done(sim, &sim->centre.broker.topics[BROKER_EVENTS][partition].records[at]),
            "C5: record %d-%" PRId64 " is committed, and neither stored nor a dead letter",
            (int)partition, at);
}

struct broker_hooks check_centre_broker(struct sim *sim)
{
    return (struct broker_hooks){
        .ctx = sim, .on_append = on_append, .on_commit = on_commit, .refuses = on_refuse_record};
}
