/* The dead letters of the MongoDB view: the cases that every view passes, and several writers of
 * the same dead letters, which are stored once. */
#include "query/dead_letters/dead_letter_cases.h"
#include "query/dead_letters/replay_cases.h"
#include "query/mongo/mongo_server.h"
#include "query/mongo/view/view.h"
#include <stdlib.h>

static struct fixture {
    struct mongo_db db;
    struct tb_view *view;
    struct tb_view_reader *reader;
    struct dead_letter_bed bed;
} f;

static void setup(void)
{
    struct tb_error err = {0};

    mongo_db_open(&f.db, 50);
    ck_ok(tb_view_mongo_open(f.db.mongo, &f.view, &err));
    ck_ok(tb_view_mongo_open_reader(f.db.mongo, &f.reader, &err));
    dead_letter_bed_init(&f.bed, f.view, f.reader);
}

static void teardown(void)
{
    dead_letter_bed_release(&f.bed);
    f.reader->ops->free(f.reader);
    f.view->ops->free(f.view);
    mongo_db_close(&f.db);
}

START_TEST(a_case_of_every_view)
{
    dead_letter_cases[_i].run(&f.bed);
}
END_TEST

static void commit(struct tb_view *view, const struct tb_plan *plan)
{
    struct tb_error err = {0};

    ck_ok(view->ops->commit(view, plan, &err));
}

/* Makes a plan with one outcome: a new dead letter, or a replay that failed or succeeded. */
static void plan_outcome(struct tb_plan *plan, struct tb_plan_dead_letter *death,
                         int64_t first_offset, int64_t offset, bool replayed)
{
    static struct tb_plan_outcome outcome;
    static struct tb_record record;

    *plan = (struct tb_plan){.next_offset = offset + 1, .planned_at_ms = HISTORY_START_MS};
    outcome = (struct tb_plan_outcome){first_offset, offset, replayed ? NULL : death};
    plan->outcomes = &outcome;
    plan->outcome_count = 1;
    if (replayed)
        return;
    record = (struct tb_record){.offset = offset, .value = TB_STR("{}")};
    *death = (struct tb_plan_dead_letter){.record = &record,
                                          .first_offset = first_offset,
                                          .reason = TB_REASON_GAP,
                                          .message = TB_STR("too early")};
    plan->dead_letters = death;
    plan->dead_letter_count = 1;
}

static bool list_offset(void *ctx, const struct tb_dead_letter *letter)
{
    int64_t *offsets = ctx;

    ck_assert(tb_str_eq(letter->reason, TB_STR(TB_REASON_PARKED)));
    offsets[1 + offsets[0]++] = letter->position.offset;
    return true;
}

/* What was parked may begin its order, or tell nothing; only what has to wait for an earlier
 * version waits. */
START_TEST(parked_records_may_follow)
{
    static const int64_t versions[] = {0, 1, 2};
    struct tb_redrive_scan scan = {0};
    struct tb_plan_dead_letter death;
    struct tb_error err = {0};
    struct tb_plan plan;
    int64_t found[8] = {0};

    for (int i = 0; i < 3; i++) {
        plan_outcome(&plan, &death, i + 1, i + 1, false);
        death.reason = TB_REASON_PARKED;
        death.version = versions[i];
        if (versions[i] > 0)
            memcpy(death.order_id, "019ab0c1-0000-7000-8000-000000000001", TB_UUID_SIZE);
        commit(f.view, &plan);
    }
    ck_ok(f.view->ops->redrivable(f.view, &scan, 10, list_offset, found, &err));
    ck_assert_int_eq(found[0], 2);
    ck_assert_int_eq(found[1], 1);
    ck_assert_int_eq(found[2], 2);
}
END_TEST

/* A writer that is late writes older outcomes than those stored: the stored state does not change,
 * and no attempt is counted twice. */
START_TEST(a_zombie_changes_nothing)
{
    struct tb_plan_dead_letter death;
    struct tb_plan plan;
    char *dump;

    for (int64_t offset = 10; offset < 13; offset++) {
        plan_outcome(&plan, &death, 10, offset, false);
        commit(f.view, &plan);
    }
    plan_outcome(&plan, &death, 10, 13, true);
    commit(f.view, &plan);
    dump = mongo_db_dump(&f.db, "dead_letters");
    ck_assert_ptr_nonnull(strstr(dump, "\"attempts\" : { \"$numberLong\" : \"3\" }"));
    ck_assert_ptr_nonnull(strstr(dump, "\"_id\" : \"order-events-0-10\""));
    ck_assert_ptr_nonnull(strstr(dump, "\"topic\" : \"order-events\""));
    for (int64_t offset = 10; offset < 14; offset++) {
        char *again;

        plan_outcome(&plan, &death, 10, offset, offset == 12);
        commit(f.view, &plan);
        again = mongo_db_dump(&f.db, "dead_letters");
        ck_assert_str_eq(dump, again);
        free(again);
    }
    free(dump);
}
END_TEST

START_TEST(after_all_replays_the_view_is_the_fold)
{
    replay_case_run(f.view, f.reader, test_seed(0xdea1) + (uint64_t)_i, 15);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/view_mongo_letters");
    TCase *tc = tcase_create("letters");
    int failed;

    mongo_server_begin();
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_case_of_every_view, 0, dead_letter_case_count);
    tcase_add_test(tc, a_zombie_changes_nothing);
    tcase_add_test(tc, parked_records_may_follow);
    tcase_add_loop_test(tc, after_all_replays_the_view_is_the_fold, 0, 2);
    suite_add_tcase(suite, tc);
    failed = test_main(suite);
    mongo_server_end();
    return failed;
}
