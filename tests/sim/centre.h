/* The far side of the connected edition: the simulated broker and database, and centrals made of
 * the product's parts. What an edge has of it is src/edge_kafka.c itself (node.c).
 *
 *   broker.h, mongod.h   Kafka, MongoDB
 *   central.c            opens, stops, kills a central, as src/central_parts.c does
 *   central_steps.c      its threads' rounds, as src/central_threads.c has them
 *   centre.c             what is done by itself there, and whether everything has arrived
 *   storm.c              breaks things there, by classes of its own
 *   check_centre_priv.h  log and database against the oracle, all along and at the end
 *
 *   C1  what was placed arrives, and nothing else     C5  a group commits what is done, and never
 *   C2  of an order nothing is missing in between         goes back
 *   C3  a served version never goes back              C6  the sums are the sums of the orders
 *   C4  dead letters are the foreign, what the         C7  at the end a node's sequences have no
 *       database refuses, and what waits for either       hole
 *
 * Thread:  one.
 * Memory:  a struct in struct sim; zeroed in the embedded edition.
 * Errors:  sim_violation.
 * Units:   as sim.h. */
#pragma once
#include "bridge/log/append_queue.h"
#include "query/consumer/consumer.h"
#include "query/fleet/heartbeat_feed.h"
#include "query/mongo/view_mongo.h"
#include "query/projection/ready_hint.h"
#include "sim/broker.h"
#include "sim/mongod.h"
#include "sim/oracle.h"

#define CENTRALS_MAX 3
#define CENTRE_GROUP "tillbox-central"
#define CENTRE_RECORDS_MAX 8192 /* of a partition */

struct sim;
struct sim_node;

/* Classes of faults: a seed draws which of them exist. */
enum centre_fault_class {
    CENTRE_FAULT_BROKER_UNRELIABLE = 1, /* what is sent to it is late, lost, in doubt, twice */
    CENTRE_FAULT_BROKER_DOWN = 2,
    CENTRE_FAULT_MONGOD_UNRELIABLE = 4, /* the same of the database */
    CENTRE_FAULT_MONGOD_DOWN = 8,
    CENTRE_FAULT_LINK_CUT = 16, /* one edge or central cannot reach one of the two */
    CENTRE_FAULT_KILL = 32,     /* a central */
    CENTRE_FAULT_STOP = 64,
    CENTRE_FAULT_FREEZE = 128, /* it thaws when others have taken over */
    CENTRE_FAULT_FOREIGN_RECORD = 256,
    CENTRE_FAULT_BROKER_REFUSES = 512,  /* the broker takes some records never */
    CENTRE_FAULT_MONGOD_REFUSES = 1024, /* the database takes some orders never */
    CENTRE_FAULT_ALL = 2047
};

enum central_actor {
    CENTRAL_EVENTS,
    CENTRAL_NODES,
    CENTRAL_REDRIVE,
    CENTRAL_HINTS,
    CENTRAL_READER,
    CENTRAL_START,
    CENTRAL_ACTORS
};
struct central {
    struct sim *sim;
    int index, client; /* the broker's */
    char name[24], client_id[48];
    struct tb_clock clock;
    struct fake_random random;
    bool up;
    bool frozen; /* as by SIGSTOP: no turn until it thaws */
    bool busy;   /* it waits for an answer, in the middle of its turn */
    bool prepared;
    int64_t due_us[CENTRAL_ACTORS];

    struct tb_log_kafka_options event_options, other_options;
    struct tb_mongo *mongo;
    struct tb_view *view;
    struct tb_view_reader *view_reader;
    struct tb_log_writer *dead_letters, *redrive_writer, *ready_out;
    struct tb_log_reader *event_reader, *heartbeat_reader, *ready_in; /* NULL: not opened (yet) */
    struct tb_append_queue *append_queue;
    struct tb_ready_publisher teller;
    struct tb_consumer *consumer;
    struct tb_heartbeat_feed *feed;
};

/* What is known of an order on the far side: of one there may be news here first. */
struct centre_order {
    char id[40];
    int node;
    int order;                             /* the oracle's; NONE: it has not heard of it yet */
    int64_t log_version;                        /* highest version in the log */
    int attempts[ORACLE_VERSIONS_MAX + 1]; /* whose each landed version is */
    int64_t db_version;                        /* version in the database */
    int64_t checked;                       /* of the document that was looked at last */
    int64_t refused_from;                       /* the broker refuses it from here on; 0: it does not */
    int64_t dead_version;                          /* highest version with a dead letter */
    bool db_refuses;                            /* the database has refused it */
    int64_t parked_from_row;                    /* the edge passes it by from here on; 0: it does not */
};
struct centre {
    struct broker broker;
    struct mongod mongod;
    struct central centrals[CENTRALS_MAX];
    int central_count;
    struct centre_order orders[ORACLE_ORDERS_MAX];
    int order_count;
    unsigned fault_classes; /* of the storm */
    int64_t fault_every_us, fault_due_us, replay_at_us;
    int by_order[ORACLE_ORDERS_MAX]; /* of the oracle's order: place in orders + 1; 0: none */
    /* Which records have a letter, in the topic of dead letters and in the database. */
    bool has_letter_in_topic[TB_LOG_PARTITIONS][CENTRE_RECORDS_MAX];
    bool has_letter_in_db[TB_LOG_PARTITIONS][CENTRE_RECORDS_MAX];
};

/* centre.c */
void centre_init(struct sim *sim);
void centre_release(struct sim *sim);
int64_t centre_due_us(const struct sim *sim); /* of broker and database */
void centre_step(struct sim *sim);
bool centre_has_arrived(struct sim *sim); /* everything has arrived */

/* storm.c */
void centre_faults_draw(struct sim *sim);
void centre_faults_step(struct sim *sim);
void centre_faults_heal(struct sim *sim);

/* central.c */
void central_report_error(const struct central *central, const char *what,
                          const struct tb_error *err);
void central_start(struct central *central);
void central_init(struct central *central, struct sim *sim, int index);
void central_step(struct central *central, enum central_actor actor);
void central_wake(struct central *central, enum central_actor actor, int64_t in_us);
void central_kill(struct central *central);
void central_stop(struct central *central); /* SIGTERM */
void central_freeze(struct central *central, bool frozen);
void central_release(struct central *central);
/* Whoever looks after the centre sends a dead letter again. */
void central_replay(struct central *central, struct tb_dead_letter_position place);

/* check_landed.c, check_stored.c */
struct broker_hooks check_centre_broker(struct sim *sim);
struct mongod_hooks check_centre_mongod(struct sim *sim);
/* check_centre.c. Of one node, whose store was just shown to the oracle. */
void check_centre_node(struct sim_node *node);
/* The edge's second cursor stands there. */
void check_centre_cursor(struct sim_node *node, int64_t cursor);
void check_centre_parked(struct sim_node *node, const char *order_id, int64_t row);
/* The edge passes the row by; it keeps all rows of such an order. */
bool check_centre_is_parked(const struct sim_node *node, int64_t row);
bool check_centre_keeps(const struct sim_node *node, int64_t row);
void check_centre_hint(struct central *central, const char *order_id, int64_t version);
void check_centre_read(struct central *central);
/* The next letter after *at that a person has to see to; false: there is none. */
bool check_centre_next_dead_letter(const struct sim *sim, size_t *at,
                                   struct tb_dead_letter_position *ret_place);
void check_centre_final(struct sim *sim);
