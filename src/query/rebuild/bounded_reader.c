#include "query/rebuild/bounded_reader.h"

/* Cuts the batch at the limit. The next poll makes the other reader read the rest again. */
static void cut(struct tb_bounded_reader *bounded, struct tb_log_batch *batch)
{
    int64_t end = bounded->limit[batch->partition];
    size_t keep = batch->count;

    while (keep > 0 && batch->records[keep - 1].offset >= end)
        keep--;
    if (keep < batch->count)
        bounded->seek_to[batch->partition] = batch->records[keep].offset;
    batch->count = keep;
}

static enum tb_code seek_back(struct tb_bounded_reader *bounded, struct tb_error *err)
{
    for (int32_t p = 0; p < bounded->partitions; p++) {
        if (bounded->seek_to[p] >= 0)
            TB_TRY(bounded->from->ops->seek(bounded->from, p, bounded->seek_to[p], err));
        bounded->seek_to[p] = -1;
    }
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

        TB_TRY(seek_back(bounded, err));
        TB_TRY(bounded->from->ops->poll(bounded->from, max, turn == 0 ? wait_ms : 0, &batch, err));
        if (batch.count == 0)
            return TB_OK;
        cut(bounded, &batch);
        if (batch.count == 0)
            continue;
        bounded->appended_at_ms = batch.records[batch.count - 1].timestamp_ms;
        *ret_batch = batch;
        return TB_OK;
    }
    return TB_OK;
}

/* What is read again is not applied before. */
static enum tb_code bounded_seek(struct tb_log_reader *base, int32_t partition, int64_t offset,
                                 struct tb_error *err)
{
    struct tb_bounded_reader *bounded = (struct tb_bounded_reader *)base;

    TB_TRY(bounded->from->ops->seek(bounded->from, partition, offset, err));
    bounded->seek_to[partition] = -1;
    if (bounded->applied[partition] > offset)
        bounded->applied[partition] = offset;
    return TB_OK;
}

static enum tb_code bounded_commit(struct tb_log_reader *base, int32_t partition, int64_t next,
                                   struct tb_error *err)
{
    struct tb_bounded_reader *bounded = (struct tb_bounded_reader *)base;

    if (next <= bounded->applied[partition])
        return TB_OK;
    TB_TRY(bounded->from->ops->commit(bounded->from, partition, next, err));
    bounded->applied[partition] = next;
    return TB_OK;
}

static int64_t bounded_position(struct tb_log_reader *base, int32_t partition)
{
    struct tb_bounded_reader *bounded = (struct tb_bounded_reader *)base;
    struct tb_log_reader *from = bounded->from;

    if (bounded->seek_to[partition] >= 0)
        return bounded->seek_to[partition];
    return from->ops->position ? from->ops->position(from, partition) : -1;
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
    .position = bounded_position,
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
    for (int32_t p = 0; p < TB_LOG_PARTITIONS_MAX; p++)
        bounded->seek_to[p] = -1;
    bounded->clock = (struct tb_clock){.ctx = bounded, .wall_ms = appended_at, .mono_us = mono_us};
}
