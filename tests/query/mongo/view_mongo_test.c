/* The MongoDB view returns what was committed. Repeated batches, other batch limits and second
 * writers do not change that, and the sums of a day are those of its orders. */
#include "query/mongo/mongo_feed.h"
#include "query/mongo/view/view.h"
#include "query/view_conformance.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define PARTITIONS 3

static struct mongo_fixture f;

static void setup(void)
{
    mongo_fixture_open(&f, 50, 11);
}

static void teardown(void)
{
    mongo_fixture_close(&f);
}

/* The sums of a day, computed from its orders. */
struct sums {
    char id[80];
    int64_t orders, returns, cancelled, total_minor;
};

static void add_order(struct sums *list, size_t *count, const struct tb_order *order)
{
    char id[80];
    size_t at = 0;

    snprintf(id, sizeof id, "%.*s/%s/%s", (int)order->node.len, order->node.ptr,
             order->business_date, order->currency);
    while (at < *count && strcmp(list[at].id, id) != 0)
        at++;
    if (at == *count)
        snprintf(list[(*count)++].id, sizeof list->id, "%s", id);
    list[at].orders += order->kind == TB_SALE;
    list[at].returns += order->kind == TB_RETURN;
    list[at].cancelled += order->status == TB_CANCELLED;
    list[at].total_minor += order->status == TB_CANCELLED ? 0 : order->total_minor;
}

