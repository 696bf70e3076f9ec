/* Fixture: the view of a node, its consumer and its rebuild, with a log in memory and on one
 * thread. The process can be stopped and started again on the same folder.
 *
 * The consumer and the rebuild read the same records, but each from its own fake log. */
#pragma once
#include "query/doubles/fake_log.h"
#include "query/doubles/history.h"
#include "query/rebuild/sqlite/rebuild_sqlite.h"
#include "query/sqlite/view_sqlite.h"

struct world {
    char dir[128];
    struct fake_clock clock;
    struct tb_uptime uptime; /* of the node: as long as the monotonic clock says */
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
    int64_t *seen; /* for each order the version that world_look read last */
    int moves;     /* how often a new view was swapped in */
};
void world_init(struct world *world, uint64_t seed, const struct history_options *options);
void world_release(struct world *world);
/* Adds a record that is no event of the history to both logs; borrows its bytes. */
void world_add_record(struct world *world, const struct tb_record *record);
/* Adds the next record of the history to both logs; false: there is none. */
bool world_add(struct world *world);
/* Starts a process; false: it could not start. */
bool world_start(struct world *world);
void world_stop(struct world *world);         /* at any time, also during a job */
bool world_live_drained(struct world *world); /* does the served view have the whole log? */
void world_read_on(struct world *world);      /* steps the consumer until it has */
/* Reads an order of the history, and checks that its version is not older than at the last read.
 */
void world_look(struct world *world, size_t order);
/* Starts a job and steps rebuild and consumer in turn until the job has ended. Returns its end. */
enum tb_rebuild_state world_rebuild(struct world *world, bool accept, bool rollback);
enum tb_rebuild_state world_finish(struct world *world); /* the same for a job that runs already */
struct tb_rebuild_progress *world_progress(struct world *world); /* valid until the next call */
/* The view of a generation as text, one line for each row; the caller frees it. */
char *world_dump(struct world *world, int64_t generation, bool letters);
int64_t world_served(struct world *world);
/* Runs SQL on the served file, without the knowledge of the process. */
void world_tamper(struct world *world, const char *sql);
