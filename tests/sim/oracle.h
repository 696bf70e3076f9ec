/* The oracle: what must be true, worked out from what clients asked and were told, alone.
 *
 * It knows commands, the attempts to carry them out, and what became of each attempt as far as
 * its client can tell: done, refused, definitely not done, unknown. It shares no code with the
 * product. Checkers show it what they found in a node's files (saw_event); whatever contradicts
 * the clients' history breaks a rule.
 *
 *   I1  what was acknowledged is there          I4  versions and numbers have no gaps
 *   I2  nothing is there that was not asked     I6  sums are the sums of the orders
 *   I3  a key has one effect and one answer     I10 what was visible is never taken back
 *
 * Thread:  one.
 * Memory:  plain arrays in one struct.
 * Errors:  sim_violation.
 * Units:   minor units; versions count from 1. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ORACLE_OPS_MAX 1200
#define ORACLE_ATTEMPTS_MAX 3000
#define ORACLE_ORDERS_MAX 800
#define ORACLE_KEYS_MAX 800
/* Clients leave an order alone before it has so many. */
#define ORACLE_VERSIONS_MAX 40
#define ORACLE_NODES_MAX 3
#define ORACLE_CURRENCIES 3
#define ORACLE_NONE (-1)

enum oracle_type { ORACLE_PLACE, ORACLE_ADDRESS, ORACLE_LINES, ORACLE_SHIP, ORACLE_CANCEL };
enum oracle_status { ORACLE_PLACED, ORACLE_SHIPPED, ORACLE_CANCELLED };

/* What one request says. Line i: quantity at (price + i), sku "S<op>-<i>"; the address's first
 * line is "A<op>"; the customer is "C<op>". */
struct oracle_op {
    enum oracle_type type;
    int node;
    int order;                /* NONE: a place without an orderId */
    int key;                  /* NONE: without */
    int64_t expected_version; /* NONE: without If-Match */
    bool is_return;
    int currency;
    int line_count;
    int64_t quantity, price;
    bool has_address;
};
enum oracle_outcome {
    ORACLE_PENDING,
    ORACLE_DONE,     /* 2xx, by this attempt */
    ORACLE_REPLAYED, /* the answer of another attempt under the same key */
    ORACLE_REFUSED,  /* 4xx */
    ORACLE_NOT_DONE, /* it was said that nothing was stored */
    ORACLE_UNKNOWN,
    ORACLE_RESOLVED_DONE,    /* was unknown; the store has it */
    ORACLE_RESOLVED_NOT_DONE /* was unknown; the store does not have it */
};
struct oracle_attempt {
    int op;
    enum oracle_outcome outcome;
    int order; /* where its event is; NONE: it has none, as far as known */
    int64_t version;
};
struct oracle_event {
    int op, attempt; /* NONE: not known yet */
};
struct oracle_order {
    char id[40];
    int node;
    int64_t number; /* 0: not known yet */
    struct oracle_event events[ORACLE_VERSIONS_MAX + 1];
    int64_t max_version;  /* highest version known of; 0: not placed, as far as known */
    int64_t log_version;  /* highest version seen in the log */
    int64_t read_version; /* highest version read from the view since it may have gone back */
    int64_t read_before_power_cut; /* the same before that */
};
struct oracle_key {
    char text[24];
    bool answered; /* the rest is the answer that every repeat must get */
    int op, status;
    int64_t version;
    char order_id[40];
    uint64_t body_hash;
    int effect_order; /* NONE: no event under this key yet */
    int64_t effect_version;
};
struct oracle_answer {
    int status;
    int64_t version;
    const char *order_id; /* "" without */
    bool replayed;
    const char *body;
    size_t body_len;
    bool nothing_stored; /* said so, beside the status */
};
/* An order after some version. */
struct oracle_state {
    bool known; /* every event up to there is */
    enum oracle_status status;
    bool is_return;
    int currency;
    int64_t total_minor;
    int line_op, line_count; /* whose lines it has */
    int address_op;          /* NONE: no address */
    int placed_op;
};
struct oracle {
    struct oracle_op ops[ORACLE_OPS_MAX];
    int op_count;
    struct oracle_attempt attempts[ORACLE_ATTEMPTS_MAX];
    int attempt_count;
    struct oracle_order orders[ORACLE_ORDERS_MAX];
    int order_count;
    struct oracle_key keys[ORACLE_KEYS_MAX];
    int key_count;
};

int oracle_add_op(struct oracle *oracle, const struct oracle_op *op);
int oracle_add_key(struct oracle *oracle, const char *text);
/* id: of an order that a client will place, or "" until it is known. */
int oracle_add_order(struct oracle *oracle, int node, const char *id);
int oracle_invoke(struct oracle *oracle, int op);
void oracle_answered(struct oracle *oracle, int attempt, const struct oracle_answer *answer);
void oracle_outcome_unknown(struct oracle *oracle, int attempt);
/* The request never reached the node. */
void oracle_not_done(struct oracle *oracle, int attempt);

/* The store of a node holds this event; attempt as its mark tells. */
int oracle_saw_event(struct oracle *oracle, int node, const char *order_id, int64_t version,
                     int attempt, enum oracle_type type);
/* Every event of the node was shown: what is still unknown was not done. */
void oracle_resolve_unknown(struct oracle *oracle, int node);

int oracle_find_order(const struct oracle *oracle, const char *id); /* NONE: there is none */
struct oracle_state oracle_state(const struct oracle *oracle, int order, int64_t version);
int64_t oracle_lines_total(const struct oracle_op *op);
/* Unknown outcomes that may have changed the order, or events not known: its state is unsure. */
bool oracle_in_doubt(const struct oracle *oracle, int order);
