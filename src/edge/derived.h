/* Opens the log and the view of a store, after comparing what they were made from.
 *
 * The store is the truth; log and view are made from it. One that is missing, damaged, older than
 * the store's cursor, or of another store is renamed to FILE.set-aside-TIME, and a new one is made
 * while orders are taken: the relay sends the rows that the outbox has, and all other orders as
 * snapshots. If log or view know events that the store does not have, the store was put back in
 * time: it begins a new epoch and gives numbers above all that they know, and both are made anew.
 * Each of these is reported as a diagnostic and kept in the store for /status. A crash in between
 * is harmless: the next start finds the same fault.
 *
 * Thread:  the main thread, before anything reads or writes the files.
 * Memory:  the caller frees log and view.
 * Errors:  as those of the files, whose damage is none. TB_CONFLICT: a newer build wrote them.
 *          TB_UNAVAILABLE: try again. */
#pragma once
#include "bridge/log/inproc/inproc.h"
#include "query/sqlite/view_sqlite.h"
#include "store/recovery.h"

struct tb_derived_options {
    const char *folder; /* of log.db, view.db and views.db */
    const char *node;
    struct tb_store *store;
    const struct tb_folder_identity *identity; /* of the folder; NULL: not known */
    const struct tb_clock *clock;
    const struct tb_random *random;
    /* Everything of log and view is read, and what cannot be read after all is set aside, too. */
    bool gives_up_reading;
};
struct tb_derived {
    struct tb_log_inproc *log;
    struct tb_view *view;
    char view_path[4300];
    struct tb_view_origin origin; /* of both; for the rebuild */
};
/* The folder has this file if log or view were found damaged while they were used. */
#define TB_DAMAGE_MARKER "damaged"
/* Call it with every error of the relay and of the consumer. If SQLite has found a damaged file,
 * the next start reads all of log and view, and sets aside what is damaged. */
void tb_derived_mark_damage(const char *folder, const struct tb_error *err);
void tb_derived_mark(const char *folder); /* whatever was found */
TB_CHECKED enum tb_code tb_derived_open(const struct tb_derived_options *options,
                                        struct tb_derived *ret_derived, struct tb_error *err);
