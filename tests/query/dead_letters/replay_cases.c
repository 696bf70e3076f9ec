#include "query/dead_letters/replay_cases.h"
#include "query/consumer/consumer.h"
#include "query/dead_letters/replay.h"
#include "query/doubles/fake_log.h"
#include "query/doubles/history.h"
#include <stdio.h>
#include <stdlib.h>

#define TOPIC "order-events"
#define FAULTY_STEPS 400

static struct bed {
    struct tb_view *view;
    struct tb_view_reader *reader;
    struct fake_clock clock;
    struct fake_random random;
    struct fake_log log;
    struct history history;
    struct tb_arena arena;
    struct tb_consumer *consumer;
    bool faulty;
    size_t redriven_count;
    /* The right value of each damaged record, by offset; absent: it is not damaged. */
    struct tb_str *intact[TEST_PARTITIONS];
    size_t originals[TEST_PARTITIONS]; /* records before the first replay */
} b;

static bool happens(unsigned percent)
{
    return fake_random_below(&b.random, 100) < percent;
}

/* Appends a copy of the record to its partition. */
static void append(const struct tb_record *record)
{
    struct tb_record copy;

    ck_assert(tb_record_copy(&b.arena, record, &copy));
    copy.timestamp_ms = b.clock.wall_ms;
    fake_log_add(&b.log, &copy);
}

/* The log's writer: while `faulty` it may be unavailable, lose a record, or append it twice. */
static bool resend(void *ctx, const struct tb_dead_letter *letter, const struct tb_record *record)
{
    (void)ctx;
    ck_assert(tb_str_eq(letter->reason, TB_STR(TB_REASON_GAP)));
    b.redriven_count++;
    if (b.faulty && happens(10))
        return false;
    if (b.faulty && happens(10))
        return true;
    append(record);
    if (b.faulty && happens(10))
        append(record);
    return true;
}

static void start_consumer(void)
{
    const struct tb_consumer_options options = {
        .reader = &b.log.reader,
        .view = b.view,
        .clock = &b.clock.clock,
        .random = &b.random.random,
        .partitions = TEST_PARTITIONS,
        .rules = {.currency = "EUR"},
        .dead_letter_keep_ms = -1,
        .topic = TOPIC,
        .redrive = resend,
    };
    struct tb_error err = {0};

    ck_ok(tb_consumer_new(&options, &b.consumer, &err));
}

/* The process dies and forgets the records that it has sent but not read yet. */
static void restart(void)
{
    tb_consumer_free(b.consumer);
    fake_log_reopen(&b.log);
    for (int p = 0; p < TEST_PARTITIONS; p++)
        b.log.position[p] = 0; /* a view without offsets reads everything again */
    start_consumer();
}

static void step(void)
{
    (void)tb_consumer_step(b.consumer, 0);
}

/* Not JSON, or JSON of the wrong shape. */
static struct tb_str damage(struct tb_str value)
{
    char text[16];

    if (happens(50))
        return (struct tb_str){value.ptr, value.len / 2};
    snprintf(text, sizeof text, "{\"a\":%d}", (int)fake_random_below(&b.random, 1000));
    return tb_arena_copy(&b.arena, tb_str_of(text));
}

static void fill_log(size_t orders)
{
    history_make(&b.history, &b.random,
                 &(struct history_options){.orders = orders, .repeat_percent = 3});
    for (int p = 0; p < TEST_PARTITIONS; p++)
        b.intact[p] = tb_arena_array(&b.arena, b.history.record_count, sizeof(struct tb_str));
    for (size_t i = 0; i < b.history.record_count; i++) {
        struct tb_record record = b.history.records[i];
        int32_t p = tb_log_partition(record.key, TEST_PARTITIONS);

        if (happens(10)) {
            b.intact[p][b.originals[p]] = record.value;
            record.value = damage(record.value);
        }
        b.originals[p]++;
        fake_log_add(&b.log, &record);
    }
}

/* The dead letters of the view. */
#define LETTERS_MAX 2000
struct dead_letters {
    struct tb_dead_letter list[LETTERS_MAX]; /* positions, reasons and statuses */
    size_t count;
};

static bool add_dead_letter(void *ctx, const struct tb_dead_letter *letter)
{
    struct dead_letters *letters = ctx;

    ck_assert_uint_lt(letters->count, LETTERS_MAX);
    letters->list[letters->count] = *letter;
    letters->list[letters->count].reason = tb_arena_copy(&b.arena, letter->reason);
    letters->count++;
    return true;
}

static void list(struct dead_letters *letters)
{
    struct tb_dead_letter_filter filter = {.limit = LETTERS_MAX - 1};
    struct tb_error err = {0};
    bool more = false;

    letters->count = 0;
    ck_ok(b.reader->ops->list_dead_letters(b.reader, &filter, add_dead_letter, letters, &more,
                                           &err));
    ck_assert(!more);
}

