/* What a central reports of a node follows from what arrived, in any order, any number of times
 * and in any chunks. Forks are shown and never merged silently; what is not known is not reported.
 */
#include "query/fleet/nodes.h"
#include "support/support.h"
#include <stdio.h>

#define NOW_MS INT64_C(1767225600000)
#define EPOCH_A "aaaaaaaaaaaaaaaa"
#define EPOCH_B "bbbbbbbbbbbbbbbb"
#define SEQUENCES 1500

static struct tb_arena arena;
static struct fake_random fake;

static void teardown(void)
{
    tb_arena_release(&arena);
}

static struct tb_heartbeat beat(const char *epoch, int64_t last, int64_t at_ms)
{
    struct tb_heartbeat heartbeat = {.last_sequence = last,
                                     .delivered_sequence = last,
                                     .clock_ms = at_ms + 250,
                                     .arrived_at_ms = at_ms,
                                     .arrival_seen = true};

    snprintf(heartbeat.node, sizeof heartbeat.node, "till1");
    snprintf(heartbeat.epoch, sizeof heartbeat.epoch, "%s", epoch);
    snprintf(heartbeat.version, sizeof heartbeat.version, "0.1.0");
    return heartbeat;
}

START_TEST(a_heartbeat_can_be_decoded_again)
{
    struct tb_heartbeat sent = beat(EPOCH_A, 42, NOW_MS), got = {0};
    struct tb_json *json = NULL;
    struct tb_error err = {0};
    struct tb_buf text = {0};

    sent.arrived_at_ms = 0;
    sent.arrival_seen = false;
    if (_i) {
        memcpy(sent.business_date, "2025-12-31", TB_DATE_SIZE);
        sent.day_ends_at_ms = NOW_MS + 8 * 3600000;
    }
    sent.pending = 3;
    sent.oldest_pending_at_ms = _i ? NOW_MS - 5 : 0;
    tb_heartbeat_encode(&text, &sent);
    ck_ok(tb_json_parse(tb_buf_str(&text), TB_JSON_DEPTH_MAX, &json, &err));
    ck_ok(tb_heartbeat_decode(json, &got, &err));
    ck_assert_mem_eq(&sent, &got, sizeof got);
    tb_json_free(json);
    tb_buf_release(&text);
}
END_TEST

#define BEAT_WITH(members)                                                                        \
    "{\"node\":\"a\",\"epoch\":\"0123456789abcdef\",\"lastSequence\":1,"                          \
    "\"deliveredSequence\":1,\"pending\":0,\"clockMs\":1,\"version\":\"1\"," members "}"

START_TEST(other_objects_are_refused)
{
    static const char *const texts[] = {
        "[]",
        "{}",
        "{\"node\":\"a.b\",\"epoch\":\"0123456789abcdef\","
        "\"lastSequence\":1,\"deliveredSequence\":1,"
        "\"pending\":0,\"clockMs\":1,\"version\":\"1\"}",
        "{\"node\":\"ab\",\"epoch\":\"aa\",\"lastSequence\":1,\"deliveredSequence\":1,"
        "\"pending\":0,\"clockMs\":1,\"version\":\"1\"}",
        "{\"node\":\"a/"
        "b\",\"epoch\":\"0123456789abcdef\",\"lastSequence\":1,\"deliveredSequence\":1,"
        "\"pending\":0,\"clockMs\":1,\"version\":\"1\"}",
        "{\"node\":\"a\",\"epoch\":\"0123456789abcdef\","
        "\"lastSequence\":-1,\"deliveredSequence\":1,"
        "\"pending\":0,\"clockMs\":1,\"version\":\"1\"}",
        "{\"node\":\"a\",\"epoch\":\"0123456789abcdef\","
        "\"lastSequence\":1,\"deliveredSequence\":1,"
        "\"pending\":0,\"clockMs\":1}",
        "{\"node\":\"a\",\"epoch\":\"0123456789abcdef\","
        "\"lastSequence\":1,\"deliveredSequence\":1,"
        "\"pending\":0,\"clockMs\":1,\"version\":\"1\",\"oldestPendingAt\":\"yesterday\"}",
        "{\"node\":\"a\",\"epoch\":\"0123456789abcdef\","
        "\"lastSequence\":1,\"deliveredSequence\":1,"
        "\"pending\":0,\"clockMs\":9007199254740991,\"version\":\"1\"}",
        BEAT_WITH("\"businessDate\":\"2026-11-29\""),
        BEAT_WITH("\"dayEndsAt\":\"2026-11-30T00:00:00Z\""),
        BEAT_WITH("\"businessDate\":\"2026-11-31\",\"dayEndsAt\":\"2026-11-30T00:00:00Z\""),
        BEAT_WITH("\"businessDate\":\"2026-11-29\",\"dayEndsAt\":\"2026-12-03T00:00:00Z\""),
        BEAT_WITH("\"businessDate\":20261129,\"dayEndsAt\":\"2026-11-30T00:00:00Z\""),
    };
    struct tb_heartbeat got;
    struct tb_json *json = NULL;
    struct tb_error err = {0};

    ck_ok(tb_json_parse(tb_str_of(texts[_i]), TB_JSON_DEPTH_MAX, &json, &err));
    ck_assert_int_eq(tb_heartbeat_decode(json, &got, &err), TB_INVALID);
    tb_json_free(json);
}
END_TEST

