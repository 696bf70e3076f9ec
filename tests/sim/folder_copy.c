#include "sim/sim.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A copy of a node's folder, all files at one moment, and what the oracle and the checkers knew
 * then. */
struct folder_copy {
    struct copied_file {
        bool existed, had_wal;
        struct disk_bytes bytes, wal; /* owned */
    } files[SIM_FILES];
    struct oracle_memory *memory; /* owned */
    char epoch[TB_EPOCH_SIZE];
    struct tb_folder_identity identity; /* the store has noted one of both */
    int64_t recoveries, rows_seen, rows_gone, rows_gone_before, keys_seen;
    int64_t log_seen, log_gone;
    struct sim_row rows[SIM_ROWS_MAX];
};

const char *folder_path(const struct sim_node *node, enum sim_file file)
{
    static char path[DISK_PATH_SIZE];
    static const char *const names[SIM_FILES] = {"store.db", "log.db", "view.db", "views.db"};

    snprintf(path, sizeof path, "%s/%s", node->folder, names[file]);
    return path;
}

static const char *path_beside(const struct sim_node *node, enum sim_file file, const char *suffix)
{
    static char path[DISK_PATH_SIZE + 8];

    snprintf(path, sizeof path, "%s%s", folder_path(node, file), suffix);
    return path;
}

static const char *wal_path(const struct sim_node *node, enum sim_file file)
{
    return path_beside(node, file, "-wal");
}

static bool copy_file(const struct sim_node *node, const char *path, struct disk_bytes *ret_bytes)
{
    struct disk *disk = disk_of(node->folder);
    const struct disk_file *file = disk_find(disk, path);

    if (!file || !file->exists)
        return false;
    ret_bytes->size = ret_bytes->cap = file->cache.size;
    ret_bytes->ptr = malloc(file->cache.size + 1);
    if (!ret_bytes->ptr)
        abort();
    if (file->cache.size > 0)
        memcpy(ret_bytes->ptr, file->cache.ptr, file->cache.size);
    return true;
}

struct folder_copy *folder_copy_make(struct sim_node *node)
{
    struct folder_copy *copy = calloc(1, sizeof *copy);

    if (!copy)
        abort();
    for (int file = 0; file < SIM_FILES; file++) {
        struct copied_file *to = &copy->files[file];

        to->existed = copy_file(node, folder_path(node, file), &to->bytes);
        to->had_wal = copy_file(node, wal_path(node, file), &to->wal);
    }
    copy->memory = oracle_remember(&node->sim->oracle);
    memcpy(copy->epoch, node->epoch, sizeof copy->epoch);
    copy->identity = node->identity;
    copy->recoveries = node->recoveries;
    copy->rows_seen = node->rows_seen;
    copy->rows_gone = node->rows_gone;
    copy->rows_gone_before = node->rows_gone_before;
    copy->keys_seen = node->keys_seen;
    copy->log_seen = node->log_seen;
    copy->log_gone = node->log_gone;
    memcpy(copy->rows, node->rows, sizeof copy->rows);
    return copy;
}

void folder_copy_free(struct folder_copy *copy)
{
    if (!copy)
        return;
    for (int file = 0; file < SIM_FILES; file++) {
        free(copy->files[file].bytes.ptr);
        free(copy->files[file].wal.ptr);
    }
    oracle_forget(copy->memory);
    free(copy);
}

/* What the checkers know. */

static void put_store_back(struct sim_node *node, const struct folder_copy *copy)
{
    static const struct folder_copy none;
    const struct folder_copy *known = copy ? copy : &none;

    oracle_put_back(&node->sim->oracle, node->index, copy ? copy->memory : NULL);
    memcpy(node->epoch, known->epoch, sizeof node->epoch);
    node->recoveries = known->recoveries;
    node->rows_seen = known->rows_seen;
    node->rows_gone = known->rows_gone;
    node->rows_gone_before = known->rows_gone_before;
    node->keys_seen = known->keys_seen;
    memcpy(node->rows, known->rows, sizeof node->rows);
    node->link_known = false;
}

static void put_log_back(struct sim_node *node, const struct folder_copy *copy)
{
    oracle_put_log_back(&node->sim->oracle, node->index, copy ? copy->memory : NULL);
    check_foreign_forgotten(node);
    node->log_seen = node->audit_next = copy ? copy->log_seen : 0;
    node->log_gone = copy ? copy->log_gone : 0;
}

static void put_file(struct sim_node *node, const struct folder_copy *copy, enum sim_file file,
                     bool in_place)
{
    const struct copied_file *from = copy ? &copy->files[file] : NULL;
    struct disk *disk = &node->disk;

    disk_remove(disk, wal_path(node, file));
    disk_remove(disk,
                path_beside(node, file, "-journal")); /* the checkers' SQLite would believe it */
    if (!from || !from->existed) {
        disk_remove(disk, folder_path(node, file));
        return;
    }
    disk_put(disk, folder_path(node, file), &from->bytes, in_place);
    if (from->had_wal)
        disk_put(disk, wal_path(node, file), &from->wal, false);
    node->serials[file] = disk_find(disk, folder_path(node, file))->serial;
}

static void forget_derived(struct sim_node *node, const struct folder_copy *copy, unsigned files)
{
    if (files & 1U << SIM_LOG)
        put_log_back(node, copy);
    if (files & 1U << SIM_VIEW)
        check_views_forgotten(node);
    node->files_changed = true;
}

static bool is_one_of(const char *id, const struct tb_folder_identity *identity)
{
    return id[0] && (strcmp(id, identity->present) == 0 || strcmp(id, identity->next) == 0);
}

/* True: the file or the identity of the folder shows that the store was put back or lost. */
static bool shows(const struct sim_node *node, const struct folder_copy *copy, bool in_place)
{
    const struct tb_folder_identity *identity = &node->identity;

    if (!copy || !copy->files[SIM_STORE].existed)
        return identity->present[0] != '\0';
    return !in_place || (!is_one_of(copy->identity.present, identity) &&
                         !is_one_of(copy->identity.next, identity));
}

void folder_put_back(struct sim_node *node, const struct folder_copy *copy, unsigned files,
                     bool in_place)
{
    int64_t last = (files & 1U << SIM_STORE) ? check_last_number(node, SIM_STORE) : 0;

    for (int file = 0; file < SIM_FILES; file++)
        if (files & 1U << file)
            put_file(node, copy, (enum sim_file)file, in_place);
    if (files & 1U << SIM_STORE) {
        node->last_number = last > node->last_number ? last : node->last_number;
        node->lost_number = node->last_number;
        put_store_back(node, copy);
        node->numbers_put_back = true;
        node->must_tell |= shows(node, copy, in_place);
    }
    forget_derived(node, copy, files);
}

void folder_take_from(struct sim_node *node, struct sim_node *other, enum sim_file file)
{
    struct folder_copy *copy = folder_copy_make(other);

    put_file(node, copy, file, false);
    node->serials[file] = 0; /* as if it were not there */
    forget_derived(node, NULL, 1U << file);
    folder_copy_free(copy);
}
