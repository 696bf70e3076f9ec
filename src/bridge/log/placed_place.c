#include "bridge/log/placed_priv.h"
#include <inttypes.h>
#include <stdio.h>

/* The log is proven again so often: it may be replaced while we read it. */
#define PROVE_EVERY_MS (60 * 60 * 1000)
/* The remembered record arrives within this time, or its range is asked for again. */
#define PROVE_WITHIN_MS 10000

void tb_placed_enter(struct placed_reader *reader, struct placed_part *part,
                     enum placed_state state)
{
    static const bool moves[][PLACED + 1] = {
        [GONE] = {[UNPLACED] = true},
        [UNPLACED] = {[GONE] = true, [PROVING] = true, [PLACED] = true},
        [PROVING] = {[GONE] = true, [UNPLACED] = true, [PLACED] = true},
        [PLACED] = {[GONE] = true, [UNPLACED] = true},
    };

    TB_ASSERT(part->state == state || moves[part->state][state]);
    part->state = state;
    part->since_ms = now_ms(reader);
}

/* Reading goes on at `next` in a generation of which nothing is stored. */
static enum tb_code begin_generation(struct placed_reader *reader, int32_t partition, int64_t next,
                                     bool same_log, const char *why, struct tb_error *err)
{
    struct placed_part *part = &reader->parts[partition];
    struct tb_log_place place = TB_LOG_NO_PLACE, before = part->place;

    if (same_log)
        place = part->place;
    place.next = tb_log_with_generation(part->unused, next);
    if (place.last_offset >= 0)
        place.last_offset = tb_log_with_generation(part->unused, tb_log_offset(place.last_offset));
    TB_TRY(reader->options.places->begin(reader->options.places->ctx, partition, &before, &place,
                                         why, err));
    part->place = place;
    part->unused++;
    part->was_placed = false;
    return TB_OK;
}

static enum tb_code begin_log(struct placed_reader *reader, int32_t partition, const char *why,
                              struct tb_error *err)
{
    struct tb_log_reader *from = reader->options.from;
    struct placed_part *part = &reader->parts[partition];
    struct tb_log_range range = {0};

    TB_TRY(from->ops->range(from, partition, &range, err));
    TB_TRY(begin_generation(reader, partition, range.begin, false, why, err));
    TB_TRY(from->ops->seek(from, partition, range.begin, err));
    tb_placed_enter(reader, part, PLACED);
    part->was_placed = true;
    return TB_OK;
}

/* Why the range shows another log, or another past of it; "": it does not. */
static void compare_range(const struct tb_log_place *place, const struct tb_log_range *range,
                          char ret_why[160])
{
    int64_t next = tb_log_offset(place->next);

    ret_why[0] = '\0';
    if (range->end < next)
        snprintf(ret_why, 160, "the log ends at %" PRId64 ", and was read up to %" PRId64,
                 range->end, next);
    else if (range->begin > next)
        snprintf(ret_why, 160,
                 "the log begins at %" PRId64 ", so that what came from %" PRId64 " on is missing",
                 range->begin, next);
}

/* The view has no place in this partition. */
static enum tb_code place_first(struct placed_reader *reader, int32_t partition,
                                const struct tb_log_range *range, bool take_over,
                                struct tb_error *err)
{
    struct tb_log_reader *from = reader->options.from;
    struct placed_part *part = &reader->parts[partition];

    if (!take_over)
        return begin_log(reader, partition,
                         part->unused > 1 ? "the view has not read this log" : "", err);
    if (range->committed < range->begin || range->committed > range->end) {
        part->unused = part->unused > 2 ? part->unused : 2;
        return begin_log(reader, partition, "the group's offset is not of this log", err);
    }
    TB_TRY(begin_generation(reader, partition, range->committed, false,
                            "taken over from an earlier build, at the group's offset", err));
    TB_TRY(from->ops->seek(from, partition, range->committed, err));
    tb_placed_enter(reader, part, PLACED);
    part->was_placed = true;
    return TB_OK;
}

static enum tb_code prove(struct placed_reader *reader, int32_t partition,
                          const struct tb_log_range *range, struct tb_error *err)
{
    struct tb_log_reader *from = reader->options.from;
    struct placed_part *part = &reader->parts[partition];
    int64_t last = tb_log_offset(part->place.last_offset);
    bool can = part->place.last_offset >= 0 && range->begin <= last;

    TB_TRY(from->ops->seek(from, partition, can ? last : tb_log_offset(part->place.next), err));
    tb_placed_enter(reader, part, can ? PROVING : PLACED);
    part->was_placed = true;
    return TB_OK;
}