/* The chunk entry for an event of one store. */
static int32_t entry_of(int64_t sequence, int store)
{
    char id[40];

    snprintf(id, sizeof id, "%d-%lld", store, (long long)sequence);
    return tb_sequence_chunk_entry(sequence, tb_str_of(id));
}

static struct tb_node_report judge(const struct tb_node *node,
                                   const struct tb_received_sequences *received, size_t count,
                                   int64_t now_ms)
{
    static const struct tb_node_findings none = {0};
    struct tb_node_report status = {0};
    struct tb_error err = {0};

    ck_ok(
        tb_node_report_make("till1", node, received, count, &none, now_ms, &arena, &status, &err));
    return status;
}

START_TEST(too_many_epochs_are_a_fork)
{
    struct tb_node node = {0};
    struct tb_heartbeat heartbeat = beat(EPOCH_A, 0, NOW_MS);
    const struct tb_node_findings found = {.refuses_epochs = true};
    struct tb_node_report status = {0};
    struct tb_error err = {0};

    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert_int_eq(judge(&node, NULL, 0, NOW_MS).state, TB_NODE_CURRENT);
    ck_ok(tb_node_report_make("till1", &node, NULL, 0, &found, NOW_MS, &arena, &status, &err));
    ck_assert_int_eq(status.state, TB_NODE_FORKED);
    ck_assert_int_eq(status.complete_through_at_ms, 0);
}
END_TEST

/* What arrived and is not in the view is not complete. */
START_TEST(a_conflict_holds_completeness_back)
{
    struct tb_node_findings found = {.conflicts = 1, .held_since_ms = NOW_MS - 50};
    struct tb_heartbeat heartbeat = beat(EPOCH_A, 0, NOW_MS);
    struct tb_node_report status = {0};
    struct tb_error err = {0};
    struct tb_node node = {0};

    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_ok(tb_node_report_make("till1", &node, NULL, 0, &found, NOW_MS, &arena, &status, &err));
    ck_assert_int_eq(status.state, TB_NODE_BEHIND);
    ck_assert_int_eq(status.complete_through_at_ms, NOW_MS - 51);
    ck_assert_int_eq(status.conflicts, 1);
    found.held_since_ms = NOW_MS + 5000; /* it was complete before */
    ck_ok(tb_node_report_make("till1", &node, NULL, 0, &found, NOW_MS, &arena, &status, &err));
    ck_assert_int_eq(status.complete_through_at_ms, NOW_MS + 250);
}
END_TEST

/* Against a plain array of what came: the first missing one, every hole, the last one. Chunks that
 * are full from the start on are left out as the view leaves them out, or not yet. */
