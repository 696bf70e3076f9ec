#include "query/rebuild/rebuild_priv.h"
#include <stdio.h>

/* Time between two samples of the rate, and how much the old rate counts against a new sample. */
#define RATE_EVERY_MS 1000
#define RATE_KEEP_PERCENT 70

static const char *const names[TB_REBUILD_STATE_COUNT] = {
    [TB_REBUILD_NONE] = "none",
    [TB_REBUILD_BUILDING] = "building",
    [TB_REBUILD_CATCHING_UP] = "catching-up",
    [TB_REBUILD_COMPARING] = "comparing",
    [TB_REBUILD_SWAPPING] = "swapping",
    [TB_REBUILD_DONE] = "done",
    [TB_REBUILD_FAILED] = "failed",
    [TB_REBUILD_ROLLED_BACK] = "rolled-back",
    [TB_REBUILD_CANCELLED] = "cancelled",
};

const char *tb_rebuild_state_name(enum tb_rebuild_state state)
{
    return names[state];
}

bool tb_rebuild_is_running(enum tb_rebuild_state state)
{
    return state >= TB_REBUILD_BUILDING && state <= TB_REBUILD_SWAPPING;
}

bool tb_rebuild_get_progress(struct tb_rebuild *rebuild, struct tb_rebuild_progress *ret_progress)
{
    bool known;

    pthread_mutex_lock(&rebuild->lock);
    *ret_progress = rebuild->progress;
    known = rebuild->known;
    pthread_mutex_unlock(&rebuild->lock);
    return known;
}

void tb_rebuild_get_generations(const struct tb_rebuild *rebuild,
                                struct tb_rebuild_generations *ret_generations)
{
    rebuild->options.backend->get_generations(rebuild->options.backend_ctx, ret_generations);
}

void tb_rebuild_set_problem(struct tb_rebuild *rebuild, const char *problem)
{
    pthread_mutex_lock(&rebuild->lock);
    snprintf(rebuild->progress.problem, sizeof rebuild->progress.problem, "%s", problem);
    pthread_mutex_unlock(&rebuild->lock);
}

void tb_rebuild_enter(struct tb_rebuild *rebuild, enum tb_rebuild_state state, const char *problem)
{
    /* From which states each state may be entered: the diagram in rebuild.h. */
    enum {
        running = 1u << TB_REBUILD_BUILDING | 1u << TB_REBUILD_CATCHING_UP |
                  1u << TB_REBUILD_COMPARING | 1u << TB_REBUILD_SWAPPING
    };
    static const unsigned from[TB_REBUILD_STATE_COUNT] = {
        [TB_REBUILD_BUILDING] = ~0u,
        [TB_REBUILD_CATCHING_UP] = 1u << TB_REBUILD_BUILDING,
        [TB_REBUILD_COMPARING] = 1u << TB_REBUILD_CATCHING_UP,
        [TB_REBUILD_SWAPPING] = 1u << TB_REBUILD_CATCHING_UP | 1u << TB_REBUILD_COMPARING,
        [TB_REBUILD_DONE] = 1u << TB_REBUILD_SWAPPING,
        [TB_REBUILD_ROLLED_BACK] = 1u << TB_REBUILD_SWAPPING,
        [TB_REBUILD_FAILED] = running,
        [TB_REBUILD_CANCELLED] = running,
    };
    struct tb_rebuild_progress *progress = &rebuild->progress;

    TB_ASSERT(from[state] & 1u << rebuild->state);
    rebuild->state = state;
    rebuild->publish_at_ms = 0;
    rebuild->end_unpublished = !tb_rebuild_is_running(state);
    pthread_mutex_lock(&rebuild->lock);
    progress->state = state;
    snprintf(progress->problem, sizeof progress->problem, "%s", problem);
    if (!tb_rebuild_is_running(state)) {
        progress->seconds_left = progress->per_second = 0;
        progress->cancelling = false;
    }
    pthread_mutex_unlock(&rebuild->lock);
    if (rebuild->options.entered)
        rebuild->options.entered(rebuild->options.ctx, state, problem);
}

static void sample(struct tb_rebuild *rebuild, int64_t events)
{
    struct tb_rebuild_progress *progress = &rebuild->progress;
    int64_t now_ms = tb_clock_mono_ms(rebuild->options.clock);
    int64_t passed_ms = now_ms - rebuild->rate_ms, rate;

    if (passed_ms < RATE_EVERY_MS)
        return;
    rate = (events - rebuild->rate_events) * 1000 / passed_ms;
    progress->per_second =
        progress->per_second == 0
            ? rate
            : (progress->per_second * RATE_KEEP_PERCENT + rate * (100 - RATE_KEEP_PERCENT)) / 100;
    rebuild->rate_ms = now_ms;
    rebuild->rate_events = events;
}

void tb_rebuild_set_progress(struct tb_rebuild *rebuild, int64_t events, int64_t left)
{
    struct tb_rebuild_progress *progress = &rebuild->progress;

    pthread_mutex_lock(&rebuild->lock);
    sample(rebuild, events);
    progress->events = events;
    progress->total = events + left;
    progress->seconds_left = left == 0                  ? 0
                             : progress->per_second > 0 ? left / progress->per_second + 1
                                                        : -1;
    pthread_mutex_unlock(&rebuild->lock);
}

void tb_rebuild_set_compared(struct tb_rebuild *rebuild)
{
    const struct tb_compare *compare = rebuild->compare;
    struct tb_rebuild_progress *progress = &rebuild->progress;
    int len;

    pthread_mutex_lock(&rebuild->lock);
    progress->compared = compare->done;
    progress->served_orders = compare->served.orders;
    progress->rebuilt_orders = compare->rebuilt.orders;
    progress->difference_count = compare->difference_count;
    len = snprintf(progress->differences, sizeof progress->differences, "[%s]",
                   compare->listed.len > 0 ? compare->listed.data : "");
    TB_ASSERT(len > 0 && (size_t)len < sizeof progress->differences);
    pthread_mutex_unlock(&rebuild->lock);
}
