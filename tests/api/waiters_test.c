/* Promise: no reader who waits for a version is forgotten, whatever news come in whatever order,
 * and news nobody waits for cost nothing. Method: random histories against a plain table. */
#include "api/waiters.h"
#include "support/support.h"
#include <stdio.h>
#include <stdlib.h>

#define ORDERS 40
#define READERS 300

struct world {
    struct tb_waiters waiters;
    struct tb_exchange *readers;
    int64_t visible[ORDERS]; /* what the view has */
    int order_of[READERS];
    size_t woken;
};

static void order_id(int n, char ret_id[TB_UUID_SIZE])
{
    snprintf(ret_id, TB_UUID_SIZE, "01a207ab-6d5e-71ec-b6c1-%012d", n);
}

/* As the API's: asks the view, and goes if the version is there. */
static void look(void *ctx, struct tb_exchange *x)
{
    struct world *world = ctx;
    int reader = (int)(x - world->readers);

    if (world->visible[world->order_of[reader]] < x->wait.min_version)
        return;
    tb_waiters_remove(&world->waiters, x);
    world->woken++;
}

static void go(void *ctx, struct tb_exchange *x)
{
    struct world *world = ctx;

    tb_waiters_remove(&world->waiters, x);
    world->woken++;
}

static void setup_world(struct world *world)
{
    memset(world, 0, sizeof(*world));
    world->readers = calloc(READERS, sizeof(world->readers[0]));
    ck_assert_ptr_nonnull(world->readers);
    tb_waiters_init(&world->waiters);
}

static void begin(struct world *world, int reader, int order, int64_t version, int64_t until_ms)
{
    struct tb_exchange *x = &world->readers[reader];

    world->order_of[reader] = order;
    order_id(order, x->order_id);
    x->wait.min_version = version;
    x->wait.until_ms = until_ms;
    tb_waiters_add(&world->waiters, x);
}

static void check_none_forgotten(struct world *world)
{
    for (int r = 0; r < READERS; r++) {
        const struct tb_exchange *x = &world->readers[r];
        if (x->wait.waiting)
            ck_assert_int_lt(world->visible[world->order_of[r]], x->wait.min_version);
    }
}

START_TEST(random_histories)
{
    struct world world;
    struct fake_random random;

    setup_world(&world);
    fake_random_init(&random, test_seed(11));
    for (int step = 0; step < 4000; step++) {
        int order = (int)fake_random_below(&random, ORDERS);
        int reader = (int)fake_random_below(&random, READERS);
        char id[TB_UUID_SIZE];
        switch (fake_random_below(&random, 3)) {
        case 0:
            if (!world.readers[reader].wait.waiting) {
                begin(&world, reader, order,
                      world.visible[order] + 1 + (int64_t)fake_random_below(&random, 3),
                      INT64_MAX);
            }
            break;
        case 1: /* up to several hundred at once: more than the news hold */
            for (uint64_t n = fake_random_below(&random, 400); n > 0; n--) {
                order = (int)fake_random_below(&random, ORDERS);
                world.visible[order] += fake_random_below(&random, 8) == 0;
                order_id(order, id);
                (void)tb_waiters_tell(&world.waiters, id, world.visible[order]);
            }
            break;
        default:
            tb_waiters_wake(&world.waiters, look, &world);
            check_none_forgotten(&world);
        }
    }
    ck_assert_uint_gt(world.woken, 100);
    tb_waiters_expire(&world.waiters, INT64_MAX, go, &world);
    tb_waiters_release(&world.waiters);
    free(world.readers);
}
END_TEST

START_TEST(news_are_kept_for_who_waits_only)
{
    struct world world;
    char id[TB_UUID_SIZE], other[TB_UUID_SIZE];

    setup_world(&world);
    order_id(1, id);
    order_id(2, other);
    ck_assert(!tb_waiters_tell(&world.waiters, id, 1));
    begin(&world, 0, 1, 2, INT64_MAX);
    ck_assert(!tb_waiters_tell(&world.waiters, other, 2));
    ck_assert(!tb_waiters_told(&world.waiters));
    ck_assert(tb_waiters_tell(&world.waiters, id, 2));
    ck_assert(tb_waiters_told(&world.waiters));
    world.visible[1] = 2;
    tb_waiters_wake(&world.waiters, look, &world);
    ck_assert_uint_eq(world.woken, 1);
    ck_assert(!tb_waiters_tell(&world.waiters, id, 3));
    tb_waiters_release(&world.waiters);
    free(world.readers);
}
END_TEST

START_TEST(deadlines)
{
    struct world world;

    setup_world(&world);
    ck_assert_int_eq(world.waiters.next_ms, INT64_MAX);
    for (int r = 0; r < 100; r++)
        begin(&world, r, r % ORDERS, 1, 1000 + r);
    ck_assert_int_eq(world.waiters.next_ms, 1000);
    tb_waiters_expire(&world.waiters, 999, go, &world);
    ck_assert_uint_eq(world.woken, 0);
    tb_waiters_expire(&world.waiters, 1049, go, &world);
    ck_assert_uint_eq(world.woken, 50);
    ck_assert_int_eq(world.waiters.next_ms, 1050);
    tb_waiters_expire(&world.waiters, 5000, go, &world);
    ck_assert_uint_eq(world.waiters.count, 0);
    ck_assert_int_eq(world.waiters.next_ms, INT64_MAX);
    tb_waiters_release(&world.waiters);
    free(world.readers);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("waiters");
    TCase *tc = tcase_create("waiters");

    tcase_add_test(tc, random_histories);
    tcase_add_test(tc, news_are_kept_for_who_waits_only);
    tcase_add_test(tc, deadlines);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
