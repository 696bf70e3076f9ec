/* The centre, in the connected edition: simulated Kafka and MongoDB, and tillbox-central processes
 * made of the product's parts. The edges reach it through the product's own
 * src/edge/kafka_uplink.c.
 *
 *   broker.h, mongod.h     simulated Kafka and MongoDB
 *   central.c              opens, stops and kills a tillbox-central, wired as in src/central
 *   central_steps.c        one step of each of its threads
 *   centre.c               the centre as a whole: has everything arrived?
 *   centre_faults.c        the faults of the centre
 *   centre_past.c          faults by which log or database get another past
 *   retirement.c           people who retire nodes and put them back
 *   odd_records.c          what other programs leave in the topic of events
 *   centre_restore.c       the broker is restored from an older copy
 *   check_centre_priv.h    compares log and database with the oracle, during and after the run
 *
 * The invariants C1 to C11 are listed in README.md.
 *
 * Thread:  one.
 * Memory:  part of struct sim; zero in the embedded edition.
 * Errors:  sim_violation.
 * Units:   as sim.h. */
#pragma once
#include "bridge/log/append_queue.h"
#include "query/consumer/consumer.h"
#include "query/consumer/sender_limits.h"
#include "query/fleet/heartbeat_feed.h"
#include "query/mongo/fleet/fleet.h"
#include "query/mongo/view/view_mongo.h"
#include "query/projection/ready_hint.h"
#include "sim/broker.h"
#include "sim/mongod.h"
#include "sim/oracle.h"

#define CENTRALS_MAX 3
#define CENTRE_GROUP "tillbox-central"
#define CENTRE_RECORDS_MAX 8192 /* in one partition */
#define CENTRE_SENDERS 10       /* till1 to till3 are nodes, the others have made-up names */

struct sim;
struct sim_node;

/* Classes of faults. Each seed enables some of them. */
enum centre_fault_class {
    CENTRE_FAULT_BROKER_UNRELIABLE =
        1, /* requests and answers get lost, late, repeated, or end with an unknown outcome */
    CENTRE_FAULT_BROKER_DOWN = 2,
    CENTRE_FAULT_MONGOD_UNRELIABLE = 4, /* the same for MongoDB */
    CENTRE_FAULT_MONGOD_DOWN = 8,
    CENTRE_FAULT_LINK_CUT = 16, /* one edge or central cannot reach Kafka or MongoDB */
    CENTRE_FAULT_KILL = 32,     /* a tillbox-central is killed (SIGKILL) */
    CENTRE_FAULT_STOP = 64,
    CENTRE_FAULT_FREEZE = 128, /* SIGSTOP, and SIGCONT after others have taken over */
    CENTRE_FAULT_FOREIGN_RECORD = 256,
    CENTRE_FAULT_BROKER_REFUSES = 512,  /* the broker rejects some records for good */
    CENTRE_FAULT_MONGOD_REFUSES = 1024, /* the database rejects some orders for good */
    CENTRE_FAULT_ALL = 2047
};

/* Faults by which log or database get another past (centre_past.c). */
enum centre_past_class {
    CENTRE_PAST_REPLACED = 1, /* the topic of events */
    CENTRE_PAST_PUT_BACK = 2, /* the database, to what it was some time ago */
    CENTRE_PAST_DROPPED = 4,
    CENTRE_PAST_ALL = 7
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
    int index, client; /* number of the client at the broker */
    char name[24], client_id[48];
    struct tb_clock clock;
    struct fake_random random;
    bool up;
    bool frozen; /* SIGSTOP: no steps until it thaws */
    bool busy;   /* in the middle of a step, waiting for the database */
    bool prepared;
    int64_t due_us[CENTRAL_ACTORS];

    struct tb_log_kafka_options event_options, other_options;
    struct tb_mongo *mongo;
    struct tb_view *view;
    struct tb_view_reader *view_reader;
    struct tb_log_writer *dead_letters, *redrive_writer, *ready_writer;
    struct tb_log_reader *event_reader, *heartbeat_reader, *ready_reader; /* NULL: not open */
    struct tb_log_reader *placed_reader;                                  /* owns event_reader */
    struct tb_log_places places, node_places;
    struct tb_mongo_positions node_positions;
    struct tb_append_queue *append_queue;
    struct tb_ready_publisher ready_publisher;
    struct tb_consumer *consumer;
    struct tb_heartbeat_feed *feed;
};

/* What the checkers know of an order at the centre. Its first event may arrive before the
 * oracle knows the order. */
