/* A node's view, its consumer and its rebuild over a log in memory, one thread; processes that end
 * and start again on the same folder.
 *
 * The serving consumer and the rebuild read the same records, each through a log of its own.
 *
 * Thread:  one.
 * Memory:  world_release.
 * Errors:  a failed check assertion, but for what says otherwise.
 * Units:   as rebuild.h. */
#pragma once
#include "query/doubles/fake_log.h"
#include "query/doubles/history.h"
#include "query/rebuild/sqlite/rebuild_sqlite.h"
#include "query/sqlite/view_sqlite.h"

struct world {
    char dir[128];
    struct fake_clock clock;
    struct fake_random fake;
    struct history history;
    size_t added; /* records of the history that are in the logs */
    struct fake_log live_log, rebuild_log;
    const char *build;
    bool has_room;
    struct tb_view *view; /* NULL: no process runs */
    struct tb_view_reader *reader;
    struct tb_consumer *consumer;
    struct tb_rebuild_sqlite *sqlite;
    struct tb_rebuild *rebuild;
    int64_t *seen; /* of each order the version that was read last */
    int moves;
};
void world_init(struct world *world, uint64_t seed, const struct history_options *options);
void world_release(struct world *world);
/* One more record that is no event of the history, into both logs; its bytes are borrowed. */
void world_add_record(struct world *world, const struct tb_record *record);
bool world_add(struct world *world); /* the next record of the history; false: there is none */
/* A process starts; false: it could not. */
bool world_start(struct world *world);
void world_stop(struct world *world);         /* whatever is under way */
bool world_live_drained(struct world *world); /* the served view has all that is in the log */
void world_read_on(struct world *world);      /* until then */
/* Reads an order of the history: the version never falls. */
void world_look(struct world *world, size_t order);
/* The rebuild runs to its end, which is returned; the served view's consumer runs beside it. */
enum tb_rebuild_state world_rebuild(struct world *world, bool accept, bool rollback);
enum tb_rebuild_state world_finish(struct world *world);         /* one that is under way */
struct tb_rebuild_progress *world_progress(struct world *world); /* until the next call */
/* The view of a generation as text, a row a line; the caller's. */
char *world_dump(struct world *world, int64_t generation, bool letters);
int64_t world_served(struct world *world);
/* SQL on the file that is served, behind everybody's back. */
void world_tamper(struct world *world, const char *sql);
