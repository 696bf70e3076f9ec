#include "bridge/log/placed_priv.h"
#include <inttypes.h>
#include <stdlib.h>

static struct placed_reader *reader_of(const struct tb_log_reader *base)
{
    return (struct placed_reader *)(uintptr_t)base;
}

static void follow_assignments(struct placed_reader *reader)
{
    struct tb_log_reader *from = reader->options.from;

    for (int32_t p = 0; p < reader->options.partitions; p++) {
        struct placed_part *part = &reader->parts[p];
        bool assigned = !from->ops->is_assigned || from->ops->is_assigned(from, p);

        if (!assigned && part->state != GONE)
            tb_placed_enter(reader, part, GONE);
        if (assigned && part->state == GONE) {
            tb_placed_enter(reader, part, UNPLACED);
            part->was_placed = false;
        }
    }
}

/* Some position is out of range. */
static enum tb_code note_out_of_range(struct placed_reader *reader, struct tb_error *err)
{
    struct tb_log_reader *from = reader->options.from;
    bool any = false;

    for (int32_t p = 0; p < reader->options.partitions; p++) {
        struct placed_part *part = &reader->parts[p];
        struct tb_log_range range = {0};
        struct tb_error why = {0};

        any = any || part->state == UNPLACED;
        if ((part->state != PLACED && part->state != PROVING) ||
            from->ops->range(from, p, &range, &why) != TB_OK ||
            (tb_log_offset(part->place.next) >= range.begin &&
             tb_log_offset(part->place.next) <= range.end))
            continue;
        tb_placed_enter(reader, part, UNPLACED);
        any = true;
    }
    if (any)
        *err = (struct tb_error){0};
    return any ? TB_OK : err->code;
}

/* Gives the records the offsets with their generation. */
static void hand_out(struct placed_reader *reader, struct tb_log_batch *batch)
{
    struct placed_part *part = &reader->parts[batch->partition];
    int64_t generation = tb_log_generation(part->place.next);

    if (generation > 1) {
        memcpy(reader->records, batch->records, batch->count * sizeof *batch->records);
        for (size_t i = 0; i < batch->count; i++)
            reader->records[i].offset =
                tb_log_with_generation(generation, reader->records[i].offset);
        batch->records = reader->records;
    }
    part->place.next = batch->records[batch->count - 1].offset + 1;
}

/* One poll of the log. A batch of a partition that is not placed yet is dropped: placing it seeks.
 * *ret_again: there may be more at once. */
static enum tb_code poll_once(struct placed_reader *reader, size_t max, int64_t wait_ms,
                              struct tb_log_batch *batch, bool *ret_again, struct tb_error *err)
{
    struct tb_log_reader *from = reader->options.from;
    enum tb_code code = from->ops->poll(from, max, wait_ms, batch, err);

    *ret_again = false;
    if (!reader->options.places)
        return code;
    follow_assignments(reader);
    if (code == TB_CORRUPT) {
        *batch = (struct tb_log_batch){0};
        return note_out_of_range(reader, err);
    }
    if (code != TB_OK || batch->count == 0)
        return code;
    if (reader->parts[batch->partition].state == PROVING)
        TB_TRY(tb_placed_judge(reader, batch, err));
    else if (reader->parts[batch->partition].state != PLACED)
        batch->count = 0;
    *ret_again = batch->count == 0;
    return TB_OK;
}

static enum tb_code placed_poll(struct tb_log_reader *base, size_t max, int64_t wait_ms,
                                struct tb_log_batch *ret_batch, struct tb_error *err)
{
    struct placed_reader *reader = reader_of(base);
    struct tb_log_batch batch = {0};
    bool again = max > 0;

    if (max > 0 && tb_placed_place_all(reader, err) != TB_OK) {
        struct tb_error ignored = {0};

        /* The group must be served meanwhile. */
        (void)!poll_once(reader, 0, 0, &batch, &again, &ignored);
        return err->code;
    }
    max = max < TB_LOG_BATCH_MAX ? max : TB_LOG_BATCH_MAX;
    for (int turn = 0; turn <= reader->options.partitions && (again || turn == 0); turn++) {
        TB_TRY(poll_once(reader, max, turn == 0 ? wait_ms : 0, &batch, &again, err));
    }
    if (batch.count > 0)
        hand_out(reader, &batch);
    *ret_batch = batch.count > 0 ? batch : (struct tb_log_batch){0};
    return TB_OK;
}

static enum tb_code check_partition(const struct placed_reader *reader, int32_t partition,
                                    int64_t offset, struct tb_error *err)
{
    if (partition < 0 || partition >= reader->options.partitions || offset < 0)
        return tb_error_set(err, TB_INVALID, "there is no offset %" PRId64 " of partition %d",
                            offset, (int)partition);
    return TB_OK;
}

static bool is_of_now(const struct placed_reader *reader, int32_t partition, int64_t offset)
{
    const struct placed_part *part = &reader->parts[partition];

    return part->state == PLACED &&
           tb_log_generation(offset) == tb_log_generation(part->place.next);
}

/* A partition that is not placed is read from its place, wherever somebody wants to read it. */
static enum tb_code placed_seek(struct tb_log_reader *base, int32_t partition, int64_t offset,
                                struct tb_error *err)
{
    struct placed_reader *reader = reader_of(base);
    struct tb_log_reader *from = reader->options.from;

