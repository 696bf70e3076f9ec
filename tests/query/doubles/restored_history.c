#include "query/doubles/history.h"
#include <stdio.h>
#include <stdlib.h>

#define RESTORES_MAX 3
#define STEPS_PER_ORDER 3

/* The store of the node. */
struct store {
    struct tb_order *orders;                      /* version 0: it has none */
    char epochs[RESTORES_MAX + 1][TB_EPOCH_SIZE]; /* the last one is that of new events */
    size_t epoch_count;
};

struct world {
    struct history *history;
    struct fake_random *random;
    const struct history_options *options;
    size_t order_count;
    struct store store;
    bool *has_snapshot; /* of each order, in this epoch */
    int epochs_begun;
    int64_t sequence;
    bool sends_late; /* what is recorded now comes much later */
    struct tb_record *late;
    size_t late_count, late_next;
};

static void *need(void *memory)
{
    TB_ASSERT(memory != NULL);
    return memory;
}

static void append(struct world *world, const struct tb_record *record)
{
    struct history *history = world->history;

    history->records[history->record_count] = *record;
    history->records[history->record_count].offset = (int64_t)history->record_count;
    history->record_count++;
}

static void send(struct world *world, const struct tb_event *event)
{
    const struct store *store = &world->store;
    struct tb_record record;

    history_record_of_epoch(&world->history->arena, event, store->epochs[store->epoch_count - 1],
                            ++world->sequence, &record);
    if (world->sends_late) {
        world->late[world->late_count++] = record;
    } else if (event->type == TB_EVENT_SNAPSHOT ||
               fake_random_below(world->random, 100) >= (uint64_t)world->options->lost_percent) {
        append(world, &record);
    }
}

static void send_snapshot(struct world *world, size_t at)
{
    const struct store *store = &world->store;
    size_t earlier = store->epoch_count - 1;
    struct tb_str *epochs =
        need(tb_arena_array(&world->history->arena, earlier + 1, sizeof *epochs));
    struct tb_event event = {.type = TB_EVENT_SNAPSHOT,
                             .order = store->orders[at],
                             .version = store->orders[at].version,
                             .occurred_at_ms = store->orders[at].updated_at_ms,
                             .earlier_epochs = epochs,
                             .earlier_epoch_count = earlier};

    for (size_t i = 0; i < earlier; i++)
        epochs[i] = tb_str_of(store->epochs[i]);
    memcpy(event.order_id, event.order.order_id, TB_UUID_SIZE);
    history_uuid(world->random, event.event_id);
    send(world, &event);
    world->has_snapshot[at] = true;
}

/* The id is the client's, so an order that was lost may be placed again, on another day. */
static void place(struct world *world, size_t at)
{
    struct tb_order *order = &world->store.orders[at];
    int64_t placed_at_ms =
        HISTORY_START_MS + (int64_t)fake_random_below(world->random, 5) * 86400000 + (int64_t)at;
    struct tb_event event;

    history_place(&world->history->arena, world->random, placed_at_ms, &event);
    event.order.node = TB_STR("till1");
    if (world->history->orders[at].order.order_id[0] == '\0')
        memcpy(world->history->orders[at].order.order_id, event.order_id, TB_UUID_SIZE);
    memcpy(event.order_id, world->history->orders[at].order.order_id, TB_UUID_SIZE);
    memcpy(event.order.order_id, event.order_id, TB_UUID_SIZE);
    *order = event.order;
    send(world, &event);
}

static void step(struct world *world)
{
    size_t at = fake_random_below(world->random, world->order_count);
    struct tb_order *order = &world->store.orders[at];
    bool needs_snapshot = world->epochs_begun > 1 && !world->has_snapshot[at];
    struct tb_event event;

    if (world->late_next < world->late_count && !world->sends_late &&
        fake_random_below(world->random, 3) == 0)
        append(world, &world->late[world->late_next++]);
    if (order->version == 0) {
        place(world, at);
    } else if (needs_snapshot &&
               (world->epochs_begun > 2 || fake_random_below(world->random, 2) == 0)) {
        send_snapshot(world, at);
    } else if (order->status == TB_PLACED && order->version < HISTORY_VERSIONS_MAX) {
        history_change(&world->history->arena, world->random, order, &event);
        send(world, &event);
    }
}

