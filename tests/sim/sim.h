/* The simulated world: edge nodes made of the product's store, writer, relay, log, consumer and
 * view, each on a simulated disk; clients; and faults. In the connected edition nodes also have
 * the product's way to Kafka, and there is a centre (centre.h). README.md describes the whole and
 * lists the invariants.
 *
 *   sim.c              one run: the clock, whose turn it is, the phases
 *   node_open.c        opens a node, wired as in src/edge
 *   node.c             steps, stops and kills it
 *   node_resend.c      sends again what Kafka has lost
 *   client.c           sends commands, repeats them, reads; reports the answers to the oracle
 *   edge_faults.c      the faults of the nodes
 *   operator.c         somebody who holds snapshots and locks of a node's files
 *   file_faults.c      files that are lost, damaged, older, of another node, or put back
 *   folder_copy.c      copies of a node's folder, and what is known of them
 *   derived_mutants.c  mutants of what is compared when a node starts
 *   foreign_record.c   records that no edge has written
 *   faulty_ports.c     between relay and log, and consumer and view: faults and mutants
 *   check.c            compares a node's files with the oracle
 *
 * There is one thread, and time moves only between steps. Everything random comes from the seed,
 * one stream for each part.
 *
 * Thread:  one.
 * Memory:  one struct for each run.
 * Errors:  sim_violation.
 * Units:   virtual microseconds (_us), Unix milliseconds (_ms). */
#pragma once
#include "bridge/log/inproc/inproc.h"
#include "bridge/relay/relay.h"
#include "edge/derived.h"
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
/* 2026-11-23: the start of each run. */
#define SIM_EPOCH_MS INT64_C(1795424400000)

enum sim_edition { SIM_DRAWN, SIM_EMBEDDED, SIM_CONNECTED };

enum sim_mutant {
    SIM_MUTANT_NONE,
    SIM_MUTANT_SYNC_NORMAL,      /* the store commits with synchronous=NORMAL */
    SIM_MUTANT_LATE_SYNC,        /* the answer is sent before the commit is on the disk */
    SIM_MUTANT_EARLY_CURSOR,     /* the cursor moves before the log has committed */
    SIM_MUTANT_VIEW_TRUSTS_LOG,  /* the view starts at the log group's offset instead of its own */
    SIM_MUTANT_NO_VERSION_CHECK, /* a repeated event sets the order back */
    SIM_MUTANT_NO_IDEMPOTENCY,   /* idempotency keys are ignored */
    SIM_MUTANT_KEY_NOT_STORED,   /* the key is not stored in the order's transaction */
    SIM_MUTANT_RETENTION_IGNORES_CURSOR, /* the outbox's retention does not wait for the cursor */
    SIM_MUTANT_LOG_EXPIRY_IGNORES_VIEW,  /* the log's retention does not wait for the view */
    SIM_MUTANT_COLUMN_NOT_WRITTEN,       /* lists find an order by what it was before */
    SIM_MUTANT_IDENTITY_NOT_COMPARED,    /* only versions are compared, not the events' ids */
    SIM_MUTANT_RETRY_BELIEVES_BACKFILL,  /* after a failed checkpoint its count is believed */
    SIM_MUTANT_RESTORE_NOT_NOTICED,      /* log and view are not compared with the store */
    SIM_MUTANT_SNAPSHOT_IGNORES_VERSION, /* a snapshot replaces any version */
    SIM_MUTANT_FOLDER_NOT_COMPARED,      /* the store does not know the folder's identity */
    /* Connected edition only. */
    SIM_MUTANT_KAFKA_EARLY_CURSOR,        /* Kafka's cursor moves before the broker acknowledges */
    SIM_MUTANT_RETENTION_IGNORES_KAFKA,   /* retention does not wait for Kafka's cursor */
    SIM_MUTANT_RETENTION_ASKS_CONFIGURED, /* the same, only while Kafka is not configured */
    SIM_MUTANT_TIMEOUT_IS_REFUSAL,        /* an unknown outcome is taken as a refusal */
    SIM_MUTANT_EARLY_OFFSET_COMMIT,  /* offsets are committed before the database has the events */
    SIM_MUTANT_ZOMBIE_OFFSET_COMMIT, /* a member commits offsets of partitions that it has lost */
    SIM_MUTANT_MONGO_NO_VERSION_CHECK,  /* an order is replaced whatever its version */
    SIM_MUTANT_DUPLICATE_KEY_IS_FATAL,  /* a duplicate key is taken as a permanent error */
    SIM_MUTANT_STALE_READS,             /* a central decides by what a secondary has */
    SIM_MUTANT_DEAD_LETTER_NOT_AWAITED, /* offsets go before the dead letter */
    SIM_MUTANT_APPLY_OVER_GAP,          /* a dead letter counts as applied */
    SIM_MUTANT_CONFLICT_IS_DUPLICATE,   /* the centre does not know which event made a version */
    SIM_MUTANT_ANY_NODE_IS_KNOWN,       /* made-up nodes that fail alike stop a central */
    SIM_MUTANT_POSITION_NOT_WRITTEN,    /* a central starts at the group's committed offset */
    SIM_MUTANT_CONTINUITY_NOT_CHECKED,  /* the record before the place is not read again */
    SIM_MUTANT_GENERATION_LEFT_OUT,     /* a day's parts have the log's own offsets */
    SIM_MUTANT_LATE_BY_CENTRE_ZONE,     /* an order is late by the central's day */
    SIM_MUTANT_RETIRE_FORGOTTEN,        /* a heartbeat puts a retired node back */
    SIM_MUTANT_RESEND_SKIPPED, /* a till does not look for what Kafka has lost, or sends nothing */
    SIM_MUTANT_COUNT
};
const char *sim_mutant_name(enum sim_mutant mutant);
const char *sim_edition_name(enum sim_edition edition); /* such as "embedded" */

