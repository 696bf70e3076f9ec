/* Watches the database files of a node: names the programs that hold them up, notices files that
 * were moved, removed or cut, and keeps the data folder's ballast.
 *
 *   - Another program's write lock: the file's writer gets nothing stored. Reported between one
 *     second and two after it was taken.
 *   - A reader's snapshot: the WAL cannot be emptied and grows. Reported between 60 seconds and 61
 *     after it was taken, if a checkpoint had to stop at it by then.
 *
 * A hold is reported once, and once more when it ends.
 *
 * Thread:  run and step from one, holds from any.
 * Units:   monotonic milliseconds. */
#pragma once
#include "api/handlers/options.h"
#include "edge/damage.h"
#include "store/data_dir.h"

struct tb_file_watch_options {
    const struct tb_clock *clock;
    struct tb_data_dir *dir;
    struct tb_writer *writer; /* of TB_HOLD_STORE */
    const char *store_path;   /* NULL: nobody looks whether it was overwritten */
    struct tb_damage *damage; /* stepped, too */
    /* Told every few seconds how far the store is, if it has moved on. */
    void (*on_position)(void *ctx, const char *epoch, int64_t sequence, int64_t number);
    void *ctx;
};
struct tb_file_watch;
TB_CHECKED enum tb_code tb_file_watch_new(const struct tb_file_watch_options *options,
                                          struct tb_file_watch **ret_watch, struct tb_error *err);
void tb_file_watch_free(struct tb_file_watch *watch); /* NULL is fine */
/* Those who hold a file up, as of the last step, for long enough to be reported. */
size_t tb_file_watch_holds(struct tb_file_watch *watch, struct tb_hold ret_holds[TB_HOLDS_MAX]);
/* Returns how long to wait for the next one. */
int64_t tb_file_watch_step(struct tb_file_watch *watch);
void tb_file_watch_run(struct tb_file_watch *watch);  /* steps until tb_file_watch_stop */
void tb_file_watch_stop(struct tb_file_watch *watch); /* from any thread */