static void copy_store(const struct world *world, const struct store *from, struct store *to)
{
    struct tb_order *orders = to->orders;

    memcpy(orders, from->orders, world->order_count * sizeof *orders);
    *to = *from;
    to->orders = orders;
}

static void begin_epoch(struct world *world)
{
    struct store *store = &world->store;

    snprintf(store->epochs[store->epoch_count++], TB_EPOCH_SIZE, "%016llx",
             (unsigned long long)fake_random_u64(world->random));
    memset(world->has_snapshot, 0, world->order_count * sizeof *world->has_snapshot);
    world->sequence = 0;
    world->epochs_begun++;
}

/* Lives through an epoch. Somewhere in it the backup is made from which the next one begins, or it
 * begins from the same one as this. What the first epoch does long after the backup may be sent
 * late: every later store knows of that epoch. */
static void live(struct world *world, struct store *backup, bool is_first, bool is_last)
{
    size_t steps = world->order_count * STEPS_PER_ORDER;
    size_t backup_at = fake_random_below(world->random, steps);
    size_t late_from = backup_at + fake_random_below(world->random, steps - backup_at);
    bool makes_backup = is_first || fake_random_below(world->random, 3) > 0;

    for (size_t i = 0; i < steps; i++) {
        if (i == backup_at && makes_backup)
            copy_store(world, &world->store, backup);
        world->sends_late = is_first && !is_last && i >= late_from;
        step(world);
    }
    for (size_t at = 0; at < world->order_count; at++) {
        if (is_last && world->store.orders[at].version == 0)
            place(world, at);
        if (!is_first && world->store.orders[at].version > 0 &&
            (!world->has_snapshot[at] || (is_last && world->options->lost_percent > 0)))
            send_snapshot(world, at);
    }
    world->sends_late = false;
}

/* The log has stretches twice, because a relay has sent them again. */
static void repeat(struct world *world, size_t max)
{
    struct history *history = world->history;
    struct tb_record *once = history->records;
    size_t count = history->record_count;

    history->records = need(tb_arena_array(&history->arena, max, sizeof *history->records));
    history->record_count = 0;
    history->distinct = count;
    for (size_t i = 0; i < count; i++) {
        append(world, &once[i]);
        if (history->record_count + count < max &&
            fake_random_below(world->random, 100) < (uint64_t)world->options->repeat_percent) {
            size_t back = fake_random_below(world->random, 40);

            i = back > i ? (size_t)-1 : i - back;
        }
    }
}

static void finish(struct world *world)
{
    struct history *history = world->history;

    for (size_t at = 0; at < world->order_count; at++) {
        struct history_order *order = &history->orders[at];

        order->order = world->store.orders[at];
        order->versions = order->order.version;
        order->states[order->versions] = order->order;
        order->docs[order->versions] = history_encode(&history->arena, &order->order);
    }
}

void history_make_restored(struct history *history, struct fake_random *random,
                           const struct history_options *options, int restores)
{
    struct world world = {
        .history = history, .random = random, .options = options, .order_count = options->orders};
    size_t orders = options->orders;
    size_t max = (size_t)(restores + 1) * orders * (STEPS_PER_ORDER + 2) * 3;
    struct store backup = {0};

    TB_ASSERT(restores <= RESTORES_MAX);
    *history = (struct history){.order_count = orders};
    history->orders = need(tb_arena_array(&history->arena, orders, sizeof *history->orders));
    history->records = need(tb_arena_array(&history->arena, max, sizeof *history->records));
    memset(history->orders, 0, orders * sizeof *history->orders);
    world.store.orders = need(calloc(orders, sizeof *world.store.orders));
    backup.orders = need(calloc(orders, sizeof *backup.orders));
    world.has_snapshot = need(calloc(orders, sizeof *world.has_snapshot));
    world.late = need(calloc(max, sizeof *world.late));
    for (int i = 0; i <= restores; i++) {
        if (i > 0)
            copy_store(&world, &backup, &world.store);
        begin_epoch(&world);
        live(&world, &backup, i == 0, i == restores);
    }
    while (world.late_next < world.late_count)
        append(&world, &world.late[world.late_next++]);
    repeat(&world, max);
    finish(&world);
    free(world.late);
    free(world.has_snapshot);
    free(backup.orders);
    free(world.store.orders);
}
