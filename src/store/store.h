/* The store: the durable truth of a node, one SQLite file that one connection writes.
 *
 * Opening creates or migrates the file; it takes as long for a million rows as for one. Only the
 * writer (writer.h) writes orders and outbox rows.
 *
 * Thread:  one thread at a time; edge's main thread opens the store and gives it to the writer.
 * Memory:  the strings of the options are copied.
 * Errors:  TB_CONFLICT: the schema is newer than this build, or the file belongs to another node
 *          or program; otherwise as db.h. */
#pragma once
#include "base/sqlite/checkpoints.h"
#include "base/sqlite/db.h"
#include "base/time/uptime.h"
#include "store/folder_identity.h"
#include "store/outbox.h"

struct tb_store;
struct tb_store_options {
    const char *path; /* of the database file; its folder exists */
    const char *node;
    const struct tb_clock *clock;   /* borrowed */
    const struct tb_random *random; /* borrowed */
    int day_start_minutes;
    const struct tb_folder_identity *folder; /* of its folder; borrowed; NULL: not known */
    struct tb_checkpoints *checkpoints;      /* borrowed; NULL: nobody watches them */
    /* A command whose event (with its traceparent) is larger is refused with 413; 0: no limit. */
    int64_t event_max_bytes;
};
TB_CHECKED enum tb_code tb_store_open(const struct tb_store_options *options,
                                      struct tb_store **ret_store, struct tb_error *err);
void tb_store_free(struct tb_store *store); /* checkpoints; NULL is fine */
const char *tb_store_epoch(const struct tb_store *store);
int64_t tb_store_last_sequence(const struct tb_store *store); /* in the present epoch */
bool tb_store_forced_offline(const struct tb_store *store);
struct tb_uptime tb_store_uptime(const struct tb_store *store); /* of this node */
/* Begins a new epoch: call it when the log has events of this store that the store does not have,
 * because it was restored from a backup. */
TB_CHECKED enum tb_code tb_store_renew_epoch(struct tb_store *store, struct tb_error *err);