/* Classes of faults. Each seed enables some of them. */
enum edge_fault_class {
    EDGE_FAULT_KILL = 1,
    EDGE_FAULT_STOP = 2,
    EDGE_FAULT_POWER_CUT = 4,
    EDGE_FAULT_IO_ERROR = 8,
    EDGE_FAULT_DISK_FULL = 16,
    EDGE_FAULT_ANSWER = 32, /* answers lost or late */
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

#define LATE_SNAPSHOTS 32
/* Wraps the real log writer: adds faults, and sees its acknowledgements. */
struct faulty_log {
    struct tb_log_writer base;
    struct tb_log_writer *real; /* owned */
    struct sim_node *node;
    struct late_snapshot {
        struct tb_arena arena;
        struct tb_record record; /* no key: none */
    } late[LATE_SNAPSHOTS];      /* will come again, after a later event of their order */
    unsigned late_next;
    int64_t early[TB_LOG_BATCH_MAX]; /* for SIM_MUTANT_EARLY_CURSOR */
    size_t early_count;
};
/* Wraps the real view. */
struct faulty_view {
    struct tb_view base;
    struct tb_view *real; /* owned */
    struct sim_node *node;
};

/* Files of a node. */
enum sim_file {
    SIM_STORE,
    SIM_LOG,
    SIM_VIEW,
    SIM_VIEWS, /* which generation of the view is served */
    SIM_FILES
};
/* folder_copy.c */
struct folder_copy;

enum sim_actor {
    SIM_WRITER,
    SIM_RELAY,
    SIM_CONSUMER,
    SIM_AUDIT,
    SIM_WRITE_BACK,
    SIM_START,
    SIM_KAFKA, /* connected edition only */
    SIM_ACTORS
};

struct sim_node {
    struct sim *sim;
    int index;
    char name[16], folder[16];
    char store_path[DISK_PATH_SIZE], log_path[DISK_PATH_SIZE], view_path[DISK_PATH_SIZE];
    struct disk disk;
    struct tb_clock clock;
    int64_t wall_offset_ms, booted_us;
    struct fake_random random; /* random source of the product's code */
    bool up;
    bool dying;                  /* closing: its answers do not arrive any more */
    struct sqlite3 *operator_db; /* an operator's connection to one of its files; NULL: none */
    int64_t due_us[SIM_ACTORS];
    int64_t outbox_keep_ms;
    bool reports_free_space; /* the product can ask for the disk's free space */

