/* What MongoDB stores about nodes: every event up to a node's "complete" time is in the view,
 * holes are found, and neither repeated events nor a second writer change the report. */
#include "query/mongo/fleet/fleet.h"
#include "query/mongo/mongo_feed.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define NODE "till1" /* the source of all histories */

static struct mongo_fixture f;

static void setup(void)
{
    mongo_fixture_open(&f, 100, test_seed(0x40d5));
}

static void teardown(void)
{
    mongo_fixture_close(&f);
}

/* What the list says from the stored marks is what the chunks say. */
static void check_listed(const struct tb_node_report *listed, const struct tb_node_report *report)
{
    ck_assert_int_eq(listed->state, report->state);
    ck_assert_int_eq(listed->complete_through_at_ms, report->complete_through_at_ms);
    ck_assert_int_eq(listed->last_seen_at_ms, report->last_seen_at_ms);
    ck_assert_uint_eq(listed->epoch_count, report->epoch_count);
    for (size_t i = 0; i < listed->epoch_count; i++) {
        ck_assert_str_eq(listed->epochs[i].epoch, report->epochs[i].epoch);
        ck_assert_int_eq(listed->epochs[i].complete_through, report->epochs[i].complete_through);
        ck_assert_int_eq(listed->epochs[i].last_sequence, report->epochs[i].last_sequence);
    }
}

static const struct tb_node_report *status_of(const char *name)
{
    struct tb_node_report_list list = {0};
    struct tb_error err = {0};

    ck_ok(tb_mongo_list_nodes(f.db.mongo, HISTORY_START_MS, &f.arena, &list, &err));
    for (size_t i = 0; i < list.count; i++) {
        struct tb_node_report listed = list.nodes[i];

        if (strcmp(listed.node, name) != 0)
            continue;
        ck_ok(tb_mongo_detail_nodes(f.db.mongo, HISTORY_START_MS, &f.arena, &list.nodes[i], 1,
                                    &err));
        check_listed(&listed, &list.nodes[i]);
        return &list.nodes[i];
    }
    return NULL;
}

/* A batch of one event each of `count` epochs that somebody made up. */
static void make_up_epochs(int first, int count)
{
    struct tb_record *records = calloc((size_t)count, sizeof *records);

    for (int i = 0; i < count; i++) {
        struct tb_header *headers = tb_arena_array(&f.arena, 4, sizeof *headers);
        char *epoch = tb_arena_alloc(&f.arena, TB_EPOCH_SIZE);

        snprintf(epoch, TB_EPOCH_SIZE, "%016x", (unsigned)(first + i));
        headers[0] = (struct tb_header){TB_STR("ce_source"), TB_STR("/nodes/" NODE)};
        headers[1] = (struct tb_header){TB_STR("ce_epoch"), tb_str_of(epoch)};
        headers[2] = (struct tb_header){TB_STR("ce_sequence"), TB_STR("00000000000000000001")};
        headers[3] = (struct tb_header){TB_STR("ce_type"), TB_STR("Something.v1")};
        records[i] = (struct tb_record){.offset = 100000 + first + i,
                                        .timestamp_ms = HISTORY_START_MS,
                                        .value = TB_STR("{}"),
                                        .headers = headers,
                                        .header_count = 4};
    }
    mongo_plan(f.view, &f.plan, 0, records, (size_t)count, true);
    mongo_commit(f.view, &f.plan);
    free(records);
}

/* Commits records that belong to no order of the view; only their origins matter. Every `step`th
 * sequence, in batches. */
