#include "sim/oracle.h"
#include "sim/trace.h"
#include <stdlib.h>
#include <string.h>

/* What the oracle forgets, and knows again, when a store is put back to an earlier state. */

struct oracle_memory {
    int order_count, key_count;
    struct oracle_key keys[ORACLE_KEYS_MAX];
    struct oracle_order orders[]; /* of all nodes */
};

struct oracle_memory *oracle_remember(const struct oracle *oracle)
{
    size_t orders_size = (size_t)oracle->order_count * sizeof *oracle->orders;
    struct oracle_memory *memory = malloc(sizeof *memory + orders_size);

    if (!memory)
        abort();
    memory->order_count = oracle->order_count;
    memory->key_count = oracle->key_count;
    memcpy(memory->keys, oracle->keys, sizeof memory->keys);
    memcpy(memory->orders, oracle->orders, orders_size);
    return memory;
}

void oracle_forget(struct oracle_memory *memory)
{
    free(memory);
}

/* What each attempt did is as the events say. Nobody knows the outcome of an attempt that is lost,
 * as far as its key is concerned. */
static void forget_effects(struct oracle *oracle, int node)
{
    for (int i = 0; i < oracle->attempt_count; i++) {
        struct oracle_attempt *attempt = &oracle->attempts[i];

        if (oracle->ops[attempt->op].node != node ||
            (attempt->outcome != ORACLE_DONE && attempt->outcome != ORACLE_UNKNOWN &&
             attempt->outcome != ORACLE_RESOLVED_DONE))
            continue;
        attempt->outcome = ORACLE_LOST;
        attempt->order = ORACLE_NONE;
        attempt->version = 0;
    }
}

static void put_order_back(struct oracle *oracle, int order, const struct oracle_order *known)
{
    struct oracle_order *o = &oracle->orders[order];

    o->number = known ? known->number : 0;
    o->max_version = known ? known->max_version : 0;
    o->read_version = o->read_before_power_cut = 0;
    for (int v = 0; v <= ORACLE_VERSIONS_MAX; v++) {
        const struct oracle_event none = {ORACLE_NONE, ORACLE_NONE};
        const struct oracle_event *event = &o->events[v];

        o->events[v] = known ? known->events[v] : none;
        if (event->attempt == ORACLE_NONE)
            continue;
        oracle->attempts[event->attempt].outcome = ORACLE_RESOLVED_DONE;
        oracle->attempts[event->attempt].order = order;
        oracle->attempts[event->attempt].version = v;
    }
}

static void put_keys_back(struct oracle *oracle, int node, const struct oracle_memory *memory)
{
    for (int i = 0; i < oracle->op_count; i++) {
        int key = oracle->ops[i].key;

        if (oracle->ops[i].node != node || key == ORACLE_NONE)
            continue;
        struct oracle_key *k = &oracle->keys[key];
        if (memory && key < memory->key_count) {
            *k = memory->keys[key];
            continue;
        }
        k->answered = false;
        k->op = k->effect_order = ORACLE_NONE;
        k->status = 0;
        k->version = k->effect_version = 0;
    }
}

void oracle_put_back(struct oracle *oracle, int node, const struct oracle_memory *memory)
{
    forget_effects(oracle, node);
    for (int i = 0; i < oracle->order_count; i++)
        if (oracle->orders[i].node == node)
            put_order_back(oracle, i,
                           memory && i < memory->order_count ? &memory->orders[i] : NULL);
    put_keys_back(oracle, node, memory);
}

void oracle_put_log_back(struct oracle *oracle, int node, const struct oracle_memory *memory)
{
    for (int i = 0; i < oracle->order_count; i++)
        if (oracle->orders[i].node == node)
            oracle->orders[i].log_version =
                memory && i < memory->order_count ? memory->orders[i].log_version : 0;
}