    struct tb_log_inproc *log;
    struct tb_store *store; /* owned by the writer, once there is one */
    struct tb_writer *writer;
    struct tb_uptime uptime;
    struct tb_outbox_reader *relay_outbox, *api_outbox;
    struct tb_relay *relay;
    struct tb_log_reader *reader, *audit;
    struct tb_view_reader *view_reader;
    struct tb_consumer *consumer;
    struct faulty_log faulty_log;
    struct faulty_view faulty_view;
    bool was_healthy;
    struct sim_pinned_reader {
        struct tb_db *db; /* NULL: none */
        const char *path;
        int cut_in; /* steps until the power goes; 0: it does not */
    } pinned;
    struct tb_config *config;      /* NULL in the embedded edition */
    bool starts_without_kafka;     /* decided at each start */
    bool kafka_remembered;         /* the store had Kafka's cursor at the last check */
    struct tb_kafka_uplink *kafka; /* NULL without Kafka */
    struct tb_relay_resend_options resend;
    bool sends_orders; /* its own log lacks events that Kafka has lost: it sends whole orders */
    int client;        /* number of the client at the broker */

    struct sqlite3 *check_dbs[SIM_FILES]; /* the checkers' connections; NULL: not open */

    /* Faults of whole files. */
    struct folder_copy *copy;    /* owned; NULL: none was made */
    bool files_changed;          /* since the last check: recoveries are due */
    bool files_change_at_start;  /* planned */
    bool view_comes_back;        /* log and view were lost; next comes a copy of that view */
    bool restart_due;            /* it has told that a file is damaged */
    uint64_t damaged[SIM_FILES]; /* serial of the damaged file; 0: none, as far as known */
    uint64_t serials[SIM_FILES]; /* at the last check */
    char epoch[TB_EPOCH_SIZE];   /* at the last check */
    int64_t recoveries;          /* how many the store has told at the last check */
    int64_t last_number;         /* the highest one that was ever given */
    int64_t lost_number;         /* the highest one given when the store was put back */
    int64_t known_number;        /* the highest one that the other files knew at the next start */
    bool numbers_put_back;       /* since the last check */
    bool must_tell;              /* since the last check the store was put back, and it shows */
    struct tb_folder_identity identity; /* no fault of files touches it */
    int64_t identities;                 /* so many were made */
    int64_t next_number;                /* that the next one tells */
    int64_t rows_gone_before;           /* when the log was made anew */

