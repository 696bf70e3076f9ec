#include "sim/sim.h"
#include <stdlib.h>
#include <string.h>

/* What happens to files while nobody uses them: one of log and view is lost, damaged, replaced by
 * an older copy of itself or by another node's; or some of the files, or the whole folder, are put
 * back from a copy. Their random numbers are their own, so that the other faults are the same with
 * and without them. */

#define PAGE 4096
/* A step does something with this chance, in percent. */
#define STEP_CHANCE 15
/* A start finds something changed with this chance, beside those that were planned. */
#define START_CHANCE 5

static struct fake_random *random_of(struct sim *sim)
{
    return &sim->file_random;
}

void file_faults_draw(struct sim *sim)
{
    fake_random_init(&sim->file_random, sim->seed * 79 + 8);
    sim->has_file_faults = sim_chance(random_of(sim), 30);
    sim->has_restores = sim_chance(random_of(sim), 25) && sim->edition == SIM_EMBEDDED;
    /* Snapshots bring what days have removed from outbox and log. */
    if ((sim->has_file_faults || sim->has_restores) && sim_chance(random_of(sim), 60))
        sim->fault_classes |= EDGE_FAULT_DAYS;
    sim->fault_classes_drawn = sim->fault_classes;
}

bool file_is_damaged(const struct sim_node *node, enum sim_file file)
{
    struct disk *disk = disk_of(node->folder);
    const struct disk_file *found = disk_find(disk, folder_path(node, file));

    return node->damaged[file] != 0 && found && found->serial == node->damaged[file];
}

static bool any_damaged(const struct sim_node *node)
{
    return file_is_damaged(node, SIM_LOG) || file_is_damaged(node, SIM_VIEW);
}

void file_damage_told(struct sim_node *node, const char *what, const struct tb_error *err)
{
    SIM_REQUIRE(err->code != TB_INTERNAL && (err->code != TB_CORRUPT || any_damaged(node)),
                "%s: %s: %s", node->name, what, err->text);
    if (err->code != TB_CORRUPT)
        return;
    sim_cover(COVER_DAMAGE_IN_USE, 1);
    tb_derived_mark_damage(node->folder, err);
    node->restart_due = true;
}

/* The faults. */

static void fill(struct sim *sim, struct disk_bytes *bytes)
{
    size_t page = (size_t)sim_below(random_of(sim), bytes->size / PAGE) * PAGE;

    memset(bytes->ptr + page, sim_chance(random_of(sim), 50) ? 0 : 0xa5, PAGE);
}

/* A page of the file is overwritten, or its last pages are missing. */
static void damage(struct sim_node *node, enum sim_file file)
{
    const struct disk_file *found = disk_find(&node->disk, folder_path(node, file));
    struct sim *sim = node->sim;

    if (!found || !found->exists || found->cache.size < PAGE)
        return;
    struct disk_bytes bytes = {.ptr = malloc(found->cache.size), .size = found->cache.size};
    if (!bytes.ptr)
        abort();
    memcpy(bytes.ptr, found->cache.ptr, bytes.size);
    if (sim_chance(random_of(sim), 70))
        fill(sim, &bytes);
    else
        bytes.size = (size_t)sim_below(random_of(sim), bytes.size / PAGE) * PAGE;
    disk_put(&node->disk, found->path, &bytes, true);
    free(bytes.ptr);
    node->damaged[file] = found->serial;
    node->files_changed = true;
    sim_cover(COVER_FILE_DAMAGED, 1);
}

/* Another node's file comes in the place of this one: one of its own, not one that it has got from
 * this node itself. */
static void take_from_other(struct sim_node *node, enum sim_file file)
{
    struct sim *sim = node->sim;
    struct sim_node *other = &sim->nodes[sim_below(random_of(sim), (uint64_t)sim->node_count)];

    if (other == node || other->disk.power_off || other->serials[file] == 0)
        return;
    folder_take_from(node, other, file);
    sim_cover(COVER_FILE_OF_OTHER, 1);
}

