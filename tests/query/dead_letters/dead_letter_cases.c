#include "query/dead_letters/dead_letter_cases.h"
#include <stdio.h>
#include <stdlib.h>

#define TOPIC "order-events"
#define START HISTORY_START_MS

void dead_letter_bed_init(struct dead_letter_bed *bed, struct tb_view *view,
                          struct tb_view_reader *reader)
{
    *bed = (struct dead_letter_bed){.view = view, .reader = reader};
    fake_random_init(&bed->random, test_seed(31));
}

void dead_letter_bed_release(struct dead_letter_bed *bed)
{
    tb_plan_release(&bed->plan);
    tb_arena_release(&bed->arena);
}

static enum tb_code load(void *ctx, const char *order_id, struct tb_arena *into,
                         struct tb_planned_order *ret_order, struct tb_error *err)
{
    struct tb_view *view = ctx;

    return view->ops->load(view, order_id, into, ret_order, err);
}

/* Plans and commits the records as one batch. */
static void feed(struct dead_letter_bed *bed, struct tb_record *records, size_t count,
                 int64_t at_ms)
{
    static const struct tb_plan_rules rules = {.currency = "EUR"};
    struct tb_log_batch batch = {records[0].partition, records, count, 0};
    struct tb_error err = {0};

    tb_plan_clear(&bed->plan);
    ck_ok(tb_plan_batch(&bed->plan, &batch, &rules, load, bed->view, &err));
    bed->plan.planned_at_ms = bed->plan.kept_from_ms = at_ms;
    ck_ok(bed->view->ops->commit(bed->view, &bed->plan, &err));
}

/* Appends the record to its partition. */
static struct tb_record *put(struct dead_letter_bed *bed, struct tb_record *record)
{
    record->offset = bed->next[record->partition]++;
    return record;
}

static struct tb_str text(struct dead_letter_bed *bed, const char *format, ...) TB_PRINTF(2, 3);
static struct tb_str text(struct dead_letter_bed *bed, const char *format, ...)
{
    char buffer[400];
    va_list args;

    va_start(args, format);
    vsnprintf(buffer, sizeof buffer, format, args);
    va_end(args);
    return tb_arena_copy(&bed->arena, tb_str_of(buffer));
}

/* Makes a change of an order to a version; with a letter: as its replay. */
static struct tb_record change(struct dead_letter_bed *bed, const char *order_id, int64_t version,
                               int64_t letter, bool followed)
{
    struct tb_header *headers = tb_arena_array(&bed->arena, 4, sizeof *headers);
    struct tb_record record = {.key = text(bed, "%s", order_id), .headers = headers};

    record.value = text(bed,
                        "{\"orderId\":\"%s\",\"version\":%lld,\"occurredAt\":\"2026-01-02T03:04:"
                        "05.678Z\",\"shippingAddress\":{\"line1\":\"Ring %lld\",\"city\":\"Bonn\","
                        "\"country\":\"DE\"}}",
                        order_id, (long long)version, (long long)version);
    headers[record.header_count++] =
        (struct tb_header){TB_STR("ce_type"), TB_STR("OrderAddressChanged.v1")};
    if (letter >= 0)
        headers[record.header_count++] = (struct tb_header){
            TB_STR(TB_HEADER_REPLAY_OF), text(bed, TOPIC "-0-%lld", (long long)letter)};
    if (followed)
        headers[record.header_count++] =
            (struct tb_header){TB_STR(TB_HEADER_REDRIVEN), TB_STR("1")};
    return record;
}

/* Places an order. */
static void place(struct dead_letter_bed *bed, char ret_order_id[TB_UUID_SIZE])
{
    struct tb_event event;
    struct tb_record record;

    history_place(&bed->arena, &bed->random, START, &event);
    history_record(&bed->arena, &event, 1, &record);
    feed(bed, put(bed, &record), 1, START);
    memcpy(ret_order_id, event.order_id, TB_UUID_SIZE);
}

