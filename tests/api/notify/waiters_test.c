/* Promise: no reader who waits for a version is forgotten, whatever news come in whatever order,
 * and news nobody waits for cost nothing. Method: random histories against a plain table. */
#include "api/notify/waiters.h"
#include "support/support.h"
#include <stdio.h>
#include <stdlib.h>

#define ORDERS 40
#define READERS 300
#define LATE_MS 1000000

struct reader {
    struct tb_waiter wait;
    int order;
    char order_id[TB_UUID_SIZE];
};
struct world {
    struct tb_waiters waiters;
    struct reader *readers;
    int64_t visible[ORDERS]; /* what the view has */
    size_t woken;
    size_t looked; /* because nobody knew */
};

static void order_id(int n, char ret_id[TB_UUID_SIZE])
{
    snprintf(ret_id, TB_UUID_SIZE, "01a207ab-6d5e-71ec-b6c1-%012d", n);
}

/* As the API's: asks the view, and goes if the version is there. */
static void heard(void *ctx, struct tb_waiter *wait, int64_t version)
{
    struct world *world = ctx;
    const struct reader *reader = (struct reader *)(void *)wait;

    world->looked += version == 0;
    if (world->visible[reader->order] < wait->min_version)
        return;
    tb_waiters_remove(&world->waiters, wait);
    world->woken++;
}

static void go(void *ctx, struct tb_waiter *wait)
{
    struct world *world = ctx;

    tb_waiters_remove(&world->waiters, wait);
    world->woken++;
}

static struct world *new_world(void)
{
    struct world *world = calloc(1, sizeof(*world));

    ck_assert_ptr_nonnull(world);
    world->readers = calloc(READERS, sizeof(world->readers[0]));
    ck_assert_ptr_nonnull(world->readers);
    tb_waiters_init(&world->waiters);
    return world;
}

static void free_world(struct world *world)
{
    tb_waiters_release(&world->waiters);
    free(world->readers);
    free(world);
}

static void begin(struct world *world, int n, int order, int64_t version, int64_t until_ms)
{
    struct reader *reader = &world->readers[n];

    reader->order = order;
    order_id(order, reader->order_id);
    reader->wait.order_id = reader->order_id;
    reader->wait.min_version = version;
    reader->wait.until_ms = until_ms;
    reader->wait.heard = heard;
    tb_waiters_add(&world->waiters, &reader->wait);
}

static void check_none_forgotten(struct world *world)
{
    for (int r = 0; r < READERS; r++) {
        const struct reader *reader = &world->readers[r];
        if (reader->wait.waiting)
            ck_assert_int_lt(world->visible[reader->order], reader->wait.min_version);
    }
}

/* Orders go on; now and then more of them at once than the news hold. */
static void orders_move(struct world *world, struct fake_random *random)
{
    uint64_t most = fake_random_below(random, 64) == 0 ? TB_VERSION_RING_SIZE * 4 : 100;

    for (uint64_t n = fake_random_below(random, most); n > 0; n--) {
        char id[TB_UUID_SIZE];
        int order = (int)fake_random_below(random, ORDERS);
        world->visible[order] += fake_random_below(random, 8) == 0;
        order_id(order, id);
        (void)tb_waiters_publish(&world->waiters, id, world->visible[order]);
    }
}

START_TEST(random_histories)
{
    struct world *world = new_world();
    struct fake_random random;

    fake_random_init(&random, test_seed(11));
    for (int step = 0; step < 4000; step++) {
        int order = (int)fake_random_below(&random, ORDERS);
        int reader = (int)fake_random_below(&random, READERS);
        switch (fake_random_below(&random, 3)) {
        case 0:
            if (!world->readers[reader].wait.waiting) {
                begin(world, reader, order,
                      world->visible[order] + 1 + (int64_t)fake_random_below(&random, 3), LATE_MS);
            }
            break;
        case 1:
            orders_move(world, &random);
            break;
        default:
            tb_waiters_deliver(&world->waiters, world);
            check_none_forgotten(world);
        }
    }
    ck_assert_uint_gt(world->woken, 100);
    ck_assert_uint_gt(world->looked, 0);
    tb_waiters_expire(&world->waiters, LATE_MS, go, world);
    free_world(world);
}
END_TEST

