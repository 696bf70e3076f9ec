#include "query/sqlite/switch_reader.h"
#include <stdatomic.h>
#include <stdlib.h>

struct tb_switch_reader {
    struct tb_view_reader reader;
    struct tb_view_reader *current;      /* owned */
    struct tb_view_reader *_Atomic next; /* owned; NULL: no switch is due */
};

static struct tb_view_reader *current(struct tb_view_reader *base)
{
    struct tb_switch_reader *self = (struct tb_switch_reader *)base;
    struct tb_view_reader *next = NULL;

    if (atomic_load(&self->next))
        next = atomic_exchange(&self->next, NULL);
    if (next) {
        tb_view_reader_free(self->current);
        self->current = next;
    }
    return self->current;
}

static enum tb_code switch_get(struct tb_view_reader *base, struct tb_str order_id,
                               struct tb_buf *ret_doc, int64_t *ret_version, struct tb_error *err)
{
    struct tb_view_reader *reader = current(base);

    return reader->ops->get(reader, order_id, ret_doc, ret_version, err);
}

static enum tb_code switch_list(struct tb_view_reader *base, const struct tb_list_filter *filter,
                                tb_listed_order_fn *each, void *ctx, bool *ret_more,
                                struct tb_error *err)
{
    struct tb_view_reader *reader = current(base);

    return reader->ops->list(reader, filter, each, ctx, ret_more, err);
}

static enum tb_code switch_scan(struct tb_view_reader *base, const char *start, int limit,
                                tb_scanned_order_fn *each, void *ctx, struct tb_error *err)
{
    struct tb_view_reader *reader = current(base);

    return reader->ops->scan(reader, start, limit, each, ctx, err);
}

static enum tb_code switch_stats(struct tb_view_reader *base, const struct tb_stats_filter *filter,
                                 struct tb_arena *arena, struct tb_stats *ret_stats,
                                 struct tb_error *err)
{
    struct tb_view_reader *reader = current(base);

    return reader->ops->stats(reader, filter, arena, ret_stats, err);
}

static enum tb_code switch_offset(struct tb_view_reader *base, int32_t partition,
                                  int64_t *ret_next, struct tb_error *err)
{
    struct tb_view_reader *reader = current(base);

    return reader->ops->offset(reader, partition, ret_next, err);
}

static enum tb_code switch_letters(struct tb_view_reader *base,
                                   const struct tb_dead_letter_filter *filter,
                                   tb_dead_letter_fn *each, void *ctx, bool *ret_more,
                                   struct tb_error *err)
{
    struct tb_view_reader *reader = current(base);

    return reader->ops->list_dead_letters(reader, filter, each, ctx, ret_more, err);
}

static enum tb_code switch_letter(struct tb_view_reader *base,
                                  struct tb_dead_letter_position place, struct tb_arena *arena,
                                  struct tb_dead_letter *ret_letter, struct tb_error *err)
{
    struct tb_view_reader *reader = current(base);

    return reader->ops->get_dead_letter(reader, place, arena, ret_letter, err);
}

static enum tb_code switch_dead_letter_count(struct tb_view_reader *base, int64_t *ret_open,
                                             struct tb_error *err)
{
    struct tb_view_reader *reader = current(base);

    return reader->ops->count_dead_letters(reader, ret_open, err);
}

static void switch_free(struct tb_view_reader *base)
{
    struct tb_switch_reader *self = (struct tb_switch_reader *)base;

    tb_view_reader_free(atomic_load(&self->next));
    tb_view_reader_free(self->current);
    free(self);
}

/* Both views have all of these functions and no `versions`. */
static const struct tb_view_reader_ops ops = {
    .get = switch_get,
    .list = switch_list,
    .scan = switch_scan,
    .stats = switch_stats,
    .offset = switch_offset,
    .list_dead_letters = switch_letters,
    .get_dead_letter = switch_letter,
    .count_dead_letters = switch_dead_letter_count,
    .free = switch_free,
};

enum tb_code tb_switch_reader_new(struct tb_view_reader *first, struct tb_switch_reader **ret_self,
                                  struct tb_error *err)
{
    struct tb_switch_reader *self = calloc(1, sizeof *self);

    if (!self)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    self->reader.ops = &ops;
    self->current = first;
    *ret_self = self;
    return TB_OK;
}

struct tb_view_reader *tb_switch_reader_base(struct tb_switch_reader *self)
{
    return &self->reader;
}

void tb_switch_reader_switch(struct tb_switch_reader *self, struct tb_view_reader *next)
{
    tb_view_reader_free(atomic_exchange(&self->next, next)); /* a reader that was never used */
}