static void come_to(struct tb_view *view, struct tb_plan *plan, struct tb_arena *arena,
                    int32_t partition, int64_t first, int64_t last, int64_t step, size_t batch,
                    int store)
{
    struct tb_record *records = calloc((size_t)(last - first + 1), sizeof *records);
    size_t count = 0;

    for (int64_t s = first; s <= last; s += step) {
        struct tb_header *headers = tb_arena_array(arena, 5, sizeof *headers);
        char *texts = tb_arena_alloc(arena, 128);

        snprintf(texts, 64, "%020lld", (long long)s);
        snprintf(texts + 64, 64, "%d-%lld", store, (long long)s);
        headers[0] = (struct tb_header){TB_STR("ce_source"), TB_STR("/nodes/" NODE)};
        headers[1] = (struct tb_header){TB_STR("ce_epoch"), TB_STR(HISTORY_EPOCH)};
        headers[2] = (struct tb_header){TB_STR("ce_sequence"), tb_str_of(texts)};
        headers[3] = (struct tb_header){TB_STR("ce_id"), tb_str_of(texts + 64)};
        headers[4] = (struct tb_header){TB_STR("ce_type"), TB_STR("Something.v1")};
        records[count++] = (struct tb_record){.offset = s,
                                              .timestamp_ms = HISTORY_START_MS + s,
                                              .value = TB_STR("{}"),
                                              .headers = headers,
                                              .header_count = 5};
    }
    for (size_t at = 0; at < count; at += batch) {
        mongo_plan(view, plan, partition, records + at, count - at < batch ? count - at : batch,
                   true);
        mongo_commit(view, plan);
    }
    free(records);
}

static void come(int64_t first, int64_t last, int store)
{
    come_to(f.view, &f.plan, &f.arena, 0, first, last, 1, 1000, store);
}

static void check_progress(int64_t through, int64_t last, size_t holes)
{
    const struct tb_node_report *status = status_of(NODE);

    ck_assert_ptr_nonnull(status);
    ck_assert_uint_eq(status->epoch_count, 1);
    ck_assert_str_eq(status->epochs[0].epoch, HISTORY_EPOCH);
    ck_assert_int_eq(status->epochs[0].complete_through, through);
    ck_assert_int_eq(status->epochs[0].last_sequence, last);
    ck_assert_uint_eq(status->epochs[0].hole_count, holes);
}

/* How much a collection stores. */
static size_t stored_bytes(const char *name)
{
    mongoc_collection_t *from = mongoc_client_get_collection(f.db.client, f.db.name, name);
    bson_t all = BSON_INITIALIZER;
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(from, &all, NULL, NULL);
    const bson_t *doc;
    size_t bytes = 0;

    while (mongoc_cursor_next(cursor, &doc))
        bytes += doc->len;
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(from);
    return bytes;
}

/* Counted chunks are removed, also if some or all of their events arrive again. Each event is
 * counted once. */
START_TEST(sequences_are_counted_and_compacted)
{
    char *once, *again;

    come(1, 12000, 0);
    check_progress(12000, 12000, 0);
    ck_assert_int_eq(
        mongo_db_count(&f.db, "sequences",
                       "{\"kind\":\"epoch\",\"fullChunks\":46,\"lastSequence\":12000}"),
        1);
    ck_assert_int_le(mongo_db_count(&f.db, "sequences", "{\"kind\":\"chunk\"}"),
                     TB_LOG_INFLIGHT_MAX / TB_SEQUENCE_CHUNK_SIZE + 3);
    ck_assert_uint_le(stored_bytes("sequences"), 21000);
    once = mongo_db_dump(&f.db, "sequences");
    come(1, 12000, 0);
    come(300, 310, 0);
    again = mongo_db_dump(&f.db, "sequences");
    ck_assert_str_eq(once, again);
    free(once);
    free(again);
    come(11500, 12010, 0);
    check_progress(12010, 12010, 0);
    ck_assert_int_ne(status_of(NODE)->state, TB_NODE_FORKED);
    ck_assert_int_eq(status_of(NODE)->last_seen_at_ms, HISTORY_START_MS + 12010);
}
END_TEST

#define WRITERS 3
#define WRITTEN 1500

struct writer {
    struct tb_view *view;
    int number;
};

static void *write_share(void *arg)
{
    const struct writer *writer = arg;
    struct tb_plan plan = {0};
    struct tb_arena arena = {0};

    come_to(writer->view, &plan, &arena, writer->number, 1 + writer->number, WRITTEN, WRITERS,
            7 + (size_t)writer->number, 0);
    tb_plan_release(&plan);
    tb_arena_release(&arena);
    return NULL;
}