static struct tb_dead_letter letter_at(struct dead_letter_bed *bed, int32_t partition,
                                       int64_t offset)
{
    const struct tb_dead_letter_position place = {partition, offset};
    struct tb_error err = {0};
    struct tb_dead_letter letter;

    ck_ok(bed->reader->ops->get_dead_letter(bed->reader, place, &bed->arena, &letter, &err));
    ck_assert_int_eq(letter.position.partition, partition);
    ck_assert_int_eq(letter.position.offset, offset);
    return letter;
}

static int64_t open_count(struct dead_letter_bed *bed)
{
    struct tb_error err = {0};
    int64_t open = -1;

    ck_ok(bed->reader->ops->count_dead_letters(bed->reader, &open, &err));
    return open;
}

static void check_standing(struct dead_letter_bed *bed, int64_t offset,
                           enum tb_dead_letter_status status, int64_t attempts, int64_t follows,
                           int64_t changed_at_ms)
{
    struct tb_dead_letter letter = letter_at(bed, 0, offset);

    ck_assert_str_eq(tb_dead_letter_status_name(letter.status),
                     tb_dead_letter_status_name(status));
    ck_assert_int_eq(letter.attempts, attempts);
    ck_assert_int_eq(letter.redrives, follows);
    ck_assert_int_eq(letter.changed_at_ms, changed_at_ms);
}

/* All changes of one dead letter. Each batch is repeated, as after a crash, which changes nothing.
 */
static void one_letter_for_all_attempts(struct dead_letter_bed *bed)
{
    char id[TB_UUID_SIZE];
    struct tb_record first, again, missing;

    place(bed, id);
    first = change(bed, id, 3, -1, false);
    put(bed, &first);
    for (int twice = 0; twice < 2; twice++) {
        feed(bed, &first, 1, START + 10);
        check_standing(bed, first.offset, TB_DEAD_LETTER_OPEN, 1, 0, START + 10);
        ck_assert_int_eq(open_count(bed), 1);
        ck_assert_int_eq(letter_at(bed, 0, first.offset).version, 3);
    }
    for (int64_t n = 1; n <= 3; n++) { /* a gap again; the last two are redrives */
        again = change(bed, id, 3, first.offset, n > 1);
        put(bed, &again);
        for (int twice = 0; twice < 2; twice++) {
            feed(bed, &again, 1, START + 10 + n);
            check_standing(bed, first.offset, TB_DEAD_LETTER_OPEN, 1 + n, n - 1, START + 10 + n);
        }
    }
    again = change(bed, id, 3, first.offset, false);
    feed(bed, put(bed, &again), 1, START + 20);
    check_standing(bed, first.offset, TB_DEAD_LETTER_OPEN, 5, 0, START + 20);
    ck_assert_int_eq(letter_at(bed, 0, first.offset).dead_at_ms, START + 10);

    missing = change(bed, id, 2, -1, false);
    feed(bed, put(bed, &missing), 1, START + 30);
    again = change(bed, id, 3, first.offset, true);
    put(bed, &again);
    for (int twice = 0; twice < 2; twice++) {
        feed(bed, &again, 1, START + 40 + twice);
        check_standing(bed, first.offset, TB_DEAD_LETTER_REPLAYED, 5, 0, START + 40);
        ck_assert_int_eq(open_count(bed), 0);
    }
    feed(bed, &first, 1, START + 50); /* the log from its start again */
    check_standing(bed, first.offset, TB_DEAD_LETTER_REPLAYED, 5, 0, START + 40);
}

/* A record that is too large to be kept leaves nothing of the one before it: a value beside other
 * headers would be sent again as an event that never was. */
static void what_is_too_large_leaves_no_old_value(struct dead_letter_bed *bed)
{
    enum { LARGE = 17 << 20 };
    char id[TB_UUID_SIZE];
    struct tb_record first, again;
    char *large = malloc(LARGE);

    ck_assert_ptr_nonnull(large);
    memset(large, ' ', LARGE);
    place(bed, id);
    first = change(bed, id, 3, -1, false);
    feed(bed, put(bed, &first), 1, START + 10);
    ck_assert_ptr_nonnull(letter_at(bed, 0, first.offset).value.ptr);
    again = change(bed, id, 3, first.offset, false);
    again.value = (struct tb_str){large, LARGE};
    feed(bed, put(bed, &again), 1, START + 20);
    ck_assert_ptr_null(letter_at(bed, 0, first.offset).value.ptr);
    ck_assert_int_eq(letter_at(bed, 0, first.offset).attempts, 2);
    free(large);
}