static enum tb_code load(struct placed_reader *reader, int32_t partition,
                         struct tb_log_place *ret_place, bool *ret_take_over, struct tb_error *err)
{
    const struct tb_log_places *places = reader->options.places;
    struct placed_part *part = &reader->parts[partition];
    int64_t unused = 1;

    *ret_take_over = false;
    *ret_place = TB_LOG_NO_PLACE;
    TB_TRY(places->load(places->ctx, partition, ret_place, &unused, ret_take_over, err));
    if (part->unused < unused)
        part->unused = unused;
    return TB_OK;
}

static enum tb_code place_one(struct placed_reader *reader, int32_t partition,
                              struct tb_error *err)
{
    struct tb_log_reader *from = reader->options.from;
    struct placed_part *part = &reader->parts[partition];
    int64_t had = part->was_placed ? part->place.next : -1;
    struct tb_log_range range = {0};
    bool take_over = false;
    char why[160];

    /* The range after the place: another reader of the group may move the place on meanwhile, and
     * an older end would then show another log. */
    TB_TRY(load(reader, partition, &part->place, &take_over, err));
    TB_TRY(from->ops->range(from, partition, &range, err));
    if (part->place.next < 0)
        return place_first(reader, partition, &range, take_over && had < 0, err);
    compare_range(&part->place, &range, why);
    if (why[0] != '\0')
        return begin_log(reader, partition, why, err);
    if (had > part->place.next)
        TB_TRY(begin_generation(reader, partition, tb_log_offset(part->place.next), true,
                                "the view was put back to an earlier state", err));
    return prove(reader, partition, &range, err);
}

/* Looks where the view stands. */
static enum tb_code look(struct placed_reader *reader, struct tb_error *err)
{
    for (int32_t p = 0; p < reader->options.partitions; p++) {
        struct placed_part *part = &reader->parts[p];
        struct tb_log_place place;
        bool take_over;

        if (part->state != PLACED)
            continue;
        TB_TRY(load(reader, p, &place, &take_over, err));
        if (place.next < part->place.next ||
            tb_log_generation(place.next) != tb_log_generation(part->place.next))
            tb_placed_enter(reader, part, UNPLACED);
    }
    reader->look_at_ms = now_ms(reader) + PLACED_LOOK_EVERY_MS;
    return TB_OK;
}

static void begin_proofs(struct placed_reader *reader)
{
    int64_t now = now_ms(reader);

    for (int32_t p = 0; p < reader->options.partitions; p++) {
        struct placed_part *part = &reader->parts[p];

        if ((part->state == PLACED && now - part->since_ms >= PROVE_EVERY_MS) ||
            (part->state == PROVING && now - part->since_ms >= PROVE_WITHIN_MS))
            tb_placed_enter(reader, part, UNPLACED);
    }
}

enum tb_code tb_placed_place_all(struct placed_reader *reader, struct tb_error *err)
{
    if (!reader->options.places)
        return TB_OK;
    if (now_ms(reader) >= reader->look_at_ms)
        TB_TRY(look(reader, err));
    begin_proofs(reader);
    for (int32_t p = 0; p < reader->options.partitions; p++) {
        if (reader->parts[p].state == UNPLACED)
            TB_TRY(place_one(reader, p, err));
    }
    return TB_OK;
}

/* The first record is the one that the view remembers, or in a compacted topic a later one. */
static bool is_remembered(const struct placed_reader *reader, const struct tb_log_place *place,
                          const struct tb_record *record)
{
    struct tb_log_place found;

    if (record->offset > tb_log_offset(place->last_offset))
        return reader->options.compacted && record->timestamp_ms >= place->last_at_ms;
    tb_log_place_set(&found, record);
    return found.last_at_ms == place->last_at_ms &&
           strcmp(found.last_event_id, place->last_event_id) == 0;
}

enum tb_code tb_placed_judge(struct placed_reader *reader, struct tb_log_batch *batch,
                             struct tb_error *err)
{
    struct placed_part *part = &reader->parts[batch->partition];
    const struct tb_record *first = batch->records;
    char why[160];

    if (!is_remembered(reader, &part->place, first)) {
        snprintf(why, sizeof why,
                 "the record at %" PRId64 " is another one than that which was read there",
                 first->offset);
        batch->count = 0;
        tb_placed_enter(reader, part,
                        UNPLACED); /* if it cannot begin now, the next poll tries again */
        return begin_log(reader, batch->partition, why, err);
    }
    while (batch->count > 0 && batch->records->offset < tb_log_offset(part->place.next)) {
        batch->records++;
        batch->count--;
    }
    tb_placed_enter(reader, part, PLACED);
    return TB_OK;
}
