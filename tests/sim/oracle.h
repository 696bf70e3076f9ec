/* The test oracle: decides what must be true from the commands that clients sent and the answers
 * they got, and from nothing else. It shares no code with the product.
 *
 * It knows the operations, the attempts at each, and the outcome of each attempt as far as its
 * client can tell: done, refused, not done, unknown. The checkers report every event they find in
 * a node's store (oracle_saw_event). A contradiction to what the clients were answered is a broken
 * invariant: I1 to I4, I6 and I10 of README.md.
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
/* Clients stop changing an order before this version. */
#define ORACLE_VERSIONS_MAX 40
#define ORACLE_NODES_MAX 3
#define ORACLE_CURRENCIES 3
#define ORACLE_NONE (-1)

enum oracle_type { ORACLE_PLACE, ORACLE_ADDRESS, ORACLE_LINES, ORACLE_SHIP, ORACLE_CANCEL };
enum oracle_status { ORACLE_PLACED, ORACLE_SHIPPED, ORACLE_CANCELLED };

/* The content of a request. Line i has quantity `quantity`, price `price + i` and sku
 * "S<op>-<i>". The address's first line is "A<op>", the customer is "C<op>". */
struct oracle_op {
    enum oracle_type type;
    int node;
    int order;                /* NONE: a new order without an orderId */
    int key;                  /* NONE: no key */
    int64_t expected_version; /* NONE: no If-Match */
    bool is_return;
    int currency;
    int line_count;
    int64_t quantity, price;
    bool has_address;
};
enum oracle_outcome {
    ORACLE_PENDING,
    ORACLE_DONE,     /* 2xx, and this attempt did it */
    ORACLE_REPLAYED, /* 2xx, replayed: another attempt with the same key did it */
    ORACLE_REFUSED,  /* 4xx */
    ORACLE_NOT_DONE, /* the answer said that nothing was stored */
    ORACLE_UNKNOWN,
    ORACLE_RESOLVED_DONE,     /* was unknown; the store has its event */
    ORACLE_RESOLVED_NOT_DONE, /* was unknown; the store has no event of it */
    ORACLE_LOST               /* the store was put back to a state without it */
};
struct oracle_attempt {
    int op;
    enum oracle_outcome outcome;
    int order; /* order of its event; NONE: no event known */
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
    int64_t max_version;  /* highest known version; 0: not placed, as far as known */
    int64_t log_version;  /* highest version seen in the log */
    bool had_snapshot;    /* a view may not know the events that came before it */
    int64_t read_version; /* highest version read from the view since the last power cut */
    int64_t read_before_power_cut; /* the same, before the power cut */
};
struct oracle_key {
    char text[24];
    bool answered; /* answered: every repeat must get the answer below */
    int op, status;
    int64_t version;
    char order_id[40];
    uint64_t body_hash;
    int effect_order; /* NONE: no event with this key yet */
    int64_t effect_version;
};
struct oracle_answer {
    int status;
    int64_t version;
    const char *order_id; /* "": none */
    bool replayed;
    const char *body;
    size_t body_len;
    bool nothing_stored; /* the answer said so */
};
/* An order at some version. */
struct oracle_state {
    bool known; /* all events up to the version are known */
    enum oracle_status status;
    bool is_return;
    int currency;
    int64_t total_minor;
    int line_op, line_count; /* operation that set the lines */
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
/* id: chosen by a client, or "" until it is known. */
int oracle_add_order(struct oracle *oracle, int node, const char *id);
int oracle_invoke(struct oracle *oracle, int op);
void oracle_answered(struct oracle *oracle, int attempt, const struct oracle_answer *answer);
void oracle_outcome_unknown(struct oracle *oracle, int attempt);
/* The request never reached the node. */
void oracle_not_done(struct oracle *oracle, int attempt);

/* A node's store has this event. attempt: from its traceparent. */
int oracle_saw_event(struct oracle *oracle, int node, const char *order_id, int64_t version,
                     int attempt, enum oracle_type type);
/* All events of the node were reported: attempts that are still unknown have not been done. */
void oracle_resolve_unknown(struct oracle *oracle, int node);

/* What is known of a node's orders and keys: goes with a copy of its store. */
struct oracle_memory;
struct oracle_memory *oracle_remember(const struct oracle *oracle);
void oracle_forget(struct oracle_memory *memory); /* NULL is fine */
/* The node's store is as it was then (NULL: new), and nothing else is under way there. */
void oracle_put_back(struct oracle *oracle, int node, const struct oracle_memory *memory);
/* The same for its log. */
void oracle_put_log_back(struct oracle *oracle, int node, const struct oracle_memory *memory);

int oracle_find_order(const struct oracle *oracle, const char *id); /* NONE: no such order */
struct oracle_state oracle_state(const struct oracle *oracle, int order, int64_t version);
int64_t oracle_lines_total(const struct oracle_op *op);
/* An unknown outcome may have changed the order, or some of its events are unknown. */
bool oracle_in_doubt(const struct oracle *oracle, int order);
