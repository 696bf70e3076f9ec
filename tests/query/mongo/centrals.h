/* Two centrals with one database and one log, in one thread: each has its own connection, consumer
 * and rebuild, and takes turns at random. They end as if killed, and start again.
 *
 * Memory:  centrals_release.
 * Errors:  a failed check assertion.
 * Units:   as rebuild.h. */
#pragma once
#include "query/doubles/fake_log.h"
#include "query/doubles/group_log.h"
#include "query/doubles/history.h"
#include "query/mongo/mongo_server.h"
#include "query/rebuild/mongo/rebuild_mongo.h"

#define CENTRALS 2

struct one_central {
    struct centrals *all;
    char name[16];
    struct tb_mongo *mongo; /* NULL: it does not run */
    struct tb_view *view;
    struct tb_view_reader *reader;
    struct tb_consumer *consumer;
    struct fake_log log; /* for its rebuild; its reader knows the ends as of its last poll */
    int64_t seen_end[TB_LOG_PARTITIONS];
    struct tb_rebuild_mongo *views;
    struct tb_rebuild *rebuild;
};
struct centrals {
    struct mongo_db db;
    struct fake_clock clock;
    struct fake_random fake;
    struct history history;
    size_t added; /* records of the history that are in the log */
    bool busy;    /* events arrive, and are applied, while a rebuild reads */
    struct group_log log;
    struct one_central list[CENTRALS];
    int64_t *seen; /* of each order the version that was read last */
};
void centrals_init(struct centrals *all, uint64_t seed, const struct history_options *options);
void centrals_release(struct centrals *all);
bool centrals_add(struct centrals *all); /* a record to the log; false: there is none left */
void central_start(struct one_central *one);
void central_stop(struct one_central *one); /* as if it were killed */
/* One step of a random central; time passes. Checks that reads never go back. */
void centrals_turn(struct centrals *all);
void centrals_read_on(struct centrals *all); /* until all records are applied */
struct tb_rebuild_progress *central_progress(struct one_central *one); /* until the next call */
/* Takes turns until its rebuild has ended; returns the state. */
enum tb_rebuild_state central_finish(struct one_central *one);
enum tb_rebuild_state central_rebuild(struct one_central *one, const struct tb_rebuild_job *job);
/* Checks that every central reads what the history says. */
void centrals_check(struct centrals *all);
int64_t centrals_served(struct centrals *all); /* by meta */
