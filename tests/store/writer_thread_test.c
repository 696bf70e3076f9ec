/* Promise: any thread may post to a running writer; parallel repeats with one key place one order;
 * after the disk has failed the writer recovers without a restart; stop finishes every accepted
 * job. Method: real threads and the system's clock; run it under ThreadSanitizer. */
#include "store/fixture.h"
#include "store/writer_priv.h"
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>

#define POSTERS 16
#define KEYS 25

static char dir[128], path[160];
static struct fake_random ids;
static struct tb_writer *writer;
static pthread_t writer_thread;
static const char *const cursor_names[] = {TB_CURSOR_INPROC};

static void *writer_main(void *arg)
{
    tb_writer_run(arg);
    return NULL;
}

static void start(void)
{
    struct tb_error err = {0};
    struct tb_store *store = NULL;
    const struct tb_store_options options = {
        .path = path, .node = "till1", .clock = &tb_clock_system, .random = &ids.random};

    ck_ok(tb_store_open(&options, &store, &err));
    const struct tb_writer_options writer_options = {.store = store,
                                                     .clock = &tb_clock_system,
                                                     .outbox_keep_ms = 1000,
                                                     .idempotency_keep_ms = 86400000,
                                                     .cursor_names = cursor_names,
                                                     .cursor_count = 1};
    ck_ok(tb_writer_new(&writer_options, &writer, &err));
    ck_assert_int_eq(pthread_create(&writer_thread, NULL, writer_main, writer), 0);
}

static void stop(void)
{
    tb_writer_stop(writer);
    ck_assert_int_eq(pthread_join(writer_thread, NULL), 0);
    tb_writer_free(writer);
}

static void setup(void)
{
    fault_vfs_install();
    fake_random_init(&ids, 3);
    tmpdir_make(dir);
    snprintf(path, sizeof path, "%s/store.db", dir);
    start();
}

static void teardown(void)
{
    fault_vfs_uninstall();
    tmpdir_remove(dir);
}

/* A request that its poster waits for. */
struct waiting {
    struct request request;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool done;
};

static void answered(struct tb_job *job)
{
    struct waiting *waiting = (struct waiting *)job;

    pthread_mutex_lock(&waiting->lock);
    waiting->done = true;
    pthread_cond_signal(&waiting->answered);
    pthread_mutex_unlock(&waiting->lock);
}

static void place_and_wait(struct waiting *waiting, const char *key)
{
    request_place(&waiting->request, NULL, key, 1);
    waiting->request.job.done = answered;
    pthread_mutex_init(&waiting->lock, NULL);
    pthread_cond_init(&waiting->answered, NULL);
    waiting->done = false;
    ck_assert_int_eq(tb_writer_post(writer, &waiting->request.job), TB_OK);
    pthread_mutex_lock(&waiting->lock);
    while (!waiting->done)
        pthread_cond_wait(&waiting->answered, &waiting->lock);
    pthread_mutex_unlock(&waiting->lock);
}

static void finish(struct waiting *waiting)
{
    pthread_cond_destroy(&waiting->answered);
    pthread_mutex_destroy(&waiting->lock);
    request_release(&waiting->request);
}

struct poster {
    pthread_t thread;
    char ids[KEYS][TB_UUID_SIZE];
    int fresh;
};

static void *post_every_key(void *arg)
{
    struct poster *poster = arg;

    for (int i = 0; i < KEYS; i++) {
        struct waiting waiting;
        char key[20];

        snprintf(key, sizeof key, "key-%d", i);
        place_and_wait(&waiting, key);
        ck_assert_int_eq(waiting.request.job.answer.status, 201);
        poster->fresh += !waiting.request.job.answer.replayed;
        memcpy(poster->ids[i], waiting.request.job.answer.order_id, TB_UUID_SIZE);
        tb_writer_post_cursor(writer, TB_CURSOR_INPROC, i, 1);
        finish(&waiting);
    }
    return NULL;
}

/* Sixteen clients send each key at the same time: one order for each key, and the same answer for
 * all. */
START_TEST(parallel_repeats_give_one_order)
{
    static struct poster posters[POSTERS];
    int fresh = 0;

    for (int i = 0; i < POSTERS; i++)
        ck_assert_int_eq(pthread_create(&posters[i].thread, NULL, post_every_key, &posters[i]), 0);
    for (int i = 0; i < POSTERS; i++) {
        ck_assert_int_eq(pthread_join(posters[i].thread, NULL), 0);
        fresh += posters[i].fresh;
        for (int k = 0; k < KEYS; k++)
            ck_assert_str_eq(posters[i].ids[k], posters[0].ids[k]);
    }
    ck_assert_int_eq(fresh, KEYS);
    ck_assert(tb_writer_healthy(writer));
    ck_assert_uint_eq(tb_counter_get(&tb_writer_stats(writer)->commands[TB_CMD_PLACE][0]),
                      POSTERS * KEYS);
    stop();
    ck_assert_int_eq(fixture_query_file(path, "SELECT count(*) FROM orders"), KEYS);
    ck_assert_int_eq(fixture_query_file(path, "SELECT row FROM cursors"), KEYS - 1);
}
END_TEST