START_TEST(completeness_shows_which_sequences_arrived)
{
    static bool came[SEQUENCES + 1];
    static struct tb_sequence_chunk chunks[SEQUENCES / TB_SEQUENCE_CHUNK_SIZE + 1];
    struct tb_received_sequences received = {.epoch = EPOCH_A, .chunks = chunks};
    size_t all = sizeof chunks / sizeof *chunks, first = 0, holes = 0;
    int64_t last = 0, next = 1;

    fake_random_init(&fake, test_seed(0x40de) + (uint64_t)_i);
    memset(came, 0, sizeof came);
    memset(chunks, 0, sizeof chunks);
    for (size_t i = 0; i < all; i++)
        chunks[i].number = (int64_t)i;
    /* Whole stretches arrive, so that chunks are full, empty or partly filled. */
    for (int stretch = 0; stretch < 12; stretch++) {
        int64_t from = stretch == 0 ? 1 : 1 + (int64_t)fake_random_below(&fake, SEQUENCES);
        int64_t to = from + (int64_t)fake_random_below(&fake, 500);

        for (int64_t s = to < SEQUENCES ? to : SEQUENCES; s >= from; s--) {
            tb_sequence_chunk_add(&chunks[tb_sequence_chunk_of(s)], entry_of(s, 0));
            came[s] = true;
            last = s > last ? s : last;
        }
    }
    while (first < all && tb_sequence_chunk_is_full(&chunks[first]) &&
           fake_random_below(&fake, 4) > 0)
        first++;
    received.full_chunks = (int64_t)first;
    received.chunks += first;
    received.chunk_count = all - first;
    received.last_sequence = last;

    struct tb_node_report status = judge(NULL, &received, 1, NOW_MS);
    ck_assert_uint_eq(status.epoch_count, 1);
    while (next <= SEQUENCES && came[next])
        next++;
    ck_assert_int_eq(status.epochs[0].complete_through, next - 1);
    ck_assert_int_eq(status.epochs[0].last_sequence, last);
    for (int64_t s = 1; s <= last; s++) {
        bool in_hole = false;

        for (size_t h = 0; h < status.epochs[0].hole_count; h++)
            in_hole = in_hole ||
                      (s >= status.epochs[0].holes[h].from && s <= status.epochs[0].holes[h].to);
        ck_assert_int_eq(in_hole, !came[s]);
        holes += s > 1 && came[s - 1] && !came[s];
    }
    ck_assert_uint_eq(status.epochs[0].hole_count, holes);
    ck_assert_int_ne(status.state, TB_NODE_FORKED);
}
END_TEST

/* The same event any number of times is no fork; another event of the same number is one, but for
 * fingerprints that are the same by chance: of 100 numbers some differ. */
START_TEST(another_event_of_the_same_number_is_a_fork)
{
    struct tb_sequence_chunk chunk = {0};
    struct tb_received_sequences received = {
        .epoch = EPOCH_A, .chunks = &chunk, .chunk_count = 1, .last_sequence = 100};

    for (int again = 0; again < 3; again++) {
        for (int64_t s = 1; s <= 100; s++)
            tb_sequence_chunk_add(&chunk, entry_of(s, 0));
    }
    ck_assert_int_eq(chunk.forked, false);
    ck_assert_int_ne(judge(NULL, &received, 1, 0).state, TB_NODE_FORKED);
    for (int64_t s = 90; s <= 100; s++)
        tb_sequence_chunk_add(&chunk, entry_of(s, 1));
    ck_assert_int_eq(judge(NULL, &received, 1, 0).state, TB_NODE_FORKED);
}
END_TEST

START_TEST(a_sequence_that_goes_back_is_a_fork)
{
    struct tb_node node = {0};
    struct tb_heartbeat heartbeat = beat(EPOCH_A, 50, NOW_MS);

    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert_int_ne(judge(&node, NULL, 0, NOW_MS).state, TB_NODE_FORKED);
    heartbeat = beat(EPOCH_A, 49, NOW_MS + 30000);
    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert_int_eq(judge(&node, NULL, 0, NOW_MS + 30000).state, TB_NODE_FORKED);
    /* With a store of its own (a new epoch) the fork ends. */
    heartbeat = beat(EPOCH_B, 1, NOW_MS + 60000);
    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert_int_ne(judge(&node, NULL, 0, NOW_MS + 60000).state, TB_NODE_FORKED);
}
END_TEST

/* A heartbeat of a process that died arrives after those of the next process: it changes nothing.
 */
START_TEST(a_late_heartbeat_is_no_fork)
{
    struct tb_node node = {0};
    struct tb_heartbeat next = beat(EPOCH_A, 50, NOW_MS), late = beat(EPOCH_A, 49, NOW_MS);

    late.clock_ms = next.clock_ms - 1;
    late.arrived_at_ms = NOW_MS + 10;
    tb_node_apply_heartbeat(&node, &next);
    tb_node_apply_heartbeat(&node, &late);
    ck_assert_int_ne(judge(&node, NULL, 0, NOW_MS + 10).state, TB_NODE_FORKED);
    ck_assert_int_eq(node.last.last_sequence, 50);
    ck_assert_int_eq(node.last.clock_ms, next.clock_ms);
}
END_TEST

