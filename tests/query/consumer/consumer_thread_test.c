/* The consumer on its own thread, from the in-process log to the SQLite view, while other threads
 * append and read: each appended event becomes visible, and tb_consumer_stop ends every wait. */
#include "bridge/log/inproc/inproc.h"
#include "query/consumer/consumer.h"
#include "query/doubles/history.h"
#include "query/sqlite/view_sqlite.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define TOPIC "order-events"
#define GROUP "view"

static struct fixture {
    char dir[128], log_path[160], view_path[160];
    struct fake_random fake;
    struct history history;
    struct tb_log_inproc *log;
    struct tb_log_writer *writer;
    struct tb_log_reader *reader;
    struct tb_view *view;
    struct tb_consumer *consumer;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t seen; /* records planned and committed; under the lock */
} f;

static void applied(void *ctx, const struct tb_plan *plan)
{
    size_t sum = 0;

    (void)ctx;
    for (int i = 0; i < TB_EVENT_RESULT_COUNT; i++)
        sum += plan->results[i];
    pthread_mutex_lock(&f.lock);
    f.seen += sum;
    pthread_cond_broadcast(&f.changed);
    pthread_mutex_unlock(&f.lock);
}

static void *run(void *arg)
{
    tb_consumer_run(arg);
    return NULL;
}

static void start(void)
{
    struct tb_error err = {0};
    struct tb_consumer_options options = {
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .rules = {.currency = "EUR"},
        .dead_letter_keep_ms = 3600000,
        .on_applied = applied,
    };

    ck_ok(tb_log_inproc_open(f.log_path, &tb_clock_system, &f.log, &err));
    ck_ok(tb_log_inproc_writer(f.log, &f.writer, &err));
    ck_ok(tb_log_inproc_reader(f.log, GROUP, &f.reader, &err));
    ck_ok(tb_view_sqlite_open(f.view_path, &f.view, &err));
    options.reader = f.reader;
    options.view = f.view;
    ck_ok(tb_consumer_new(&options, &f.consumer, &err));
    ck_assert_int_eq(pthread_create(&f.thread, NULL, run, f.consumer), 0);
}

static void stop(void)
{
    tb_consumer_stop(f.consumer);
    ck_assert_int_eq(pthread_join(f.thread, NULL), 0);
    tb_consumer_free(f.consumer);
    f.view->ops->free(f.view);
    f.reader->ops->free(f.reader);
    f.writer->ops->free(f.writer);
    tb_log_inproc_free(f.log);
}

static void setup(void)
{
    memset(&f, 0, sizeof f);
    tmpdir_make(f.dir);
    snprintf(f.log_path, sizeof f.log_path, "%s/log.db", f.dir);
    snprintf(f.view_path, sizeof f.view_path, "%s/view.db", f.dir);
    fake_random_init(&f.fake, 31);
    ck_assert_int_eq(pthread_mutex_init(&f.lock, NULL), 0);
    ck_assert_int_eq(pthread_cond_init(&f.changed, NULL), 0);
    start();
}

static void teardown(void)
{
    stop();
    pthread_cond_destroy(&f.changed);
    pthread_mutex_destroy(&f.lock);
    history_release(&f.history);
    tmpdir_remove(f.dir);
}

/* Appends records[from..to) and waits until all are acknowledged. */
static void append(size_t from, size_t to)
{
    struct tb_log_ack acks[TB_LOG_BATCH_MAX];
    struct tb_error err = {0};
    size_t got = 0;

    for (size_t i = from; i < to; i++)
        ck_ok(f.writer->ops->append(f.writer, &f.history.records[i], (int64_t)i, &err));
    for (size_t sum = 0; sum < to - from; sum += got) {
        ck_ok(f.writer->ops->poll(f.writer, 1000, acks, TB_LOG_BATCH_MAX, &got, &err));
        for (size_t i = 0; i < got; i++)
            ck_assert_int_eq(acks[i].code, TB_OK);
    }
}

static void wait_until_seen(size_t count)
{
    pthread_mutex_lock(&f.lock);
    while (f.seen < count)
        pthread_cond_wait(&f.changed, &f.lock);
    pthread_mutex_unlock(&f.lock);
}

static void check_view(void)
{
    struct tb_view_reader *reader = NULL;
    struct tb_error err = {0};

    ck_ok(tb_view_sqlite_reader(f.view_path, &reader, &err));
    for (size_t i = 0; i < f.history.order_count; i++) {
        const struct history_order *order = &f.history.orders[i];
        struct tb_buf doc = {0};
        int64_t version = 0;

        ck_ok(reader->ops->get(reader, tb_str_of(order->order.order_id), &doc, &version, &err));
        ck_assert_int_eq(version, order->versions);
        ck_assert(tb_str_eq(tb_buf_str(&doc), order->docs[version]));
        tb_buf_release(&doc);
    }
    reader->ops->free(reader);
}

/* Appended in pieces of any size, with a stop and a start in the middle of it. */
START_TEST(appended_records_become_visible)
{
    size_t at = 0;

    history_make(&f.history, &f.fake, &(struct history_options){150, 0, 3});
    while (at < f.history.record_count) {
        size_t count = 1 + fake_random_below(&f.fake, 60);

        if (count > f.history.record_count - at)
            count = f.history.record_count - at;
        append(at, at + count);
        at += count;
        if (fake_random_below(&f.fake, 4) == 0)
            wait_until_seen(at);
        if (fake_random_below(&f.fake, 8) == 0) {
            wait_until_seen(at);
            stop();
            start();
        }
    }
    wait_until_seen(f.history.record_count);
    ck_assert_uint_eq(f.seen, f.history.record_count);
    check_view();
}
END_TEST

/* The stop comes while it waits without end, or before it waits. */
START_TEST(stopping_ends_the_wait)
{
    for (int i = 0; i < 50; i++) {
        stop();
        start();
    }
}
END_TEST

/* Asked for from any thread, and done by the one that writes the view, whatever else it does. */
START_TEST(dead_letters_are_dropped_on_the_consumers_thread)
{
    struct tb_record broken = {.key = TB_STR("k"), .value = TB_STR("{")};
    struct tb_dead_letter_position place = {0};
    struct tb_log_ack ack;
    struct tb_error err = {0};
    size_t got = 0;

    history_make(&f.history, &f.fake, &(struct history_options){.orders = 50});
    ck_assert_int_eq(tb_consumer_drop_dead_letter(f.consumer, place, 20000, &err), TB_NOT_FOUND);
    ck_ok(f.writer->ops->append(f.writer, &broken, 1, &err));
    ck_ok(f.writer->ops->poll(f.writer, 1000, &ack, 1, &got, &err));
    wait_until_seen(1);
    for (size_t i = 0; i < f.history.record_count; i++) {
        append(i, i + 1);
        ck_ok(tb_consumer_drop_dead_letter(f.consumer, place, 20000, &err));
    }
    wait_until_seen(1 + f.history.record_count);
    check_view();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/consumer_thread");
    TCase *tc = tcase_create("thread");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, appended_records_become_visible);
    tcase_add_test(tc, stopping_ends_the_wait);
    tcase_add_test(tc, dead_letters_are_dropped_on_the_consumers_thread);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
