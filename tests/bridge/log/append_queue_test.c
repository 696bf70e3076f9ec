/* Promise: a record that another thread sends is in the log if its outcome says so, and is not if
 * its outcome says that. No record is lost between the threads, and the queue is bounded.
 * Method: a log whose answers the test chooses, and the in-process log behind a relay. */
#include "bridge/log/append_queue.h"
#include "bridge/log/inproc/inproc.h"
#include "bridge/log/log_tools.h"
#include "bridge/relay/fixture.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* A log that accepts as many records as the test says, and acknowledges them when the test says
 * so. */
static struct scripted {
    struct tb_log_writer base;
    char taken[256]; /* first letters of the values, in order */
    int64_t tags[256];
    size_t count, answered;
    size_t room;          /* appends until it is full */
    enum tb_code refusal; /* of the next append */
    bool poll_fails;      /* the next one */
    size_t polls;
    char never; /* a record with this letter is refused, and all unacknowledged ones with it */
    struct tb_log_ack acks[8]; /* that poll will return */
    size_t ack_count;
} log_;
static struct tb_append_queue *append_queue;

static enum tb_code append(struct tb_log_writer *writer, const struct tb_record *record,
                           int64_t tag, struct tb_error *err)
{
    (void)writer;
    if (log_.refusal != TB_OK) {
        enum tb_code code = log_.refusal;

        log_.refusal = TB_OK;
        return tb_error_set(err, code, "scripted");
    }
    if (log_.room == 0)
        return tb_error_set(err, TB_BUSY, "full");
    log_.room--;
    log_.tags[log_.count] = tag;
    log_.taken[log_.count++] = record->value.ptr[0];
    return TB_OK;
}

/* Everything outstanding is answered; a batch with the letter that is never taken, so. */
static enum tb_code poll(struct tb_log_writer *writer, int64_t wait_ms,
                         struct tb_log_ack *ret_acks, size_t max, size_t *ret_count,
                         struct tb_error *err)
{
    bool refused = false;
    size_t n = 0, batch = log_.count - log_.answered;

    (void)writer, (void)wait_ms;
    log_.polls++;
    if (log_.poll_fails) {
        log_.poll_fails = false;
        log_.answered = log_.count;
        return tb_error_set(err, TB_UNAVAILABLE, "scripted");
    }
    for (size_t i = log_.answered; i < log_.count; i++)
        refused = refused || log_.taken[i] == log_.never;
    for (; log_.answered < log_.count && n < max; log_.answered++, n++) {
        ret_acks[n] = (struct tb_log_ack){.tag = log_.tags[log_.answered]};
        if (refused) {
            ret_acks[n].code = batch > 1 ? TB_UNKNOWN : TB_INVALID;
            ret_acks[n].retry_alone = batch > 1;
        }
    }
    *ret_count = n;
    return TB_OK;
}

static const struct tb_log_writer_ops ops = {append, poll, NULL};

static void setup(void)
{
    struct tb_error err = {0};

    memset(&log_, 0, sizeof log_);
    log_.base.ops = &ops;
    log_.room = SIZE_MAX;
    ck_ok(tb_append_queue_new(NULL, NULL, &append_queue, &err));
}

static void teardown(void)
{
    tb_append_queue_free(append_queue);
}

static struct tb_record record_of(const char *text)
{
    return (struct tb_record){.value = tb_str_of(text)};
}

static enum tb_code post(const char *text)
{
    struct tb_record record = record_of(text);
    struct tb_error err = {0};

    return tb_append_queue_post(append_queue, &record, &err);
}

/* A thread that sends a record and waits for the outcome. */
struct sender {
    pthread_t thread;
    const char *text;
    enum tb_code code;
};
static void *send_main(void *arg)
{
    struct sender *sender = arg;
    struct tb_record record = record_of(sender->text);
    struct tb_error err = {0};

    sender->code = tb_append_queue_send(append_queue, &record, 60000, &err);
    return NULL;
}