/* A person replays a dead letter; correct: with the intact value if it was damaged. */
static void replay(struct tb_dead_letter_position position, bool correct)
{
    struct tb_str intact = b.intact[position.partition][position.offset];
    struct tb_dead_letter letter;
    struct tb_record record;
    struct tb_error err = {0};

    ck_assert_uint_lt((size_t)position.offset, b.originals[position.partition]);
    ck_ok(b.reader->ops->get_dead_letter(b.reader, position, &b.arena, &letter, &err));
    ck_ok(tb_replay_record(&letter, TOPIC, correct ? intact : (struct tb_str){0}, false, &b.arena,
                           &record, &err));
    append(&record);
}

static void act_on_one(struct dead_letters *letters)
{
    struct tb_error err = {0};
    const struct tb_dead_letter *letter;

    list(letters);
    if (letters->count == 0)
        return;
    letter = &letters->list[fake_random_below(&b.random, letters->count)];
    if (happens(20)) {
        enum tb_code code =
            b.view->ops->drop_dead_letter(b.view, letter->position, b.clock.wall_ms, &err);

        ck_assert_int_eq(code, letter->status == TB_DEAD_LETTER_REPLAYED ? TB_CONFLICT : TB_OK);
    } else {
        replay(letter->position, happens(40));
    }
}

static void run_with_faults(struct dead_letters *letters)
{
    b.faulty = true;
    b.log.batch_max = 20;
    for (int i = 0; i < FAULTY_STEPS; i++) {
        step();
        if (happens(10))
            act_on_one(letters);
        if (happens(3))
            restart(); /* also between sending a record and reading it */
        if (happens(30))
            fake_clock_advance(&b.clock, (int64_t)fake_random_below(&b.random, 8000));
    }
    b.faulty = false;
}

static bool is_read(void)
{
    for (int p = 0; p < TEST_PARTITIONS; p++) {
        if (b.log.position[p] < (int64_t)b.log.counts[p])
            return false;
    }
    return true;
}

static void drain(void)
{
    int steps = 0;

    do {
        step();
        ck_assert_int_lt(steps++, 20000);
    } while (!is_read());
}

/* Replays the damaged and dropped ones in random order. The consumer redrives those that waited
 * for them, within 30 s of the last one. */
static void replay_all(struct dead_letters *letters)
{
    list(letters);
    for (size_t left = letters->count; left > 0; left--) {
        size_t at = fake_random_below(&b.random, left);
        struct tb_dead_letter letter = letters->list[at];

        letters->list[at] = letters->list[left - 1];
        if (letter.status == TB_DEAD_LETTER_DROPPED ||
            b.intact[letter.position.partition][letter.position.offset].ptr)
            replay(letter.position, true);
        if (happens(20))
            step();
    }
    drain();
    /* A redrive that was lost is sent again after 30 s. */
    fake_clock_advance(&b.clock, 30000);
    for (int second = 0; second < 30; second++) {
        drain();
        fake_clock_advance(&b.clock, 1000);
    }
}

static void check_orders(void)
{
    for (size_t i = 0; i < b.history.order_count; i++) {
        const struct history_order *order = &b.history.orders[i];
        struct tb_error err = {0};
        struct tb_buf doc = {0};
        int64_t version = 0;

        ck_ok(
            b.reader->ops->get(b.reader, tb_str_of(order->order.order_id), &doc, &version, &err));
        ck_assert_int_eq(version, order->versions);
        ck_assert_msg(tb_str_eq(tb_buf_str(&doc), order->docs[version]), "%s is not %s", doc.data,
                      order->docs[version].ptr);
        tb_buf_release(&doc);
    }
}

/* Each dead letter is that of an original record, and was replayed. */
static void check_letters(struct dead_letters *letters)
{
    list(letters);
    for (size_t i = 0; i < letters->count; i++) {
        const struct tb_dead_letter *letter = &letters->list[i];

        ck_assert_uint_lt((size_t)letter->position.offset,
                          b.originals[letter->position.partition]);
        ck_assert_msg(letter->status == TB_DEAD_LETTER_REPLAYED, "%s at %d/%d: %.*s",
                      tb_dead_letter_status_name(letter->status), (int)letter->position.partition,
                      (int)letter->position.offset, (int)letter->reason.len, letter->reason.ptr);
    }
}

/* The same log into the same view once more. */
static void check_reading_again_changes_nothing(struct dead_letters *letters)
{
    size_t before, redriven_count = b.redriven_count;

    list(letters);
    before = letters->count;
    restart();
    drain();
    check_orders();
    check_letters(letters);
    ck_assert_uint_eq(letters->count, before);
    ck_assert_uint_eq(b.redriven_count, redriven_count);
}

void replay_case_run(struct tb_view *view, struct tb_view_reader *reader, uint64_t seed,
                     size_t orders)
{
    struct dead_letters *letters = calloc(1, sizeof *letters);

    ck_assert_ptr_nonnull(letters);
    b = (struct bed){.view = view, .reader = reader};
    fake_random_init(&b.random, seed);
    fake_clock_init(&b.clock, HISTORY_START_MS);
    fake_log_init(&b.log, &b.random);
    fill_log(orders);
    start_consumer();
    run_with_faults(letters);
    drain();
    replay_all(letters);
    check_orders();
    check_letters(letters);
    check_reading_again_changes_nothing(letters);
    tb_consumer_free(b.consumer);
    fake_log_release(&b.log);
    history_release(&b.history);
    tb_arena_release(&b.arena);
    free(letters);
}
