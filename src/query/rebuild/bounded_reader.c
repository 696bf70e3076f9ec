#include "query/rebuild/bounded_reader.h"

static struct tb_bounded_reader *until_of(struct tb_log_reader *base)
{
    return (struct tb_bounded_reader *)base;
}

/* Of what was read the part that may be handed out; the rest is read again later. */
static enum tb_code cut(struct tb_bounded_reader *until, struct tb_log_batch *batch,
                        struct tb_error *err)
{
    int64_t end = until->until[batch->partition];
    size_t keep = batch->count;

    while (keep > 0 && batch->records[keep - 1].offset >= end)
        keep--;
    if (keep < batch->count)
        TB_TRY(until->from->ops->seek(until->from, batch->partition, batch->records[keep].offset,
                                      err));
    batch->count = keep;
    return TB_OK;
}

/* The reader behind takes partitions in turn: after a round of them there is nothing to be had. */
static enum tb_code until_poll(struct tb_log_reader *base, size_t max, int64_t wait_ms,
                               struct tb_log_batch *ret_batch, struct tb_error *err)
{
    struct tb_bounded_reader *until = until_of(base);

    *ret_batch = (struct tb_log_batch){0};
    for (int turn = 0; turn < until->partitions; turn++) {
        struct tb_log_batch batch = {0};

        TB_TRY(until->from->ops->poll(until->from, max, turn == 0 ? wait_ms : 0, &batch, err));
        if (batch.count == 0)
            return TB_OK;
        TB_TRY(cut(until, &batch, err));
        if (batch.count == 0)
            continue;
        until->appended_at_ms = batch.records[batch.count - 1].timestamp_ms;
        *ret_batch = batch;
        return TB_OK;
    }
    return TB_OK;
}

static enum tb_code until_seek(struct tb_log_reader *base, int32_t partition, int64_t offset,
                               struct tb_error *err)
{
    struct tb_log_reader *from = until_of(base)->from;

    return from->ops->seek(from, partition, offset, err);
}

static enum tb_code until_commit(struct tb_log_reader *base, int32_t partition, int64_t next,
                                 struct tb_error *err)
{
    struct tb_log_reader *from = until_of(base)->from;

    return from->ops->commit(from, partition, next, err);
}

static enum tb_code until_range(struct tb_log_reader *base, int32_t partition,
                                struct tb_log_range *ret_range, struct tb_error *err)
{
    struct tb_log_reader *from = until_of(base)->from;

    return from->ops->range(from, partition, ret_range, err);
}

static void until_wake(struct tb_log_reader *base)
{
    struct tb_log_reader *from = until_of(base)->from;

    from->ops->wake(from);
}

static void until_free(struct tb_log_reader *base)
{
    (void)base;
}

static const struct tb_log_reader_ops ops = {
    .poll = until_poll,
    .seek = until_seek,
    .commit = until_commit,
    .range = until_range,
    .wake = until_wake,
    .free = until_free,
};

static int64_t appended_at(void *ctx)
{
    return ((struct tb_bounded_reader *)ctx)->appended_at_ms;
}

static int64_t mono_us(void *ctx)
{
    return tb_clock_mono_us(((struct tb_bounded_reader *)ctx)->real);
}

void tb_bounded_reader_init(struct tb_bounded_reader *until, struct tb_log_reader *from,
                            int32_t partitions, const struct tb_clock *real)
{
    *until = (struct tb_bounded_reader){
        .reader.ops = &ops, .from = from, .partitions = partitions, .real = real};
    until->clock = (struct tb_clock){.ctx = until, .wall_ms = appended_at, .mono_us = mono_us};
}
