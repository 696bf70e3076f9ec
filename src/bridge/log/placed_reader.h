/* Placed reader: reads a log from the place at which a view stands, and notices when the log is
 * not the one that the view has read.
 *
 * It wraps the reader of a group. Whenever a partition is assigned, it asks the store of places
 * where the view stands, and reads the last record before that place once more: the same offset,
 * event id and timestamp prove that the log is the same. It proves this again every hour. If the
 * log ends below the place, has lost records behind it, or has another record there, a new
 * generation of the partition begins, and is read from its first record. If the view itself has
 * been put back, so that it no longer has what it had, reading goes on where it stands now, in a
 * new generation too. A record is never skipped; reading one again must change nothing.
 *
 * Every offset of the wrapping reader is one with its generation (place.h), but the group's
 * committed offsets in the log are the log's own.
 *
 *   (assigned) --> UNPLACED --place found--> PROVING --the remembered record--> PLACED
 *                    ^  ^  \--nothing to prove-----------------------------------^  |
 *                    |  +--too long---------------/                                 |
 *                    +--hourly, out of range, the view was put back, reposition-----+
 *
 * Thread:  as log.h.
 * Memory:  owns the wrapped reader; borrows the rest.
 * Errors:  as log.h, and those of the store of places. */
#pragma once
#include "bridge/log/place.h"

struct tb_log_places {
    void *ctx;
    /* *ret_unused: the lowest generation that nothing in the view is of. *ret_take_over: the view
     * is of a build that did not store places, so the group's committed offset is its place. */
    enum tb_code (*load)(void *ctx, int32_t partition, struct tb_log_place *ret_place,
                         int64_t *ret_unused, bool *ret_take_over, struct tb_error *err);
    /* Stores `place`, with which a generation begins; why: for people. TB_CONFLICT: what is stored
     * is not `before` any more. */
    enum tb_code (*begin)(void *ctx, int32_t partition, const struct tb_log_place *before,
                          const struct tb_log_place *place, const char *why, struct tb_error *err);
};

struct tb_placed_reader_options {
    struct tb_log_reader *from;
    const struct tb_log_places *places; /* NULL: with generations */
    /* Of each partition; read only when it is made. Such a reader is for another view than the one
     * that the places are of: it only gives offsets their generation, and reads where it is sought
     * to. NULL: with places. */
    const int64_t *generations;
    const struct tb_clock *clock;
    int32_t partitions;
    bool compacted; /* the topic may lack the remembered record and still be the same log */
};
/* Takes ownership of options->from, also on failure. */
TB_CHECKED enum tb_code tb_placed_reader_new(const struct tb_placed_reader_options *options,
                                             struct tb_log_reader **ret_reader,
                                             struct tb_error *err);
