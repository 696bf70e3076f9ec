/* How far the store was, kept in a file beside the databases: if store, log and view are all put
 * back from one moment, it shows what they had reached since. It is written every few seconds
 * while the store moves on, with each heartbeat that Kafka has acknowledged, and when the store's
 * file or WAL is lost while it is open.
 *
 * Thread:  write from any; the others from edge's main thread, before.
 * Errors:  a note that cannot be written is reported once and tried again with the next one; one
 *          that is missing or malformed counts as none. Power loss may take the last one. */
#pragma once
#include "store/recovery.h"

#define TB_HEARTBEAT_NOTE "heartbeat" /* in the data folder */

struct tb_heartbeat_note {
    char store_id[TB_STORE_ID_SIZE];
    char epoch[TB_EPOCH_SIZE];
    int64_t sequence; /* the last one of the epoch */
    int64_t number;   /* the last order number; 0: none */
};
void tb_heartbeat_note_write(const char *folder, const struct tb_heartbeat_note *note);
/* False: there is none. */
bool tb_heartbeat_note_read(const char *folder, struct tb_heartbeat_note *ret_note);
/* Call it when the store has begun another epoch, above the note's number. */
void tb_heartbeat_note_remove(const char *folder);
