#include "base/time/backoff.h"

int64_t tb_backoff_next_ms(struct tb_backoff *backoff, const struct tb_random *random)
{
    int64_t bound = backoff->base_ms;
    uint64_t bits;

    for (unsigned i = 0; i < backoff->tries && bound < backoff->cap_ms; i++)
        bound *= 2;
    if (bound > backoff->cap_ms)
        bound = backoff->cap_ms;
    backoff->tries++;
    tb_random_fill(random, &bits, sizeof bits);
    return (int64_t)(bits % ((uint64_t)bound + 1));
}

void tb_backoff_reset(struct tb_backoff *backoff)
{
    backoff->tries = 0;
}