START_TEST(news_are_kept_for_who_waits_only)
{
    struct world *world = new_world();
    char id[TB_UUID_SIZE], other[TB_UUID_SIZE];

    order_id(1, id);
    order_id(2, other);
    ck_assert(!tb_waiters_publish(&world->waiters, id, 1));
    begin(world, 0, 1, 2, LATE_MS);
    ck_assert(!tb_waiters_publish(&world->waiters, other, 2));
    ck_assert(!tb_waiters_have_changes(&world->waiters));
    ck_assert(tb_waiters_publish(&world->waiters, id, 2));
    ck_assert(tb_waiters_have_changes(&world->waiters));
    world->visible[1] = 2;
    tb_waiters_deliver(&world->waiters, world);
    ck_assert_uint_eq(world->woken, 1);
    ck_assert(!tb_waiters_publish(&world->waiters, id, 3));
    tb_waiters_add_reader(&world->waiters); /* whoever wants to hear of all */
    ck_assert(tb_waiters_publish(&world->waiters, other, 3));
    tb_waiters_remove_reader(&world->waiters);
    ck_assert(!tb_waiters_publish(&world->waiters, other, 4));
    free_world(world);
}
END_TEST

/* Each reader has its own place; who was overtaken is told so, once. */
START_TEST(places_in_the_news)
{
    struct tb_version_ring *reel = calloc(1, sizeof(*reel));
    struct tb_version_change news[8];
    uint64_t slow = 0, quick = 0;
    size_t count = 99;
    char id[TB_UUID_SIZE];

    ck_assert_ptr_nonnull(reel);
    tb_version_ring_init(reel);
    ck_assert(tb_version_ring_read(reel, &slow, news, 8, &count));
    ck_assert_uint_eq(count, 0);
    for (int i = 1; i <= TB_VERSION_RING_SIZE; i++) {
        order_id(i, id);
        tb_version_ring_publish(reel, id, i);
        ck_assert(tb_version_ring_read(reel, &quick, news, 8, &count));
        ck_assert_uint_eq(count, 1);
        ck_assert_str_eq(news[0].order_id, id);
        ck_assert_int_eq(news[0].version, i);
    }
    ck_assert(tb_version_ring_read(reel, &slow, news, 8, &count)); /* just not overtaken */
    ck_assert_uint_eq(count, 8);
    ck_assert_int_eq(news[7].version, 8);
    for (int i = 0; i < 8; i++)
        tb_version_ring_publish(reel, id, i);
    ck_assert(tb_version_ring_read(reel, &slow, news, 1, &count));
    ck_assert_int_eq(news[0].version, 9);
    tb_version_ring_publish(reel, id, 8);
    tb_version_ring_publish(reel, id, 9);
    ck_assert(!tb_version_ring_read(reel, &slow, news, 8, &count));
    ck_assert_uint_eq(count, 0);
    ck_assert_uint_eq(slow, tb_version_ring_end(reel));
    ck_assert(tb_version_ring_read(reel, &slow, news, 8, &count));
    ck_assert_uint_eq(count, 0);
    tb_version_ring_release(reel);
    free(reel);
}
END_TEST

START_TEST(deadlines)
{
    struct world *world = new_world();

    ck_assert_int_eq(world->waiters.next_ms, INT64_MAX);
    for (int r = 0; r < 100; r++)
        begin(world, r, r % ORDERS, 1, 1000 + r);
    ck_assert_int_eq(world->waiters.next_ms, 1000);
    tb_waiters_expire(&world->waiters, 999, go, world);
    ck_assert_uint_eq(world->woken, 0);
    tb_waiters_expire(&world->waiters, 1049, go, world);
    ck_assert_uint_eq(world->woken, 50);
    ck_assert_int_eq(world->waiters.next_ms, 1050);
    begin(world, 0, 1, 1, INT64_MAX); /* for ever */
    tb_waiters_expire(&world->waiters, INT64_MAX, go, world);
    ck_assert_uint_eq(world->woken, 100);
    ck_assert_uint_eq(world->waiters.count, 1);
    tb_waiters_remove(&world->waiters, &world->readers[0].wait);
    ck_assert_uint_eq(world->waiters.count, 0);
    ck_assert_int_eq(world->waiters.next_ms, INT64_MAX);
    free_world(world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("waiters");
    TCase *tc = tcase_create("waiters");

    tcase_add_test(tc, random_histories);
    tcase_add_test(tc, news_are_kept_for_who_waits_only);
    tcase_add_test(tc, places_in_the_news);
    tcase_add_test(tc, deadlines);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