/* Several writers bring the sequences of one epoch at the same time, each some of every chunk.
 * Once all have ended, what is stored of the epoch says that it is complete. */
START_TEST(writers_agree_on_what_is_complete)
{
    struct writer writers[WRITERS];
    struct tb_mongo *mongos[WRITERS];
    pthread_t threads[WRITERS];
    struct tb_error err = {0};

    for (int i = 0; i < WRITERS; i++) {
        mongos[i] = mongo_db_again(&f.db, 100);
        writers[i].number = i;
        ck_ok(tb_view_mongo_open(mongos[i], &writers[i].view, &err));
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_share, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        tb_view_free(writers[i].view);
        tb_mongo_free(mongos[i]);
    }
    check_progress(WRITTEN, WRITTEN, 0);
    ck_assert_int_eq(mongo_db_count(&f.db, "sequences", "{\"completeThrough\":1500}"), 1);
}
END_TEST

/* Nothing behind a hole is complete, however many full chunks follow it. */
START_TEST(nothing_behind_a_hole_is_complete)
{
    come(1, 600, 0);
    come(603, 2000, 0);
    come(2600, 2600, 0);
    check_progress(600, 2600, 2);
    ck_assert_int_eq(status_of(NODE)->epochs[0].holes[0].from, 601);
    ck_assert_int_eq(status_of(NODE)->epochs[0].holes[0].to, 602);
    ck_assert_int_eq(status_of(NODE)->epochs[0].holes[1].from, 2001);
    ck_assert_int_eq(status_of(NODE)->epochs[0].holes[1].to, 2599);
    ck_assert_int_eq(status_of(NODE)->state, TB_NODE_BEHIND);
    come(601, 601, 0);
    check_progress(601, 2600, 2);
    come(602, 602, 0);
    check_progress(2000, 2600, 1);
    come(2001, 2599, 0);
    check_progress(2600, 2600, 0);
}
END_TEST

/* Whoever makes up epochs shows as forked and costs no more than a limit; the epoch that was there
 * before is followed as ever, also by another process. */
START_TEST(made_up_epochs_are_bounded)
{
    struct tb_mongo *mongo = mongo_db_again(&f.db, 7);
    const struct tb_node_report *status;
    struct tb_error err = {0};

    come(1, 300, 0);
    make_up_epochs(1, 40);
    make_up_epochs(20, 500);
    f.view->ops->free(f.view);
    ck_ok(tb_view_mongo_open(mongo, &f.view, &err));
    make_up_epochs(400, 500);
    come(301, 320, 0);
    status = status_of(NODE);
    ck_assert_uint_eq(status->epoch_count, TB_NODE_EPOCHS_FOLLOWED);
    ck_assert_int_eq(status->state, TB_NODE_FORKED);
    ck_assert_int_eq(status->complete_through_at_ms, 0);
    ck_assert_int_eq(mongo_db_count(&f.db, "sequences", "{\"kind\":\"epoch\"}"),
                     TB_NODE_EPOCHS_FOLLOWED + 1);
    for (size_t i = 0; i < status->epoch_count; i++) {
        if (strcmp(status->epochs[i].epoch, HISTORY_EPOCH) == 0)
            ck_assert_int_eq(status->epochs[i].complete_through, 320);
    }
    f.view->ops->free(f.view);
    tb_mongo_free(mongo);
    ck_ok(tb_view_mongo_open(f.db.mongo, &f.view, &err));
}
END_TEST

/* Another store sends events with the same numbers. The fork is found as far back as a relay may
 * send events again. */
START_TEST(another_store_with_the_same_numbers_is_a_fork)
{
    come(1, 1500, 0);
    if (_i == 0)
        come(1, 1500, 0);
    ck_assert_int_ne(status_of(NODE)->state, TB_NODE_FORKED);
    come(_i == 0 ? 1490 : 700, _i == 0 ? 1510 : 720, 1);
    ck_assert_int_eq(status_of(NODE)->state, TB_NODE_FORKED);
    come(1511, 1600, 0);
    ck_assert_int_eq(status_of(NODE)->state, TB_NODE_FORKED);
}
END_TEST

