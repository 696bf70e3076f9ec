/* The store: the durable truth on a node, one SQLite file written by one connection.
 *
 * Opening makes or migrates the file and reads what the writer needs; it never depends on how
 * many rows there are. Orders and outbox rows are written by the writer (writer.h) alone.
 *
 * Thread:  belongs to one thread at a time; edge.c opens it and hands it to the writer.
 * Memory:  opaque; strings given at open are copied.
 * Errors:  TB_CONFLICT: a newer schema, or another node's or program's file; as db.h otherwise.
 * Units:   Unix milliseconds. */
#pragma once
#include "base/sqlite/db.h"
#include "base/time/clock.h"
#include "store/outbox.h"

struct tb_store;
struct tb_store_options {
    const char *path; /* of the database file; its folder exists */
    const char *node;
    const struct tb_clock *clock;   /* borrowed */
    const struct tb_random *random; /* borrowed */
    int day_start_minutes;
    /* A larger event (with its traceparent) is refused with 413; 0: none is. */
    int64_t event_max_bytes;
};
TB_CHECKED enum tb_code tb_store_open(const struct tb_store_options *options,
                                      struct tb_store **ret_store, struct tb_error *err);
void tb_store_free(struct tb_store *store); /* checkpoints; NULL is fine */
const char *tb_store_epoch(const struct tb_store *store);
int64_t tb_store_last_sequence(const struct tb_store *store); /* in the present epoch */
bool tb_store_forced_offline(const struct tb_store *store);
/* The store was put back in time (a restored backup): from now on events belong to a new epoch. */
TB_CHECKED enum tb_code tb_store_renew_epoch(struct tb_store *store, struct tb_error *err);
