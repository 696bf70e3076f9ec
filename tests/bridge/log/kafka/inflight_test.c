/* Goal: at most one record of a key is with librdkafka, the next one follows only after an
 * acknowledgement, and every record is answered once.
 * Method: random histories checked against a model; small cases by hand. */
#include "bridge/log/kafka/writer/inflight.h"
#include "bridge/log/log_tools.h"
#include "support/support.h"
#include <stdio.h>
#include <stdlib.h>

#define KEYS 5
#define STEPS 4000
#define ROOM TB_LOG_INFLIGHT_MAX /* more than the steps */

enum record_step { TAKEN, SENT, ANSWERED, RETURNED };

static struct {
    struct kafka_inflight inflight;
    struct fake_random random;
    enum record_step steps[ROOM];
    enum tb_code answers[ROOM];
    size_t slots[ROOM];
    int keys[ROOM]; /* -1: none */
    int taken, bad; /* bad: answers not TB_OK that take_acks has not returned yet */
} f;

static void setup(void)
{
    memset(&f, 0, sizeof f);
    tb_kafka_inflight_init(&f.inflight, false);
}

static void teardown(void)
{
    tb_kafka_inflight_release(&f.inflight);
}

static int below(int bound)
{
    return (int)fake_random_below(&f.random, (uint64_t)bound);
}

/* All earlier records of its key are answered. */
static void check_may_be_sent(int n)
{
    ck_assert_int_eq(f.steps[n], TAKEN);
    for (int i = 0; i < n && f.keys[n] >= 0; i++) {
        if (f.keys[i] == f.keys[n])
            ck_assert_int_ge(f.steps[i], ANSWERED);
    }
}

static void take_one(void)
{
    char key[16], value[16];
    int n = f.taken;
    struct tb_header header = {TB_STR("n"), {value, 0}};
    struct tb_record record = {.headers = &header, .header_count = 1};
    struct tb_error err = {0};
    enum tb_code code;
    bool send = false;

    f.keys[n] = below(KEYS + 1) - 1;
    snprintf(key, sizeof key, "key-%d", f.keys[n]);
    snprintf(value, sizeof value, "%d", n);
    record.key = f.keys[n] < 0 ? (struct tb_str){0} : tb_str_of(key);
    if (f.inflight.one_order)
        f.keys[n] = 0;
    record.value = header.value = tb_str_of(value);
    code = tb_kafka_inflight_add(&f.inflight, &record, n, &f.slots[n], &send, &err);
    ck_assert(code == TB_OK || code == TB_BUSY);
    if (f.bad > 0)
        ck_assert_int_eq(code, TB_BUSY);
    if (code != TB_OK)
        return;
    f.taken++;
    f.steps[n] = TAKEN;
    if (!send)
        return;
    check_may_be_sent(n);
    if (below(20) == 0) {
        tb_kafka_inflight_cancel_add(&f.inflight, f.slots[n]);
        f.taken--;
        return;
    }
    f.steps[n] = SENT;
}

static void send_ready(void)
{
    const struct tb_record *record;
    size_t slot = 0;

    while ((record = tb_kafka_inflight_next_ready(&f.inflight, &slot)) != NULL && below(4) > 0) {
        int n = atoi(record->value.ptr);

        ck_assert_uint_eq(slot, f.slots[n]);
        ck_assert(tb_str_eq(tb_record_header(record, "n"), record->value));
        check_may_be_sent(n);
        tb_kafka_inflight_mark_sent(&f.inflight, slot);
        f.steps[n] = SENT;
    }
}

/* Record n gets this answer. If it is a failure, the later records of its key that were not sent
 * end as TB_UNKNOWN. */
static void expect(int n, enum tb_code code)
{
    f.steps[n] = ANSWERED;
    f.answers[n] = code;
    f.bad += code != TB_OK;
    if (code == TB_OK || f.keys[n] < 0)
        return;
    for (int i = n + 1; i < f.taken; i++) {
        if (f.keys[i] != f.keys[n] || f.steps[i] != TAKEN)
            continue;
        f.steps[i] = ANSWERED;
        f.answers[i] = TB_UNKNOWN;
        f.bad++;
    }
}

static void answer_one(void)
{
    static const enum tb_code codes[] = {TB_OK, TB_OK, TB_OK, TB_OK, TB_UNKNOWN, TB_INVALID};
    enum tb_code code = codes[below(6)];
    int from = f.taken > 200 ? f.taken - 200 : 0;

    for (int tries = 0; tries < 20 && f.taken > from; tries++) {
        int n = from + below(f.taken - from);

        if (f.steps[n] != SENT)
            continue;
        tb_kafka_inflight_complete(&f.inflight, f.slots[n], code, false);
        expect(n, code);
        return;
    }
}

static void lose_all(void)
{
    tb_kafka_inflight_fail_all(&f.inflight);
    for (int i = 0; i < f.taken; i++) {
        if (f.steps[i] < ANSWERED)
            expect(i, TB_UNKNOWN);
    }
    ck_assert_uint_eq(tb_kafka_inflight_outstanding(&f.inflight), 0);
}

