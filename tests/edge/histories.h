/* The files of a till at two moments of its history, and those of another till of the same name,
 * for tests that put a combination of them into a folder and start a till there.
 *
 * Errors:  a failure ends the test. */
#pragma once
#include "edge/till.h"

enum what { KEPT, LOST, OLDER, FOREIGN, DAMAGED, WHAT_COUNT };
/* OLDER_IN_PLACE: the file was overwritten, so it is not seen to be a copy. */
enum { STORE_OLDER_IN_PLACE = DAMAGED, STORE_COUNT };
#define OLD_ORDERS 3

struct history {
    char now[128], before[128], other[128]; /* folders with store.db, log.db and view.db */
    char old_ids[OLD_ORDERS][TB_UUID_SIZE]; /* in `before` and in `now` */
    int64_t wall_ms;
    int64_t last_number; /* of `now` */
};
/* Two histories: in the second one retention has removed the first records of the log. */
extern struct history histories[2];
extern struct till till; /* the one under test */
/* Log and view are put as a build would have left them whose log had six partitions. */
extern bool six_partitions;

void copy_file(const char *from, const char *to, const char *name);
void keep_files(char ret_folder[128]);
int rename_into(const char *folder, const char *file, const char *name);
void make_histories(void);
void remove_histories(void);
void damage(const char *name);
void change_file(const char *name, enum tb_db_mode mode, const char *sql);
void put(const struct history *history, const char *name, enum what what);
void put_all(const struct history *history, int store, enum what log, enum what view);
void check_view(void);
int64_t recoveries(const char *file);
bool is_noted(void);
int64_t files_aside(const char *name);
void check_numbers(const struct history *history, int store, enum what log, enum what view,
                   int64_t first);
void check_set_aside(int store, enum what log, enum what view);
void sell_on(const struct history *history, int store);
