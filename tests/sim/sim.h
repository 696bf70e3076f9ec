/* The simulated world: nodes with the product's real store, writer, relay, in-process log,
 * consumer and view, each over a disk of its own; clients; and what goes wrong. In the connected
 * edition nodes have the product's way to Kafka too, and there is a centre (centre.h).
 *
 *   sim.c       one run: the clock, whose turn it is, the phases
 *   node_open.c opens a node, as src/edge.c does
 *   node.c      steps, stops, kills it (without its threads)
 *   client.c    asks, repeats, reads; tells the oracle
 *   nemesis.c   breaks things, by the classes of faults that the seed drew
 *   foreign.c    records that no edge has written
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
#define FOREIGN_RECORDS_MAX 64
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
    SIM_MUTANT_SYNC_NORMAL,              /* the store commits with synchronous=NORMAL */
    SIM_MUTANT_LATE_SYNC,                /* the answer is given before the commit is on the disk */
    SIM_MUTANT_EARLY_CURSOR,             /* the cursor moves before the log has committed */
    SIM_MUTANT_VIEW_TRUSTS_LOG,          /* the view starts where the log's group stands */
    SIM_MUTANT_NO_VERSION_CHECK,         /* an older event applied again takes the order back */
    SIM_MUTANT_NO_IDEMPOTENCY,           /* keys are not looked at */
    SIM_MUTANT_KEY_NOT_STORED,           /* the key is not stored with its order's transaction */
    SIM_MUTANT_RETENTION_IGNORES_CURSOR, /* retention does not wait for the cursor */
    SIM_MUTANT_LOG_EXPIRY_IGNORES_VIEW,  /* nor does the log's wait for the view */
    /* Of the connected edition. */
    SIM_MUTANT_KAFKA_EARLY_CURSOR, /* the second cursor moves before the broker's acknowledgement
                                    */
    SIM_MUTANT_RETENTION_IGNORES_KAFKA, /* retention does not wait for the second cursor */
    SIM_MUTANT_TIMEOUT_IS_REFUSAL,      /* what nobody knows is taken for refused */
    SIM_MUTANT_EARLY_OFFSET_COMMIT,     /* offsets are committed before the database has it */
    SIM_MUTANT_ZOMBIE_OFFSET_COMMIT,    /* offsets are committed of what was given up */
    SIM_MUTANT_MONGO_NO_VERSION_CHECK,  /* the database replaces an order whatever its version */
    SIM_MUTANT_DUPLICATE_KEY_IS_FATAL,  /* a duplicate key is taken for refused for good */
    SIM_MUTANT_DEAD_LETTER_NOT_AWAITED, /* a dead letter is not waited for */
    SIM_MUTANT_APPLY_OVER_GAP,          /* what follows a dead letter is applied over the gap */
    SIM_MUTANT_COUNT
};
const char *sim_mutant_name(enum sim_mutant mutant);
const char *sim_edition_name(enum sim_edition edition); /* "embedded" */

/* Classes of faults: a seed draws which of them exist. */
enum edge_fault_class {
    EDGE_FAULT_KILL = 1,
    EDGE_FAULT_STOP = 2,
    EDGE_FAULT_POWER_CUT = 4,
    EDGE_FAULT_IO_ERROR = 8,
    EDGE_FAULT_DISK_FULL = 16,
    EDGE_FAULT_ANSWER = 32, /* lost and late */
    EDGE_FAULT_SENT_TWICE = 64,
    EDGE_FAULT_CLOCK = 128,
    EDGE_FAULT_LINK = 256,
    EDGE_FAULT_DAYS = 512,
    EDGE_FAULT_FOREIGN_RECORD = 1024,
    EDGE_FAULT_LOG = 2048,
    EDGE_FAULT_VIEW = 4096,
    EDGE_FAULT_ALL = 8191
};

struct sim;
struct sim_node;

/* Passes everything on to the real log writer, and sees what it answers. */
struct faulty_log {
    struct tb_log_writer base;
    struct tb_log_writer *real; /* owned */
    struct sim_node *node;
    int64_t early[TB_LOG_BATCH_MAX]; /* the mutant's: told as acknowledged, but not committed */
    size_t early_count;
};
/* The same for the view. */
struct faulty_view {
    struct tb_view base;
    struct tb_view *real; /* owned */
    struct sim_node *node;
};