static void start_send(struct sender *sender, const char *text)
{
    *sender = (struct sender){.text = text, .code = TB_INTERNAL};
    ck_assert_int_eq(pthread_create(&sender->thread, NULL, send_main, sender), 0);
}

static enum tb_code outcome_of(struct sender *sender)
{
    ck_assert_int_eq(pthread_join(sender->thread, NULL), 0);
    return sender->code;
}

/* No record waits or is unacknowledged: a step neither appends nor polls. */
static void check_empty(void)
{
    size_t polls = log_.polls, count = log_.count;

    tb_append_queue_step(append_queue, &log_.base, 0);
    ck_assert_uint_eq(log_.polls, polls);
    ck_assert_uint_eq(log_.count, count);
}

START_TEST(a_record_is_copied_appended_and_acknowledged)
{
    struct tb_header header = {TB_STR("name"), {NULL, 0}};
    char text[] = "a";
    struct tb_record record = {.value = {text, 1}, .headers = &header, .header_count = 1};
    struct tb_error err = {0};
    struct sender sender;

    ck_ok(tb_append_queue_post(append_queue, &record, &err));
    text[0] = 'x'; /* the caller's again */
    tb_append_queue_step(append_queue, &log_.base, 0);
    ck_assert_str_eq(log_.taken, "a");
    check_empty();
    start_send(&sender, "b");
    while (log_.count < 2)
        tb_append_queue_step(append_queue, &log_.base, 20000);
    ck_assert_int_eq(outcome_of(&sender), TB_OK);
}
END_TEST

START_TEST(a_full_log_is_asked_again_in_order)
{
    log_.room = 1;
    ck_assert_int_eq(post("a"), TB_OK);
    ck_assert_int_eq(post("b"), TB_OK);
    ck_assert_int_eq(post("c"), TB_OK);
    tb_append_queue_step(append_queue, &log_.base, 0);
    ck_assert_str_eq(log_.taken, "a");
    log_.room = SIZE_MAX;
    tb_append_queue_step(append_queue, &log_.base, 0);
    ck_assert_str_eq(log_.taken, "abc");
}
END_TEST

/* A record that the log refuses fails with it others of its batch. Each is appended again alone:
 * the refused one ends as TB_INVALID and the others are acknowledged. */
START_TEST(a_refused_record_is_found_alone)
{
    struct sender sender;

    log_.never = 'n';
    ck_assert_int_eq(post("n"), TB_OK);
    ck_assert_int_eq(post("y"), TB_OK);
    for (int i = 0; i < 5; i++)
        tb_append_queue_step(append_queue, &log_.base, 0);
    ck_assert_str_eq(log_.taken, "nyny"); /* together, then each alone */
    check_empty();
    start_send(&sender, "n");
    while (log_.count < 5)
        tb_append_queue_step(append_queue, &log_.base, 20000);
    ck_assert_int_eq(outcome_of(&sender), TB_INVALID);
}
END_TEST

START_TEST(a_failed_log_leaves_records_unknown)
{
    struct sender sender;

    start_send(&sender, "a");
    log_.poll_fails = true;
    while (log_.count == 0)
        tb_append_queue_step(append_queue, &log_.base, 20000);
    ck_assert_int_eq(outcome_of(&sender), TB_UNKNOWN);
    check_empty();
    start_send(&sender, "b");
    log_.refusal = TB_FULL;
    while (log_.refusal != TB_OK)
        tb_append_queue_step(append_queue, &log_.base, 20000);
    ck_assert_int_eq(outcome_of(&sender), TB_FULL);
    ck_assert_str_eq(log_.taken, "a");
}
END_TEST

