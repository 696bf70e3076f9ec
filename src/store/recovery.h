/* What a store does when a file that is made from it is lost, or when it was put back itself.
 *
 * Each function is a transaction of its own and may be repeated: after a crash between two of them
 * the next start finds the same fault and does all of it again.
 *
 * Thread:  edge's main thread, before the writer gets the store.
 * Errors:  as db.h. */
#pragma once
#include "store/store.h"

#define TB_STORE_ID_SIZE 64
/* Names this store and all its copies: its node, and when it was created. */
void tb_store_id(const struct tb_store *store, char ret_id[TB_STORE_ID_SIZE]);

/* True: the file is not the one that was open last in this folder: it is a copy, or was put back
 * from one. The store has begun a new epoch. It stays a copy, over restarts too, until it is
 * bound. */
bool tb_store_is_copy(const struct tb_store *store);
bool tb_store_is_new(const struct tb_store *store); /* it was never bound */
/* This file is the store of the folder with this identity from now on: call it once people have
 * been told what it was. */
TB_CHECKED enum tb_code tb_store_bind(struct tb_store *store, const char *folder_id,
                                      struct tb_error *err);
const char *tb_store_folder_id(const struct tb_store *store); /* it was bound to; "": none */

/* An event for the world outside; sequence 0: none. */
struct tb_store_position {
    char epoch[TB_EPOCH_SIZE];
    int64_t sequence;
};
/* The last event that the log of the named cursor has acknowledged. */
TB_CHECKED enum tb_code tb_store_cursor_position(struct tb_store *store, const char *cursor_name,
                                                 struct tb_store_position *ret_position,
                                                 struct tb_error *err);
/* The last sequence that this store has given in the epoch; 0: the epoch is none of its own. */
TB_CHECKED enum tb_code tb_store_epoch_end(struct tb_store *store, const char *epoch,
                                           int64_t *ret_sequence, struct tb_error *err);

/* The id of the log on this node that has what its cursor says; "": any log may be it. */
#define TB_STORE_LOG_ID_SIZE 40
TB_CHECKED enum tb_code tb_store_log_id(struct tb_store *store, char ret_id[TB_STORE_LOG_ID_SIZE],
                                        struct tb_error *err);
TB_CHECKED enum tb_code tb_store_set_log_id(struct tb_store *store, const char *log_id,
                                            struct tb_error *err);
/* True: the named cursor's log has acknowledged snapshots, or rows after them. */
TB_CHECKED enum tb_code tb_store_has_sent_snapshots(struct tb_store *store,
                                                    const char *cursor_name, bool *ret_has,
                                                    struct tb_error *err);
/* The named cursor's log will be a new one with this id: its relay begins with the first row of
 * the outbox, after it has sent snapshots of all orders of which the outbox lacks a row. */
TB_CHECKED enum tb_code tb_store_restart_cursor(struct tb_store *store, const char *cursor_name,
                                                const char *log_id, struct tb_error *err);
/* The named cursor's relay sends snapshots of all orders before any further row. */
TB_CHECKED enum tb_code tb_store_request_snapshots(struct tb_store *store, const char *cursor_name,
                                                   struct tb_error *err);
/* True: there is such a cursor. */
TB_CHECKED enum tb_code tb_store_has_cursor(struct tb_store *store, const char *cursor_name,
                                            bool *ret_has, struct tb_error *err);
/* New orders get numbers above `number`. */
TB_CHECKED enum tb_code tb_store_raise_number(struct tb_store *store, int64_t number,
                                              struct tb_error *err);
int64_t tb_store_last_number(const struct tb_store *store);
/* Keeps for /status what was done. file: "log.db"; set_aside: its new name, "": none. */
TB_CHECKED enum tb_code tb_store_note_recovery(struct tb_store *store, const char *file,
                                               const char *reason, const char *set_aside,
                                               struct tb_error *err);
