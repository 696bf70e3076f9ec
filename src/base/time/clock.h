/* Time and chance, injected: nothing below edge.c and central.c asks the machine itself.
 *
 * Thread:  the system's implementations are callable from any thread.
 * Memory:  the structs are borrowed and outlive whoever holds them.
 * Errors:  none; a machine without random bytes is a failed assertion.
 * Units:   Unix milliseconds (_ms, wall), microseconds since some start (_us, monotonic). */
#pragma once
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct tb_clock {
    void *ctx;
    int64_t (*wall_ms)(void *ctx); /* what the till's clock says; may jump */
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

/* The shorter of two waits; below 0 means "without end". */
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

/* CLOCK_MONOTONIC so many milliseconds from now, as pthread_cond_timedwait takes it. */
struct timespec tb_deadline_in(int64_t wait_ms);
/* One whose waits end by that clock. */
void tb_cond_init(pthread_cond_t *ret_cond);
