/* What the tests of the relay share: a store with rows, a relay, and a scripted log.
 *
 * The scripted log answers late, out of order, with TB_UNKNOWN, or not at all. It stores the
 * records that it accepted, except those that it is told to lose.
 *
 * Thread:  one thread.
 * Memory:  one of each in a process; call relay_setup and relay_teardown around each test.
 * Errors:  failed check assertions; on_cursor checks that the cursor passes acknowledged rows
 *          only.
 * Units:   outbox rows, which count from 1; chances in a thousand. */
#pragma once
#include "bridge/log/inproc/inproc.h"
#include "bridge/relay/relay.h"
#include "store/fixture.h"

#define ROWS_MAX 3000
#define WRITTEN_MAX 60000

extern struct fixture f;
extern struct tb_outbox_reader *outbox;
extern struct tb_relay *relay;
extern int64_t rows; /* in the outbox */

/* What the relay reported. */
extern int64_t cursor;
extern int problems, recoveries;
extern enum tb_code last_problem;

/* The store's rows, and what the log does with them. */
struct relay_row {
    char key[TB_UUID_SIZE];
    int64_t version;
    bool acknowledged;
    bool refused;   /* as by Kafka: TB_INVALID if it is alone, else the batch is retry_alone */
    bool at_append; /* append refuses it */
};
extern struct relay_row row_of[ROWS_MAX];

/* Orders that the relay skips, and from which row on. */
struct relay_parked_order {
    char key[TB_UUID_SIZE];
    int64_t row;
    char reason[240];
};
#define PARKED_MAX 1100
extern struct relay_parked_order parked[PARKED_MAX];
extern int parked_count;
extern bool parks;        /* the next relay may park; the fixture's writer stores it */
extern bool unparks;      /* and send parked orders again */
extern int park_refusals; /* so many times parking fails for now */
bool is_parked(int64_t row);

struct relay_script {
    struct tb_log_writer base;
    struct fake_random random;
    int64_t pending[TB_LOG_BATCH_MAX];
    bool stored[TB_LOG_BATCH_MAX]; /* of pending */
    size_t pending_count;
    int64_t written[WRITTEN_MAX]; /* rows, in the log's order */
    size_t written_count;
    int appends, polls;
    int64_t poll_takes_ms; /* each poll waits so long */
    /* chances */
    unsigned busy, refuse, lose, unknown, hold_back, poll_fails;
    /* rows; 0: none */
    int64_t invalid_row; /* refused for good */
    bool answer_invalid; /* by the acknowledgement, not by append */
    int64_t lose_row, silent_row;
    bool refuses_at_append;
    bool alone; /* pending is one record that was appended alone */
};
extern struct relay_script script;
bool happens(unsigned chance);
void script_calm(void); /* no more faults */

void relay_setup(void);
void relay_setup_with_faults(void); /* on the file system that can fail */
void relay_teardown(void);
void open_relay(struct tb_log_writer *writer, bool offline);
/* Runs requests as one batch of the store; each is one outbox row. */
void commit_requests(struct request *requests, int count);
/* Orders that are placed, and changes of the last few of them. */
void add_rows(int count);
/* One step. Then the clock advances by the time that it returned, or less if there is a wake-up.
 */
int64_t step(void);
void drain(void); /* until the cursor stands at the last row */
/* Reads the log from its start as a consumer does, which takes an order's events by rising version
 * and drops repeated ones. It must get all rows except the parked ones, and none of these. */
void check_all_in_order(void);

/* The log in the node's folder, and who writes and reads it. */
struct relay_log {
    struct tb_log_inproc *log;
    struct tb_log_writer *writer;
    struct tb_log_reader *reader;
};
void relay_log_open(struct relay_log *on, const struct tb_clock *clock);
void relay_log_close(struct relay_log *on);
