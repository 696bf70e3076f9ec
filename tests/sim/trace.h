/* What a simulated run leaves behind: a hash of everything that happened, the last events of it,
 * and counts of the states it reached.
 *
 * One run at a time in a process. A rule that is broken ends the process: the seed, the last
 * events and the command that repeats it are printed.
 *
 * Thread:  one.
 * Memory:  static; the counts may be shared between processes.
 * Errors:  sim_violation does not return.
 * Units:   virtual microseconds. */
#pragma once
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

/* Exit status of a process in which a rule was broken. */
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
    X(RELAY_FAILING, "relays failing")                                                            \
    X(RELAY_OFFLINE, "relays held offline")                                                       \
    X(CONSUMER_FAILING, "consumers failing")                                                      \
    X(LOG_BUSY, "appends refused: busy")                                                          \
    X(LOG_UNAVAILABLE, "appends refused: away")                                                   \
    X(LOG_TWICE, "appends doubled")                                                               \
    X(LOG_ACK_LOST, "acknowledgements lost")                                                      \
    X(LOG_POLL_LOST, "polls whose answers were lost")                                             \
    X(VIEW_REFUSED, "plans refused by the view")                                                  \
    X(VIEW_UNKNOWN, "plans applied with unknown outcome")                                         \
    X(VIEW_SET_BACK, "views set back by a power cut")                                             \
    X(CLOCK_JUMP, "clock jumps")                                                                  \
    X(DAYS, "days that passed")                                                                   \
    X(OUTBOX_CLEANED, "outbox rows removed")                                                      \
    X(KEYS_CLEANED, "keys forgotten")                                                             \
    X(LOG_EXPIRED, "log records removed")                                                         \
    X(FOREIGN_RECORD_UNDECODABLE, "poison: not an event")                                         \
    X(FOREIGN_RECORD_INVALID, "poison: against the rules")                                        \
    X(FOREIGN_RECORD_GAP, "poison: a version too far")                                            \
    X(FOREIGN_RECORD_UNKNOWN_TYPE, "poison: type not known")                                      \
    X(FOREIGN_RECORD_OLD, "poison: an old version again")                                         \
    X(READ, "orders read from the view")                                                          \
    X(READ_BEHIND, "reads that found the view behind")                                            \
    X(CHECKS, "whole checks of a node")                                                           \
    X(BROKER_APPENDED, "connected: events in the broker's log")                                   \
    X(BROKER_APPENDED_AGAIN, "connected: events there twice")                                     \
    X(CENTRAL_FAILING, "connected: centrals failing")                                             \
    X(CENTRAL_READ, "connected: orders read at a central")                                        \
    X(CENTRAL_KILL, "connected: centrals killed")                                                 \
    X(CENTRAL_STOP, "connected: centrals stopped in order")                                       \
    X(CENTRAL_STOPPED, "connected: centrals stopped by too many dead letters")                    \
    X(CENTRAL_FREEZE, "connected: centrals frozen")                                               \
    X(BROKER_DOWN, "connected: brokers away")                                                     \
    X(MONGOD_DOWN, "connected: databases away")                                                   \
    X(CENTRE_LINK_CUT, "connected: ways cut")                                                     \
    X(REBALANCED, "connected: groups formed anew")                                                \
    X(MEMBER_EXPIRED, "connected: members thrown out")                                            \
    X(ZOMBIE_COMMIT, "connected: commits refused to a zombie")                                    \
    X(COMMIT_LOST, "connected: commits lost")                                                     \
    X(PRODUCER_FATAL, "connected: producers given up")                                            \
    X(ACK_UNKNOWN, "connected: records in doubt")                                                 \
    X(BROKER_APPENDED_LATE, "connected: records that land when given up")                         \
    X(RECORD_REFUSED, "connected: records refused by the broker")                                 \
    X(PARKED, "connected: orders parked")                                                         \
    X(MONGOD_FAILED, "connected: calls of the database that failed")                              \
    X(MONGOD_LATE, "connected: writes done when given up")                                        \
    X(DUPLICATE_KEY, "connected: orders that were there in that version or a later one")          \
    X(ORDER_REFUSED, "connected: orders refused by the database")                                 \
    X(CENTRE_FOREIGN, "connected: poison in the broker's log")                                    \
    X(CENTRE_DEAD_LETTER, "connected: dead letters")                                              \
    X(CENTRE_GAP, "connected: dead letters of a gap")                                             \
    X(CENTRE_REDRIVEN, "connected: dead letters sent again")

enum sim_cover {
#define X(name, text) COVER_##name,
    COVER_LIST(X)
#undef X
        COVER_COUNT
};
const char *sim_cover_text(enum sim_cover what);
/* Where counts go: COVER_COUNT of them. */
void sim_cover_into(uint64_t *counts);
void sim_cover(enum sim_cover what, uint64_t count);

/* options: what the command line needs beside the seed to repeat this run. */
void sim_trace_begin(uint64_t seed, const char *options, const int64_t *now_us, bool echo);
void sim_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t sim_trace_hash(void);
_Noreturn void sim_violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Also what aborts (an assertion of the product) is reported like a broken rule. */
void sim_catch_aborts(void);

#define SIM_REQUIRE(condition, ...)                                                               \
    do {                                                                                          \
        if (!(condition))                                                                         \
            sim_violation(__VA_ARGS__);                                                           \
    } while (0)
