/* The simulated world: nodes with the product's real store, writer, relay, in-process log,
 * consumer and view, each over a disk of its own; clients; and what goes wrong. In the connected
 * edition nodes have the product's way to Kafka too, and there is a centre (centre.h).
 *
 *   sim.c       one run: the clock, whose turn it is, the phases
 *   node_open.c opens a node, as src/edge.c does
 *   node.c      steps, stops, kills it (without its threads)
 *   client.c    asks, repeats, reads; tells the oracle
 *   nemesis.c   breaks things, by the classes of faults that the seed drew
 *   poison.c    records that no edge has written
 *   ports.c     between product and log, and product and view: faults and mutants
 *   check.c     compares a node's files with the oracle
 *
 * One thread; time moves only between steps. Everything is drawn from the seed, one stream a
 * subsystem.
 *
 * Thread:  one.
 * Memory:  one struct a run.
 * Errors:  sim_violation.
 * Units:   virtual microseconds (_us), Unix milliseconds (_ms). */
#pragma once
#include "bridge/log/inproc/inproc.h"
#include "bridge/relay/relay.h"
#include "edge/kafka_uplink.h"
#include "query/consumer/consumer.h"
#include "sim/centre.h"
#include "sim/disk.h"
#include "sim/oracle.h"
#include "sim/trace.h"
#include "store/writer.h"

#define SIM_NODES_MAX ORACLE_NODES_MAX
#define SIM_CLIENTS_MAX 5
#define SIM_POISON_MAX 64
#define SIM_ROWS_MAX 2000
#define SIM_TOPIC "order-events"
#define SIM_GROUP "tillbox-edge"
#define SIM_AUDIT_GROUP "audit"
#define SIM_DAY_US INT64_C(86400000000)
#define SIM_NEVER INT64_MAX
/* 2026-11-23: when every run begins, by a clock that is right. */
#define SIM_EPOCH_MS INT64_C(1795424400000)

enum sim_edition { SIM_DRAWN, SIM_EMBEDDED, SIM_CONNECTED };

enum sim_mutant {
    SIM_MUTANT_NONE,
    SIM_MUTANT_SYNC_NORMAL,   /* the store commits with synchronous=NORMAL */
    SIM_MUTANT_LATE_SYNC,     /* the answer is given before the commit is on the disk */
    SIM_MUTANT_EARLY_CURSOR,  /* the cursor moves before the log has committed */
    SIM_MUTANT_TRUSTED_LOG,   /* the view starts where the log's group stands */
    SIM_MUTANT_NO_GUARD,      /* an older event applied again takes the order back */
    SIM_MUTANT_NO_KEYS,       /* keys are not looked at */
    SIM_MUTANT_KEY_APART,     /* the key is not stored with its order's transaction */
    SIM_MUTANT_BLIND_CLEANER, /* retention does not wait for the cursor */
    SIM_MUTANT_BLIND_EXPIRY,  /* nor does the log's wait for the view */
    /* Of the connected edition. */
    SIM_MUTANT_FAR_CURSOR,  /* the second cursor moves before the broker's acknowledgement */
    SIM_MUTANT_FAR_CLEANER, /* retention does not wait for the second cursor */
    SIM_MUTANT_FAR_TIMEOUT, /* what nobody knows is taken for refused */
    SIM_MUTANT_FAR_OFFSETS, /* offsets are committed before the database has it */
    SIM_MUTANT_FAR_ZOMBIE,  /* offsets are committed of what was given up */
    SIM_MUTANT_FAR_GUARD,   /* the database replaces an order whatever its version */
    SIM_MUTANT_FAR_FATAL,   /* a duplicate key is taken for refused for good */
    SIM_MUTANT_FAR_LETTERS, /* a dead letter is not waited for */
    SIM_MUTANT_FAR_GAP,     /* what follows a dead letter is applied over the gap */
    SIM_MUTANT_COUNT
};
const char *sim_mutant_name(enum sim_mutant mutant);
const char *sim_edition_name(enum sim_edition edition); /* "embedded" */