/* Two writers commit all records of a history, also dead letters, in batches of random size. */
START_TEST(all_that_arrived_is_complete)
{
    struct tb_error err = {0};
    struct tb_mongo *mongo = mongo_db_again(&f.db, 7);
    struct tb_view *views[2] = {f.view, NULL};

    ck_ok(tb_view_mongo_open(mongo, &views[1], &err));
    history_make(&f.history, &f.fake, &(struct history_options){150, 0, 5});
    for (size_t at = 0; at < f.history.record_count;) {
        size_t count = 1 + fake_random_below(&f.fake, 90);
        size_t back = fake_random_below(&f.fake, 20);

        at = at > back ? at - back : 0;
        count += back;
        if (count > f.history.record_count - at)
            count = f.history.record_count - at;
        struct tb_view *view = views[fake_random_below(&f.fake, 2)];
        mongo_plan(view, &f.plan, 0, f.history.records + at, count, true);
        mongo_commit(view, &f.plan);
        at += count;
    }
    check_progress((int64_t)f.history.distinct, (int64_t)f.history.distinct, 0);
    views[1]->ops->free(views[1]);
    tb_mongo_free(mongo);
}
END_TEST

static struct tb_heartbeat beat(int64_t last, int64_t at_ms)
{
    struct tb_heartbeat heartbeat = {.node = NODE,
                                     .epoch = HISTORY_EPOCH,
                                     .version = "0.1.0",
                                     .last_sequence = last,
                                     .delivered_sequence = last,
                                     .clock_ms = at_ms - 70,
                                     .arrived_at_ms = at_ms,
                                     .arrival_seen = true};

    return heartbeat;
}

static enum tb_code note(struct tb_mongo *mongo, const struct tb_heartbeat *heartbeat,
                         int64_t offset, struct tb_error *err)
{
    const struct tb_heartbeat_record noted = {*heartbeat, offset};

    return tb_mongo_save_heartbeats(mongo, &noted, 1, NULL, NULL, err);
}

/* Two processes read the same heartbeats one after the other: each is applied once. */
START_TEST(a_heartbeat_is_applied_once)
{
    struct tb_error err = {0};
    const struct tb_node_report *status;
    struct tb_heartbeat heartbeat;
    char *once, *again;

    come(1, 40, 0);
    for (int64_t i = 1; i <= 5; i++) {
        heartbeat = beat(i * 10, HISTORY_START_MS - 300000 + i * 30000);
        heartbeat.pending = i == 5 ? 10 : 0;
        heartbeat.oldest_pending_at_ms = i == 5 ? HISTORY_START_MS - 7 : 0;
        ck_ok(note(f.db.mongo, &heartbeat, i, &err));
    }
    once = mongo_db_dump(&f.db, "nodes");
    for (int64_t i = 1; i <= 5; i++) {
        heartbeat = beat(i * 10, HISTORY_START_MS - 300000 + i * 30000);
        ck_ok(note(f.db.mongo, &heartbeat, i, &err));
    }
    again = mongo_db_dump(&f.db, "nodes");
    ck_assert_str_eq(once, again);
    status = status_of(NODE);
    ck_assert_str_eq(status->version, "0.1.0");
    ck_assert_int_eq(status->complete_through_at_ms, HISTORY_START_MS - 300000 + 120000 - 70);
    ck_assert_int_eq(status->clock_offset_ms, -70);
    ck_assert_int_eq(status->pending, 10);
    ck_assert_int_eq(status->oldest_pending_at_ms, HISTORY_START_MS - 7);
    ck_assert_int_eq(status->state, TB_NODE_BEHIND);
    ck_assert_int_eq(status->epochs[0].last_sequence, 50);
    free(once);
    free(again);
}
END_TEST

#define CROWD 40
#define ROUNDS 6

struct noter {
    struct tb_mongo *mongo;
    const struct tb_heartbeat_record *list;
    size_t count;
    uint64_t seed;
};

