/* Two centrals with one database and one log, in one thread. Each has its own connection, consumer
 * and rebuild. Random turns decide which one takes the next step. A central can be stopped as if
 * it were killed, and started again.
 *
 * Memory:  centrals_release frees all.
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
    struct tb_mongo *mongo; /* NULL: the central is stopped */
    struct tb_view *view;
    struct tb_view_reader *reader;
    struct tb_consumer *consumer;
    struct fake_log log;               /* for its rebuild */
    int64_t seen_end[TEST_PARTITIONS]; /* the log's ends at the last poll: range returns these */
    struct tb_rebuild_mongo *views;
    struct tb_rebuild *rebuild;
};
struct centrals {
    struct mongo_db db;
    struct fake_clock clock;
    struct fake_random fake;
    struct history history;
    size_t added; /* records of the history that are in the log */
    bool markers; /* half of the records are followed by a transaction's marker */
    int64_t held_in_vain_ms, longest_hold_ms; /* as told by all rebuilds */
    bool busy; /* events arrive and are applied while a rebuild reads the log */
    struct group_log log;
    struct one_central list[CENTRALS];
    int64_t *seen; /* the version of each order that was read last */
};
void centrals_init(struct centrals *all, uint64_t seed, const struct history_options *options);
void centrals_release(struct centrals *all);
bool centrals_add(struct centrals *all); /* adds the next record to the log; false: none is left */
void centrals_add_marker(struct centrals *all, int32_t partition);
void central_start(struct one_central *one);
void central_stop(struct one_central *one); /* as if it were killed */
/* A random central does one step; time passes. Checks that no read returns an older version than
 * before. */
void centrals_turn(struct centrals *all);
void centrals_read_on(struct centrals *all); /* takes turns until all records are applied */
/* The result is valid until the next call. */
struct tb_rebuild_progress *central_progress(struct one_central *one);
/* Takes turns until the central's rebuild has ended; returns its state. */
enum tb_rebuild_state central_finish(struct one_central *one);
enum tb_rebuild_state central_rebuild(struct one_central *one, const struct tb_rebuild_job *job);
/* Checks that every central reads what the history says. */
void centrals_check(struct centrals *all);
int64_t centrals_served(struct centrals *all); /* the served generation, from meta */
