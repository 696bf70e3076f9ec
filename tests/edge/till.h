/* A till put together as src/edge_parts.c does it, on real files and a clock that is moved: store,
 * relay, log, view, consumer and rebuild, each through its step.
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
    struct tb_view *view; /* the one that is filled */
    struct tb_switch_reader *asked;
    struct tb_consumer *consumer;
    struct tb_rebuild_sqlite *views;
    struct tb_rebuild *rebuild;
    int64_t row;           /* of the outbox, the last */
    bool kafka_is_reached; /* else its cursor stays where it is */
};
void till_open(struct till *till);
void till_close(struct till *till);
/* Places so many orders, each with a key of its own, and changes every tenth. */
void till_sell(struct till *till, int orders);
/* The last event will be none: the brace that it begins with is missing. */
void till_corrupt_last(struct till *till);
/* All that is stored is relayed, and seen; with kafka_is_reached it is delivered there too. */
void till_catch_up(struct till *till);
/* An hour passes, in which every part does what it does once an hour. */
void till_pass_hour(struct till *till);
enum tb_rebuild_state till_rebuild(struct till *till);
int64_t till_file_bytes(const char *path);