/* A sync fails once: that answer is "unknown", the writer reopens the store, and a repeat with the
 * same key gets a definite answer. */
START_TEST(the_writer_recovers_from_a_failed_sync)
{
    struct waiting waiting;

    place_and_wait(&waiting, "first");
    finish(&waiting);
    fault_vfs_fail(FAULT_SYNC, 1, SQLITE_IOERR_FSYNC, false, 1);
    place_and_wait(&waiting, "second");
    ck_assert_int_eq(waiting.request.job.code, TB_UNKNOWN);
    ck_assert_int_eq(waiting.request.job.answer.status, 503);
    ck_assert_int_gt(waiting.request.job.answer.retry_after_s, 0);
    finish(&waiting);
    for (int status = 503; status == 503;) {
        place_and_wait(&waiting, "second");
        status = waiting.request.job.answer.status;
        ck_assert(status == 503 || status == 201);
        finish(&waiting);
    }
    stop();
    ck_assert_int_eq(fixture_query_file(path, "SELECT count(*) FROM orders"), 2);
}
END_TEST

/* The writer reopens the store while a reader has a snapshot of the old WAL; orders that it takes
 * then survive a power cut. */
START_TEST(the_writer_recovers_beside_a_reader)
{
    struct tb_error err = {0};
    struct tb_outbox_reader *reader = NULL;
    struct tb_outbox_row row;
    struct waiting waiting;
    bool more = false;

    place_and_wait(&waiting, NULL);
    finish(&waiting);
    ck_ok(tb_outbox_reader_open(path, &reader, &err));
    ck_ok(tb_outbox_read_after(reader, 0, 1, &err));
    ck_ok(tb_outbox_next(reader, &row, &more, &err));
    fault_vfs_fail(FAULT_SYNC, 1, SQLITE_IOERR_FSYNC, false, 1);
    place_and_wait(&waiting, NULL);
    ck_assert_int_eq(waiting.request.job.code, TB_UNKNOWN);
    finish(&waiting);
    for (int status = 503; status == 503;) {
        place_and_wait(&waiting, "third");
        status = waiting.request.job.answer.status;
        ck_assert(status == 503 || status == 201);
        finish(&waiting);
    }
    ck_assert(tb_writer_healthy(writer));
    ck_assert(more && row.row == 1);
    fault_vfs_cut_power_now(FAULT_CUT_DROP, 1);
    tb_outbox_reader_free(reader);
    stop();
    fault_vfs_reboot();
    ck_assert_int_eq(
        fixture_query_file(path, "SELECT count(*) FROM idempotency WHERE key = 'third'"), 1);
}
END_TEST

/* Jobs accepted before the stop are answered; later ones are refused. */
START_TEST(stop_finishes_what_was_posted)
{
    static struct request rs[300];

    for (int i = 0; i < 300; i++) {
        request_place(&rs[i], NULL, NULL, 1);
        ck_assert_int_eq(tb_writer_post(writer, &rs[i].job), TB_OK);
    }
    tb_writer_post_cursor(writer, TB_CURSOR_INPROC, 1, 1);
    tb_writer_stop(writer);
    struct request late;
    request_place(&late, NULL, NULL, 1);
    ck_assert_int_eq(tb_writer_post(writer, &late.job), TB_BUSY);
    request_release(&late);
    ck_assert_int_eq(pthread_join(writer_thread, NULL), 0);
    for (int i = 0; i < 300; i++) {
        ck_assert_int_eq(rs[i].job.answer.status, 201);
        request_release(&rs[i]);
    }
    tb_writer_free(writer);
    ck_assert_int_eq(fixture_query_file(path, "SELECT count(*) FROM orders"), 300);
    ck_assert_int_eq(fixture_query_file(path, "SELECT row FROM cursors"), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store/writer_thread");
    TCase *tc = tcase_create("thread");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, parallel_repeats_give_one_order);
    tcase_add_test(tc, the_writer_recovers_from_a_failed_sync);
    tcase_add_test(tc, the_writer_recovers_beside_a_reader);
    tcase_add_test(tc, stop_finishes_what_was_posted);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