/* A restored store is a new epoch, and no fork; two stores that take turns are one, for a day
 * after the last turn. Both stay listed. */
START_TEST(two_epochs_that_take_turns_are_a_fork)
{
    struct tb_node node = {0};
    struct tb_heartbeat a = beat(EPOCH_A, 50, NOW_MS), b = beat(EPOCH_B, 3, NOW_MS + 30000);
    struct tb_node_report status;

    tb_node_apply_heartbeat(&node, &a);
    tb_node_apply_heartbeat(&node, &b);
    status = judge(&node, NULL, 0, NOW_MS + 30000);
    ck_assert_int_eq(status.state, TB_NODE_BEHIND);
    ck_assert_uint_eq(status.epoch_count, 2);
    ck_assert_str_eq(status.epochs[1].epoch, EPOCH_B);
    a.arrived_at_ms = NOW_MS + 60000;
    tb_node_apply_heartbeat(&node, &a);
    status = judge(&node, NULL, 0, NOW_MS + 60000);
    ck_assert_int_eq(status.state, TB_NODE_FORKED);
    ck_assert_uint_eq(status.epoch_count, 2);
    ck_assert_str_eq(status.epochs[1].epoch, EPOCH_A);
    ck_assert_int_eq(judge(&node, NULL, 0, NOW_MS + 60000 + TB_NODE_FORK_SHOWN_MS).state,
                     TB_NODE_SILENT);
}
END_TEST

START_TEST(epochs_are_bounded_and_the_latest_stay)
{
    struct tb_node node = {0};

    for (int i = 0; i < 20; i++) {
        char epoch[TB_EPOCH_SIZE];
        struct tb_heartbeat heartbeat;

        snprintf(epoch, sizeof epoch, "%016d", i);
        heartbeat = beat(epoch, i, NOW_MS + i);
        tb_node_apply_heartbeat(&node, &heartbeat);
    }
    ck_assert_uint_eq(node.epoch_count, TB_NODE_EPOCHS_MAX);
    ck_assert_str_eq(node.epochs[TB_NODE_EPOCHS_MAX - 1].epoch, "0000000000000019");
    ck_assert_str_eq(node.epochs[0].epoch, "0000000000000012");
    ck_assert_int_eq(node.forked_at_ms, 0);
}
END_TEST

static void receive_through(struct tb_received_sequences *received,
                            struct tb_sequence_chunk *chunks, int64_t through)
{
    memset(chunks, 0, 8 * sizeof *chunks);
    for (int64_t i = 0; i < 8; i++)
        chunks[i].number = i;
    for (int64_t s = 1; s <= through; s++)
        tb_sequence_chunk_add(&chunks[tb_sequence_chunk_of(s)], entry_of(s, 0));
    *received = (struct tb_received_sequences){.epoch = EPOCH_A,
                                               .chunks = chunks,
                                               .chunk_count = 8,
                                               .last_sequence = through,
                                               .last_at_ms = 1};
}

/* Complete through the time of the last heartbeat that told no more than what is here; never later
 * than true, and with many heartbeats not much earlier. */
START_TEST(complete_through_is_never_too_late)
{
    struct tb_node node = {0};
    struct tb_sequence_chunk chunks[8];
    struct tb_received_sequences received;
    int beats = _i == 0 ? 40 : 1000;

    for (int i = 1; i <= beats; i++) {
        struct tb_heartbeat heartbeat = beat(EPOCH_A, 2 * i, NOW_MS + i * 30000);

        tb_node_apply_heartbeat(&node, &heartbeat);
    }
    for (int64_t through = 0; through <= 2 * beats; through += 1 + beats / 50) {
        int64_t at_ms, exact_ms = NOW_MS + through / 2 * 30000 + 250;

        if (through > 8 * TB_SEQUENCE_CHUNK_SIZE)
            break;
        receive_through(&received, chunks, through);
        at_ms = judge(&node, &received, 1, NOW_MS).complete_through_at_ms;
        if (at_ms == 0) {
            ck_assert_int_lt(through, _i == 0 ? 2 : beats);
            continue;
        }
        ck_assert_int_le(at_ms, exact_ms);
        if (_i == 0)
            ck_assert_int_eq(at_ms, exact_ms);
    }
    ck_assert_uint_le(node.mark_count, TB_NODE_MARKS_MAX);
    receive_through(&received, chunks, 2 * beats > 8 * TB_SEQUENCE_CHUNK_SIZE ? 0 : 2 * beats);
    if (received.last_sequence == 2 * beats)
        ck_assert_int_eq(judge(&node, &received, 1, NOW_MS).complete_through_at_ms,
                         NOW_MS + beats * 30000 + 250);
}
END_TEST

