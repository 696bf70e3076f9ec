/* Goal: whatever is done to a log or to a view, no record is skipped, and a replaced log is
 * noticed.
 * Method: a member of a group reads a log in memory, which the test replaces, cuts or lengthens; a
 * view in memory notes what it was given and where it stands, and is put back by the test. The
 * contract of log.h is run against the placed reader, too. */
#include "bridge/log/log_conformance.h"
#include "bridge/log/placed_reader.h"
#include "query/doubles/group_log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_MS (60 * 60 * 1000)
#define SEEN_MAX 200

static struct {
    struct fake_clock clock;
    struct fake_random random;
    struct group_log log;
    struct tb_arena arena; /* the records' bytes */
    struct tb_log_places places;
    struct tb_log_reader *reader;
    /* The view: its place, and the offsets and ids that it was given. */
    struct tb_log_place place;
    bool takes_over, is_away;
    bool other_reads_on; /* while the place is asked for */
    int begun;           /* generations */
    char why[200];
    int64_t offsets[SEEN_MAX];
    char ids[SEEN_MAX][16];
    size_t seen;
} f;

static void add(const char *id, int64_t timestamp_ms);

/* A record comes, and another reader of the group puts it into the view. */
static void let_other_read_on(void)
{
    int64_t generation = tb_log_generation(f.place.next), at = tb_log_offset(f.place.next);

    f.other_reads_on = false;
    add("other", 500);
    f.place = (struct tb_log_place){.next = tb_log_with_generation(generation, at + 1),
                                    .last_offset = tb_log_with_generation(generation, at),
                                    .last_at_ms = 500,
                                    .last_event_id = "other"};
}

static enum tb_code load(void *ctx, int32_t partition, struct tb_log_place *ret_place,
                         int64_t *ret_unused, bool *ret_take_over, struct tb_error *err)
{
    (void)ctx;
    if (f.is_away)
        return tb_error_set(err, TB_UNAVAILABLE, "injected");
    if (partition == 0 && f.other_reads_on)
        let_other_read_on();
    *ret_place = partition == 0 ? f.place : (struct tb_log_place){.last_offset = -1};
    *ret_unused = ret_place->next < 0 ? 1 : tb_log_generation(ret_place->next) + 1;
    *ret_take_over = f.takes_over && ret_place->next < 0;
    return TB_OK;
}

static enum tb_code begin(void *ctx, int32_t partition, const struct tb_log_place *before,
                          const struct tb_log_place *place, const char *why, struct tb_error *err)
{
    (void)ctx;
    if (f.is_away)
        return tb_error_set(err, TB_UNAVAILABLE, "injected");
    ck_assert_int_eq(partition, 0);
    ck_assert_int_eq(before->next, f.place.next);
    ck_assert_int_gt(place->next, f.place.next);
    f.place = *place;
    f.begun++;
    snprintf(f.why, sizeof f.why, "%s", why);
    return TB_OK;
}

static void open_reader(void)
{
    struct tb_error err = {0};
    const struct tb_placed_reader_options options = {.from = &f.log.members[0].reader,
                                                     .places = &f.places,
                                                     .clock = &f.clock.clock,
                                                     .partitions = TEST_PARTITIONS};

    ck_ok(tb_placed_reader_new(&options, &f.reader, &err));
}

static void restart(void)
{
    tb_log_reader_free(f.reader);
    group_log_restart(&f.log, 0);
    open_reader();
}

static void setup(void)
{
    memset(&f, 0, sizeof f);
    fake_clock_init(&f.clock, 1000);
    fake_random_init(&f.random, 1);
    group_log_init(&f.log, &f.random);
    f.places = (struct tb_log_places){.load = load, .begin = begin};
    f.place = TB_LOG_NO_PLACE;
    open_reader();
}

static void teardown(void)
{
    tb_log_reader_free(f.reader);
    group_log_release(&f.log);
    tb_arena_release(&f.arena);
}

/* A key of partition 0. */
static const char *key(void)
{
    static char text[16];

    for (int n = 0; text[0] == '\0' || tb_log_partition(tb_str_of(text), TEST_PARTITIONS) != 0;
         n++)
        snprintf(text, sizeof text, "k%d", n);
    return text;
}

