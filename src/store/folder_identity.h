/* The identity of a data folder, by which a store that was put back is told from the one that was
 * there last.
 *
 * The file "identity" is made anew at each start and each stop: another inode, another time of
 * birth, and another random number in it. The store notes it (tb_store_bind). So a store from
 * before the last start or stop has noted another one, whether it was put back alone or with the
 * whole folder, and whether files were replaced or written over. chmod and touch change nothing of
 * it. The next identity is prepared as the file "identity.new", and takes its name when the store
 * has noted it: a crash in between leaves both, and the store has noted one of them.
 *
 * Thread:  edge's main thread, while nothing else uses the folder.
 * Errors:  TB_UNAVAILABLE, TB_FULL: the folder cannot be written; the present identity stays. */
#pragma once
#include "base/error.h"
#include "base/time/clock.h"

/* 16 hex digits, two numbers of up to 20 digits, a fraction of a second, what is between them. */
#define TB_FOLDER_ID_SIZE 96

struct tb_folder_identity {
    bool is_known; /* false: the folder cannot be read, so that nothing can be said */
    char present[TB_FOLDER_ID_SIZE], next[TB_FOLDER_ID_SIZE]; /* "": there is no such file */
    int64_t last_number; /* the last order number of the store that was here; 0: not known */
};
void tb_folder_identity_read(const char *folder, struct tb_folder_identity *ret_identity);
/* Makes the next one. last_number: of the store that is to note it. */
TB_CHECKED enum tb_code
tb_folder_identity_prepare(const char *folder, const struct tb_random *random, int64_t last_number,
                           struct tb_folder_identity *identity, struct tb_error *err);
/* The next one is the present one from now on: the store has noted it. */
TB_CHECKED enum tb_code tb_folder_identity_adopt(const char *folder,
                                                 struct tb_folder_identity *identity,
                                                 struct tb_error *err);
