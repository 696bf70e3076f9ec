/* Generations: which of the SQLite views in a folder is served, and what else there is of them.
 *
 * view.db is the first, view.2.db the second and so on. A small file beside them (views.db) says
 * what each is for; what it says survives power loss, and is changed as a whole or not at all.
 *
 * Thread:  one at a time: the file is opened for each call.
 * Memory:  values.
 * Errors:  as db.h; of write TB_UNKNOWN: the old state or the new one is on the disk.
 * Units:   Unix milliseconds. */
#pragma once
#include "base/error.h"
#include <stdint.h>

#define TB_VIEW_PATH_SIZE 4300

struct tb_generations {
    int64_t served;
    int64_t previous;    /* served before and kept; 0: none */
    int64_t building;    /* being filled; 0: none */
    int64_t removing;    /* of no use any more, its file may still be there; 0: none */
    int64_t moved_at_ms; /* when `previous` ceased to be served */
    bool accept;         /* of the one that is being filled: whatever differs */
    char build[32];      /* and the version of the program that fills it */
    bool going_back;     /* `previous` is to be served again */
    struct {             /* what the last rebuild came to; "": there was none */
        char state[16], problem[240];
        int64_t events, served_orders, rebuilt_orders, differences;
        bool compared;
    } last;
};

/* Where there is no such file yet the first is served. */
TB_CHECKED enum tb_code tb_generations_read(const char *folder, struct tb_generations *ret_all,
                                            struct tb_error *err);
TB_CHECKED enum tb_code tb_generations_write(const char *folder, const struct tb_generations *all,
                                             struct tb_error *err);
void tb_generations_path(const char *folder, int64_t generation, char ret_path[TB_VIEW_PATH_SIZE]);
