#include "query/consumer/consumer_priv.h"
#include <stdlib.h>

/* People make such calls one at a time. */
#define CALLS_MAX 16

struct consumer_call {
    struct tb_thread_call base;                           /* first */
    enum tb_code (*run)(void *ctx, struct tb_error *err); /* NULL: drop the dead letter */
    void *ctx;
    struct tb_dead_letter_position position;
};

static void wake(void *ctx)
{
    tb_consumer_wake(ctx);
}

void tb_consumer_init_calls(struct tb_consumer *consumer)
{
    tb_thread_calls_init(&consumer->calls, CALLS_MAX, wake, consumer);
}

void tb_consumer_close_calls(struct tb_consumer *consumer)
{
    struct tb_error ending = {0};

    tb_error_set(&ending, TB_UNAVAILABLE, "the view is not written any more: this is ending");
    tb_thread_calls_close(&consumer->calls, &ending);
}

static void free_call(struct tb_thread_call *call)
{
    free(call);
}

static enum tb_code call_and_wait(struct tb_consumer *consumer, const struct consumer_call *what,
                                  int64_t wait_ms, struct tb_error *err)
{
    struct consumer_call *call = calloc(1, sizeof *call);

    if (!call)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    *call = *what;
    call->base.free = free_call;
    return tb_thread_call_sync(&consumer->calls, &call->base, wait_ms, err);
}

enum tb_code tb_consumer_drop_dead_letter(struct tb_consumer *consumer,
                                          struct tb_dead_letter_position position, int64_t wait_ms,
                                          struct tb_error *err)
{
    return call_and_wait(consumer, &(struct consumer_call){.position = position}, wait_ms, err);
}

enum tb_code tb_consumer_call(struct tb_consumer *consumer,
                              enum tb_code (*call)(void *ctx, struct tb_error *err), void *ctx,
                              int64_t wait_ms, struct tb_error *err)
{
    return call_and_wait(consumer, &(struct consumer_call){.run = call, .ctx = ctx}, wait_ms, err);
}

void tb_consumer_run_calls(struct tb_consumer *consumer)
{
    struct tb_thread_call *base;

    while ((base = tb_thread_calls_take(&consumer->calls))) {
        const struct consumer_call *call = (const struct consumer_call *)base;
        struct tb_view *view = consumer->options.view; /* a call may have switched it */
        struct tb_error outcome = {0};

        if (call->run)
            (void)call->run(call->ctx, &outcome); /* the outcome has the code */
        else
            (void)view->ops->drop_dead_letter(view, call->position,
                                              tb_clock_wall_ms(consumer->options.clock), &outcome);
        tb_thread_call_complete(&consumer->calls, base, &outcome);
    }
}
