/* The trace of a run: a hash over all events, the last events, and counts of the states that were
 * reached.
 *
 * There is one run at a time in a process. A broken invariant ends the process and prints the last
 * events, the seed, and the command that repeats the run.
 *
 * Thread:  one.
 * Memory:  static; the counts may be in memory shared between processes.
 * Errors:  sim_violation does not return.
 * Units:   virtual microseconds. */
#pragma once
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

/* Exit status after a broken invariant. */
#define SIM_EXIT_VIOLATION 3

#define COVER_LIST(X)                                                                             \
    X(PLACED, "orders placed")                                                                    \
    X(CHANGED, "orders changed")                                                                  \
    X(REPLAYED, "answers replayed to a repeated key")                                             \
    X(ANSWER_404, "404 no such order")                                                            \
    X(ANSWER_409, "409 the state forbids it")                                                     \
    X(ANSWER_412, "412 If-Match")                                                                 \
    X(ANSWER_422_KEY, "422 key of another request")                                               \
    X(ANSWER_422_LINES, "422 lines of the wrong sign")                                            \
    X(ANSWER_503, "503 nothing stored")                                                           \
    X(ANSWER_UNKNOWN, "503 COMMIT failed")                                                        \
    X(ANSWER_507, "507 disk full")                                                                \
    X(ANSWER_LOST, "answers lost on the way")                                                     \
    X(ANSWER_LATE, "answers late")                                                                \
    X(NOT_REACHED, "node down or queue full")                                                     \
    X(RESOLVED_DONE, "unknown outcomes that were done")                                           \
    X(RESOLVED_NOT_DONE, "unknown outcomes that were not done")                                   \
    X(SENT_TWICE, "requests sent twice at once")                                                  \
    X(OTHER_BODY, "keys used for another body")                                                   \
    X(KILL, "processes killed")                                                                   \
    X(STOP, "processes stopped in order")                                                         \
    X(CUT_DROP, "power cuts, unsynced writes dropped")                                            \
    X(CUT_KEEP, "power cuts, unsynced writes kept")                                               \
    X(CUT_TEAR, "power cuts, unsynced writes torn")                                               \
    X(CUT_SHUFFLE, "power cuts, unsynced writes out of order")                                    \
    X(CUT_OPENING, "power cuts while opening")                                                    \
    X(IO_READ, "reads failed")                                                                    \
    X(IO_WRITE, "writes failed")                                                                  \
    X(IO_SYNC, "syncs failed")                                                                    \
    X(IO_FULL, "writes refused by a full disk")                                                   \
    X(OPEN_FAILED, "starts failed")                                                               \
    X(STORE_BROKEN, "stores broken by an I/O error")                                              \
    X(STORE_REOPENED, "stores reopened after an I/O error")                                       \
    X(OPERATOR_READS, "snapshots held by an operator")                                            \
    X(OPERATOR_WRITES, "write locks held by an operator")                                         \
    X(RELAY_FAILING, "relays failing")                                                            \
    X(RELAY_OFFLINE, "relays set offline")                                                        \
    X(CONSUMER_FAILING, "consumers failing")                                                      \
    X(LOG_BUSY, "appends refused: busy")                                                          \
    X(LOG_UNAVAILABLE, "appends refused: unavailable")                                            \
    X(LOG_TWICE, "appends doubled")                                                               \
    X(LOG_ACK_LOST, "acknowledgements lost")                                                      \
    X(LOG_POLL_LOST, "polls whose answers were lost")                                             \
    X(VIEW_REFUSED, "plans refused by the view")                                                  \
    X(VIEW_UNKNOWN, "plans applied with unknown outcome")                                         \
    X(VIEW_SET_BACK, "views set back by a power cut")                                             \
    X(FILE_LOST, "log or view lost")                                                              \
    X(FILE_DAMAGED, "log or view damaged")                                                        \
    X(FILE_OF_OTHER, "log or view of another node")                                               \
    X(FILE_OLDER, "log or view put back older")                                                   \
    X(DAMAGE_IN_USE, "damage found in use")                                                       \
    X(RESTORED_STORE, "put back: store")                                                          \
    X(RESTORED_LOG, "put back: log")                                                              \
    X(RESTORED_STORE_LOG, "put back: store and log")                                              \
    X(RESTORED_VIEW, "put back: view")                                                            \
    X(RESTORED_STORE_VIEW, "put back: store and view")                                            \
    X(RESTORED_LOG_VIEW, "put back: log and view")                                                \
    X(RESTORED_ALL, "put back: store, log and view")                                              \
    X(RECOVERED, "starts that made something anew")                                               \
    X(SNAPSHOT_LATE, "snapshots appended again, late")                                            \
    X(SNAPSHOT, "snapshots in the log of a node")                                                 \
    X(PINNED, "files pinned by a reader")                                                         \
    X(CLOCK_JUMP, "clock jumps")                                                                  \
    X(DAYS, "days that passed")                                                                   \
    X(OUTBOX_CLEANED, "outbox rows removed")                                                      \
    X(KEYS_CLEANED, "keys forgotten")                                                             \
    X(LOG_EXPIRED, "log records removed")                                                         \
    X(FOREIGN_RECORD_UNDECODABLE, "foreign records: not an event")                                \
    X(FOREIGN_RECORD_INVALID, "foreign records: invalid")                                         \
    X(FOREIGN_RECORD_GAP, "foreign records: a version too high")                                  \
    X(FOREIGN_RECORD_UNKNOWN_TYPE, "foreign records: unknown type")                               \
    X(FOREIGN_RECORD_OTHER, "foreign records: another event of a version")                        \
    X(READ, "orders read from the view")                                                          \
    X(READ_BEHIND, "reads that found the view behind")                                            \
    X(CHECKS, "checks of a node's files")                                                         \
    X(BROKER_APPENDED, "connected: events in the broker's log")                                   \
    X(ORDER_LATE, "connected: days with orders that came after their end")                        \
    X(BROKER_APPENDED_AGAIN, "connected: events appended again")                                  \
    X(CENTRAL_FAILING, "connected: centrals failing")                                             \
    X(CENTRAL_READ, "connected: orders read at a central")                                        \
    X(CENTRAL_KILL, "connected: centrals killed")                                                 \
    X(CENTRAL_STOP, "connected: centrals stopped in order")                                       \
    X(CENTRE_FLOOD, "connected: floods of records that nobody can read")                          \
    X(CENTRAL_STOPPED, "connected: centrals stopped by too many dead letters")                    \
    X(CENTRAL_FREEZE, "connected: centrals frozen")                                               \
    X(BROKER_DOWN, "connected: brokers down")                                                     \
    X(MONGOD_DOWN, "connected: databases down")                                                   \
    X(CENTRE_LINK_CUT, "connected: networks cut")                                                 \
    X(REBALANCED, "connected: rebalances")                                                        \
    X(MEMBER_EXPIRED, "connected: members expired")                                               \
    X(ZOMBIE_COMMIT, "connected: commits refused to a zombie")                                    \
    X(COMMIT_LOST, "connected: commits lost")                                                     \
    X(PRODUCER_FATAL, "connected: producers replaced")                                            \
    X(ACK_UNKNOWN, "connected: records with unknown outcome")                                     \
    X(BROKER_APPENDED_LATE, "connected: records appended after they were given up")               \
    X(RECORD_REFUSED, "connected: records refused by the broker")                                 \
    X(PARKED, "connected: orders parked")                                                         \
    X(WITHOUT_KAFKA, "connected: starts of a node without Kafka")                                 \
    X(MONGOD_FAILED, "connected: calls of the database that failed")                              \
    X(MONGOD_LATE, "connected: writes done after they were given up")                             \
    X(DUPLICATE_KEY, "connected: orders that were there in that version or a later one")          \
    X(ORDER_REFUSED, "connected: orders refused by the database")                                 \
    X(CENTRE_FOREIGN, "connected: foreign records in the broker's log")                           \
    X(CENTRE_DEAD_LETTER, "connected: dead letters")                                              \
    X(CENTRE_GAP, "connected: dead letters of a gap")                                             \
    X(LOG_REPLACED, "connected: logs replaced by others")                                         \
    X(MONGOD_PUT_BACK, "connected: databases put back to an earlier state")                       \
    X(MONGOD_DROPPED, "connected: databases dropped")                                             \
    X(BROKER_RESTORED, "connected: brokers restored from an older copy")                          \
    X(RESEND, "connected: resends of what the broker has lost")                                   \
    X(RESEND_SNAPSHOTS, "connected: resends that began with snapshots")                           \
    X(MARKER, "connected: markers of transactions")                                               \
    X(MISPLACED, "connected: records in the wrong partition")                                     \
    X(OTHER_TILL, "connected: events of an order by another till")                                \
    X(CENTRE_PARKED, "connected: dead letters of a sender that had too many")                     \
    X(CENTRE_REDRIVEN, "connected: dead letters sent again")                                      \
    X(NODE_RETIRED, "connected: nodes retired")                                                   \
    X(NODE_UNRETIRED, "connected: retired nodes put back")                                        \
    X(RETIRED_SENDS, "connected: heartbeats of retired nodes")

enum sim_cover {
#define X(name, text) COVER_##name,
    COVER_LIST(X)
#undef X
        COVER_COUNT
};
const char *sim_cover_text(enum sim_cover what);
/* The counts go to this array of COVER_COUNT elements. */
void sim_cover_into(uint64_t *counts);
void sim_cover(enum sim_cover what, uint64_t count);

/* options: what the command line needs beside the seed to repeat the run. */
void sim_trace_begin(uint64_t seed, const char *options, const int64_t *now_us, bool echo);
void sim_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t sim_trace_hash(void);
_Noreturn void sim_violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Reports an abort (a failed assertion of the product) like a broken invariant. */
void sim_catch_aborts(void);

#define SIM_REQUIRE(condition, ...)                                                               \
    do {                                                                                          \
        if (!(condition))                                                                         \
            sim_violation(__VA_ARGS__);                                                           \
    } while (0)
