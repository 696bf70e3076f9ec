#include "query/consumer/consumer_priv.h"
#include <stdlib.h>

/* What others ask of the consumer's thread: to drop a letter, or to run something between two
 * batches. */

/* People ask for such things one at a time. */
#define ERRANDS_MAX 16

struct task {
    struct tb_thread_call errand; /* first */
    struct tb_dead_letter_position position;
    enum tb_code (*call)(void *ctx, struct tb_error *err); /* NULL: the letter is dropped */
    void *ctx;
};

static void ring(void *ctx)
{
    tb_consumer_wake(ctx);
}

void tb_consumer_init_calls(struct tb_consumer *consumer)
{
    tb_thread_calls_init(&consumer->errands, ERRANDS_MAX, ring, consumer);
}

void tb_consumer_close_calls(struct tb_consumer *consumer)
{
    struct tb_error ending = {0};

    tb_error_set(&ending, TB_UNAVAILABLE, "the view is not written any more: this is ending");
    tb_thread_calls_close(&consumer->errands, &ending);
}

static void free_task(struct tb_thread_call *errand)
{
    free(errand);
}

static enum tb_code ask(struct tb_consumer *consumer, const struct task *what, int64_t wait_ms,
                        struct tb_error *err)
{
    struct task *task = calloc(1, sizeof *task);

    if (!task)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    *task = *what;
    task->errand.free = free_task;
    return tb_thread_call_sync(&consumer->errands, &task->errand, wait_ms, err);
}

enum tb_code tb_consumer_drop_dead_letter(struct tb_consumer *consumer,
                                          struct tb_dead_letter_position place, int64_t wait_ms,
                                          struct tb_error *err)
{
    return ask(consumer, &(struct task){.position = place}, wait_ms, err);
}

enum tb_code tb_consumer_call(struct tb_consumer *consumer,
                              enum tb_code (*call)(void *ctx, struct tb_error *err), void *ctx,
                              int64_t wait_ms, struct tb_error *err)
{
    return ask(consumer, &(struct task){.call = call, .ctx = ctx}, wait_ms, err);
}

/* Between two plans, when the view has nothing open. */
void tb_consumer_run_calls(struct tb_consumer *consumer)
{
    struct tb_thread_call *errand;

    while ((errand = tb_thread_calls_take(&consumer->errands)) != NULL) {
        const struct task *task = (const struct task *)errand;
        struct tb_view *view = consumer->options.view; /* a call may have changed it */
        struct tb_error outcome = {0};

        if (task->call)
            (void)task->call(task->ctx, &outcome); /* which tells it */
        else
            (void)view->ops->drop_dead_letter(view, task->position,
                                              tb_clock_wall_ms(consumer->options.clock), &outcome);
        tb_thread_call_complete(&consumer->errands, errand, &outcome);
    }
}

/* What the log has not been told of is told with what follows. */
void tb_consumer_switch_view(struct tb_consumer *consumer, struct tb_view *view)
{
    TB_ASSERT(!consumer->paused && view->ops->offset);
    tb_consumer_undo(consumer);
    tb_consumer_clear_group(consumer);
    tb_consumer_release_batch(consumer);
    consumer->options.view = view;
    consumer->positioned = false;
    consumer->tries = 0;
    consumer->secured = false;
    consumer->expire_at_ms = tb_clock_mono_ms(consumer->options.clock);
    consumer->follow.scan = (struct tb_redrive_scan){0};
}
