#include "query/rebuild/bounded_reader.h"

/* Cuts the batch at the limit. A seek makes the other reader read the rest again later. */
static enum tb_code cut(struct tb_bounded_reader *bounded, struct tb_log_batch *batch,
                        struct tb_error *err)
{
    int64_t end = bounded->limit[batch->partition];
    size_t keep = batch->count;

    while (keep > 0 && batch->records[keep - 1].offset >= end)
        keep--;
    if (keep < batch->count)
        TB_TRY(bounded->from->ops->seek(bounded->from, batch->partition,
                                        batch->records[keep].offset, err));
    batch->count = keep;
    return TB_OK;
}

/* The other reader returns a batch of each partition in turn. So if as many batches as there are
 * partitions have no record below the limit, no partition has one. */
static enum tb_code bounded_poll(struct tb_log_reader *base, size_t max, int64_t wait_ms,
                                 struct tb_log_batch *ret_batch, struct tb_error *err)
{
    struct tb_bounded_reader *bounded = (struct tb_bounded_reader *)base;

    *ret_batch = (struct tb_log_batch){0};
    for (int turn = 0; turn < bounded->partitions; turn++) {
        struct tb_log_batch batch = {0};

        TB_TRY(bounded->from->ops->poll(bounded->from, max, turn == 0 ? wait_ms : 0, &batch, err));
        if (batch.count == 0)
            return TB_OK;
        TB_TRY(cut(bounded, &batch, err));
        if (batch.count == 0)
            continue;
        bounded->appended_at_ms = batch.records[batch.count - 1].timestamp_ms;
        *ret_batch = batch;
        return TB_OK;
    }
    return TB_OK;
}

static enum tb_code bounded_seek(struct tb_log_reader *base, int32_t partition, int64_t offset,
                                 struct tb_error *err)
{
    struct tb_log_reader *from = ((struct tb_bounded_reader *)base)->from;

    return from->ops->seek(from, partition, offset, err);
}

static enum tb_code bounded_commit(struct tb_log_reader *base, int32_t partition, int64_t next,
                                   struct tb_error *err)
{
    struct tb_log_reader *from = ((struct tb_bounded_reader *)base)->from;

    return from->ops->commit(from, partition, next, err);
}

static enum tb_code bounded_range(struct tb_log_reader *base, int32_t partition,
                                  struct tb_log_range *ret_range, struct tb_error *err)
{
    struct tb_log_reader *from = ((struct tb_bounded_reader *)base)->from;

    return from->ops->range(from, partition, ret_range, err);
}

/* No wake and no free: the rebuild steps its consumer itself, and keeps the reader in a struct. */
static const struct tb_log_reader_ops ops = {
    .poll = bounded_poll,
    .seek = bounded_seek,
    .commit = bounded_commit,
    .range = bounded_range,
};

static int64_t appended_at(void *ctx)
{
    return ((struct tb_bounded_reader *)ctx)->appended_at_ms;
}

static int64_t mono_us(void *ctx)
{
    return tb_clock_mono_us(((struct tb_bounded_reader *)ctx)->real);
}

void tb_bounded_reader_init(struct tb_bounded_reader *bounded, struct tb_log_reader *from,
                            int32_t partitions, const struct tb_clock *real)
{
    *bounded = (struct tb_bounded_reader){
        .reader.ops = &ops, .from = from, .partitions = partitions, .real = real};
    bounded->clock = (struct tb_clock){.ctx = bounded, .wall_ms = appended_at, .mono_us = mono_us};
}
