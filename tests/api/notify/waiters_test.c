/* Promise: no waiter is forgotten, whatever changes are published in whatever order, and changes
 * that nobody waits for are not kept. Method: random histories against a plain table of versions.
 */
#include "api/notify/waiters.h"
#include "support/support.h"
#include <stdio.h>
#include <stdlib.h>

#define ORDERS 40
#define READERS 300
#define LATE_MS 1000000

struct world;
struct reader {
    struct tb_waiter waiter;
    struct world *world;
    int order;
    char order_id[TB_UUID_SIZE];
};
struct world {
    struct tb_waiters waiters;
    struct reader *readers;
    int64_t visible[ORDERS]; /* what the view has */
    size_t notified;
    size_t read_again; /* because changes were missed */
};

static void order_id(int n, char ret_id[TB_UUID_SIZE])
{
    snprintf(ret_id, TB_UUID_SIZE, "01a207ab-6d5e-71ec-b6c1-%012d", n);
}

static void on_deadline(struct tb_waiter *waiter)
{
    struct world *world = TB_CONTAINER_OF(waiter, struct reader, waiter)->world;

    tb_waiters_remove(&world->waiters, waiter);
    world->notified++;
}

/* As the API: reads the view, and stops waiting if the version is there. */
static void on_version(struct tb_waiter *waiter, int64_t version)
{
    const struct reader *reader = TB_CONTAINER_OF(waiter, struct reader, waiter);

    reader->world->read_again += version == 0;
    if (reader->world->visible[reader->order] >= waiter->min_version)
        on_deadline(waiter);
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

static void begin(struct world *world, int n, int order, int64_t version, int64_t deadline_ms)
{
    struct reader *reader = &world->readers[n];

    reader->order = order;
    order_id(order, reader->order_id);
    reader->waiter.order_id = reader->order_id;
    reader->waiter.min_version = version;
    reader->waiter.deadline_ms = deadline_ms;
    reader->waiter.on_version = on_version;
    reader->waiter.on_deadline = on_deadline;
    reader->world = world;
    tb_waiters_add(&world->waiters, &reader->waiter);
}

static void check_none_forgotten(struct world *world)
{
    for (int r = 0; r < READERS; r++) {
        const struct reader *reader = &world->readers[r];
        if (tb_list_is_linked(&reader->waiter.node))
            ck_assert_int_lt(world->visible[reader->order], reader->waiter.min_version);
    }
}

/* Orders change; now and then more of them at once than the ring holds. */
static void orders_move(struct world *world, struct fake_random *random)
{
    uint64_t most = fake_random_below(random, 64) == 0 ? TB_VERSION_RING_SIZE * 4 : 100;

    for (uint64_t n = fake_random_below(random, most); n > 0; n--) {
        char id[TB_UUID_SIZE];
        int order = (int)fake_random_below(random, ORDERS);
        world->visible[order] += fake_random_below(random, 8) == 0;
        order_id(order, id);
        (void)tb_waiters_publish(&world->waiters, id, world->visible[order], 0);
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
            if (!tb_list_is_linked(&world->readers[reader].waiter.node)) {
                begin(world, reader, order,
                      world->visible[order] + 1 + (int64_t)fake_random_below(&random, 3), LATE_MS);
            }
            break;
        case 1:
            orders_move(world, &random);
            break;
        default:
            tb_waiters_deliver(&world->waiters);
            check_none_forgotten(world);
        }
    }
    ck_assert_uint_gt(world->notified, 100);
    ck_assert_uint_gt(world->read_again, 0);
    tb_waiters_expire(&world->waiters, LATE_MS);
    free_world(world);
}
END_TEST