/* Saves the whole list in batches of random size, some of them twice. */
static void *note_in_batches(void *arg)
{
    const struct noter *noter = arg;
    struct fake_random random;
    struct tb_error err = {0};

    fake_random_init(&random, noter->seed);
    for (size_t at = 0; at < noter->count;) {
        size_t size = 1 + (size_t)fake_random_below(&random, 60);

        size = size < noter->count - at ? size : noter->count - at;
        ck_ok(tb_mongo_save_heartbeats(noter->mongo, noter->list + at, size, NULL, NULL, &err));
        if (fake_random_below(&random, 3) > 0)
            at += size;
    }
    return NULL;
}

/* Two processes save the heartbeats of many nodes at the same time, in batches of any size, some
 * repeated. The stored state equals that of one process that applies the heartbeats one by one. */
START_TEST(batches_of_heartbeats_equal_single_ones)
{
    static struct tb_heartbeat_record list[CROWD * ROUNDS];
    struct noter noters[2];
    pthread_t threads[2];
    struct mongo_db other;
    char *one_by_one, *batches;
    struct tb_error err = {0};

    for (size_t i = 0; i < CROWD * ROUNDS; i++) {
        int64_t round = (int64_t)(i / CROWD);

        list[i].heartbeat = beat(round * 10 + 1, HISTORY_START_MS + round * 30000);
        list[i].offset = (int64_t)i + 100;
        snprintf(list[i].heartbeat.node, sizeof list[i].heartbeat.node, "till%zu", i % CROWD);
        if (i % 7 == 0)
            memcpy(list[i].heartbeat.epoch, "aaaabbbbccccdddd", TB_EPOCH_SIZE);
    }
    mongo_db_open(&other, 100);
    for (size_t i = 0; i < CROWD * ROUNDS; i++)
        ck_ok(note(other.mongo, &list[i].heartbeat, list[i].offset, &err));
    for (size_t n = 0; n < 2; n++) {
        noters[n] = (struct noter){mongo_db_again(&f.db, 7), list, CROWD * ROUNDS, test_seed(n)};
        ck_assert_int_eq(pthread_create(&threads[n], NULL, note_in_batches, &noters[n]), 0);
    }
    for (size_t n = 0; n < 2; n++) {
        pthread_join(threads[n], NULL);
        tb_mongo_free(noters[n].mongo);
    }
    one_by_one = mongo_db_dump(&other, "nodes");
    batches = mongo_db_dump(&f.db, "nodes");
    ck_assert_str_eq(one_by_one, batches);
    free(one_by_one);
    free(batches);
    mongo_db_close(&other);
}
END_TEST

/* Late orders arrived after the end of their day. */
START_TEST(late_orders_are_reported)
{
    struct tb_record records[10];

    for (int i = 0; i < 10; i++) {
        struct tb_event event;

        history_place(&f.arena, &f.fake, HISTORY_START_MS, &event);
        event.order.node = TB_STR(NODE);
        history_record(&f.arena, &event, i + 1, &records[i]);
        records[i].offset = i;
        if (i >= 7)
            records[i].timestamp_ms += INT64_C(3) * 86400 * 1000;
    }
    mongo_plan(f.view, &f.plan, 0, records, 10, true);
    mongo_commit(f.view, &f.plan);
    ck_assert_int_eq(status_of(NODE)->late_orders, 3);
}
END_TEST

static const struct tb_node_retirement retired = {HISTORY_START_MS, "a person"};

/* The retired nodes that on_retired has told of since the last look. */
static char told[64];

static void tell(void *ctx, const char *node)
{
    (void)ctx;
    snprintf(told + strlen(told), sizeof told - strlen(told), "%s ", node);
}

static void save_and_tell(int64_t offset, int64_t at_ms)
{
    const struct tb_heartbeat_record record = {beat(40, at_ms), offset};
    struct tb_error err = {0};

    told[0] = '\0';
    ck_ok(tb_mongo_save_heartbeats(f.db.mongo, &record, 1, tell, NULL, &err));
}

/* Retiring twice changes nothing; heartbeats leave it, and so does another process that had read
 * the document before. The first thing that comes later is told, once. */
