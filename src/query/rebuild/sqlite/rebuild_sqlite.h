/* Rebuild backend of the SQLite view: fills a new file beside the served one (generations.h), and
 * then swaps the two.
 *
 * The row in views.db says which file is served, and which job was claimed. Until the swap writes
 * that row, the rebuild does not change the old file. If the process ends before, the next process
 * continues to fill the new file if the same program version began it; else it begins a new one.
 * Before the swap writes the row, while nobody writes the old file, the new file gets all events
 * of the old one and what only the old one knows about dead letters, and is synced. The old file
 * stays for a rollback until the next rebuild, at most TB_REBUILD_KEEP_MS. If the process ends
 * during a rollback, the next process continues it.
 *
 * Thread:  new and free while nothing else runs; the backend's calls as rebuild.h.
 * Memory:  borrows what its options point to. */
#pragma once
#include "base/time/uptime.h"
#include "query/rebuild/rebuild.h"
#include "query/rebuild/sqlite/generations.h"
#include "query/sqlite/view_sqlite.h"

/* Threads that query the view. */
#define TB_REBUILD_READERS_MAX 4

struct tb_rebuild_sqlite_options {
    const char *folder;
    const char *build; /* program version: a view that another version began is begun anew */
    const struct tb_clock *clock;
    const struct tb_uptime *uptime; /* of the node */
    struct tb_view *serving;        /* of the generation that is served */
    /* Of the log that is read. NULL: views do not say what they are made from. */
    const struct tb_view_origin *origin;
    struct tb_view_reader *readers[TB_REBUILD_READERS_MAX];
    size_t reader_count;
    /* Opens a log reader. While it is open, retention keeps all records that it has not read. */
    enum tb_code (*open_reader)(void *ctx, struct tb_log_reader **ret_reader,
                                struct tb_error *err);
    /* Runs call on the thread that writes the served view, between two batches, and returns its
     * result. */
    enum tb_code (*call_in_consumer)(void *ctx,
                                     enum tb_code (*call)(void *arg, struct tb_error *err),
                                     void *arg, struct tb_error *err);
    /* Called within such a call: from now on the consumer must write this view. */
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