static void hand_out(size_t max)
{
    struct tb_log_ack acks[TB_LOG_INFLIGHT_MAX];
    size_t n = tb_kafka_inflight_take_acks(&f.inflight, acks, max);

    ck_assert_uint_le(n, max);
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(f.steps[acks[i].tag], ANSWERED);
        ck_assert_int_eq(f.answers[acks[i].tag], acks[i].code);
        f.steps[acks[i].tag] = RETURNED;
        f.bad -= acks[i].code != TB_OK;
    }
}

START_TEST(histories)
{
    fake_random_init(&f.random, test_seed((uint64_t)_i + 1));
    f.inflight.one_order = _i >= 7; /* all keys share one order, and so do records without one */
    for (int i = 0; i < STEPS; i++) {
        int what = below(100);

        if (what < 50)
            take_one();
        else if (what < 80)
            answer_one();
        else if (what < 90)
            hand_out((size_t)below(5));
        else if (what < 99)
            send_ready();
        else if (below(10) == 0)
            lose_all();
    }
    lose_all();
    hand_out(TB_LOG_INFLIGHT_MAX);
    hand_out(TB_LOG_INFLIGHT_MAX);
    for (int i = 0; i < f.taken; i++)
        ck_assert_int_eq(f.steps[i], RETURNED);
    ck_assert_int_gt(f.taken, 500);
    ck_assert_uint_eq(f.inflight.waiting_bytes, 0);
}
END_TEST

/* Unacknowledged records and answers that poll has not returned are bounded together. */
START_TEST(the_number_is_bounded)
{
    struct tb_record record = {.value = TB_STR("v")};
    struct tb_error err = {0};
    bool send;
    size_t slot;

    for (int i = 0; i < TB_LOG_INFLIGHT_MAX; i++)
        ck_ok(tb_kafka_inflight_add(&f.inflight, &record, i, &f.slots[i], &send, &err));
    ck_assert_int_eq(tb_kafka_inflight_add(&f.inflight, &record, 0, &slot, &send, &err), TB_BUSY);
    for (int i = 0; i < TB_LOG_INFLIGHT_MAX; i++)
        tb_kafka_inflight_complete(&f.inflight, f.slots[i], TB_OK, false);
    ck_assert_int_eq(tb_kafka_inflight_add(&f.inflight, &record, 0, &slot, &send, &err), TB_BUSY);
    f.taken = TB_LOG_INFLIGHT_MAX;
    for (int i = 0; i < f.taken; i++)
        f.steps[i] = ANSWERED;
    hand_out(1);
    ck_ok(tb_kafka_inflight_add(&f.inflight, &record, 0, &slot, &send, &err));
}
END_TEST

/* One large record may wait, but not any number of them. */
START_TEST(copies_are_bounded)
{
    static char value[1 << 20];
    struct tb_record record = {.key = TB_STR("k"), .value = {value, sizeof value}};
    struct tb_error err = {0};
    enum tb_code code = TB_OK;
    bool send;
    size_t slot;
    int n = 0;

    while (code == TB_OK && n < 100)
        code = tb_kafka_inflight_add(&f.inflight, &record, n++, &slot, &send, &err);
    ck_assert_int_eq(code, TB_BUSY);
    ck_assert_uint_le(f.inflight.waiting_bytes, TB_KAFKA_WAITING_BYTES_MAX);
    ck_assert_int_ge(n, 4);
    tb_kafka_inflight_fail_all(&f.inflight);
    ck_assert_uint_eq(f.inflight.waiting_bytes, 0);
}
END_TEST

/* A copy has the same absent, empty and NUL-containing texts as its record. */
START_TEST(copies_are_the_same)
{
    const struct tb_header headers[] = {
        {TB_STR("empty"), TB_STR("")}, {TB_STR("absent"), {0}}, {TB_STR(""), {"a\0b", 3}}};
    const struct tb_record records[] = {
        {.key = TB_STR("k"), .value = {0}},
        {.key = TB_STR("k"), .value = TB_STR("")},
        {.key = TB_STR("k"), .value = {"\0v", 2}, .headers = headers, .header_count = 3},
        {.key = TB_STR("k"), .fixed_partition = true, .partition = 5},
    };
    const struct tb_record *copy;
    struct tb_error err = {0};
    size_t first, second;
    bool send;

    ck_ok(tb_kafka_inflight_add(&f.inflight, &records[0], 0, &first, &send, &err));
    ck_assert(send && f.inflight.alone);
    ck_ok(tb_kafka_inflight_add(&f.inflight, &records[_i], 1, &second, &send, &err));
    ck_assert(!send && !f.inflight.alone);
    ck_assert_ptr_null(tb_kafka_inflight_next_ready(&f.inflight, &second));
    tb_kafka_inflight_complete(&f.inflight, first, TB_OK, false);
    copy = tb_kafka_inflight_next_ready(&f.inflight, &second);
    ck_assert_ptr_nonnull(copy);
    log_check_same(&records[_i], copy);
    ck_assert_int_eq(copy->partition, records[_i].partition);
    ck_assert(copy->fixed_partition == records[_i].fixed_partition);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log_kafka_inflight");
    TCase *tc = tcase_create("inflight");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, histories, 0, 10);
    tcase_add_test(tc, the_number_is_bounded);
    tcase_add_test(tc, copies_are_bounded);
    tcase_add_loop_test(tc, copies_are_the_same, 0, 4);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