/* Without new orders, complete_through_at_ms rises with each heartbeat. */
START_TEST(an_idle_node_stays_current)
{
    struct tb_node node = {0};
    struct tb_sequence_chunk chunks[8];
    struct tb_received_sequences received;
    struct tb_node_report status;

    receive_through(&received, chunks, 10);
    for (int i = 0; i < 200; i++) {
        struct tb_heartbeat heartbeat = beat(EPOCH_A, 10, NOW_MS + i * 30000);

        tb_node_apply_heartbeat(&node, &heartbeat);
        status = judge(&node, &received, 1, NOW_MS + i * 30000);
        ck_assert_int_eq(status.state, TB_NODE_CURRENT);
        ck_assert_int_eq(status.complete_through_at_ms, NOW_MS + i * 30000 + 250);
        ck_assert_int_eq(status.clock_offset_ms, 250);
    }
    status = judge(&node, &received, 1, NOW_MS + 199 * 30000 + TB_NODE_SILENT_MS + 1);
    ck_assert_int_eq(status.state, TB_NODE_SILENT);
}
END_TEST

/* Orders that the last heartbeat counts as pending may have arrived since: only missing sequences
 * make a node behind. */
START_TEST(behind_while_anything_is_missing)
{
    struct tb_node node = {0};
    struct tb_sequence_chunk chunks[8];
    struct tb_received_sequences received;
    struct tb_heartbeat heartbeat = beat(EPOCH_A, 66, NOW_MS);

    heartbeat.delivered_sequence = 0;
    heartbeat.pending = 66;
    tb_node_apply_heartbeat(&node, &heartbeat);
    for (int64_t through = 1; through < 66; through++) {
        receive_through(&received, chunks, through);
        ck_assert_int_eq(judge(&node, &received, 1, NOW_MS).state, TB_NODE_BEHIND);
    }
    receive_through(&received, chunks, 66);
    ck_assert_int_eq(judge(&node, &received, 1, NOW_MS).state, TB_NODE_CURRENT);
    ck_assert_int_eq(judge(&node, &received, 1, NOW_MS).pending, 66); /* as last reported */
    /* More is pending than the epoch has sequences: some events are of an earlier epoch. */
    heartbeat.pending = 67;
    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert_int_eq(judge(&node, &received, 1, NOW_MS).state, TB_NODE_BEHIND);
    heartbeat = beat(EPOCH_A, 67, NOW_MS);
    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert_int_eq(judge(&node, &received, 1, NOW_MS).state, TB_NODE_BEHIND);
    receive_through(&received, chunks, 9);
    ck_assert_int_eq(judge(&node, &received, 1, NOW_MS).state, TB_NODE_BEHIND);
    ck_assert_int_eq(judge(&node, &received, 1, NOW_MS).complete_through_at_ms, 0);
    /* Without a heartbeat the number of pending orders is unknown. */
    ck_assert_int_eq(judge(NULL, &received, 1, NOW_MS).pending, -1);
    ck_assert_int_eq(judge(NULL, &received, 1, NOW_MS).has_clock_offset, false);
}
END_TEST

/* Where the topic has the sender's time, only heartbeats that were seen arriving judge a clock. By
 * what is known of it, the others are placed in time: no live node is silent because its clock is
 * behind, and no dead one current because it is ahead. */
