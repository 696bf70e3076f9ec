#include "query/consumer/consumer_priv.h"

/* What fails is tried again a little later: the log keeps for as long. */
#define SECURE_AGAIN_MS 60000

/* A view may be set back by a power loss, and the offsets that the log has of its group are then
 * ahead of it: only its own count, once they are on the disk. */
static enum tb_code secure(struct tb_consumer *consumer, struct tb_error *err)
{
    const struct tb_consumer_options *options = &consumer->options;
    struct tb_view *view = options->view;

    if (view->ops->sync && !consumer->secured)
        TB_TRY(view->ops->sync(view, err));
    consumer->secured = true;
    for (int32_t p = 0; p < options->partitions; p++) {
        int64_t next = -1;

        TB_TRY(view->ops->offset(view, p, &next, err));
        options->durable(options->ctx, p, next < 0 ? 0 : next);
    }
    return TB_OK;
}

enum tb_code tb_consumer_checkpoint(struct tb_consumer *consumer, struct tb_error *err)
{
    int64_t now_ms = tb_clock_mono_ms(consumer->options.clock);

    if (!consumer->options.durable || now_ms < consumer->secure_at_ms)
        return TB_OK;
    consumer->secure_at_ms = now_ms + SECURE_AGAIN_MS;
    TB_TRY(secure(consumer, err));
    consumer->secure_at_ms = now_ms + TB_CONSUMER_CHECKPOINT_MS;
    return TB_OK;
}