struct centre_order {
    char id[40];
    int node;
    int order;           /* index in the oracle; NONE: the oracle does not know it yet */
    int64_t log_version; /* highest version in the broker's log */
    int attempts[ORACLE_VERSIONS_MAX + 1]; /* attempt that made each version in the log */
    int64_t db_version;                    /* version stored in the database */
    int64_t checked;                       /* version of the document that was checked last */
    int64_t refused_from;                  /* first version that the broker rejects; 0: none */
    int64_t dead_version;                  /* highest version that has a dead letter */
    bool db_refuses;                       /* the database has rejected it */
    int64_t parked_from_row;               /* first outbox row that the edge has parked; 0: none */
    int64_t snapshot_version;              /* highest version of a snapshot in the log */
};
struct centre {
    struct broker broker;
    struct mongod mongod;
    struct central centrals[CENTRALS_MAX];
    int central_count;
    struct centre_order orders[ORACLE_ORDERS_MAX];
    int order_count;
    unsigned fault_classes;
    bool was_flooded; /* foreign records that nobody can read may be left out */
    /* How many records that till<i> has sent became dead letters, for each reason that counts when
     * a central parks a sender, or stops. */
    int letters_of[CENTRE_SENDERS][TB_SENDER_REASONS];
    int64_t fault_every_us, fault_due_us, replay_at_us;
    int64_t
        day_known_ms[ORACLE_NODES_MAX]; /* since when the database knows a node's days; 0: not */
    int by_order[ORACLE_ORDERS_MAX];    /* index in orders + 1, by the oracle's index; 0: none */
    /* Which records have a dead letter, in Kafka's topic and in the database. */
    bool has_letter_in_topic[TEST_PARTITIONS][CENTRE_RECORDS_MAX];
    bool has_letter_in_db[TEST_PARTITIONS][CENTRE_RECORDS_MAX];
    struct fake_random past_random;
    unsigned past_classes;
    int64_t past_due_us;
    int past_left;           /* faults of this kind, at most */
    bool has_other_past;     /* log or database have had another past than now */
    int64_t notices_past_us; /* by then the centrals have looked where their view stands */
    struct mongod_collection copy[MONGOD_COLLECTIONS_MAX];
    size_t copy_count;
    struct fake_random retirement_random;
    int64_t retirement_due_us;
    int decisions_left;
    struct retirement {
        bool retired; /* as people have decided last */
        bool is_open; /* they have asked for something, and there is no answer yet */
        bool asked;   /* what for: to retire it, or to put it back */
    } retirements[ORACLE_NODES_MAX];
    struct fake_random restore_random;
    bool tills_resend;     /* tills send again what the broker has lost */
    bool has_lost_records; /* the broker's log lacks records that it once had */
    bool has_left_out;     /* no till can know of some of them */
    int64_t restore_due_us;
    int restores_left;
    struct broker_copy broker_copy;
    struct fake_random odd_random;
    int64_t odd_due_us;
    int odd_left;
};

/* centre.c */
void centre_init(struct sim *sim);
void centre_release(struct sim *sim);
int64_t centre_due_us(const struct sim *sim); /* when broker or database have something to do */
void centre_step(struct sim *sim);
bool centre_has_arrived(struct sim *sim); /* I13: everything has arrived */

/* centre_faults.c */
void centre_faults_draw(struct sim *sim);
void centre_faults_step(struct sim *sim);
void centre_faults_heal(struct sim *sim);

/* centre_past.c */
void centre_past_init(struct sim *sim);
void centre_past_step(struct sim *sim);
void centre_past_release(struct sim *sim);

/* centre_restore.c */
void centre_restore_init(struct sim *sim);
void centre_restore_step(struct sim *sim);
void centre_restore_heal(struct sim *sim);
void centre_restore_release(struct sim *sim);

/* odd_records.c */
void odd_records_init(struct sim *sim);
void odd_records_step(struct sim *sim);

/* check_days.c */
/* When the business days of nodes and centrals begin. */
#define SIM_CENTRE_DAY_START (9 * 60 + 1) /* soon after the start of a run */
int sim_day_start_minutes(const struct sim *sim, int node);
void day_mutant_install(struct central *central);

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
/* An operator sends the dead letter to the topic again. */
void central_replay(struct central *central, struct tb_dead_letter_position place);

/* The database has what the record says. */
bool check_centre_is_stored(struct sim *sim, const struct tb_record *record);
/* check_broker_log.c, check_database.c: the callbacks that judge every write. */
struct broker_hooks check_centre_broker(struct sim *sim);
struct mongod_hooks check_centre_mongod(struct sim *sim);
/* check_centre.c. The node's store must have been shown to the oracle before. */
void check_centre_node(struct sim_node *node);
/* The node's Kafka cursor is at this row. */
void check_centre_cursor(struct sim_node *node, int64_t cursor);
void check_centre_parked(struct sim_node *node, const char *order_id, int64_t row);
/* Parked: the edge does not deliver the row. Retained: it keeps all rows of an order that has
 * parked rows. */
bool check_centre_is_parked(const struct sim_node *node, int64_t row);
bool check_centre_is_retained(const struct sim_node *node, int64_t row);
void check_centre_hint(struct central *central, const char *order_id, int64_t version);
void check_centre_read(struct central *central);
/* Have several nodes sent so many records that failed alike that a central may stop? */
bool check_centre_may_stop(const struct sim *sim);
/* The next open dead letter that has to follow, from *at on; false: there is none. */
bool check_centre_next_dead_letter(const struct sim *sim, size_t *at,
                                   struct tb_dead_letter_position *ret_place);
void check_centre_final(struct sim *sim);

/* retirement.c */
void retirement_draw(struct sim *sim);
void retirement_step(struct sim *sim);
bool retirement_is_open(const struct sim *sim); /* somebody still waits for an answer */
void retirement_see_database(struct sim *sim);
/* SIM_MUTANT_RETIRE_FORGOTTEN: after the heartbeats are saved. */
enum tb_code retirement_forget(struct central *central, const struct tb_heartbeat_record *list,
                               size_t count, struct tb_error *err);