static void check_sales(const struct history *histories, size_t history_count)
{
    struct sums *list = calloc(10000, sizeof *list);
    size_t count = 0;
    char filter[400];

    for (size_t h = 0; h < history_count; h++) {
        for (size_t i = 0; i < histories[h].order_count; i++) {
            const struct history_order *order = &histories[h].orders[i];
            int64_t version = history_reachable(order);

            if (version > 0)
                add_order(list, &count, &order->states[version]);
        }
    }
    /* A day from which a snapshot has moved all orders stays, with sums of 0. */
    ck_assert_int_eq(
        mongo_db_count(&f.db, "sales_by_day",
                       "{\"$or\":[{\"orders\":{\"$ne\":0}},{\"returns\":{\"$ne\":0}}]}"),
        (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        snprintf(filter, sizeof filter,
                 "{\"_id\":\"%s\",\"orders\":%lld,\"returns\":%lld,\"cancelled\":%lld,"
                 "\"totalMinor\":%lld}",
                 list[i].id, (long long)list[i].orders, (long long)list[i].returns,
                 (long long)list[i].cancelled, (long long)list[i].total_minor);
        ck_assert_msg(mongo_db_count(&f.db, "sales_by_day", filter) == 1, "not there: %s", filter);
    }
    free(list);
}

/* Compares two dumps, shows where they differ, and frees both. */
static void check_same(char *a, char *b)
{
    size_t at = 0, from;

    ck_assert_uint_gt(strlen(a), 0);
    while (a[at] == b[at] && a[at] != '\0')
        at++;
    from = at > 300 ? at - 300 : 0;
    ck_assert_msg(a[at] == b[at], "%.400s\nis not\n%.400s", a + from, b + from);
    free(a);
    free(b);
}

/* Commits the log with and without prefetch, in batches of any size, and then again from the
 * start. */
START_TEST(the_view_is_the_fold_of_the_log)
{
    struct history history;

    fake_random_init(&f.fake, test_seed(0x51ab) + (uint64_t)_i);
    history_make(&history, &f.fake, &(struct history_options){60, 20, 5});
    mongo_feed(f.view, &history, 0, 1 + fake_random_below(&f.fake, 200));
    mongo_check_history(f.reader, &history);
    check_sales(&history, 1);
    char *orders = mongo_db_dump(&f.db, "orders");
    char *sales = mongo_db_dump_sales(&f.db);
    char *dead = mongo_db_dump(&f.db, "dead_letters");
    mongo_feed(f.view, &history, 0, 17);
    check_same(orders, mongo_db_dump(&f.db, "orders"));
    check_same(sales, mongo_db_dump_sales(&f.db));
    check_same(dead, mongo_db_dump(&f.db, "dead_letters"));
    history_release(&history);
}
END_TEST

/* The same for a store that is restored: orders go back to earlier versions, and to other days. */
START_TEST(the_view_is_the_restored_store)
{
    struct history history;

    fake_random_init(&f.fake, test_seed(0x4e57) + (uint64_t)_i);
    history_make_restored(&history, &f.fake, &(struct history_options){40, 10, 3}, 1 + _i);
    mongo_feed(f.view, &history, 0, 1 + fake_random_below(&f.fake, 100));
    mongo_check_history(f.reader, &history);
    check_sales(&history, 1);
    char *orders = mongo_db_dump(&f.db, "orders");
    char *sales = mongo_db_dump_sales(&f.db);
    mongo_feed(f.view, &history, 0, 17);
    check_same(orders, mongo_db_dump(&f.db, "orders"));
    check_same(sales, mongo_db_dump_sales(&f.db));
    history_release(&history);
}
END_TEST

/* A writer that makes a plan, waits while others write, and then commits. */
struct writer {
    struct tb_mongo *mongo;
    struct tb_view *view;
    struct tb_plan plan;
    int32_t partition;
    size_t first, end; /* of the records planned; end 0: none */
};

static void plan_somewhere(struct writer *writer, const struct history *histories,
                           const size_t *committed)
{
    int32_t partition = (int32_t)fake_random_below(&f.fake, PARTITIONS);
    const struct history *history = &histories[partition];
    /* Any offset that the group may have committed before. */
    size_t back = fake_random_below(&f.fake, 4) == 0 ? fake_random_below(&f.fake, 80) : 0;
    size_t first = committed[partition] > back ? committed[partition] - back : 0;
    size_t count = 1 + fake_random_below(&f.fake, 60);

    if (first == history->record_count)
        return;
    if (count > history->record_count - first)
        count = history->record_count - first;
    mongo_plan(writer->view, &writer->plan, partition, history->records + first, count,
               fake_random_below(&f.fake, 2));
    writer->partition = partition;
    writer->first = first;
    writer->end = first + count;
}

static void commit_late(struct writer *writer, size_t *committed)
{
    mongo_commit(writer->view, &writer->plan);
    if (writer->end > committed[writer->partition])
        committed[writer->partition] = writer->end;
    writer->end = 0;
}

static bool all_committed(const struct history *histories, const size_t *committed)
{
    for (size_t p = 0; p < PARTITIONS; p++) {
        if (committed[p] < histories[p].record_count)
            return false;
    }
    return true;
}

static void make_history(struct history *history, bool restored)
{
    const struct history_options options = {40, 10, 3};

    if (restored)
        history_make_restored(history, &f.fake, &options, 2);
    else
        history_make(history, &f.fake, &options);
}

/* A consumer that does not know that it has lost its partition commits old plans between newer
 * ones. The documents must equal those of a single writer, byte for byte, and the sums those of
 * the orders. */
START_TEST(zombies_and_second_writers_change_nothing)
{
    struct tb_error err = {0};
    struct history histories[PARTITIONS];
    struct writer writers[4] = {0};
    size_t committed[PARTITIONS] = {0};
    bool restored = _i % 2;

    fake_random_init(&f.fake, test_seed(0x2ab1) + (uint64_t)_i);
    for (int p = 0; p < PARTITIONS; p++)
        make_history(&histories[p], restored);
    for (size_t w = 0; w < 4; w++) {
        writers[w].mongo = mongo_db_again(&f.db, 1 + (int)fake_random_below(&f.fake, 40));
        ck_ok(tb_view_mongo_open(writers[w].mongo, &writers[w].view, &err));
    }
    while (!all_committed(histories, committed)) {
        struct writer *writer = &writers[fake_random_below(&f.fake, 4)];

        if (writer->end > 0)
            commit_late(writer, committed);
        else
            plan_somewhere(writer, histories, committed);
    }
    for (size_t w = 0; w < 4; w++) {
        if (writers[w].end > 0)
            commit_late(&writers[w], committed);
        tb_plan_release(&writers[w].plan);
        writers[w].view->ops->free(writers[w].view);
        tb_mongo_free(writers[w].mongo);
    }
    for (int p = 0; p < PARTITIONS; p++)
        mongo_check_history(f.reader, &histories[p]);
    check_sales(histories, PARTITIONS);

    char *orders = mongo_db_dump(&f.db, "orders");
    char *sales = mongo_db_dump_sales(&f.db);
    char *dead = mongo_db_dump(&f.db, "dead_letters");
    mongo_db_command(&f.db, "{\"dropDatabase\":1}");
    for (int p = 0; p < PARTITIONS; p++)
        mongo_feed(f.view, &histories[p], p, 1000);
    for (int p = 0; p < PARTITIONS; p++)
        mongo_check_history(f.reader, &histories[p]);
    check_same(orders, mongo_db_dump(&f.db, "orders"));
    check_same(sales, mongo_db_dump_sales(&f.db));
    if (!restored)
        check_same(dead, mongo_db_dump(&f.db, "dead_letters"));
    else /* a late plan may have a letter that a snapshot has overtaken: its redrive closes it */
        free(dead);
    for (int p = 0; p < PARTITIONS; p++)
        history_release(&histories[p]);
}
END_TEST

/* One of several centrals; each has its own partition. */
struct central {
    pthread_t thread;
    struct tb_mongo *mongo;
    struct tb_view *view;
    const struct history *history;
    int32_t partition;
};

static void *central_main(void *arg)
{
    struct central *central = arg;

    mongo_feed(central->view, central->history, central->partition, 5);
    return NULL;
}

/* Several centrals write the same days at the same time: none overwrites what another has counted.
 * The last central also writes the first one's partition, as if it did not know that it has lost
 * it. */
START_TEST(centrals_write_at_the_same_time)
{
    struct tb_error err = {0};
    struct history histories[PARTITIONS];
    struct central centrals[PARTITIONS + 1];

    for (int p = 0; p < PARTITIONS; p++)
        history_make(&histories[p], &f.fake, &(struct history_options){25, 10, 3});
    for (int c = 0; c <= PARTITIONS; c++) {
        centrals[c] = (struct central){.mongo = mongo_db_again(&f.db, 50),
                                       .history = &histories[c % PARTITIONS],
                                       .partition = c % PARTITIONS};
        ck_ok(tb_view_mongo_open(centrals[c].mongo, &centrals[c].view, &err));
    }
    for (int c = 0; c <= PARTITIONS; c++)
        ck_assert_int_eq(pthread_create(&centrals[c].thread, NULL, central_main, &centrals[c]), 0);
    for (int c = 0; c <= PARTITIONS; c++) {
        ck_assert_int_eq(pthread_join(centrals[c].thread, NULL), 0);
        centrals[c].view->ops->free(centrals[c].view);
        tb_mongo_free(centrals[c].mongo);
    }
    for (int p = 0; p < PARTITIONS; p++)
        mongo_check_history(f.reader, &histories[p]);
    check_sales(histories, PARTITIONS);
    for (int p = 0; p < PARTITIONS; p++)
        history_release(&histories[p]);
}
END_TEST

/* Between our read and our write another writer inserts the order, with an older version, the same
 * one, or a newer one. */
START_TEST(after_a_duplicate_key_the_newest_version_stays)
{
    struct tb_error err = {0};
    struct history history;
    struct tb_mongo *mongo = mongo_db_again(&f.db, 500);
    struct tb_view *other = NULL;
    struct tb_plan early = {0};

    ck_ok(tb_view_mongo_open(mongo, &other, &err));
    history_make(&history, &f.fake, &(struct history_options){30, 0, 0});
    /* Both plan with an empty view. One plans a third of the log, the other all of it. */
    mongo_plan(f.view, &f.plan, 0, history.records, history.record_count, true);
    mongo_plan(other, &early, 0, history.records, history.record_count / 3, true);
    if (_i == 0) {
        mongo_commit(other, &early);
        mongo_commit(f.view, &f.plan);
    } else {
        mongo_commit(f.view, &f.plan);
        mongo_commit(other, &early);
    }
    mongo_check_history(f.reader, &history);
    check_sales(&history, 1);
    tb_plan_release(&early);
    other->ops->free(other);
    tb_mongo_free(mongo);
    history_release(&history);
}
END_TEST

START_TEST(a_case_of_every_view)
{
    view_case_run(_i, f.view, f.reader);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("view_mongo");
    TCase *tc = tcase_create("writing");
    int status;

    mongo_server_begin();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, the_view_is_the_fold_of_the_log, 0, 3);
    tcase_add_loop_test(tc, the_view_is_the_restored_store, 0, 3);
    tcase_add_loop_test(tc, zombies_and_second_writers_change_nothing, 0, 5);
    tcase_add_loop_test(tc, centrals_write_at_the_same_time, 0, 3);
    tcase_add_loop_test(tc, after_a_duplicate_key_the_newest_version_stays, 0, 2);
    tcase_add_loop_test(tc, a_case_of_every_view, 0, view_case_count);
    suite_add_tcase(suite, tc);
    status = test_main(suite);
    mongo_server_end();
    return status;
}
