/* A lineage knows the last events and epochs of an order, and never more than it has room for. */
#include "query/projection/lineage.h"
#include "support/support.h"
#include <stdio.h>

static struct tb_lineage lineage;

static void setup(void)
{
    lineage = (struct tb_lineage){0};
}

START_TEST(events_are_known_by_version_and_id)
{
    tb_lineage_add(&lineage, 1, 11);
    tb_lineage_add(&lineage, 2, 22);
    ck_assert_int_eq(tb_lineage_find(&lineage, 1, 11), TB_LINEAGE_SAME);
    ck_assert_int_eq(tb_lineage_find(&lineage, 1, 22), TB_LINEAGE_OTHER);
    ck_assert_int_eq(tb_lineage_find(&lineage, 3, 11), TB_LINEAGE_UNKNOWN);
    /* An event without an id is never known, nor does it contradict one that has an id. */
    ck_assert_int_eq(tb_lineage_find(&lineage, 1, 0), TB_LINEAGE_UNKNOWN);
    tb_lineage_add(&lineage, 3, 0);
    ck_assert_int_eq(tb_lineage_find(&lineage, 3, 33), TB_LINEAGE_UNKNOWN);
}
END_TEST

START_TEST(the_oldest_events_are_forgotten)
{
    for (uint32_t i = 1; i <= TB_LINEAGE_EVENTS_MAX + 3; i++)
        tb_lineage_add(&lineage, i, 100 + i);
    ck_assert_uint_eq(lineage.event_count, TB_LINEAGE_EVENTS_MAX);
    ck_assert_int_eq(tb_lineage_find(&lineage, 3, 103), TB_LINEAGE_UNKNOWN);
    ck_assert_int_eq(tb_lineage_find(&lineage, 4, 104), TB_LINEAGE_SAME);
    ck_assert_int_eq(tb_lineage_find(&lineage, TB_JSON_INT_MAX, 104), TB_LINEAGE_UNKNOWN);
}
END_TEST

/* The snapshot's last event is one that is known: what came before it is shared. */
START_TEST(a_snapshot_overrules_what_it_lacks)
{
    for (uint32_t i = 1; i <= 4; i++)
        tb_lineage_add(&lineage, i, 10 * i);
    tb_lineage_replace(&lineage, 2, 20);
    ck_assert_int_eq(lineage.replaced, 1);
    ck_assert_int_eq(tb_lineage_find(&lineage, 1, 11), TB_LINEAGE_OTHER);
    ck_assert_int_eq(tb_lineage_find(&lineage, 3, 30), TB_LINEAGE_SAME);
    ck_assert_int_eq(tb_lineage_find(&lineage, 3, 31), TB_LINEAGE_UNKNOWN);
    tb_lineage_add(&lineage, 3, 31);
    ck_assert_int_eq(tb_lineage_find(&lineage, 3, 30), TB_LINEAGE_SAME);
    ck_assert_int_eq(tb_lineage_find(&lineage, 3, 31), TB_LINEAGE_SAME);
    ck_assert_int_eq(tb_lineage_find(&lineage, 3, 32), TB_LINEAGE_OTHER);
    /* A later store has the lost event after all. */
    tb_lineage_replace(&lineage, 3, 30);
    ck_assert_int_eq(tb_lineage_find(&lineage, 3, 31), TB_LINEAGE_SAME);
    ck_assert_int_eq(tb_lineage_find(&lineage, 3, 32), TB_LINEAGE_OTHER);
    ck_assert_uint_eq(lineage.event_count, 5);
}
END_TEST

/* Nobody knows where the two histories part. */
START_TEST(an_unknown_snapshot_overrules_all)
{
    tb_lineage_add(&lineage, 1, 10);
    tb_lineage_add(&lineage, 2, 20);
    tb_lineage_replace(&lineage, 2, 21);
    ck_assert_int_eq(tb_lineage_find(&lineage, 1, 10), TB_LINEAGE_SAME);
    ck_assert_int_eq(tb_lineage_find(&lineage, 1, 11), TB_LINEAGE_UNKNOWN);
    ck_assert_int_eq(tb_lineage_find(&lineage, 2, 20), TB_LINEAGE_SAME);
    ck_assert_int_eq(tb_lineage_find(&lineage, 2, 22), TB_LINEAGE_OTHER);
}
END_TEST

START_TEST(the_last_epochs_are_known)
{
    char epoch[TB_EPOCH_SIZE];

    tb_lineage_add_epoch(&lineage, "");
    ck_assert_str_eq(lineage.earlier_epochs, "");
    for (int i = 0; i < TB_EARLIER_EPOCHS_MAX + 2; i++) {
        snprintf(epoch, sizeof epoch, "%016x", i);
        tb_lineage_add_epoch(&lineage, epoch);
        tb_lineage_add_epoch(&lineage, epoch);
        ck_assert(tb_lineage_has_epoch(&lineage, epoch));
    }
    ck_assert(!tb_lineage_has_epoch(&lineage, "0000000000000001"));
    ck_assert(tb_lineage_has_epoch(&lineage, "0000000000000002"));
    ck_assert(!tb_lineage_has_epoch(&lineage, ""));
    ck_assert_uint_eq(strlen(lineage.earlier_epochs), sizeof lineage.earlier_epochs - 1);
    for (int i = 2; i < TB_EARLIER_EPOCHS_MAX + 2; i++) { /* the first, those between, the last */
        snprintf(epoch, sizeof epoch, "%016x", i == 2 ? 3 : i == 3 ? 2 : i);
        tb_lineage_remove_epoch(&lineage, epoch);
        ck_assert(!tb_lineage_has_epoch(&lineage, epoch));
        ck_assert_uint_eq((strlen(lineage.earlier_epochs) + 1) % TB_EPOCH_SIZE,
                          i == TB_EARLIER_EPOCHS_MAX + 1);
    }
    ck_assert_str_eq(lineage.earlier_epochs, "");
}
END_TEST

START_TEST(an_id_has_a_digest)
{
    ck_assert_uint_eq(tb_event_digest((struct tb_str){0}), 0);
    ck_assert_uint_eq(tb_event_digest(TB_STR("")), 0);
    /* It is stored, so it must stay what it is. */
    ck_assert_uint_eq(tb_event_digest(TB_STR("0191d2c0-5e6f-7a1b-8c2d-000000000001")),
                      UINT32_C(0x88780e17));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/lineage");
    TCase *tc = tcase_create("lineage");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, events_are_known_by_version_and_id);
    tcase_add_test(tc, the_oldest_events_are_forgotten);
    tcase_add_test(tc, a_snapshot_overrules_what_it_lacks);
    tcase_add_test(tc, an_unknown_snapshot_overrules_all);
    tcase_add_test(tc, the_last_epochs_are_known);
    tcase_add_test(tc, an_id_has_a_digest);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
