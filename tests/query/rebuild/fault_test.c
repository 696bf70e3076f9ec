/* Goal: whatever the disk does during a rebuild, a view is served that has everything before its
 * offsets, views.db names it, and the next process finishes the rebuild.
 * Method: each call that changes a file during a rebuild is broken in turn: the power goes, or the
 * call fails and the process continues. */
#include "query/rebuild/rebuild_world.h"
#include "support/fault_vfs.h"
#include <sqlite3.h>
#include <stdlib.h>

/* About this many of the calls are broken in one run of the test. */
#define PLACES 20

static const struct history_options small = {6, 30, 5};
static struct world w;

static void begin(void)
{
    fault_vfs_install();
    world_init(&w, 11, &small);
    while (world_add(&w))
        continue;
    ck_assert(world_start(&w));
    world_read_on(&w);
}

static void end(void)
{
    world_release(&w);
    fault_vfs_uninstall();
}

/* Runs a job until it has ended, or until no step can continue because the power is off. False: it
 * was not taken. */
static bool rebuild(bool rollback)
{
    struct tb_rebuild_job job = {.rollback = rollback};
    struct tb_error err = {0};

    if (tb_rebuild_start(w.rebuild, &job, &err) != TB_OK)
        return false;
    for (int i = 0; i < 300 && tb_rebuild_is_running(world_progress(&w)->state); i++) {
        (void)tb_rebuild_step(w.rebuild);
        (void)tb_consumer_step(w.consumer, 0);
        fake_clock_advance(&w.clock, 100);
    }
    return true;
}

static int64_t changes_of(bool rollback)
{
    int64_t before, changes;

    begin();
    if (rollback)
        (void)rebuild(false);
    before = fault_vfs_changes();
    (void)rebuild(rollback);
    changes = fault_vfs_changes() - before;
    ck_assert_int_eq(world_progress(&w)->state,
                     rollback ? TB_REBUILD_ROLLED_BACK : TB_REBUILD_DONE);
    end();
    return changes;
}

/* The content of a view that was never rebuilt. */
static char *wanted(void)
{
    char *dump;

    begin();
    dump = world_dump(&w, 1, /* letters= */ false);
    end();
    return dump;
}

static void check_whole(const char *dump)
{
    char *found;

    world_read_on(&w);
    found = world_dump(&w, world_served(&w), false);
    ck_assert_str_eq(found, dump);
    free(found);
}

/* Checks that the next process serves the whole view, finishes the job, and can rebuild again.
 * served: the generation that was served before the fault. must_move: that the job was taken is
 * known, so another one is served when it is finished. */
static void check_next(const char *dump, int64_t served, bool must_move)
{
    ck_assert(world_start(&w));
    /* A view that was swapped in must be complete on the disk: the log may not have its events any
     * more. */
    if (world_served(&w) != served)
        ck_assert(world_live_drained(&w));
    check_whole(dump);
    (void)tb_rebuild_step(w.rebuild);
    (void)world_finish(&w);
    ck_assert(!must_move || world_served(&w) != served);
    check_whole(dump);
    ck_assert_int_eq(world_rebuild(&w, false, false), TB_REBUILD_DONE);
    check_whole(dump);
}

static bool is_due(int64_t at, int64_t changes)
{
    int64_t stride = changes / PLACES + 1;

    /* The job is stored at the beginning, and the swap is at the end. */
    return at % stride == 0 || at < 25 || at > changes - 14;
}

static void cut_everywhere(bool rollback, enum fault_cut how)
{
    char *dump = wanted();
    int64_t changes = changes_of(rollback);
    bool taken;

    ck_assert_int_gt(changes, 10);
    for (int64_t at = 1; at <= changes; at++) {
        if (!is_due(at, changes))
            continue;
        begin();
        if (rollback)
            (void)rebuild(false);
        fault_vfs_cut_power(at, how, (uint64_t)at);
        taken = rebuild(rollback);
        ck_assert(fault_vfs_power_is_off());
        world_stop(&w);
        fault_vfs_reboot();
        fault_vfs_heal();
        check_next(dump, rollback ? 2 : 1, taken);
        end();
    }
    free(dump);
}

START_TEST(power_goes_during_a_rebuild)
{
    cut_everywhere(false, (enum fault_cut)_i);
}
END_TEST

START_TEST(power_goes_during_a_rollback)
{
    cut_everywhere(true, (enum fault_cut)_i);
}
END_TEST

/* The call fails and the process continues: the view that it serves, and the one that the next
 * process serves, have everything. */
START_TEST(calls_fail_during_a_rebuild)
{
    char *dump = wanted();
    int64_t changes = changes_of(false), served;

    for (int64_t at = 1; at <= changes; at++) {
        if (!is_due(at, changes))
            continue;
        begin();
        fault_vfs_fail(FAULT_CHANGES, at, _i ? SQLITE_FULL : SQLITE_IOERR, /* forever= */ false,
                       (uint64_t)at);
        (void)rebuild(false);
        fault_vfs_heal();
        ck_assert_msg(!tb_rebuild_is_running(world_progress(&w)->state), "at %lld: %s",
                      (long long)at, world_progress(&w)->problem);
        check_whole(dump);
        served = world_served(&w);
        world_stop(&w);
        check_next(dump, served, /* must_move= */ false);
        end();
    }
    free(dump);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rebuild_fault");
    TCase *tc = tcase_create("faults");

    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, power_goes_during_a_rebuild, 0, FAULT_CUT_COUNT);
    tcase_add_loop_test(tc, power_goes_during_a_rollback, 0, FAULT_CUT_COUNT);
    tcase_add_loop_test(tc, calls_fail_during_a_rebuild, 0, 2);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