    bool link_known, link_forced; /* according to the last answer */
    uint64_t checks;
    uint64_t changes_seen; /* disk.changes at the last check */
    int64_t log_seen;      /* offset up to which the log is checked */
    int64_t log_gone;      /* offset up to which the log is removed */
    int64_t audit_next;    /* next offset of the audit group */
    bool audit_fresh;      /* nothing read since it was opened */
    struct sim_row {
        int order;
        int64_t version;
    } rows[SIM_ROWS_MAX]; /* indexed by outbox row */
    int64_t rows_seen, rows_gone, keys_seen;
};

enum foreign_kind {
    FOREIGN_BAD_JSON,
    FOREIGN_NULL_VALUE,
    FOREIGN_NO_TYPE,
    FOREIGN_BAD_TIME,
    FOREIGN_GAP_KNOWN_ORDER,   /* about an order of ours */
    FOREIGN_GAP_UNKNOWN_ORDER, /* about an order that nobody placed */
    FOREIGN_UNKNOWN_TYPE, /* about an order that nobody placed: leaves a version in the view */
    FOREIGN_OTHER_EVENT,  /* another event of a version that an order of ours has */
    FOREIGN_KIND_COUNT,
    FOREIGN_OTHER_TILL = FOREIGN_KIND_COUNT /* of an order of ours, by another till */
};
/* Prefix of the ids of orders that nobody placed. */
#define UNKNOWN_ORDER_PREFIX "00000000-0000-4000-8000-"
struct sim_foreign_record {
    int node; /* whose log; NONE: the broker's */
    enum foreign_kind kind;
    int order; /* of ours; NONE: another one */
    enum { FOREIGN_SENT, FOREIGN_ACKED, FOREIGN_UNSURE } state;
    int64_t dead_letter_at; /* partition * 2^40 + offset + 1 of its dead letter; 0: none seen */
};

struct sim_client {
    int64_t due_us;
    int waiting;  /* attempts without an answer */
    int again_op; /* operation to repeat; NONE: none */
};

struct sim {
    uint64_t seed;
    enum sim_edition edition; /* SIM_EMBEDDED or SIM_CONNECTED */
    enum sim_mutant mutant;
    int64_t now_us;
    struct fake_random order_random, client_random, fault_random, port_random, centre_random,
        mode_random, operator_random;
    bool modes_change; /* nodes of the connected edition sometimes start without Kafka */
    unsigned fault_classes, fault_classes_drawn; /* fault_classes is 0 when the faults are over */
    int down_count;                              /* how often a node was taken down */
    bool healed;
    int node_count, client_count;
    int ops_left;
    int64_t fault_every_us, fault_due_us;
    struct fake_random pin_random;
    bool has_pinned_readers;
    int64_t dead_letter_keep_ms;
    struct sim_node nodes[SIM_NODES_MAX];
    struct sim_client clients[SIM_CLIENTS_MAX];
    struct sim_foreign_record foreign[FOREIGN_RECORDS_MAX];
    int foreign_count;
    bool has_operator;
    struct fake_random file_random;
    bool has_file_faults, has_restores;
    int oracle_first_op; /* older operations are not repeated: their keys may have expired */
    int64_t op_sent_us[ORACLE_OPS_MAX]; /* when each operation's key was sent first */
    struct oracle oracle;
    struct centre centre;
};

/* sim.c */
struct sim_options {
    uint64_t seed;
    enum sim_edition edition;
    enum sim_mutant mutant;
    bool echo; /* print each event */
};
/* regression_seeds.c */
struct regression_seed {
    enum sim_edition edition;
    uint64_t seed;
};
extern const struct regression_seed regression_seeds[];
extern const size_t regression_seed_count;
/* One run from beginning to end; returns its hash. A broken invariant ends the process. */
uint64_t sim_run(const struct sim_options *options);
uint64_t sim_below(struct fake_random *random, uint64_t bound);
bool sim_chance(struct fake_random *random, unsigned percent);
/* The others have their turns while a central waits for an answer. */
void sim_run_others(struct sim *sim, struct central *central, int64_t us);
/* Schedules the actor within this time. */
void sim_wake(struct sim_node *node, enum sim_actor actor, int64_t in_us);

/* node_open.c */
void node_init(struct sim_node *node, struct sim *sim, int index);
enum tb_code node_open(struct sim_node *node, struct tb_error *err);

/* node.c */
void node_start(struct sim_node *node);
void node_step(struct sim_node *node, enum sim_actor actor);
void node_kill(struct sim_node *node);       /* SIGKILL */
void node_stop(struct sim_node *node);       /* SIGTERM */
void node_power_lost(struct sim_node *node); /* after the disk has lost its power */
void node_release(struct sim_node *node);
bool node_healthy(const struct sim_node *node);

/* client.c */
void client_step(struct sim *sim, int client);
void client_link(struct sim_node *node, bool offline);

/* operator.c */
void operator_draw(struct sim *sim);
void operator_step(struct sim *sim);
void operator_leave(struct sim_node *node);

/* file_faults.c */
void file_faults_draw(struct sim *sim);
void file_faults_step(struct sim *sim);
void file_faults_before_start(struct sim_node *node);
/* Faults are over: a file that is damaged, and still used, is removed. */
void file_faults_heal(struct sim *sim);
bool file_is_damaged(const struct sim_node *node, enum sim_file file);
/* The product has told that a file is damaged. */
void file_damage_told(struct sim_node *node, const char *what, const struct tb_error *err);

/* folder_copy.c. The node must be sound: up, and just checked; to put something back: down. */
const char *folder_path(const struct sim_node *node, enum sim_file file);
struct folder_copy *folder_copy_make(struct sim_node *node);
void folder_copy_free(struct folder_copy *copy); /* NULL is fine */
/* files: a bit for each. copy NULL: they are lost. in_place: the files are overwritten. */
void folder_put_back(struct sim_node *node, const struct folder_copy *copy, unsigned files,
                     bool in_place);
/* The other node's file takes the place of this node's. */
void folder_take_from(struct sim_node *node, struct sim_node *other, enum sim_file file);

/* derived_mutants.c */
void derived_mutants_install(enum sim_mutant mutant);
bool derived_mutant_is(enum sim_mutant mutant);

/* node_resend.c */
/* NULL: in this run, what Kafka loses is not sent again. */
const struct tb_relay_resend_options *node_resend_options(struct sim_node *node);
bool node_resend_is_done(struct sim_node *node);

/* edge_faults.c */
void edge_faults_draw(struct sim *sim);
void edge_faults_step(struct sim *sim);
void edge_faults_heal(struct sim *sim);
void edge_faults_before_start(struct sim_node *node); /* faults while it opens */

/* pinned_reader.c */
void pinned_readers_draw(struct sim *sim);
void pinned_readers_step(struct sim *sim);
void pinned_reader_close(struct sim_node *node);

/* A foreign record was acknowledged, or its outcome is unknown. */
void foreign_record_acked(struct sim *sim, int64_t tag, bool acknowledged);
void foreign_records_lost(struct sim_node *node);

/* foreign_record.c. The caller releases value. order_id: an order of ours; NULL: none. */
struct foreign_record {
    int number; /* in sim->foreign */
    char mark[56];
    struct tb_header headers[4];
    struct tb_buf value;
    struct tb_record record;
};
void foreign_record_make(struct sim *sim, int node, enum foreign_kind kind, const char *order_id,
                         struct foreign_record *ret_foreign);

/* faulty_ports.c */
void faulty_log_init(struct faulty_log *log, struct sim_node *node, struct tb_log_writer *real);
/* centre_past.c: the mutants of places and generations. */
void place_mutant_install(struct central *central);
/* SIM_MUTANT_APPLY_OVER_GAP. */
void gap_mutant_install(struct central *central);
/* SIM_MUTANT_CONFLICT_IS_DUPLICATE, SIM_MUTANT_ANY_NODE_IS_KNOWN; nothing without them. */
void sender_mutants_install(struct central *central);
void faulty_view_init(struct faulty_view *view, struct sim_node *node, struct tb_view *real);

/* check_recovery.c: what may have changed because of faults of whole files. */
void check_recovery(struct sim_node *node, struct sqlite3 *store, struct sqlite3 *log);
/* The highest order number of this node in a file that is not open; 0: none, or damaged. */
/* As tb_identity_renew does, in memory. */
enum tb_code node_renew_identity(struct sim_node *node, struct tb_error *err);
int64_t check_last_number(struct sim_node *node, enum sim_file file);
/* Before a start: if the store was put back, numbers go on above those that log and view know. */
void check_numbers_known(struct sim_node *node);
/* The view was lost or put back: readers may see it go back. */
void check_views_forgotten(struct sim_node *node);
/* Log or view was: foreign records may be lost, and their dead letters. */
void check_foreign_forgotten(struct sim_node *node);

void check_disconnect(struct sim_node *node); /* check_connection.c; before it stops */
/* check.c. The node must be up and its store healthy. */
void check_node(struct sim_node *node);
bool check_has_arrived(struct sim_node *node); /* I13: everything has arrived */
void check_final(struct sim_node *node);
void check_read(struct sim_node *node, int order);