static void change_file(struct sim_node *node, enum sim_file file)
{
    struct sim *sim = node->sim;
    unsigned kind = (unsigned)sim_below(random_of(sim), 4);

    sim_trace("%s: %s changes, kind %u", node->name, folder_path(node, file), kind);
    if (kind == 0) {
        folder_put_back(node, NULL, 1U << file, false);
        sim_cover(COVER_FILE_LOST, 1);
    } else if (kind == 1) {
        damage(node, file);
    } else if (kind == 2) {
        take_from_other(node, file);
    } else if (node->copy) {
        folder_put_back(node, node->copy, 1U << file, false);
        sim_cover(COVER_FILE_OLDER, 1);
    }
}

/* One of them, or log and view at once: then nothing shows what the one had read of the other. */
static void change_derived_files(struct sim_node *node)
{
    static const enum sim_file files[] = {SIM_LOG, SIM_LOG, SIM_VIEW, SIM_VIEW, SIM_VIEWS};
    struct sim *sim = node->sim;

    if (node->view_comes_back && node->copy) {
        node->view_comes_back = false;
        sim_trace("%s: an older view comes back", node->name);
        folder_put_back(node, node->copy, 1U << SIM_VIEW, false);
        sim_cover(COVER_FILE_OLDER, 1);
    } else if (sim_chance(random_of(sim), 70)) {
        change_file(node, files[sim_below(random_of(sim), sizeof files / sizeof *files)]);
    } else if (sim_chance(random_of(sim), 50)) {
        change_file(node, SIM_LOG);
        change_file(node, SIM_VIEW);
    } else {
        sim_trace("%s: log and view are lost", node->name);
        folder_put_back(node, NULL, 1U << SIM_LOG | 1U << SIM_VIEW, false);
        node->view_comes_back = sim_chance(random_of(sim), 70);
    }
}

static void restore(struct sim_node *node)
{
    struct sim *sim = node->sim;
    unsigned files = (unsigned)sim_below(random_of(sim), 7) + 1; /* of store, log, view */
    bool in_place = sim_chance(random_of(sim), 40), lost = sim_chance(random_of(sim), 10);

    if (!node->copy && !lost)
        return;
    if (files == 7 && sim_chance(random_of(sim), 50))
        files |= 1U << SIM_VIEWS;
    sim_trace("%s: files %x are %s%s", node->name, files, lost ? "lost" : "put back",
              in_place ? " in place" : "");
    folder_put_back(node, lost ? NULL : node->copy, files, in_place);
    sim_cover((enum sim_cover)(COVER_RESTORED_STORE + (int)(files & 7) - 1), 1);
}

static void change_files(struct sim_node *node)
{
    struct sim *sim = node->sim;

    if (sim->has_restores && (!sim->has_file_faults || sim_chance(random_of(sim), 50)))
        restore(node);
    else
        change_derived_files(node);
}

static void copy_folder(struct sim_node *node)
{
    check_node(node);
    folder_copy_free(node->copy);
    node->copy = folder_copy_make(node);
    sim_trace("%s: the folder is copied", node->name);
}

void file_faults_step(struct sim *sim)
{
    struct sim_node *node;

    if ((!sim->has_file_faults && !sim->has_restores) || !sim_chance(random_of(sim), STEP_CHANCE))
        return;
    node = &sim->nodes[sim_below(random_of(sim), (uint64_t)sim->node_count)];
    if (!node_healthy(node) || node->disk.power_off || any_damaged(node))
        return;
    if (!node->copy || (!node->view_comes_back && sim_chance(random_of(sim), 25))) {
        copy_folder(node);
        return;
    }
    if (sim_chance(random_of(sim), 50))
        node_stop(node);
    else
        node_kill(node);
    node->files_change_at_start = true;
}

void file_faults_before_start(struct sim_node *node)
{
    struct sim *sim = node->sim;
    bool planned = node->files_change_at_start;

    node->files_change_at_start = false;
    if (!sim->healed && (planned || ((sim->has_file_faults || sim->has_restores) &&
                                     sim_chance(random_of(sim), START_CHANCE))))
        change_files(node);
    for (int file = SIM_LOG; file <= SIM_VIEW && sim->healed; file++)
        if (file_is_damaged(node, (enum sim_file)file))
            folder_put_back(node, NULL, 1U << file, false);
}

void file_faults_heal(struct sim *sim)
{
    for (int i = 0; i < sim->node_count; i++)
        if (sim->nodes[i].up && any_damaged(&sim->nodes[i]))
            node_stop(&sim->nodes[i]);
}