/* Classes of faults: a seed draws which of them exist. */
enum sim_class {
    SIM_CLASS_KILL = 1,
    SIM_CLASS_STOP = 2,
    SIM_CLASS_CUT = 4,
    SIM_CLASS_IO = 8,
    SIM_CLASS_FULL = 16,
    SIM_CLASS_ANSWER = 32, /* lost and late */
    SIM_CLASS_DOUBLE = 64,
    SIM_CLASS_CLOCK = 128,
    SIM_CLASS_LINK = 256,
    SIM_CLASS_DAYS = 512,
    SIM_CLASS_POISON = 1024,
    SIM_CLASS_LOG = 2048,
    SIM_CLASS_VIEW = 4096,
    SIM_CLASS_ALL = 8191
};

struct sim;
struct sim_node;

/* Passes everything on to the real log writer, and sees what it answers. */
struct sim_log {
    struct tb_log_writer base;
    struct tb_log_writer *real; /* owned */
    struct sim_node *node;
    int64_t early[TB_LOG_BATCH_MAX]; /* the mutant's: told as acknowledged, but not committed */
    size_t early_count;
};
/* The same for the view. */
struct sim_view {
    struct tb_view base;
    struct tb_view *real; /* owned */
    struct sim_node *node;
};

enum sim_actor {
    SIM_WRITER,
    SIM_RELAY,
    SIM_CONSUMER,
    SIM_AUDIT,
    SIM_KEEPER,
    SIM_START,
    SIM_KAFKA, /* of the connected edition */
    SIM_ACTORS
};

struct sim_node {
    struct sim *sim;
    int index;
    char name[16], store_path[DISK_PATH_SIZE], log_path[DISK_PATH_SIZE], view_path[DISK_PATH_SIZE];
    struct disk disk;
    struct tb_clock clock;
    int64_t wall_offset_ms, booted_us;
    struct fake_random random; /* the product's */
    bool up;
    bool dying; /* its answers reach nobody */
    int64_t due_us[SIM_ACTORS];
    int64_t outbox_keep_ms;
    bool tells_free; /* the disk's free space is known to the product */

    struct tb_log_inproc *log;
    struct tb_store *store; /* the writer's; until there is one ours */
    struct tb_writer *writer;
    struct tb_outbox_reader *relay_outbox, *api_outbox;
    struct tb_relay *relay;
    struct tb_log_reader *reader, *audit;
    struct tb_view_reader *view_reader;
    struct tb_consumer *consumer;
    struct sim_log log_port;
    struct sim_view view_port;
    bool was_healthy;
    struct tb_config *config;    /* of the connected edition; NULL: there is none */
    struct tb_edge_kafka *kafka; /* the same */
    int client;                  /* the broker's */

    bool link_known, link_forced; /* as acknowledged */
    uint64_t checks;
    uint64_t changes_seen;                 /* by the last check */
    int64_t log_seen[TB_LOG_PARTITIONS];   /* checked up to here */
    int64_t log_gone[TB_LOG_PARTITIONS];   /* removed up to here */
    int64_t audit_next[TB_LOG_PARTITIONS]; /* read up to here by the audit group */
    bool audit_fresh[TB_LOG_PARTITIONS];   /* nothing read since it was opened */
    struct sim_row {
        int order;
        int64_t version;
    } rows[SIM_ROWS_MAX]; /* by outbox row */
    int64_t rows_seen, rows_gone, keys_seen;
};

enum sim_poison_kind {
    SIM_BAD_JSON,
    SIM_NULL,
    SIM_NO_TYPE,
    SIM_BAD_SHAPE,
    SIM_FAR_VERSION,  /* of an order of ours */
    SIM_FAR_STRANGER, /* of no order */
    SIM_UNKNOWN_TYPE, /* of no order: leaves a version behind */
    SIM_OLD_VERSION,  /* of an order of ours */
    SIM_POISON_KINDS
};
/* Orders of nobody, from poison. */
#define SIM_STRANGER "00000000-0000-4000-8000-"
struct sim_poison {
    int node; /* whose log; NONE: the centre's */
    enum sim_poison_kind kind;
    enum { SIM_POISON_SENT, SIM_POISON_ACKED, SIM_POISON_UNSURE } state;
    int64_t dead_at; /* partition * 2^40 + offset + 1 of its dead letter; 0: none seen */
};