/* Several outcomes in one batch: that of the last record counts. */
static void one_batch_may_hold_a_whole_life(struct dead_letter_bed *bed)
{
    struct tb_record records[5];
    char id[TB_UUID_SIZE];
    int64_t letter;

    place(bed, id);
    records[0] = change(bed, id, 3, -1, false);
    letter = put(bed, &records[0])->offset;
    records[1] = change(bed, id, 3, letter, false);
    records[2] = change(bed, id, 3, letter, true);
    records[3] = change(bed, id, 2, -1, false);
    records[4] = change(bed, id, 3, letter, false);
    for (int i = 1; i < 5; i++)
        put(bed, &records[i]);
    feed(bed, records, 3, START + 10);
    check_standing(bed, letter, TB_DEAD_LETTER_OPEN, 3, 1, START + 10);
    feed(bed, records, 5, START + 11);
    check_standing(bed, letter, TB_DEAD_LETTER_REPLAYED, 3, 1, START + 11);
}

/* A dead letter that expires during its replay is stored again if the replay fails. */
static void a_letter_that_is_gone_comes_back(struct dead_letter_bed *bed)
{
    struct tb_error err = {0};
    struct tb_record record;
    char id[TB_UUID_SIZE];
    int64_t letter, removed = 0;

    place(bed, id);
    record = change(bed, id, 3, -1, false);
    letter = put(bed, &record)->offset;
    feed(bed, &record, 1, START + 10);
    ck_ok(bed->view->ops->expire_dead_letters(bed->view, START + 11, 10, &removed, &err));
    ck_assert_int_eq(removed, 1);
    record = change(bed, id, 3, letter, false);
    feed(bed, put(bed, &record), 1, START + 20);
    check_standing(bed, letter, TB_DEAD_LETTER_OPEN, 1, 0, START + 20);
    ck_assert_int_eq(letter_at(bed, 0, letter).dead_at_ms, START + 20);
    ck_ok(bed->view->ops->expire_dead_letters(bed->view, START + 21, 10, &removed, &err));
    record = change(bed, id, 2, letter, false); /* applied; its dead letter is gone */
    feed(bed, put(bed, &record), 1, START + 30);
    ck_assert_int_eq(open_count(bed), 0);
    ck_assert_int_eq(
        bed->reader->ops->get_dead_letter(bed->reader, (struct tb_dead_letter_position){0, letter},
                                          &bed->arena, &(struct tb_dead_letter){0}, &err),
        TB_NOT_FOUND);
}

static enum tb_code drop(struct dead_letter_bed *bed, int32_t partition, int64_t offset,
                         int64_t at_ms)
{
    struct tb_error err = {0};

    return bed->view->ops->drop_dead_letter(
        bed->view, (struct tb_dead_letter_position){partition, offset}, at_ms, &err);
}

#define DAY_MS INT64_C(86400000)
#define KEEP_DAYS 90
#define DEATHS_A_DAY 8

struct ages {
    size_t count;
    int64_t oldest_ms;
};

static bool note_age(void *ctx, const struct tb_dead_letter *letter)
{
    struct ages *ages = ctx;

    if (ages->count++ == 0) /* oldest first */
        ages->oldest_ms = letter->dead_at_ms;
    return true;
}

/* Expires a few at a time, as the consumer does. */
static void expire_all(struct dead_letter_bed *bed, int64_t before_ms)
{
    struct tb_error err = {0};
    int64_t removed;

    do {
        removed = 0;
        ck_ok(bed->view->ops->expire_dead_letters(bed->view, before_ms, 3, &removed, &err));
    } while (removed == 3);
}

/* 200 days of deaths, in whatever state they are: the first 90 are all kept, and from then on as
 * many go as come, those that died first. A death that was tried again in vain is as old as ever.
 */