START_TEST(a_node_stays_retired_whatever_it_sends)
{
    const struct tb_node_retirement again = {HISTORY_START_MS + 99, "another"};
    struct tb_heartbeat heartbeat = beat(40, HISTORY_START_MS - 1000);
    struct tb_error err = {0};
    char *once, *twice;

    come(1, 40, 0);
    ck_ok(note(f.db.mongo, &heartbeat, 1, &err));
    ck_ok(tb_mongo_retire_node(f.db.mongo, NODE, &retired, &err));
    once = mongo_db_dump(&f.db, "nodes");
    ck_ok(tb_mongo_retire_node(f.db.mongo, NODE, &again, &err));
    twice = mongo_db_dump(&f.db, "nodes");
    ck_assert_str_eq(once, twice);
    ck_assert_int_eq(status_of(NODE)->state, TB_NODE_RETIRED);
    /* Its events have come later, by the log's clock, than the clock of the one who retired it. */
    ck_assert_int_eq(status_of(NODE)->retired.at_ms, HISTORY_START_MS + 40);
    ck_assert_str_eq(status_of(NODE)->retired.by, "a person");
    save_and_tell(2, HISTORY_START_MS + 40);
    ck_assert_str_eq(told, "");
    ck_assert(!status_of(NODE)->sends);
    save_and_tell(3, HISTORY_START_MS + 41);
    ck_assert_str_eq(told, NODE " ");
    save_and_tell(4, HISTORY_START_MS + 42);
    ck_assert_str_eq(told, "");
    ck_assert_int_eq(status_of(NODE)->state, TB_NODE_RETIRED);
    ck_assert(status_of(NODE)->sends);
    ck_ok(tb_mongo_retire_node(f.db.mongo, NODE, NULL, &err));
    ck_ok(tb_mongo_retire_node(f.db.mongo, NODE, NULL, &err));
    ck_assert_int_eq(status_of(NODE)->state, TB_NODE_CURRENT);
    ck_assert_int_eq(status_of(NODE)->retired.at_ms, 0);
    save_and_tell(5, HISTORY_START_MS + 43);
    ck_assert_str_eq(told, "");
    ck_ok(tb_mongo_retire_node(f.db.mongo, NODE, &again, &err));
    ck_assert_int_eq(status_of(NODE)->retired.at_ms, HISTORY_START_MS + 99);
    ck_ok(tb_mongo_retire_node(f.db.mongo, NODE, NULL, &err));
    ck_ok(tb_mongo_retire_node(f.db.mongo, NODE, &retired, &err));
    ck_assert_int_eq(status_of(NODE)->retired.at_ms, HISTORY_START_MS + 43);
    free(once);
    free(twice);
}
END_TEST

/* Of a node of which all has arrived, also if it is retired, only the last mark is stored. */
START_TEST(marks_of_what_has_arrived_are_not_stored)
{
    struct tb_error err = {0};

    for (int i = 1; i <= 3; i++) {
        struct tb_heartbeat heartbeat = beat(10 * i, HISTORY_START_MS + 1000 * i);

        come(10 * i - 9, 10 * i, 0);
        ck_ok(note(f.db.mongo, &heartbeat, i, &err));
        if (i == 2)
            ck_ok(tb_mongo_retire_node(f.db.mongo, NODE, &retired, &err));
    }
    ck_assert_int_eq(mongo_db_count(&f.db, "nodes", "{\"marks.sequence\":30}"), 1);
    ck_assert_int_eq(mongo_db_count(&f.db, "nodes", "{\"marks.sequence\":20}"), 0);
}
END_TEST