    TB_TRY(check_partition(reader, partition, offset, err));
    if (!is_of_now(reader, partition, offset))
        return TB_OK;
    TB_TRY(from->ops->seek(from, partition, tb_log_offset(offset), err));
    reader->parts[partition].place.next = offset;
    return TB_OK;
}

static enum tb_code placed_commit(struct tb_log_reader *base, int32_t partition, int64_t next,
                                  struct tb_error *err)
{
    struct placed_reader *reader = reader_of(base);
    struct tb_log_reader *from = reader->options.from;

    TB_TRY(check_partition(reader, partition, next, err));
    if (!is_of_now(reader, partition, next))
        return TB_OK; /* of an assignment or a generation that is over */
    return from->ops->commit(from, partition, tb_log_offset(next), err);
}

static enum tb_code placed_range(struct tb_log_reader *base, int32_t partition,
                                 struct tb_log_range *ret_range, struct tb_error *err)
{
    struct placed_reader *reader = reader_of(base);
    struct tb_log_reader *from = reader->options.from;
    struct tb_log_range range = {0};
    int64_t generation = 1;

    TB_TRY(check_partition(reader, partition, 0, err));
    TB_TRY(from->ops->range(from, partition, &range, err));
    if (reader->parts[partition].place.next >= 0)
        generation = tb_log_generation(reader->parts[partition].place.next);
    range.begin = tb_log_with_generation(generation, range.begin);
    range.end = tb_log_with_generation(generation, range.end);
    if (range.committed >= 0)
        range.committed = tb_log_with_generation(generation, range.committed);
    *ret_range = range;
    return TB_OK;
}

static enum tb_code placed_pause(struct tb_log_reader *base, bool paused, struct tb_error *err)
{
    struct tb_log_reader *from = reader_of(base)->options.from;

    return from->ops->pause(from, paused, err);
}

static bool placed_is_assigned(struct tb_log_reader *base, int32_t partition)
{
    struct tb_log_reader *from = reader_of(base)->options.from;

    return from->ops->is_assigned(from, partition);
}

static enum tb_code placed_confirm(struct tb_log_reader *base, int32_t partition, int64_t next,
                                   struct tb_error *err)
{
    struct placed_reader *reader = reader_of(base);
    struct tb_log_reader *from = reader->options.from;

    TB_TRY(check_partition(reader, partition, next, err));
    if (!is_of_now(reader, partition, next))
        return tb_error_set(err, TB_BUSY, "partition %d is read from elsewhere by now",
                            (int)partition);
    return from->ops->confirm(from, partition, tb_log_offset(next), err);
}

static int64_t placed_position(struct tb_log_reader *base, int32_t partition)
{
    struct placed_reader *reader = reader_of(base);
    struct tb_log_reader *from = reader->options.from;
    const struct placed_part *part = &reader->parts[partition];
    int64_t position;

    if (partition < 0 || partition >= reader->options.partitions || part->state != PLACED)
        return -1;
    if (!from->ops->position)
        return part->place.next;
    position = from->ops->position(from, partition);
    return position < 0 ? -1
                        : tb_log_with_generation(tb_log_generation(part->place.next), position);
}

static void placed_reposition(struct tb_log_reader *base)
{
    struct placed_reader *reader = reader_of(base);

    for (int32_t p = 0; p < reader->options.partitions; p++) {
        struct placed_part *part = &reader->parts[p];

        if (part->state == PLACED || part->state == PROVING)
            tb_placed_enter(reader, part, UNPLACED);
    }
}

static void placed_wake(struct tb_log_reader *base)
{
    struct tb_log_reader *from = reader_of(base)->options.from;

    from->ops->wake(from);
}

static void placed_free(struct tb_log_reader *base)
{
    tb_log_reader_free(reader_of(base)->options.from);
    free(base);
}

enum tb_code tb_placed_reader_new(const struct tb_placed_reader_options *options,
                                  struct tb_log_reader **ret_reader, struct tb_error *err)
{
    static const struct tb_log_reader_ops ops = {
        .poll = placed_poll,
        .seek = placed_seek,
        .commit = placed_commit,
        .range = placed_range,
        .pause = placed_pause,
        .is_assigned = placed_is_assigned,
        .confirm = placed_confirm,
        .position = placed_position,
        .reposition = placed_reposition,
        .wake = placed_wake,
        .free = placed_free,
    };
    struct placed_reader *reader = calloc(1, sizeof *reader);

    TB_ASSERT(options->partitions <= TB_LOG_PARTITIONS_MAX && options->from->ops->is_assigned);
    if (!reader) {
        tb_log_reader_free(options->from);
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    }
    reader->base.ops = &ops;
    reader->options = *options;
    for (int32_t p = 0; p < options->partitions; p++) {
        reader->parts[p].unused = 1;
        reader->parts[p].place.next = -1;
        if (options->places)
            continue;
        reader->parts[p].state = PLACED;
        reader->parts[p].place.next = tb_log_with_generation(options->generations[p], 0);
    }
    reader->look_at_ms = now_ms(reader) + PLACED_LOOK_EVERY_MS;
    *ret_reader = &reader->base;
    return TB_OK;
}