static void letters_level_off(struct dead_letter_bed *bed)
{
    struct tb_record records[DEATHS_A_DAY];
    struct tb_dead_letter_filter filter = {.limit = DEATHS_A_DAY * (KEEP_DAYS + 2)};
    struct tb_error err = {0};
    char id[TB_UUID_SIZE];
    bool more = false;

    place(bed, id);
    for (int day = 0; day < 200; day++) {
        int64_t now_ms = START + day * DAY_MS, first = bed->next[0];
        int kept = day < KEEP_DAYS ? day : KEEP_DAYS;
        struct ages ages = {0};

        for (int i = 0; i < DEATHS_A_DAY; i++) {
            records[i] = change(bed, id, 9, i == 0 && day > 0 ? 1 : -1, false);
            put(bed, &records[i]);
        }
        feed(bed, records, DEATHS_A_DAY, now_ms);
        ck_assert_int_eq(drop(bed, 0, first + 1, now_ms), TB_OK);
        expire_all(bed, now_ms - KEEP_DAYS * DAY_MS);
        ck_ok(bed->reader->ops->list_dead_letters(bed->reader, &filter, note_age, &ages, &more,
                                                  &err));
        ck_assert(!more);
        ck_assert_int_eq(ages.oldest_ms, START + (day - kept) * DAY_MS);
        ck_assert_uint_le(ages.count, DEATHS_A_DAY * (KEEP_DAYS + 1));
        ck_assert_uint_ge(ages.count, (size_t)(DEATHS_A_DAY - 1) * (size_t)kept);
    }
}

static void what_is_dropped_may_come_back(struct dead_letter_bed *bed)
{
    struct tb_record record;
    char id[TB_UUID_SIZE];
    int64_t letter;

    place(bed, id);
    record = change(bed, id, 3, -1, false);
    letter = put(bed, &record)->offset;
    feed(bed, &record, 1, START + 10);
    ck_assert_int_eq(drop(bed, 0, letter + 1, START + 11), TB_NOT_FOUND);
    ck_assert_int_eq(drop(bed, 1, letter, START + 11), TB_NOT_FOUND);
    ck_assert_int_eq(drop(bed, 0, letter, START + 12), TB_OK);
    ck_assert_int_eq(drop(bed, 0, letter, START + 13), TB_OK);
    check_standing(bed, letter, TB_DEAD_LETTER_DROPPED, 1, 0, START + 12);
    ck_assert_int_eq(open_count(bed), 0);
    record = change(bed, id, 3, letter, false); /* a person replays it later */
    feed(bed, put(bed, &record), 1, START + 20);
    check_standing(bed, letter, TB_DEAD_LETTER_OPEN, 2, 0, START + 20);
    ck_assert_int_eq(drop(bed, 0, letter, START + 21), TB_OK);
    record = change(bed, id, 2, letter, false);
    feed(bed, put(bed, &record), 1, START + 30);
    check_standing(bed, letter, TB_DEAD_LETTER_REPLAYED, 2, 0, START + 30);
    ck_assert_int_eq(drop(bed, 0, letter, START + 31), TB_CONFLICT);
    check_standing(bed, letter, TB_DEAD_LETTER_REPLAYED, 2, 0, START + 30);
}

/* Key, value and headers may be any bytes or absent; those of the record sent last are stored. */
static void a_letter_holds_its_record(struct dead_letter_bed *bed)
{
    struct tb_header headers[] = {{TB_STR("x"), {0}},
                                  {TB_STR("y"), TB_STR("")},
                                  {TB_STR("\xff\0"), TB_STR("\0\1")},
                                  {TB_STR(TB_HEADER_REPLAY_OF), TB_STR(TOPIC "-0-0")}};
    struct tb_record first = {
        .key = TB_STR("k\0k"), .value = TB_STR("{\xff"), .headers = headers, .header_count = 3};
    struct tb_record second = {.headers = headers + 3, .header_count = 1};
    struct tb_record third = {
        .key = TB_STR(""), .value = TB_STR(""), .headers = headers + 3, .header_count = 1};
    struct tb_dead_letter letter;

    feed(bed, put(bed, &first), 1, START);
    letter = letter_at(bed, 0, 0);
    ck_assert(tb_str_eq(letter.key, first.key) && tb_str_eq(letter.value, first.value));
    ck_assert(tb_str_eq(letter.reason, TB_STR("tillbox.decode")));
    ck_assert_uint_gt(letter.message.len, 0);
    ck_assert(!letter.type.ptr && letter.order_id[0] == '\0' && letter.version == 0);
    ck_assert_uint_eq(letter.header_count, 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert(tb_str_eq(letter.headers[i].name, headers[i].name));
        ck_assert(tb_str_eq(letter.headers[i].value, headers[i].value));
        ck_assert((letter.headers[i].value.ptr == NULL) == (headers[i].value.ptr == NULL));
    }
    feed(bed, put(bed, &second), 1, START);
    letter = letter_at(bed, 0, 0);
    ck_assert(!letter.key.ptr && !letter.value.ptr && letter.attempts == 2);
    ck_assert_uint_eq(letter.header_count, 1);
    feed(bed, put(bed, &third), 1, START);
    letter = letter_at(bed, 0, 0);
    ck_assert(letter.key.ptr && letter.key.len == 0 && letter.value.ptr && letter.value.len == 0);
}

