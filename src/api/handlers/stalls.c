#include "api/handlers/context.h"

/* So long a view may lack events of a partition without applying one. */
#define STALLED_MS 60000

/* A partition that is complete, or not read here, does not stand still. What moved between two
 * looks has moved at the later one. */
void tb_stalls_note(struct tb_api *api, const struct tb_view_progress *progress)
{
    int64_t now_ms = tb_clock_mono_ms(api->options.clock);
    struct tb_stalls *stalls = &api->stalls;

    if (!progress->lag_known)
        return;
    pthread_mutex_lock(&stalls->lock);
    for (int32_t p = 0; p < api->options.partitions; p++) {
        struct tb_stall *stall = &stalls->partitions[p];
        int64_t next = progress->committed[p];

        if (progress->end[p] <= next)
            *stall = (struct tb_stall){0};
        else if (stall->since_ms == 0 || stall->next != next)
            *stall = (struct tb_stall){.next = next, .since_ms = now_ms};
        stall->lag = progress->end[p] - next;
    }
    pthread_mutex_unlock(&stalls->lock);
}

int64_t tb_stalls_longest(struct tb_api *api, int32_t *ret_partition, int64_t *ret_lag)
{
    int64_t now_ms = tb_clock_mono_ms(api->options.clock), since_ms = now_ms;
    struct tb_stalls *stalls = &api->stalls;

    pthread_mutex_lock(&stalls->lock);
    for (int32_t p = 0; p < api->options.partitions; p++) {
        const struct tb_stall *stall = &stalls->partitions[p];

        if (stall->since_ms == 0 || stall->since_ms >= since_ms)
            continue;
        since_ms = stall->since_ms;
        *ret_partition = p;
        *ret_lag = stall->lag;
    }
    pthread_mutex_unlock(&stalls->lock);
    return now_ms - since_ms >= STALLED_MS ? now_ms - since_ms : 0;
}
