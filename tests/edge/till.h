/* A till with the same parts as src/edge/wiring.c: store, relay, log, view, consumer and rebuild.
 * The files are real, the test moves the clock, and each part runs only when its step function is
 * called.
 *
 * Retention: outbox and keys a day, the log a week, dead letters 30 days, an old view a week. A
 * failure ends the test. */
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
    struct tb_view *view; /* the consumer fills it */
    struct tb_view_reader *reader;
    struct tb_consumer *consumer;
    struct tb_rebuild_sqlite *views;
    struct tb_rebuild *rebuild;
    int64_t row;           /* the last one of the outbox */
    bool kafka_is_reached; /* false: the cursor of Kafka does not move */
};
void till_open(struct till *till);
void till_close(struct till *till);
/* Places `orders` orders, each with its own key, and changes every tenth of them. */
void till_sell(struct till *till, int orders);
/* Removes the first brace of the last event, so that it is malformed. */
void till_corrupt_last(struct till *till);
/* Steps until every stored event is relayed and visible and, if kafka_is_reached, acknowledged by
 * Kafka. */
void till_catch_up(struct till *till);
/* Moves the clock on by an hour, and lets every part do its hourly work. */
void till_pass_hour(struct till *till);
enum tb_rebuild_state till_rebuild(struct till *till);
int64_t till_file_bytes(const char *path);
