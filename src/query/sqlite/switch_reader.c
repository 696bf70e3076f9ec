#include "query/sqlite/switch_reader.h"
#include <stdatomic.h>
#include <stdlib.h>

struct tb_switch_reader {
    struct tb_view_reader reader;
    struct tb_view_reader *current;      /* owned */
    struct tb_view_reader *_Atomic next; /* owned; NULL: stay */
};

static void free_reader(struct tb_view_reader *reader)
{
    if (reader)
        reader->ops->free(reader);
}

static struct tb_view_reader *current(struct tb_view_reader *base)
{
    struct tb_switch_reader *moving = (struct tb_switch_reader *)base;
    struct tb_view_reader *next = NULL;

    if (atomic_load(&moving->next))
        next = atomic_exchange(&moving->next, NULL);
    if (next) {
        free_reader(moving->current);
        moving->current = next;
    }
    return moving->current;
}

static enum tb_code moving_get(struct tb_view_reader *base, struct tb_str order_id,
                               struct tb_buf *ret_doc, int64_t *ret_version, struct tb_error *err)
{
    struct tb_view_reader *reader = current(base);

    return reader->ops->get(reader, order_id, ret_doc, ret_version, err);
}

static enum tb_code moving_list(struct tb_view_reader *base, const struct tb_list_filter *filter,
                                void (*each)(void *ctx, struct tb_str order_id,
                                             int64_t placed_at_ms, struct tb_str doc),
                                void *ctx, bool *ret_more, struct tb_error *err)
{
    struct tb_view_reader *reader = current(base);

    return reader->ops->list(reader, filter, each, ctx, ret_more, err);
}

static enum tb_code moving_scan(struct tb_view_reader *base, const char *start, int limit,
                                void (*each)(void *ctx, const struct tb_order *order), void *ctx,
                                struct tb_error *err)
{
    struct tb_view_reader *reader = current(base);

    return reader->ops->scan(reader, start, limit, each, ctx, err);
}

static enum tb_code moving_stats(struct tb_view_reader *base, const struct tb_stats_filter *filter,
                                 struct tb_arena *arena, struct tb_stats *ret_stats,
                                 struct tb_error *err)
{
    struct tb_view_reader *reader = current(base);

    return reader->ops->stats(reader, filter, arena, ret_stats, err);
}

static enum tb_code moving_offset(struct tb_view_reader *base, int32_t partition,
                                  int64_t *ret_next, struct tb_error *err)
{
    struct tb_view_reader *reader = current(base);

    return reader->ops->offset(reader, partition, ret_next, err);
}

static enum tb_code moving_letters(struct tb_view_reader *base,
                                   const struct tb_dead_letter_filter *filter,
                                   bool (*each)(void *ctx, const struct tb_dead_letter *letter),
                                   void *ctx, bool *ret_more, struct tb_error *err)
{
    struct tb_view_reader *reader = current(base);

    return reader->ops->list_dead_letters(reader, filter, each, ctx, ret_more, err);
}

static enum tb_code moving_letter(struct tb_view_reader *base,
                                  struct tb_dead_letter_position place, struct tb_arena *arena,
                                  struct tb_dead_letter *ret_letter, struct tb_error *err)
{
    struct tb_view_reader *reader = current(base);

    return reader->ops->get_dead_letter(reader, place, arena, ret_letter, err);
}

static enum tb_code moving_dead_letter_count(struct tb_view_reader *base, int64_t *ret_open,
                                             struct tb_error *err)
{
    struct tb_view_reader *reader = current(base);

    return reader->ops->count_dead_letters(reader, ret_open, err);
}

static void moving_free(struct tb_view_reader *base)
{
    struct tb_switch_reader *moving = (struct tb_switch_reader *)base;

    free_reader(atomic_load(&moving->next));
    free_reader(moving->current);
    free(moving);
}

/* Of views whose readers have all of these but `versions`. */
static const struct tb_view_reader_ops ops = {
    .get = moving_get,
    .list = moving_list,
    .scan = moving_scan,
    .stats = moving_stats,
    .offset = moving_offset,
    .list_dead_letters = moving_letters,
    .get_dead_letter = moving_letter,
    .count_dead_letters = moving_dead_letter_count,
    .free = moving_free,
};

enum tb_code tb_switch_reader_new(struct tb_view_reader *first,
                                  struct tb_switch_reader **ret_moving, struct tb_error *err)
{
    struct tb_switch_reader *moving = calloc(1, sizeof *moving);

    if (!moving)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    moving->reader.ops = &ops;
    moving->current = first;
    *ret_moving = moving;
    return TB_OK;
}

struct tb_view_reader *tb_switch_reader_base(struct tb_switch_reader *moving)
{
    return &moving->reader;
}

void tb_switch_reader_switch(struct tb_switch_reader *moving, struct tb_view_reader *next)
{
    free_reader(atomic_exchange(&moving->next, next)); /* one that nobody has come to use */
}