static void add(const char *id, int64_t timestamp_ms)
{
    const struct tb_header header = {TB_STR("ce_id"), tb_str_of(id)};
    const struct tb_record record = {.key = tb_str_of(key()),
                                     .value = TB_STR("v"),
                                     .headers = &header,
                                     .header_count = 1,
                                     .timestamp_ms = timestamp_ms};
    struct tb_record copy;

    ck_assert(tb_record_copy(&f.arena, &record, &copy));
    group_log_add(&f.log, &copy);
}

/* Adds count records with ids "a3", "a4"... */
static void add_some(char letter, int from, int count)
{
    char id[16];

    for (int n = from; n < from + count; n++) {
        snprintf(id, sizeof id, "%c%d", letter, n);
        add(id, 100 + n);
    }
}

static void replace_log(void)
{
    f.log.counts[0] = 0;
}

/* Polls; what comes is in the view. Returns TB_OK or the error of the last poll. */
static enum tb_code read_on(void)
{
    struct tb_error err = {0};
    enum tb_code code = TB_OK;

    for (int turn = 0; turn < 6; turn++) {
        struct tb_log_batch batch = {0};

        err = (struct tb_error){0};
        code = f.reader->ops->poll(f.reader, 2, 0, &batch, &err);
        for (size_t i = 0; i < batch.count; i++) {
            struct tb_str id = tb_record_header(&batch.records[i], "ce_id");

            f.offsets[f.seen] = batch.records[i].offset;
            snprintf(f.ids[f.seen++], 16, "%.*s", (int)id.len, id.ptr);
            tb_log_place_set(&f.place, &batch.records[i]);
        }
        if (code == TB_OK && f.reader->ops->position(f.reader, 0) >= 0)
            ck_ok(f.reader->ops->commit(f.reader, 0, f.reader->ops->position(f.reader, 0), &err));
    }
    return code;
}

static void check_seen(size_t at, const char *id, int64_t generation, int64_t offset)
{
    ck_assert_uint_lt(at, f.seen);
    ck_assert_str_eq(f.ids[at], id);
    ck_assert_int_eq(f.offsets[at], tb_log_with_generation(generation, offset));
}

static void read_first(int count)
{
    add_some('a', 0, count);
    ck_assert_int_eq(read_on(), TB_OK);
    ck_assert_uint_eq(f.seen, (size_t)count);
    ck_assert_int_eq(f.begun, 1);
    ck_assert_str_eq(f.why, "");
}

START_TEST(reads_where_the_view_stands)
{
    read_first(5);
    f.log.committed[0] = 1; /* whatever the group says */
    restart();
    add_some('a', 5, 1);
    ck_assert_int_eq(read_on(), TB_OK);
    ck_assert_uint_eq(f.seen, 6);
    check_seen(5, "a5", 1, 5);
    ck_assert_int_eq(f.begun, 1);
    ck_assert_int_eq(f.log.committed[0], 6);
}
END_TEST

/* The log is replaced while nobody reads: by a shorter one, by one that has grown past our place,
 * and by one with the same events that came at other times. */
START_TEST(another_log_is_read_from_its_first_record)
{
    static const struct {
        char letter;
        int count, delay_ms;
    } cases[] = {{'b', 3, 0}, {'b', 8, 0}, {'b', 5, 0}, {'a', 5, 1}, {'b', 0, 0}};

    read_first(5);
    replace_log();
    for (int n = 0; n < cases[_i].count; n++) {
        char id[16];

        snprintf(id, sizeof id, "%c%d", cases[_i].letter, n);
        add(id, 100 + n + cases[_i].delay_ms);
    }
    restart();
    ck_assert_int_eq(read_on(), TB_OK);
    ck_assert_int_eq(f.begun, 2);
    ck_assert_uint_eq(f.seen, 5 + (size_t)cases[_i].count);
    for (int n = 0; n < cases[_i].count; n++) {
        char id[16];

        snprintf(id, sizeof id, "%c%d", cases[_i].letter, n);
        check_seen(5 + (size_t)n, id, 2, n);
    }
    ck_assert_int_eq(f.log.committed[0], cases[_i].count);
}
END_TEST

/* Nothing says that the log was replaced by a longer one while it is read; an hour later the
 * record before our place does. */
