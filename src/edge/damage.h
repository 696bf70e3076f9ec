/* Damage of a node's files that was found while they were used: which file, and the way out. That
 * somebody has moved, removed, cut or overwritten a file is damage, too (base/sqlite/file_loss.h).
 *
 * Log and view are made from the store: the next start makes anew what is damaged of them. A
 * damaged store is looked through once, so that the damaged page can be named.
 *
 * Thread:  note and the texts from any; step from one, which is busy for as long as it takes to
 *          read the whole store, once.
 * Memory:  borrows the paths. */
#pragma once
#include "api/handlers/options.h"

struct tb_damage {
    const char *folder, *store_path;
    pthread_mutex_t lock; /* guards the rest */
    bool store_is_suspected, store_was_checked;
    char store[240], derived[240]; /* what was found; "": nothing */
    char lost_store[TB_DAMAGE_TEXT_SIZE], lost_derived[TB_DAMAGE_TEXT_SIZE];
    uint64_t last_loss; /* the number of the last one that was reported; of the stepping thread */
};
void tb_damage_init(struct tb_damage *damage, const char *folder, const char *store_path);
void tb_damage_release(struct tb_damage *damage);
/* Call it with every error of a part that reads or writes the files. If SQLite has found damage,
 * reports it, once for the store and once for log and view. */
void tb_damage_note(struct tb_damage *damage, const struct tb_error *err);
/* Looks through the store if something has found it damaged, or the caller did. */
void tb_damage_step(struct tb_damage *damage, bool store_is_suspected);
/* Looks whether a file of this process is lost, and reports each loss once. True: that of the
 * store is new. Call it about once a second, from the thread of step. */
bool tb_damage_look_for_losses(struct tb_damage *damage);
/* As the callbacks of struct tb_api_edge. */
void tb_damage_of_store(struct tb_damage *damage, char ret_text[TB_DAMAGE_TEXT_SIZE]);
void tb_damage_of_derived(struct tb_damage *damage, char ret_text[TB_DAMAGE_TEXT_SIZE]);