/* Lists are compared with a model. */

#define LETTERS 80
struct model {
    struct tb_dead_letter letters[LETTERS]; /* in the order of a list */
    char ids[4][TB_UUID_SIZE];
};

static int by_time(const void *a, const void *b)
{
    const struct tb_dead_letter *x = a, *y = b;

    if (x->dead_at_ms != y->dead_at_ms)
        return x->dead_at_ms < y->dead_at_ms ? -1 : 1;
    if (x->position.partition != y->position.partition)
        return x->position.partition < y->position.partition ? -1 : 1;
    return x->position.offset < y->position.offset ? -1 : x->position.offset > y->position.offset;
}

static int by_place(const void *a, const void *b)
{
    struct tb_dead_letter x = *(const struct tb_dead_letter *)a,
                          y = *(const struct tb_dead_letter *)b;

    x.dead_at_ms = y.dead_at_ms = 0;
    return by_time(&x, &y);
}

static const char *const types[] = {"OrderShipped.v1", "OrderCancelled.v1", NULL};

/* Clocks that go back, several at one moment, of several partitions and orders, some of no order,
 * some dropped. */
static void fill(struct dead_letter_bed *bed, struct model *model)
{
    for (int i = 0; i < 4; i++)
        history_uuid(&bed->random, model->ids[i]);
    for (int i = 0; i < LETTERS; i++) {
        struct tb_dead_letter *letter = &model->letters[i];
        const char *type = types[fake_random_below(&bed->random, 3)];
        struct tb_header headers[] = {
            {TB_STR("ce_type"), tb_str_of(type)},
            {TB_STR("ce_subject"), tb_str_of(model->ids[fake_random_below(&bed->random, 4)])}};
        bool broken = fake_random_below(&bed->random, 2) == 0, unowned = i % 10 == 0;
        struct tb_record record = {
            .partition = (int32_t)fake_random_below(&bed->random, 3),
            .value = broken ? TB_STR("{") : TB_STR("{}"),
            .headers = headers,
            .header_count = unowned ? 1 : 2,
        };

        *letter = (struct tb_dead_letter){
            .position = {record.partition, bed->next[record.partition]},
            .dead_at_ms = START + (int64_t)fake_random_below(&bed->random, 12),
            .type = tb_str_of(type),
            .reason = broken || !type ? TB_STR("tillbox.decode") : TB_STR("tillbox.invalid"),
        };
        if (!unowned)
            memcpy(letter->order_id, headers[1].value.ptr, TB_UUID_LEN);
        feed(bed, put(bed, &record), 1, letter->dead_at_ms);
        if (fake_random_below(&bed->random, 3) == 0) {
            ck_assert_int_eq(drop(bed, letter->position.partition, letter->position.offset, START),
                             TB_OK);
            letter->status = TB_DEAD_LETTER_DROPPED;
        }
    }
}

static bool matches(const struct tb_dead_letter_filter *filter,
                    const struct tb_dead_letter *letter)
{
    return (!filter->order_id.ptr || tb_str_eq(filter->order_id, tb_str_of(letter->order_id))) &&
           (!filter->type.ptr || tb_str_eq(filter->type, letter->type)) &&
           (!filter->reason.ptr || tb_str_eq(filter->reason, letter->reason)) &&
           (!filter->has_status || filter->status == letter->status) &&
           (!filter->has_since || letter->dead_at_ms >= filter->since_ms);
}