START_TEST(a_wrong_clock_hides_nothing)
{
    const int64_t offset_ms = _i * INT64_C(2) * 3600000 - 2 * 3600000; /* behind, right, ahead */
    struct tb_node node = {0};
    struct tb_heartbeat heartbeat = beat(EPOCH_A, 0, NOW_MS);

    heartbeat.clock_ms = NOW_MS + offset_ms;
    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert_int_eq(judge(&node, NULL, 0, NOW_MS).clock_offset_ms, offset_ms);
    ck_assert_int_eq(judge(&node, NULL, 0, NOW_MS + TB_NODE_SILENT_MS).state, TB_NODE_CURRENT);
    ck_assert_int_eq(judge(&node, NULL, 0, NOW_MS + TB_NODE_SILENT_MS + 1).state, TB_NODE_SILENT);
    /* One that arrived half a minute later is read an hour later. */
    heartbeat.arrival_seen = false;
    heartbeat.clock_ms += 30000;
    heartbeat.arrived_at_ms = NOW_MS + 3600000;
    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert_int_eq(node.last.arrived_at_ms, NOW_MS + 30000);
    ck_assert_int_eq(judge(&node, NULL, 0, NOW_MS + 3600000).state, TB_NODE_SILENT);
    ck_assert_int_eq(judge(&node, NULL, 0, NOW_MS + 3600000).clock_offset_ms, offset_ms);
    /* Its clock is set meanwhile: what is not seen stays between the last one and its reading. */
    heartbeat.clock_ms = NOW_MS - 86400000;
    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert_int_eq(node.last.arrived_at_ms, NOW_MS + 30000);
    heartbeat.clock_ms = NOW_MS + 86400000;
    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert_int_eq(node.last.arrived_at_ms, NOW_MS + 3600000);
    heartbeat.arrived_at_ms += 30000;
    heartbeat.clock_ms = heartbeat.arrived_at_ms;
    heartbeat.arrival_seen = true;
    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert_int_eq(judge(&node, NULL, 0, NOW_MS + 3630000).clock_offset_ms, 0);
    ck_assert_int_eq(judge(&node, NULL, 0, NOW_MS + 3630000).state, TB_NODE_CURRENT);
}
END_TEST

/* Nobody has seen a heartbeat arrive: the offset is not known, and not 0. */
START_TEST(a_clock_that_was_not_judged_has_no_offset)
{
    struct tb_node node = {0};
    struct tb_heartbeat heartbeat = beat(EPOCH_A, 0, NOW_MS);

    heartbeat.arrival_seen = false;
    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert(!judge(&node, NULL, 0, NOW_MS).has_clock_offset);
    ck_assert_int_eq(node.last.arrived_at_ms, NOW_MS); /* never after it was read */
}
END_TEST

/* A day is complete when everything up to its end has arrived, which is the node's own end. */
START_TEST(a_day_is_complete_by_the_nodes_own_end)
{
    struct tb_node node = {0};
    struct tb_sequence_chunk chunks[8];
    struct tb_received_sequences received;
    struct tb_heartbeat heartbeat = beat(EPOCH_A, 3, NOW_MS - 250); /* its clock: midnight UTC */
    struct tb_node_report status;

    receive_through(&received, chunks, 3);
    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert_str_eq(judge(&node, &received, 1, NOW_MS).complete_through_date, "");
    memcpy(heartbeat.business_date, "2025-12-31", TB_DATE_SIZE);
    heartbeat.day_ends_at_ms = NOW_MS + 8 * 3600000; /* Los Angeles */
    tb_node_apply_heartbeat(&node, &heartbeat);
    status = judge(&node, &received, 1, NOW_MS);
    ck_assert_str_eq(status.complete_through_date, "2025-12-30");
    ck_assert_str_eq(status.business_date, "2025-12-31");
    ck_assert_int_eq(status.day_ends_at_ms, NOW_MS + 8 * 3600000);
    heartbeat.clock_ms = NOW_MS + 8 * 3600000 - 1;
    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert_str_eq(judge(&node, &received, 1, NOW_MS).complete_through_date, "2025-12-30");
    heartbeat.clock_ms++;
    memcpy(heartbeat.business_date, "2026-01-01", TB_DATE_SIZE);
    heartbeat.day_ends_at_ms += 86400000;
    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert_str_eq(judge(&node, &received, 1, NOW_MS).complete_through_date, "2025-12-31");
    /* It was a day ahead for a while: the day that it has again is not over. */
    heartbeat.clock_ms += 86400000;
    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert_str_eq(judge(&node, &received, 1, NOW_MS).complete_through_date, "2026-01-01");
    heartbeat.clock_ms -= 86400000;
    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert_str_eq(judge(&node, &received, 1, NOW_MS).complete_through_date, "2025-12-31");
    heartbeat.last_sequence = 4; /* of an order that has not arrived, from that day or before */
    heartbeat.clock_ms += 5 * 86400000;
    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert_str_eq(judge(&node, &received, 1, NOW_MS).complete_through_date, "2025-12-31");
    /* A heartbeat of an older version leaves what is known. */
    heartbeat.business_date[0] = '\0';
    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert_str_eq(judge(&node, &received, 1, NOW_MS).complete_through_date, "2025-12-31");
    ck_assert_str_eq(judge(&node, &received, 1, NOW_MS).business_date, "");
}
END_TEST

