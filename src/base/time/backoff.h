/* Back-off with full jitter: the wait before try n is uniform in [0, min(cap, base * 2^n)].
 *
 * Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. */
#pragma once
#include "base/time/clock.h"

struct tb_backoff {
    int64_t base_ms, cap_ms;
    unsigned tries; /* failures since the last success */
};

int64_t tb_backoff_next_ms(struct tb_backoff *backoff, const struct tb_random *random);
void tb_backoff_reset(struct tb_backoff *backoff);