START_TEST(waiting_records_are_bounded)
{
    struct tb_error err = {0};
    char *large = calloc(1, TB_APPEND_QUEUE_BYTES_MAX + 1);
    struct tb_record record = {.value = {large, TB_APPEND_QUEUE_BYTES_MAX + 1}};

    ck_assert_ptr_nonnull(large);
    ck_ok(tb_append_queue_post(append_queue, &record, &err)); /* one alone may be larger */
    ck_assert_int_eq(post("a"), TB_BUSY);
    tb_append_queue_step(append_queue, &log_.base, 0);
    for (int i = 0; i < TB_APPEND_QUEUE_MAX; i++)
        ck_assert_int_eq(post("a"), TB_OK);
    ck_assert_int_eq(post("a"), TB_BUSY);
    tb_append_queue_step(append_queue, &log_.base, 0);
    ck_assert_int_eq(post("a"), TB_OK);
    free(large);
}
END_TEST

START_TEST(a_closed_queue_refuses)
{
    struct sender waiting;

    log_.room = 0;
    start_send(&waiting, "a");
    tb_append_queue_step(append_queue, &log_.base, 20000);
    tb_append_queue_close(append_queue);
    ck_assert_int_eq(outcome_of(&waiting), TB_UNAVAILABLE);
    ck_assert_int_eq(post("b"), TB_BUSY);
}
END_TEST

/* With a relay: records are appended between its rows, and fail while it is offline. */

static void wake_relay(void *ctx)
{
    (void)ctx;
    tb_relay_wake_for_append(relay);
}

static void *run_relay(void *arg)
{
    tb_relay_run(arg);
    return NULL;
}

START_TEST(a_relay_serves_the_queue)
{
    enum { QUEUED = 100 };
    struct tb_error err = {0};
    struct relay_log on = {0};
    struct tb_append_queue *queue = NULL;
    struct log_seen *seen = calloc(1, sizeof *seen);
    struct tb_record record = {.key = TB_STR("key"), .value = TB_STR("queued")};
    struct tb_relay_options options = {.node = "till1",
                                       .cursor_name = TB_CURSOR_INPROC,
                                       .outbox = outbox,
                                       .clock = &tb_clock_system,
                                       .random = &tb_random_system};
    size_t found = 0;
    pthread_t thread;

    relay_log_open(&on, &tb_clock_system);
    ck_ok(tb_append_queue_new(wake_relay, NULL, &queue, &err));
    tb_relay_free(relay);
    options.writer = on.writer;
    options.append_queue = queue;
    ck_ok(tb_relay_new(&options, &relay, &err));
    add_rows(QUEUED);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_relay, relay), 0);
    for (int i = 0; i < QUEUED; i++)
        ck_ok(tb_append_queue_send(queue, &record, 20000, &err));
    tb_relay_set_offline(relay, true);
    while (tb_relay_state(relay) != TB_RELAY_OFFLINE)
        sched_yield();
    ck_assert_int_eq(tb_append_queue_send(queue, &record, 20000, &err), TB_UNAVAILABLE);
    ck_assert_str_eq(err.text, "the link is held offline");
    tb_relay_set_offline(relay, false);
    log_read(on.reader, seen, (size_t)rows + QUEUED);
    for (size_t i = 0; i < seen->count; i++)
        found += tb_str_eq(seen->records[i].value, TB_STR("queued"));
    ck_assert_uint_eq(found, QUEUED);
    tb_relay_stop(relay);
    pthread_join(thread, NULL);
    ck_assert_int_eq(tb_append_queue_send(queue, &record, 20000, &err), TB_BUSY);

    tb_append_queue_free(queue);
    relay_log_close(&on);
    tb_arena_release(&seen->arena);
    free(seen);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("append_queue");
    TCase *tc = tcase_create("a log in the test's hands"), *behind = tcase_create("a relay");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_record_is_copied_appended_and_acknowledged);
    tcase_add_test(tc, a_full_log_is_asked_again_in_order);
    tcase_add_test(tc, a_refused_record_is_found_alone);
    tcase_add_test(tc, a_failed_log_leaves_records_unknown);
    tcase_add_test(tc, waiting_records_are_bounded);
    tcase_add_test(tc, a_closed_queue_refuses);
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(behind, relay_setup, relay_teardown);
    tcase_add_test(behind, a_relay_serves_the_queue);
    suite_add_tcase(suite, behind);
    return test_main(suite);
}