START_TEST(changes_are_kept_for_waiters_only)
{
    struct world *world = new_world();
    char id[TB_UUID_SIZE], other[TB_UUID_SIZE];

    order_id(1, id);
    order_id(2, other);
    ck_assert(!tb_waiters_publish(&world->waiters, id, 1, 0));
    begin(world, 0, 1, 2, LATE_MS);
    ck_assert(!tb_waiters_publish(&world->waiters, other, 2, 0));
    ck_assert(!tb_waiters_have_changes(&world->waiters));
    ck_assert(tb_waiters_publish(&world->waiters, id, 2, 0));
    ck_assert(tb_waiters_have_changes(&world->waiters));
    world->visible[1] = 2;
    tb_waiters_deliver(&world->waiters);
    ck_assert_uint_eq(world->notified, 1);
    ck_assert(!tb_waiters_publish(&world->waiters, id, 3, 0));
    atomic_fetch_add(&world->waiters.reader_count, 1); /* follows all orders */
    ck_assert(tb_waiters_publish(&world->waiters, other, 3, 0));
    atomic_fetch_sub(&world->waiters.reader_count, 1);
    ck_assert(!tb_waiters_publish(&world->waiters, other, 4, 0));
    free_world(world);
}
END_TEST

/* Each reader has its own position; one that has fallen behind learns it once. */
START_TEST(positions_in_the_ring)
{
    struct tb_version_ring *ring = calloc(1, sizeof *ring);
    struct tb_version_change changes[8];
    uint64_t slow = 0, quick = 0;
    size_t count = 99;
    char id[TB_UUID_SIZE];

    ck_assert_ptr_nonnull(ring);
    tb_version_ring_init(ring);
    ck_assert(tb_version_ring_read(ring, &slow, changes, 8, &count));
    ck_assert_uint_eq(count, 0);
    for (int i = 1; i <= TB_VERSION_RING_SIZE; i++) {
        order_id(i, id);
        tb_version_ring_publish(ring, id, i, 0);
        ck_assert(tb_version_ring_read(ring, &quick, changes, 8, &count));
        ck_assert_uint_eq(count, 1);
        ck_assert_str_eq(changes[0].order_id, id);
        ck_assert_int_eq(changes[0].version, i);
    }
    ck_assert(tb_version_ring_read(ring, &slow, changes, 8, &count)); /* just not behind */
    ck_assert_uint_eq(count, 8);
    ck_assert_int_eq(changes[7].version, 8);
    for (int i = 0; i < 8; i++)
        tb_version_ring_publish(ring, id, i, 0);
    ck_assert(tb_version_ring_read(ring, &slow, changes, 1, &count));
    ck_assert_int_eq(changes[0].version, 9);
    tb_version_ring_publish(ring, id, 8, 0);
    tb_version_ring_publish(ring, id, 9, 0);
    ck_assert(!tb_version_ring_read(ring, &slow, changes, 8, &count));
    ck_assert_uint_eq(count, 0);
    ck_assert_uint_eq(slow, tb_version_ring_end(ring));
    ck_assert(tb_version_ring_read(ring, &slow, changes, 8, &count));
    ck_assert_uint_eq(count, 0);
    tb_version_ring_release(ring);
    free(ring);
}
END_TEST

START_TEST(deadlines)
{
    struct world *world = new_world();

    ck_assert_int_eq(world->waiters.next_ms, INT64_MAX);
    for (int r = 0; r < 100; r++)
        begin(world, r, r % ORDERS, 1, 1000 + r);
    ck_assert_int_eq(world->waiters.next_ms, 1000);
    tb_waiters_expire(&world->waiters, 999);
    ck_assert_uint_eq(world->notified, 0);
    tb_waiters_expire(&world->waiters, 1049);
    ck_assert_uint_eq(world->notified, 50);
    ck_assert_int_eq(world->waiters.next_ms, 1050);
    begin(world, 0, 1, 1, INT64_MAX); /* for ever */
    tb_waiters_expire(&world->waiters, INT64_MAX);
    ck_assert_uint_eq(world->notified, 100);
    ck_assert_uint_eq(world->waiters.count, 1);
    tb_waiters_remove(&world->waiters, &world->readers[0].waiter);
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
    tcase_add_test(tc, changes_are_kept_for_waiters_only);
    tcase_add_test(tc, positions_in_the_ring);
    tcase_add_test(tc, deadlines);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