START_TEST(the_log_is_proven_every_hour)
{
    read_first(5);
    replace_log();
    add_some('b', 0, 7);
    ck_assert_int_eq(read_on(), TB_OK);
    ck_assert_int_eq(f.begun, 1);
    fake_clock_advance(&f.clock, HOUR_MS + 1);
    ck_assert_int_eq(read_on(), TB_OK);
    /* b5 and b6 were read as a5 and a6 would have been: the view remembers b6, as the log does. */
    ck_assert_int_eq(f.begun, 1);
    replace_log();
    add_some('c', 0, 7);
    fake_clock_advance(&f.clock, HOUR_MS + 1);
    ck_assert_int_eq(read_on(), TB_OK);
    ck_assert_int_eq(f.begun, 2);
    check_seen(f.seen - 1, "c6", 2, 6);
}
END_TEST

START_TEST(a_log_cut_while_it_is_read_begins_a_generation)
{
    read_first(5);
    f.log.counts[0] = 3; /* its end, and with it what was read, is lost */
    ck_assert_int_eq(read_on(), TB_OK);
    ck_assert_int_eq(f.begun, 2);
    ck_assert_uint_eq(f.seen, 8);
    check_seen(5, "a0", 2, 0);
    check_seen(7, "a2", 2, 2);
}
END_TEST

/* The end of the log that was asked for before is too low then, and shows no other log. */
START_TEST(another_reader_may_move_the_place_on_meanwhile)
{
    read_first(5);
    restart();
    f.other_reads_on = true;
    ck_assert_int_eq(read_on(), TB_OK);
    ck_assert(!f.other_reads_on);
    ck_assert_int_eq(f.begun, 1);
    ck_assert_uint_eq(f.seen, 5);
}
END_TEST

/* The view is put back under a running reader: it reads on where the view stands now, in a new
 * generation, because nobody knows what was written while it was put back. */
START_TEST(a_view_that_was_put_back_gets_again_what_it_lost)
{
    struct tb_log_place earlier;

    read_first(2);
    earlier = f.place;
    add_some('a', 2, 3);
    ck_assert_int_eq(read_on(), TB_OK);
    f.place = earlier;
    if (_i == 0)
        fake_clock_advance(&f.clock, 10001); /* noticed by itself */
    else
        f.reader->ops->reposition(f.reader); /* noticed by a commit */
    ck_assert_int_eq(read_on(), TB_OK);
    ck_assert_int_eq(f.begun, 2);
    ck_assert_uint_eq(f.seen, 8);
    check_seen(5, "a2", 2, 2);
    check_seen(7, "a4", 2, 4);
}
END_TEST

START_TEST(a_dropped_view_gets_everything)
{
    read_first(5);
    f.place = TB_LOG_NO_PLACE;
    fake_clock_advance(&f.clock, 10001);
    ck_assert_int_eq(read_on(), TB_OK);
    ck_assert_uint_eq(f.seen, 10);
    check_seen(5, "a0", 2, 0);
}
END_TEST

/* The view is of a build that left its place to the group. */
START_TEST(an_old_view_goes_on_at_the_groups_offset)
{
    add_some('a', 0, 5);
    f.takes_over = true;
    f.log.committed[0] = _i == 0 ? 3 : _i == 1 ? -1 : 9;
    ck_assert_int_eq(read_on(), TB_OK);
    ck_assert_int_eq(f.begun, 1);
    if (_i == 0)
        check_seen(0, "a3", 1, 3);
    else /* nobody knows what the view has: nothing of it may be taken for what is read now */
        check_seen(0, "a0", 2, 0);
}
END_TEST

START_TEST(nothing_is_skipped_while_log_or_view_fail)
{
    read_first(2);
    restart();
    add_some('a', 2, 3);
    f.is_away = true;
    ck_assert_int_eq(read_on(), TB_UNAVAILABLE);
    ck_assert_uint_gt(f.log.members[0].polls, 3); /* the group is served */
    f.is_away = false;
    f.log.down = true;
    ck_assert_int_eq(read_on(), TB_UNAVAILABLE);
    f.log.down = false;
    ck_assert_int_eq(read_on(), TB_OK);
    ck_assert_uint_eq(f.seen, 5);
    check_seen(2, "a2", 1, 2);
}
END_TEST