enum sim_actor {
    SIM_WRITER,
    SIM_RELAY,
    SIM_CONSUMER,
    SIM_AUDIT,
    SIM_WRITE_BACK,
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
    bool reports_free_space; /* the disk's free space is known to the product */

    struct tb_log_inproc *log;
    struct tb_store *store; /* the writer's; until there is one ours */
    struct tb_writer *writer;
    struct tb_outbox_reader *relay_outbox, *api_outbox;
    struct tb_relay *relay;
    struct tb_log_reader *reader, *audit;
    struct tb_view_reader *view_reader;
    struct tb_consumer *consumer;
    struct faulty_log faulty_log;
    struct faulty_view faulty_view;
    bool was_healthy;
    struct tb_config *config;      /* of the connected edition; NULL: there is none */
    struct tb_kafka_uplink *kafka; /* the same */
    int client;                    /* the broker's */

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

enum foreign_kind {
    FOREIGN_BAD_JSON,
    FOREIGN_NULL_VALUE,
    FOREIGN_NO_TYPE,
    FOREIGN_BAD_TIME,
    FOREIGN_GAP_KNOWN_ORDER,   /* of an order of ours */
    FOREIGN_GAP_UNKNOWN_ORDER, /* of no order */
    FOREIGN_UNKNOWN_TYPE,      /* of no order: leaves a version behind */
    FOREIGN_OLD_VERSION,       /* of an order of ours */
    FOREIGN_KIND_COUNT
};
/* Orders of nobody, from foreign. */
#define UNKNOWN_ORDER_PREFIX "00000000-0000-4000-8000-"
struct sim_foreign_record {
    int node; /* whose log; NONE: the centre's */
    enum foreign_kind kind;
    enum { FOREIGN_SENT, FOREIGN_ACKED, FOREIGN_UNSURE } state;
    int64_t dead_letter_at; /* partition * 2^40 + offset + 1 of its dead letter; 0: none seen */
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
    struct fake_random order_random, client_random, fault_random, port_random, centre_random;
    unsigned fault_classes, fault_classes_drawn; /* the first are gone when all is mended */
    int down_count;                              /* times that a node was taken down */
    bool healed;
    int node_count, client_count;
    int ops_left;
    int64_t fault_every_us, fault_due_us;
    int64_t dead_letter_keep_ms;
    struct sim_node nodes[SIM_NODES_MAX];
    struct sim_client clients[SIM_CLIENTS_MAX];
    struct sim_foreign_record foreign[FOREIGN_RECORDS_MAX];
    int foreign_count;
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
struct regression_seed {
    enum sim_edition edition;
    uint64_t seed;
};
extern const struct regression_seed regression_seeds[];
extern const size_t regression_seed_count;
uint64_t sim_run(const struct sim_options *options);
uint64_t sim_below(struct fake_random *random, uint64_t bound);
bool sim_chance(struct fake_random *random, unsigned percent);
/* While a central waits for an answer the others have their turns. */
void sim_run_others(struct sim *sim, struct central *central, int64_t us);
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
void edge_faults_draw(struct sim *sim);
void edge_faults_step(struct sim *sim);
void edge_faults_heal(struct sim *sim);
void edge_faults_before_start(struct sim_node *node); /* what may go wrong while it opens */
/* Acknowledged, or lost from sight. */
void foreign_record_acked(struct sim *sim, int64_t tag, bool acknowledged);
void foreign_records_lost(struct sim_node *node);

/* foreign.c: the value is to be released. order_id: of an order of ours; NULL: of none. */
struct foreign_record {
    int number; /* in sim->foreign */
    char mark[56];
    struct tb_header headers[2];
    struct tb_buf value;
    struct tb_record record;
};
void foreign_record_make(struct sim *sim, int node, enum foreign_kind kind, const char *order_id,
                         struct foreign_record *ret_foreign);

/* ports.c */
void faulty_log_init(struct faulty_log *log, struct sim_node *node, struct tb_log_writer *real);
/* The mutant's. */
void gap_mutant_install(struct central *central);
void faulty_view_init(struct faulty_view *view, struct sim_node *node, struct tb_view *real);

/* check.c: the node is up and its store healthy. */
void check_node(struct sim_node *node);
bool check_has_arrived(struct sim_node *node); /* everything has arrived */
void check_final(struct sim_node *node);
void check_read(struct sim_node *node, int order);
