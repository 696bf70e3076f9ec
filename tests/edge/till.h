/* A till wired as src/edge/wiring.c does it, on real files and a clock that the test moves: store,
 * relay, log, view, consumer and rebuild, each driven by its step function.
 *
 * Retention: outbox and keys a day, the log a week, dead letters 30 days, an old view a week.
 *
 * Thread:  one.
 * Memory:  one at a time; till_open and till_close.
 * Errors:  a failed check assertion.
 * Units:   milliseconds, outbox rows, bytes. */
#pragma once
#include "bridge/log/inproc/inproc.h"
#include "bridge/relay/relay.h"
#include "query/rebuild/sqlite/rebuild_sqlite.h"
#include "store/fixture.h"

#define TILL_LOG_KEEP_MS (7 * FIXTURE_DAY_MS)
#define TILL_DEAD_LETTERS_KEEP_MS (30 * FIXTURE_DAY_MS)

struct till {
    struct fixture f;
    char log_path[160], view_path[160];
    struct tb_outbox_reader *outbox;
    struct tb_log_inproc *log;
    struct tb_log_writer *log_writer;
    struct tb_log_reader *log_reader;
    struct tb_relay *relay;
    struct tb_view *view; /* the one that the consumer fills */
    struct tb_view_reader *reader;
    struct tb_consumer *consumer;
    struct tb_rebuild_sqlite *views;
    struct tb_rebuild *rebuild;
    int64_t row;           /* of the outbox, the last */
    bool kafka_is_reached; /* else its cursor does not move */
};
void till_open(struct till *till);
void till_close(struct till *till);
/* Places so many orders, each with its own key, and changes every tenth. */
void till_sell(struct till *till, int orders);
/* Makes the last event malformed: its first brace is removed. */
void till_corrupt_last(struct till *till);
/* Steps until everything stored is relayed and visible; if kafka_is_reached, delivered there too.
 */
void till_catch_up(struct till *till);
/* Moves the clock by an hour, and lets every part do its hourly work. */
void till_pass_hour(struct till *till);
enum tb_rebuild_state till_rebuild(struct till *till);
int64_t till_file_bytes(const char *path);