/* Nothing is known of it but its events; once it is put back, these alone tell of it again. */
START_TEST(a_node_that_only_sends_events_can_be_retired)
{
    struct tb_error err = {0};
    bool known = true;

    ck_assert_int_eq(tb_mongo_retire_node(f.db.mongo, NODE, &retired, &err), TB_NOT_FOUND);
    ck_assert_int_eq(tb_mongo_retire_node(f.db.mongo, NODE, NULL, &err), TB_NOT_FOUND);
    ck_assert_int_eq(mongo_db_count(&f.db, "nodes", "{}"), 0);
    err = (struct tb_error){0};
    come(1, 40, 0);
    ck_ok(tb_mongo_retire_node(f.db.mongo, NODE, &retired, &err));
    ck_assert_int_eq(status_of(NODE)->state, TB_NODE_RETIRED);
    ck_assert_int_eq(status_of(NODE)->pending, -1);
    ck_ok(f.view->ops->knows_node(f.view, NODE, &known, &err));
    ck_assert(!known); /* retiring a name that somebody made up makes it no node of ours */
    come(41, 41, 0);
    ck_assert(status_of(NODE)->sends);
    ck_ok(tb_mongo_retire_node(f.db.mongo, NODE, NULL, &err));
    ck_assert_int_eq(status_of(NODE)->state, TB_NODE_CURRENT);
    mongo_db_command(&f.db, "{\"delete\":\"sequences\",\"deletes\":[{\"q\":{},\"limit\":0}]}");
    ck_assert_ptr_null(status_of(NODE));
    save_and_tell(1, HISTORY_START_MS + 50); /* and it may still send heartbeats */
    ck_assert_int_eq(status_of(NODE)->last_seen_at_ms, HISTORY_START_MS + 50);
}
END_TEST

#define TURNS 60

/* Retires the node and puts it back, in turn; retired in the end. */
static void *retire_in_turn(void *arg)
{
    struct tb_mongo *mongo = arg;
    struct tb_error err = {0};

    for (int i = 0; i <= TURNS; i++) {
        const struct tb_node_retirement *decision = i & 1 ? NULL : &retired;

        ck_ok(tb_mongo_retire_node(mongo, NODE, decision, &err));
    }
    return NULL;
}

/* Heartbeats are saved while people decide: neither write undoes the other. */
START_TEST(heartbeats_and_people_change_a_node_at_once)
{
    struct tb_mongo *mongo = mongo_db_again(&f.db, 7);
    struct tb_heartbeat heartbeat = beat(1, HISTORY_START_MS);
    struct tb_error err = {0};
    pthread_t thread;

    ck_ok(note(f.db.mongo, &heartbeat, 1, &err));
    ck_assert_int_eq(pthread_create(&thread, NULL, retire_in_turn, mongo), 0);
    for (int64_t i = 2; i <= 2 * TURNS; i++) {
        heartbeat = beat(i, HISTORY_START_MS + i);
        ck_ok(note(f.db.mongo, &heartbeat, i, &err));
    }
    pthread_join(thread, NULL);
    ck_assert_int_eq(status_of(NODE)->state, TB_NODE_RETIRED);
    ck_assert_int_eq(status_of(NODE)->epochs[0].last_sequence, 2 * TURNS);
    ck_assert_int_eq(
        mongo_db_count(&f.db, "nodes", "{\"retirements\":61,\"retiredBy\":\"a person\"}"), 1);
    tb_mongo_free(mongo);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("view_mongo_nodes");
    TCase *tc = tcase_create("nodes");
    int status;

    mongo_server_begin();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, sequences_are_counted_and_compacted);
    tcase_add_test(tc, writers_agree_on_what_is_complete);
    tcase_add_test(tc, nothing_behind_a_hole_is_complete);
    tcase_add_test(tc, made_up_epochs_are_bounded);
    tcase_add_loop_test(tc, another_store_with_the_same_numbers_is_a_fork, 0, 2);
    tcase_add_test(tc, all_that_arrived_is_complete);
    tcase_add_test(tc, a_heartbeat_is_applied_once);
    tcase_add_test(tc, batches_of_heartbeats_equal_single_ones);
    tcase_add_test(tc, late_orders_are_reported);
    tcase_add_test(tc, a_node_stays_retired_whatever_it_sends);
    tcase_add_test(tc, marks_of_what_has_arrived_are_not_stored);
    tcase_add_test(tc, a_node_that_only_sends_events_can_be_retired);
    tcase_add_test(tc, heartbeats_and_people_change_a_node_at_once);
    suite_add_tcase(suite, tc);
    status = test_main(suite);
    mongo_server_end();
    return status;
}
