#include "sim/trace.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RING 200
#define LINE_SIZE 160

static uint64_t no_counts[COVER_COUNT];
static uint64_t *counts = no_counts;
static struct {
    uint64_t seed, hash, count;
    const char *options;
    const int64_t *now_us;
    bool echo;
    char ring[RING][LINE_SIZE];
} trace;

const char *sim_cover_text(enum sim_cover what)
{
    static const char *const texts[] = {
#define X(name, text) text,
        COVER_LIST(X)
#undef X
    };

    return texts[what];
}

void sim_cover_into(uint64_t *into)
{
    counts = into;
}

void sim_cover(enum sim_cover what, uint64_t count)
{
    counts[what] += count;
}

void sim_trace_begin(uint64_t seed, const char *options, const int64_t *now_us, bool echo)
{
    trace.seed = seed;
    trace.options = options;
    trace.now_us = now_us;
    trace.echo = echo;
    trace.hash = UINT64_C(14695981039346656037); /* FNV-1a */
    trace.count = 0;
}

void sim_trace(const char *format, ...)
{
    char *line = trace.ring[trace.count++ % RING];
    int len = snprintf(line, LINE_SIZE, "%12.6f ", (double)*trace.now_us / 1e6);
    va_list args;

    va_start(args, format);
    vsnprintf(line + len, (size_t)(LINE_SIZE - len), format, args);
    va_end(args);
    for (const char *c = line; *c != '\0'; c++)
        trace.hash = (trace.hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    if (trace.echo)
        puts(line);
}

uint64_t sim_trace_hash(void)
{
    return trace.hash;
}

static void print_last_events(void)
{
    uint64_t first = trace.count > RING ? trace.count - RING : 0;

    if (trace.echo)
        return; /* already printed */
    printf("the last %" PRIu64 " of %" PRIu64 " events:\n", trace.count - first, trace.count);
    for (uint64_t i = first; i < trace.count; i++)
        printf("  %s\n", trace.ring[i % RING]);
}

static void print_seed(void)
{
    printf("seed %" PRIu64 "; repeat it with: tillbox-sim%s --seed %" PRIu64 "\n", trace.seed,
           trace.options, trace.seed);
    fflush(stdout);
}

void sim_violation(const char *format, ...)
{
    va_list args;

    print_last_events();
    printf("BROKEN INVARIANT: ");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    print_seed();
    _exit(SIM_EXIT_VIOLATION);
}

/* After a signal printing is not safe, but the process is lost anyway. */
static void on_abort(int number)
{
    print_last_events();
    printf("BROKEN INVARIANT: the program ended by signal %d (%s)\n", number, strsignal(number));
    print_seed();
    _exit(SIM_EXIT_VIOLATION);
}

void sim_catch_aborts(void)
{
    signal(SIGABRT, on_abort);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* sanitizers report more */
    signal(SIGSEGV, on_abort);
    signal(SIGBUS, on_abort);
    signal(SIGFPE, on_abort);
#endif
}