struct page {
    struct tb_dead_letter letters[LETTERS];
    size_t count, room; /* taken; more are refused */
};

static bool take(void *ctx, const struct tb_dead_letter *letter)
{
    struct page *page = ctx;

    if (page->count == page->room)
        return false;
    page->letters[page->count++] = *letter;
    return true;
}

static void random_filter(struct dead_letter_bed *bed, const struct model *model,
                          struct tb_dead_letter_filter *filter)
{
    static const char *const reasons[] = {"tillbox.decode", "tillbox.invalid", "tillbox.gap"};

    *filter =
        (struct tb_dead_letter_filter){.limit = 1 + (int)fake_random_below(&bed->random, 30)};
    if (fake_random_below(&bed->random, 3) == 0)
        filter->order_id = tb_str_of(model->ids[fake_random_below(&bed->random, 4)]);
    if (fake_random_below(&bed->random, 3) == 0)
        filter->type = tb_str_of(types[fake_random_below(&bed->random, 2)]);
    if (fake_random_below(&bed->random, 3) == 0)
        filter->reason = tb_str_of(reasons[fake_random_below(&bed->random, 3)]);
    filter->has_status = fake_random_below(&bed->random, 2) == 0;
    filter->status = (enum tb_dead_letter_status)fake_random_below(&bed->random, 3);
    filter->has_since = fake_random_below(&bed->random, 3) == 0;
    filter->since_ms = START + (int64_t)fake_random_below(&bed->random, 14) - 1;
}

/* Page by page, some ended early by the callback: each matching dead letter comes once, in order.
 */
static void check_pages(struct dead_letter_bed *bed, struct model *model,
                        struct tb_dead_letter_filter *filter)
{
    bool more = true;
    size_t at = 0;

    qsort(model->letters, LETTERS, sizeof *model->letters,
          filter->order_id.ptr ? by_place : by_time);
    while (more) {
        struct page page = {.room = 1 + fake_random_below(&bed->random, LETTERS)};
        struct tb_error err = {0};

        ck_ok(bed->reader->ops->list_dead_letters(bed->reader, filter, take, &page, &more, &err));
        ck_assert_uint_le(page.count, (size_t)filter->limit);
        ck_assert(!more || page.count == page.room || page.count == (size_t)filter->limit);
        for (size_t i = 0; i < page.count; i++, at++) {
            while (at < LETTERS && !matches(filter, &model->letters[at]))
                at++;
            ck_assert_uint_lt(at, LETTERS);
            ck_assert_int_eq(by_time(&model->letters[at], &page.letters[i]), 0);
            ck_assert_str_eq(model->letters[at].order_id, page.letters[i].order_id);
            ck_assert_int_eq(model->letters[at].status, page.letters[i].status);
            filter->has_after = true;
            filter->after_dead_at_ms = page.letters[i].dead_at_ms;
            filter->after = page.letters[i].position;
        }
    }
    while (at < LETTERS && !matches(filter, &model->letters[at]))
        at++;
    ck_assert_uint_eq(at, LETTERS);
}

static void every_filter_lists_what_matches(struct dead_letter_bed *bed)
{
    struct model model = {0};
    struct tb_dead_letter_filter filter;

    fill(bed, &model);
    for (int i = 0; i < 150; i++) {
        random_filter(bed, &model, &filter);
        check_pages(bed, &model, &filter);
    }
}

/* Redrives. */

#define ORDERS 30

struct found {
    struct tb_dead_letter_position places[LETTERS];
    size_t count, room;
};

static bool find(void *ctx, const struct tb_dead_letter *letter)
{
    struct found *found = ctx;

    if (found->count == found->room)
        return false;
    ck_assert(tb_str_eq(letter->reason, TB_STR(TB_REASON_GAP)));
    ck_assert_ptr_nonnull(letter->value.ptr);
    found->places[found->count++] = letter->position;
    return true;
}