/* People's decision outweighs what the node would be; what arrives later shows that it sends. */
START_TEST(a_retired_node_is_not_judged)
{
    struct tb_sequence_chunk chunks[8];
    struct tb_received_sequences received;
    struct tb_heartbeat heartbeat = beat(EPOCH_A, 7, NOW_MS);
    struct tb_node node = {0};
    struct tb_node_report status;

    receive_through(&received, chunks, 3);
    received.last_at_ms = NOW_MS;
    tb_node_apply_heartbeat(&node, &heartbeat);
    ck_assert_int_eq(judge(&node, &received, 1, NOW_MS).state, TB_NODE_BEHIND);
    node.retired = (struct tb_node_retirement){NOW_MS, "a person"};
    status = judge(&node, &received, 1, NOW_MS + 2 * TB_NODE_SILENT_MS);
    ck_assert_int_eq(status.state, TB_NODE_RETIRED);
    ck_assert_int_eq(status.retired.at_ms, NOW_MS);
    ck_assert_str_eq(status.retired.by, "a person");
    ck_assert(!status.sends);
    ck_assert_int_eq(status.epochs[0].complete_through, 3); /* what is known stays known */
    if (_i == 0) {
        heartbeat.arrived_at_ms++;
        tb_node_apply_heartbeat(&node, &heartbeat);
    } else {
        received.last_at_ms++;
    }
    status = judge(&node, &received, 1, NOW_MS + TB_NODE_SENDS_SHOWN_MS);
    ck_assert_int_eq(status.state, TB_NODE_RETIRED);
    ck_assert(status.sends);
    ck_assert(!judge(&node, &received, 1, NOW_MS + 1 + TB_NODE_SENDS_SHOWN_MS).sends);
    node.retired = (struct tb_node_retirement){0};
    ck_assert_int_eq(judge(&node, &received, 1, NOW_MS).state, TB_NODE_BEHIND);
    ck_assert(!judge(&node, &received, 1, NOW_MS).sends);
}
END_TEST

/* Nothing but its events has ever come of it: what a heartbeat tells is not known. */
START_TEST(a_node_without_heartbeats_can_be_retired)
{
    const struct tb_node node = {.retired = {NOW_MS, "a person"}};
    struct tb_node_report status = judge(&node, NULL, 0, NOW_MS);

    ck_assert_int_eq(status.state, TB_NODE_RETIRED);
    ck_assert_int_eq(status.pending, -1);
    ck_assert_int_eq(status.last_seen_at_ms, 0);
}
END_TEST

static void set_report(struct tb_node_report *report, enum tb_node_state state, int64_t through_ms,
                       const char *date)
{
    *report = (struct tb_node_report){.state = state, .complete_through_at_ms = through_ms};
    snprintf(report->complete_through_date, TB_DATE_SIZE, "%s", date);
}

