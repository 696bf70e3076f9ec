/* The API in the role of a central, over a view that the test controls: its orders, how long a
 * query takes, and whether the view is available.
 *
 * Thread:  the test's; the API has its own.
 * Memory:  fake_central_stop releases everything.
 * Errors:  a failed check assertion.
 * Units:   milliseconds. */
#pragma once
#include "api/node.h"

#define FAKE_ORDERS 64

struct fake_central {
    struct tb_api_options options; /* change between init and start */
    struct tb_api *api;
    pthread_t thread;
    int port;
    struct tb_clock clock;
    _Atomic int64_t ahead_us; /* of the monotonic clock */
    struct tb_consumer_stats stats;
    struct tb_view_reader view;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    struct fake_order {
        char order_id[TB_UUID_SIZE];
        int64_t version;
    } orders[FAKE_ORDERS];
    size_t order_count;
    bool unavailable; /* every query fails */
    bool gate_closed; /* every query blocks until the gate is open */
    int blocked;      /* queries that block so */
    uint64_t gets, view_polls;
    struct tb_node_report nodes[64];
    size_t node_count;
    char retired_by[64]; /* the client that has retired a node or put it back last */
    char problem[240];
    int64_t ends[TEST_PARTITIONS], committed[TEST_PARTITIONS]; /* end below 0: not held */
    bool log_away;
    bool has_conflict; /* else its dead letter has reason gap */
    char sent[64];     /* the value of the record that was sent to the log last */
};
void fake_central_init(struct fake_central *central);
void fake_central_start(struct fake_central *central);
void fake_central_stop(struct fake_central *central);
/* Lets the view have this version of the order; publishes nothing. */
void fake_central_set_order(struct fake_central *central, const char *order_id, int64_t version);
void fake_central_set_unavailable(struct fake_central *central, bool away);
void fake_central_close_gate(struct fake_central *central);
void fake_central_open_gate(struct fake_central *central);
void fake_central_wait_blocked(struct fake_central *central, int count);
void fake_central_advance_ms(struct fake_central *central, int64_t ms);
uint64_t fake_central_gets(struct fake_central *central);
