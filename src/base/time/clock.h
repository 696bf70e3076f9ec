/* Time and random numbers as parameters: only the mains pass those of the system; tests pass
 * their own.
 *
 * Thread:  any thread may use the system's clock and random numbers.
 * Memory:  the structs are borrowed and must outlive their users.
 * Units:   Unix milliseconds (_ms, wall), microseconds since some start (_us, monotonic). */
#pragma once
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct tb_clock {
    void *ctx;
    int64_t (*wall_ms)(void *ctx); /* the wall clock; may jump */
    int64_t (*mono_us)(void *ctx); /* never goes back; for waiting and measuring */
};
static inline int64_t tb_clock_wall_ms(const struct tb_clock *clock)
{
    return clock->wall_ms(clock->ctx);
}
static inline int64_t tb_clock_mono_us(const struct tb_clock *clock)
{
    return clock->mono_us(clock->ctx);
}
static inline int64_t tb_clock_mono_ms(const struct tb_clock *clock)
{
    return clock->mono_us(clock->ctx) / 1000;
}

/* Returns the shorter of two waits; a wait below 0 has no end. */
static inline int64_t tb_sooner_ms(int64_t a_ms, int64_t b_ms)
{
    if (a_ms < 0 || b_ms < 0)
        return a_ms < 0 ? b_ms : a_ms;
    return a_ms < b_ms ? a_ms : b_ms;
}

struct tb_random {
    void *ctx;
    void (*fill)(void *ctx, void *bytes, size_t len);
};
static inline void tb_random_fill(const struct tb_random *random, void *bytes, size_t len)
{
    random->fill(random->ctx, bytes, len);
}

extern const struct tb_clock tb_clock_system;
extern const struct tb_random tb_random_system; /* getrandom(2), buffered per thread */

/* Returns the moment wait_ms from now, by CLOCK_MONOTONIC, for pthread_cond_timedwait. */
struct timespec tb_deadline_in(int64_t wait_ms);
/* Initialises a condition variable that waits by CLOCK_MONOTONIC. */
void tb_cond_init(pthread_cond_t *ret_cond);