static size_t look(struct dead_letter_bed *bed, size_t max, struct found *found)
{
    struct tb_redrive_scan scan = {0};
    struct tb_error err = {0};

    do
        ck_ok(bed->view->ops->redrivable(bed->view, &scan, max, find, found, &err));
    while (scan.begun && found->count < found->room && found->count < max);
    return found->count;
}

/* Those that have what they waited for, and no others: an order's next version, or one that it
 * has passed already. */
static void who_may_follow_is_found(struct dead_letter_bed *bed)
{
    struct found found = {.room = LETTERS};
    char ids[ORDERS][TB_UUID_SIZE];
    struct tb_record record;
    size_t ready = 0;

    for (int i = 0; i < ORDERS; i++) {
        int64_t version = 2 + i % 3; /* of the dead letter; the order has version 1 */

        if (i % 5 == 0)
            history_uuid(&bed->random, ids[i]); /* an order that is not placed */
        else
            place(bed, ids[i]);
        if (version == 2)
            version = 4;
        record = change(bed, ids[i], version, -1, false);
        feed(bed, put(bed, &record), 1, START + i);
    }
    ck_assert_uint_eq(look(bed, LETTERS, &found), 0);
    for (int i = 0; i < ORDERS; i++) { /* version 2 is applied */
        record = change(bed, ids[i], 2, -1, false);
        feed(bed, put(bed, &record), 1, START + 100);
        ready += i % 5 != 0 && i % 3 == 1; /* those of version 3 */
    }
    ck_assert_uint_gt(ready, 3);
    ck_assert_uint_eq(look(bed, LETTERS, &found), ready);
    for (size_t i = 0; i < found.count; i++)
        ck_assert_int_eq(letter_at(bed, 0, found.places[i].offset).version, 3);
    found = (struct found){.room = LETTERS};
    ck_assert_uint_eq(look(bed, 2, &found), 2);
    found = (struct found){.room = 1}; /* the callback wants no more */
    ck_assert_uint_eq(look(bed, LETTERS, &found), 1);
}

/* After TB_REDRIVES_MAX failed redrives only a person can replay the dead letter. */
static void who_gave_up_does_not_follow(struct dead_letter_bed *bed)
{
    struct found found = {.room = LETTERS};
    struct tb_record record, missing;
    struct tb_dead_letter letter;
    char id[TB_UUID_SIZE];
    int64_t first;

    place(bed, id);
    record = change(bed, id, 3, -1, false);
    first = put(bed, &record)->offset;
    feed(bed, &record, 1, START);
    for (int i = 0; i < TB_REDRIVES_MAX; i++) {
        ck_assert(!tb_dead_letter_redrives_exhausted(&(struct tb_dead_letter){.redrives = i}));
        record = change(bed, id, 3, first, true);
        feed(bed, put(bed, &record), 1, START);
    }
    letter = letter_at(bed, 0, first);
    ck_assert(tb_dead_letter_redrives_exhausted(&letter));
    missing = change(bed, id, 2, -1, false);
    feed(bed, put(bed, &missing), 1, START);
    ck_assert_uint_eq(look(bed, LETTERS, &found), 0);
    record = change(bed, id, 4, first, false); /* a person's replay, which is a gap again */
    feed(bed, put(bed, &record), 1, START);
    letter = letter_at(bed, 0, first);
    ck_assert(!tb_dead_letter_redrives_exhausted(&letter));
}

const struct dead_letter_case dead_letter_cases[] = {
    {"one letter for all attempts", one_letter_for_all_attempts},
    {"what is too large leaves no old value", what_is_too_large_leaves_no_old_value},
    {"one batch may hold a whole life", one_batch_may_hold_a_whole_life},
    {"a letter that is gone comes back", a_letter_that_is_gone_comes_back},
    {"letters level off", letters_level_off},
    {"what is dropped may come back", what_is_dropped_may_come_back},
    {"a letter holds its record", a_letter_holds_its_record},
    {"every filter lists what matches", every_filter_lists_what_matches},
    {"who may follow is found", who_may_follow_is_found},
    {"who gave up does not follow", who_gave_up_does_not_follow},
};
const int dead_letter_case_count = sizeof dead_letter_cases / sizeof *dead_letter_cases;