START_TEST(all_nodes_are_complete_through_the_earliest_that_is_not_retired)
{
    struct tb_node_report reports[3];
    struct tb_node_report_list list = {reports, 0};

    ck_assert_int_eq(tb_nodes_complete_through_ms(&list), 0);
    ck_assert_str_eq(tb_nodes_complete_through_date(&list), "");
    set_report(&reports[0], TB_NODE_RETIRED, 0, "");
    set_report(&reports[1], TB_NODE_CURRENT, NOW_MS, "2025-12-31");
    set_report(&reports[2], TB_NODE_SILENT, NOW_MS - 5, "2025-12-30");
    list.count = 1; /* no other node: nothing is known */
    ck_assert_int_eq(tb_nodes_complete_through_ms(&list), 0);
    ck_assert_str_eq(tb_nodes_complete_through_date(&list), "");
    list.count = 2;
    ck_assert_int_eq(tb_nodes_complete_through_ms(&list), NOW_MS);
    ck_assert_str_eq(tb_nodes_complete_through_date(&list), "2025-12-31");
    list.count = 3;
    ck_assert_int_eq(tb_nodes_complete_through_ms(&list), NOW_MS - 5);
    ck_assert_str_eq(tb_nodes_complete_through_date(&list), "2025-12-30");
    reports[0].state = TB_NODE_SILENT; /* put back: nothing is known of it */
    ck_assert_int_eq(tb_nodes_complete_through_ms(&list), 0);
    ck_assert_str_eq(tb_nodes_complete_through_date(&list), "");
}
END_TEST

/* Marks that are forgotten are those that no report needs, now or later, also if the clock is set
 * back. */
START_TEST(forgotten_marks_are_not_needed)
{
    struct tb_node whole = {0}, trimmed = {0};
    struct tb_received_sequences received = {.epoch = EPOCH_A};
    int64_t last = 0, at_ms = NOW_MS;
    size_t forgotten = 0;

    fake_random_init(&fake, test_seed(0x3a4c) + (uint64_t)_i);
    for (int i = 0; i < TB_NODE_MARKS_MAX - 1; i++) {
        struct tb_heartbeat heartbeat;

        last += (int64_t)fake_random_below(&fake, 4);
        at_ms += 30000;
        if (fake_random_below(&fake, 5) == 0)
            at_ms -= (int64_t)fake_random_below(&fake, 600000);
        heartbeat = beat(EPOCH_A, last, at_ms);
        tb_node_apply_heartbeat(&whole, &heartbeat);
        tb_node_apply_heartbeat(&trimmed, &heartbeat);
        if (fake_random_below(&fake, 2))
            received.complete_through += (int64_t)fake_random_below(
                &fake, (uint64_t)(last - received.complete_through + 1));
        tb_node_forget_marks(&trimmed, EPOCH_A, received.complete_through);
        tb_node_forget_marks(&trimmed, EPOCH_B, INT64_MAX);
        ck_assert_int_eq(judge(&trimmed, &received, 1, at_ms).complete_through_at_ms,
                         judge(&whole, &received, 1, at_ms).complete_through_at_ms);
        forgotten += whole.mark_count - trimmed.mark_count;
    }
    ck_assert_uint_gt(forgotten, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nodes");
    TCase *tc = tcase_create("nodes");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, a_heartbeat_can_be_decoded_again, 0, 2);
    tcase_add_test(tc, too_many_epochs_are_a_fork);
    tcase_add_test(tc, a_conflict_holds_completeness_back);
    tcase_add_loop_test(tc, other_objects_are_refused, 0, 14);
    tcase_add_loop_test(tc, completeness_shows_which_sequences_arrived, 0, 30);
    tcase_add_test(tc, another_event_of_the_same_number_is_a_fork);
    tcase_add_test(tc, a_sequence_that_goes_back_is_a_fork);
    tcase_add_test(tc, a_late_heartbeat_is_no_fork);
    tcase_add_test(tc, two_epochs_that_take_turns_are_a_fork);
    tcase_add_test(tc, epochs_are_bounded_and_the_latest_stay);
    tcase_add_loop_test(tc, complete_through_is_never_too_late, 0, 2);
    tcase_add_test(tc, an_idle_node_stays_current);
    tcase_add_test(tc, behind_while_anything_is_missing);
    tcase_add_loop_test(tc, a_wrong_clock_hides_nothing, 0, 3);
    tcase_add_test(tc, a_clock_that_was_not_judged_has_no_offset);
    tcase_add_test(tc, a_day_is_complete_by_the_nodes_own_end);
    tcase_add_loop_test(tc, a_retired_node_is_not_judged, 0, 2);
    tcase_add_test(tc, a_node_without_heartbeats_can_be_retired);
    tcase_add_test(tc, all_nodes_are_complete_through_the_earliest_that_is_not_retired);
    tcase_add_loop_test(tc, forgotten_marks_are_not_needed, 0, 50);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
