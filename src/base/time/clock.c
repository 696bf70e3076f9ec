#include "base/time/clock.h"
#include "base/error.h"
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static int64_t system_wall_ms(void *ctx)
{
    struct timespec now;

    (void)ctx;
    TB_ASSERT(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_mono_us(void *ctx)
{
    struct timespec now;

    (void)ctx;
    TB_ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void system_fill(void *ctx, void *bytes, size_t len)
{
    /* One system call fetches bytes for several ids. */
    static _Thread_local uint8_t pool[256];
    static _Thread_local size_t left;
    uint8_t *out = bytes;

    (void)ctx;
    while (len > 0) {
        size_t part;

        if (left == 0) {
            ssize_t got = getrandom(pool, sizeof pool, 0);
            if (got < 0 && errno == EINTR)
                continue;
            TB_ASSERT(got > 0);
            left = (size_t)got;
        }
        part = len < left ? len : left;
        memcpy(out, pool + left - part, part);
        left -= part;
        out += part;
        len -= part;
    }
}

const struct tb_clock tb_clock_system = {NULL, system_wall_ms, system_mono_us};
const struct tb_random tb_random_system = {NULL, system_fill};

struct timespec tb_deadline_in(int64_t wait_ms)
{
    struct timespec at;

    TB_ASSERT(clock_gettime(CLOCK_MONOTONIC, &at) == 0);
    at.tv_sec += (time_t)(wait_ms / 1000);
    at.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

void tb_cond_init(pthread_cond_t *ret_cond)
{
    pthread_condattr_t attr;

    TB_ASSERT(pthread_condattr_init(&attr) == 0);
    TB_ASSERT(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    TB_ASSERT(pthread_cond_init(ret_cond, &attr) == 0);
    pthread_condattr_destroy(&attr);
}
