/* Generations of the SQLite view in a folder: which file is served, and what the others are for.
 *
 * view.db is the first generation, view.2.db the second and so on. The small database views.db
 * beside them has one row with all of this. A change of the row is atomic and survives a power
 * loss.
 *
 * Thread:  one at a time, because each call opens the database.
 * Errors:  as db.h. TB_UNKNOWN of write: the old row or the new one is on the disk.
 * Units:   Unix milliseconds. */
#pragma once
#include "base/error.h"
#include <stdint.h>

#define TB_VIEW_PATH_SIZE 4300

struct tb_generations {
    int64_t served;
    int64_t previous;        /* was served before, kept for a rollback; 0: none */
    int64_t building;        /* being filled; 0: none */
    int64_t removing;        /* its file is being deleted; 0: none */
    int64_t moved_at_ms;     /* when `served` was swapped in */
    int64_t moved_uptime_ms; /* the same by the node's uptime, by which `previous` is kept */
    int64_t accept;          /* 1: the job that fills `building` accepts differences */
    int64_t going_back;      /* 1: a rollback to `previous` is under way */
    int64_t cancelled;       /* 1: the job of the last four is to end, if there is one */
    char build[32];          /* version of the program that fills `building` */
    struct {                 /* the result of the last rebuild; state "": there was none */
        char state[16], problem[240];
        int64_t events, served_orders, rebuilt_orders, differences;
        int64_t compared; /* 1: the last three are complete */
    } last;
};

/* Without the file, generation 1 is served. */
TB_CHECKED enum tb_code tb_generations_read(const char *folder, struct tb_generations *ret_all,
                                            struct tb_error *err);
TB_CHECKED enum tb_code tb_generations_write(const char *folder, const struct tb_generations *all,
                                             struct tb_error *err);
void tb_generations_path(const char *folder, int64_t generation, char ret_path[TB_VIEW_PATH_SIZE]);
