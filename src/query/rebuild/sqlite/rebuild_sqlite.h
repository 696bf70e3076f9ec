/* Rebuilding the SQLite view: a new file beside the served one (generations.h), and the move.
 *
 * What is on the disk decides what a crash leaves. Until views.db names the new file the served
 * one is untouched, and the next process goes on filling the new one if the same program began it,
 * else begins it anew. From then on the new one is served: before that it is brought to the events
 * of the served one while that is not written, takes over what the log does not tell of dead
 * letters, and is put on the disk. The old file stays for a rollback until the next rebuild, at
 * most TB_REBUILD_KEEP_MS. A rollback that a crash interrupts is gone on with.
 *
 * Thread:  new and free while nothing else runs; the backend's calls from the rebuild's owner; the
 *          state from any.
 * Memory:  borrows what its options point to.
 * Errors:  as rebuild.h.
 * Units:   Unix milliseconds. */
#pragma once
#include "query/rebuild/rebuild.h"
#include "query/rebuild/sqlite/generations.h"
#include "query/sqlite/switch_reader.h"

/* Threads that ask the view. */
#define TB_REBUILD_READERS_MAX 4

struct tb_rebuild_sqlite_options {
    const char *folder;
    const char *build; /* which program this is: another one's unfinished view is begun anew */
    const struct tb_clock *clock;
    struct tb_view *serving; /* of the generation that is served */
    struct tb_switch_reader *readers[TB_REBUILD_READERS_MAX];
    size_t reader_count;
    /* A reader of the log that holds back its retention. */
    enum tb_code (*open_reader)(void *ctx, struct tb_log_reader **ret_reader,
                                struct tb_error *err);
    /* Has call run where the serving view is written, between two batches; its outcome is the
     * result. */
    enum tb_code (*hold_up)(void *ctx, enum tb_code (*call)(void *arg, struct tb_error *err),
                            void *arg, struct tb_error *err);
    /* In such a call: from here on this one is written. */
    void (*moved)(void *ctx, struct tb_view *view);
    bool (*has_room)(void *ctx); /* any thread */
    void *ctx;
};
struct tb_rebuild_sqlite;
TB_CHECKED enum tb_code tb_rebuild_sqlite_new(const struct tb_rebuild_sqlite_options *options,
                                              struct tb_rebuild_sqlite **ret_sqlite,
                                              struct tb_error *err);
void tb_rebuild_sqlite_free(struct tb_rebuild_sqlite *sqlite);    /* NULL is fine */
extern const struct tb_rebuild_backend tb_rebuild_sqlite_backend; /* its ctx is the above */

void tb_rebuild_sqlite_generations(const struct tb_rebuild_sqlite *sqlite,
                                   struct tb_rebuild_generations *ret_views);
