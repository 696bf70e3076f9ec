/* A till with the same parts as src/edge/wiring.c: store, relay, log, view, consumer and rebuild.
 * The files are real, the test moves the clock, and each part runs only when its step function is
 * called.
 *
 * Retention: outbox and keys a day, the log a week, dead letters 30 days, an old view a week. A
 * failure ends the test. */
#pragma once
#include "bridge/relay/relay.h"
#include "edge/derived.h"
#include "edge/refill.h"
#include "query/rebuild/sqlite/rebuild_sqlite.h"
#include "store/fixture.h"

#define TILL_LOG_KEEP_MS (7 * FIXTURE_DAY_MS)
#define TILL_DEAD_LETTERS_KEEP_MS (30 * FIXTURE_DAY_MS)

struct till {
    struct fixture f;
    char log_path[160], view_path[4300]; /* as long as no rebuild has moved the view */
    struct tb_outbox_reader *outbox;
    struct tb_uptime uptime;
    struct tb_log_inproc *log;
    struct tb_view_origin origin;
    struct tb_log_writer *log_writer;
    struct tb_log_reader *log_reader;
    struct tb_relay *relay;
    struct tb_refill refill;
    struct tb_view *view; /* the consumer fills it */
    struct tb_view_reader *reader;
    struct tb_consumer *consumer;
    struct tb_rebuild_sqlite *views;
    struct tb_rebuild *rebuild;
    int64_t row;           /* the last one of the outbox */
    bool gives_up_reading; /* of the next start */
    bool kafka_is_reached; /* false: the cursor of Kafka does not move */
};
void till_prepare(struct till *till); /* an empty folder; no file is open */
void till_open(struct till *till);    /* prepares and starts */
void till_close(struct till *till);
/* Closes the files and opens them again, as a restart of the till does. */
void till_stop(struct till *till);
void till_start(struct till *till);
/* Opens only log and view, of a store that is open. */
enum tb_code till_open_derived(struct till *till, struct tb_derived *ret_derived,
                               struct tb_error *err);
/* As till_catch_up, after a start that may send snapshots or begin an empty log. */
void till_recover(struct till *till);
/* Places `orders` orders, each with its own key, and changes every tenth of them. */
void till_sell(struct till *till, int orders);
/* Changes the address of an order. */
void till_change(struct till *till, const char *order_id);
/* Removes the first brace of the last event, so that it is malformed. */
void till_corrupt_last(struct till *till);
/* Steps until every stored event is relayed and visible and, if kafka_is_reached, acknowledged by
 * Kafka. */
void till_catch_up(struct till *till);
/* Moves the clock on by an hour, and lets every part do its hourly work. */
void till_pass_hour(struct till *till);
enum tb_rebuild_state till_rebuild(struct till *till);
int64_t till_file_bytes(const char *path);