/* A sought batch comes again; seeks and commits of a generation that is over are nothing. */
START_TEST(seeks_and_commits_are_of_their_generation)
{
    struct tb_error err = {0};

    read_first(5);
    ck_ok(f.reader->ops->seek(f.reader, 0, 3, &err));
    f.place.next = 3; /* the view has not taken them */
    f.place.last_offset = 2;
    ck_assert_int_eq(read_on(), TB_OK);
    check_seen(5, "a3", 1, 3);
    ck_assert_uint_eq(f.seen, 7);
    replace_log();
    add_some('b', 0, 2);
    ck_assert_int_eq(read_on(), TB_OK);
    check_seen(7, "b0", 2, 0);
    ck_assert_int_eq(f.log.committed[0], 2);
    ck_ok(f.reader->ops->commit(f.reader, 0, 1, &err));
    ck_assert_int_eq(f.log.committed[0], 2);
    ck_assert_int_eq(f.reader->ops->confirm(f.reader, 0, 1, &err), TB_BUSY);
    ck_ok(f.reader->ops->seek(f.reader, 0, 0, &err));
    ck_assert_int_eq(read_on(), TB_OK);
    ck_assert_uint_eq(f.seen, 9);
    ck_assert_int_eq(f.reader->ops->position(f.reader, 0), tb_log_with_generation(2, 2));
}
END_TEST

/* The contract of log.h. */

struct subject {
    struct group_log log;
    struct fake_random random;
    struct fake_clock clock;
    struct tb_arena arena;
    struct tb_log_places places;
};

static enum tb_code load_committed(void *ctx, int32_t partition, struct tb_log_place *ret_place,
                                   int64_t *ret_unused, bool *ret_take_over, struct tb_error *err)
{
    const struct subject *subject = ctx;

    (void)err;
    *ret_place = TB_LOG_NO_PLACE;
    ret_place->next = subject->log.committed[partition];
    ret_place->next = ret_place->next < 0 ? 0 : ret_place->next;
    *ret_unused = 2;
    *ret_take_over = false;
    return TB_OK;
}

static void *make(void)
{
    struct subject *subject = calloc(1, sizeof *subject);

    ck_assert_ptr_nonnull(subject);
    fake_random_init(&subject->random, 1);
    fake_clock_init(&subject->clock, 1);
    group_log_init(&subject->log, &subject->random);
    subject->places = (struct tb_log_places){.ctx = subject, .load = load_committed};
    return subject;
}

static void put(void *log, const struct tb_record *record)
{
    struct subject *subject = log;
    struct tb_record copy;

    ck_assert(tb_record_copy(&subject->arena, record, &copy));
    group_log_add(&subject->log, &copy);
}

static enum tb_code reader(void *log, const char *group, struct tb_log_reader **ret_reader,
                           struct tb_error *err)
{
    struct subject *subject = log;
    struct tb_placed_reader_options options = {.from = &subject->log.members[0].reader,
                                               .places = &subject->places,
                                               .clock = &subject->clock.clock,
                                               .partitions = TEST_PARTITIONS};

    (void)group;
    group_log_restart(&subject->log, 0);
    return tb_placed_reader_new(&options, ret_reader, err);
}

static void idle(void *log)
{
    (void)log;
}

static void destroy(void *log)
{
    struct subject *subject = log;

    group_log_release(&subject->log);
    tb_arena_release(&subject->arena);
    free(subject);
}

int main(void)
{
    static const struct log_conformance placed = {
        .lacks = LOG_LACKS_WRITER | LOG_LACKS_GROUPS | LOG_LACKS_WAITING | LOG_LACKS_CLOCK |
                 LOG_LACKS_LOST_POSITION,
        .make = make,
        .put = put,
        .reader = reader,
        .idle = idle,
        .reopen = idle,
        .destroy = destroy,
    };
    Suite *suite = suite_create("placed_reader");
    TCase *tc = tcase_create("places");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, reads_where_the_view_stands);
    tcase_add_loop_test(tc, another_log_is_read_from_its_first_record, 0, 5);
    tcase_add_test(tc, the_log_is_proven_every_hour);
    tcase_add_test(tc, a_log_cut_while_it_is_read_begins_a_generation);
    tcase_add_test(tc, another_reader_may_move_the_place_on_meanwhile);
    tcase_add_loop_test(tc, a_view_that_was_put_back_gets_again_what_it_lost, 0, 2);
    tcase_add_test(tc, a_dropped_view_gets_everything);
    tcase_add_loop_test(tc, an_old_view_goes_on_at_the_groups_offset, 0, 3);
    tcase_add_test(tc, nothing_is_skipped_while_log_or_view_fail);
    tcase_add_test(tc, seeks_and_commits_are_of_their_generation);
    suite_add_tcase(suite, tc);
    suite_add_tcase(suite, log_conformance_case(&placed));
    return test_main(suite);
}
