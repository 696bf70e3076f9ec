#include "query/consumer/consumer_priv.h"

/* A failed checkpoint is tried again after a minute; until then the log removes nothing more. */
#define CHECKPOINT_AGAIN_MS 60000

/* After a power loss the view may be older than the consumer group's offsets in the log. So the
 * log may remove only records before the offsets that the view has on its disk. */
static enum tb_code checkpoint(struct tb_consumer *consumer, struct tb_error *err)
{
    const struct tb_consumer_options *options = &consumer->options;
    struct tb_view *view = options->view;

    if (view->ops->sync && !consumer->synced)
        TB_TRY(view->ops->sync(view, err));
    consumer->synced = true;
    for (int32_t p = 0; p < options->partitions; p++) {
        int64_t next = -1;

        TB_TRY(view->ops->offset(view, p, &next, err));
        options->on_durable(options->ctx, p, next < 0 ? 0 : next);
    }
    return TB_OK;
}

void tb_consumer_keep_up(struct tb_consumer *consumer)
{
    struct tb_view *view = consumer->options.view;
    int64_t now_ms = tb_clock_mono_ms(consumer->options.clock);

    if (view->ops->keep_up && now_ms >= consumer->keep_up_at_ms) {
        consumer->keeps_up = view->ops->keep_up(view);
        consumer->keep_up_at_ms = now_ms + TB_CONSUMER_KEEP_UP_MS;
    }
}

enum tb_code tb_consumer_checkpoint(struct tb_consumer *consumer, struct tb_error *err)
{
    int64_t now_ms = tb_clock_mono_ms(consumer->options.clock);

    if (!consumer->options.on_durable || now_ms < consumer->checkpoint_at_ms)
        return TB_OK;
    consumer->checkpoint_at_ms = now_ms + CHECKPOINT_AGAIN_MS;
    TB_TRY(checkpoint(consumer, err));
    consumer->checkpoint_at_ms = now_ms + TB_CONSUMER_CHECKPOINT_MS;
    return TB_OK;
}