struct sim_client {
    int64_t due_us;
    int waiting;  /* attempts not answered yet */
    int again_op; /* to be repeated; NONE: none */
};

struct sim {
    uint64_t seed;
    enum sim_edition edition; /* one of the two */
    enum sim_mutant mutant;
    int64_t now_us;
    struct fake_random order_random, client_random, fault_random, port_random, far_random;
    unsigned classes, classes_drawn; /* the first are gone when all is mended */
    int down_count;                  /* times that a node was taken down */
    bool healed;
    int node_count, client_count;
    int ops_left;
    int64_t fault_every_us, fault_due_us;
    int64_t dead_letter_keep_ms;
    struct sim_node nodes[SIM_NODES_MAX];
    struct sim_client clients[SIM_CLIENTS_MAX];
    struct sim_poison poison[SIM_POISON_MAX];
    int poison_count;
    int oracle_first_op; /* older ones are not repeated: their keys may be forgotten */
    struct oracle oracle;
    struct centre centre;
};

/* sim.c */
struct sim_options {
    uint64_t seed;
    enum sim_edition edition;
    enum sim_mutant mutant;
    bool echo; /* print every event */
};
/* One run from beginning to end; returns its hash. A broken rule ends the process. */
/* hard_seeds.c: what once broke a rule. */
struct sim_hard_seed {
    enum sim_edition edition;
    uint64_t seed;
};
extern const struct sim_hard_seed sim_hard_seeds[];
extern const size_t sim_hard_seed_count;
uint64_t sim_run(const struct sim_options *options);
uint64_t sim_below(struct fake_random *random, uint64_t bound);
bool sim_chance(struct fake_random *random, unsigned percent);
/* While a central waits for an answer the others have their turns. */
void sim_meanwhile(struct sim *sim, struct central *central, int64_t us);
/* An actor shall have its turn in at most that long. */
void sim_wake(struct sim_node *node, enum sim_actor actor, int64_t in_us);

/* node_open.c */
void node_init(struct sim_node *node, struct sim *sim, int index);
enum tb_code node_open(struct sim_node *node, struct tb_error *err);

/* node.c */
void node_start(struct sim_node *node);
void node_step(struct sim_node *node, enum sim_actor actor);
void node_kill(struct sim_node *node);       /* the process is gone */
void node_stop(struct sim_node *node);       /* SIGTERM */
void node_power_lost(struct sim_node *node); /* the disk is off already */
void node_release(struct sim_node *node);
bool node_healthy(const struct sim_node *node);

/* client.c */
void client_step(struct sim *sim, int client);
void client_link(struct sim_node *node, bool offline);

/* nemesis.c */
void nemesis_draw(struct sim *sim);
void nemesis_step(struct sim *sim);
void nemesis_heal(struct sim *sim);
void nemesis_before_start(struct sim_node *node); /* what may go wrong while it opens */
/* Acknowledged, or lost from sight. */
void nemesis_poison_answered(struct sim *sim, int64_t tag, bool acknowledged);
void nemesis_poison_lost(struct sim_node *node);

/* poison.c: the value is to be released. order_id: of an order of ours; NULL: of none. */
struct poison_record {
    int number; /* in sim->poison */
    char mark[56];
    struct tb_header headers[2];
    struct tb_buf value;
    struct tb_record record;
};
void poison_make(struct sim *sim, int node, enum sim_poison_kind kind, const char *order_id,
                 struct poison_record *ret_poison);

/* ports.c */
void sim_log_init(struct sim_log *log, struct sim_node *node, struct tb_log_writer *real);
/* The mutant's. */
void sim_gap_init(struct central *central);
void sim_view_init(struct sim_view *view, struct sim_node *node, struct tb_view *real);

/* check.c: the node is up and its store healthy. */
void check_node(struct sim_node *node);
bool check_is_quiet(struct sim_node *node); /* everything has arrived */
void check_finally(struct sim_node *node);
void check_read(struct sim_node *node, int order);
