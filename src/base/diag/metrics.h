/* Metrics: counters and histograms, and their text for Prometheus (format 0.0.4):
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 *
 * There is no registry: each module has its metrics in its own structs, and api/ writes the page.
 *
 * Thread:  any (relaxed atomics).
 * Units:   times are observed in microseconds and written in seconds. */
#pragma once
#include "base/mem/buf.h"
#include <stdatomic.h>

struct tb_counter {
    _Atomic uint64_t value;
};
static inline void tb_counter_add(struct tb_counter *counter, uint64_t n)
{
    atomic_fetch_add_explicit(&counter->value, n, memory_order_relaxed);
}
static inline uint64_t tb_counter_get(const struct tb_counter *counter)
{
    return atomic_load_explicit(&((struct tb_counter *)(uintptr_t)counter)->value,
                                memory_order_relaxed);
}

#define TB_HISTOGRAM_BUCKETS_MAX 16
struct tb_histogram_spec {
    size_t count;                             /* finite bounds, rising */
    int64_t bounds[TB_HISTOGRAM_BUCKETS_MAX]; /* in the observed unit, inclusive */
    double scale;                             /* written = observed * scale */
};
struct tb_histogram {
    const struct tb_histogram_spec *spec; /* borrowed */
    struct tb_counter buckets[TB_HISTOGRAM_BUCKETS_MAX + 1];
    struct tb_counter sum;
};
/* 0.1 ms to 30 s, observed in microseconds, written in seconds. */
extern const struct tb_histogram_spec tb_histogram_time;
/* 1 to 1,024 in powers of two. */
extern const struct tb_histogram_spec tb_histogram_size;
void tb_histogram_observe(struct tb_histogram *histogram, int64_t value);

/* Writes # HELP and # TYPE: once for each name, before its samples. */
void tb_metric_head(struct tb_buf *out, const char *name, const char *type, const char *help);
/* labels: `{a="b"}` or "". */
void tb_metric_int(struct tb_buf *out, const char *name, const char *labels, int64_t value);
/* Head and sample of a gauge without labels. */
void tb_metric_gauge(struct tb_buf *out, const char *name, const char *help, int64_t value);
void tb_metric_seconds_from_ms(struct tb_buf *out, const char *name, const char *labels,
                               int64_t ms);
void tb_metric_histogram(struct tb_buf *out, const char *name, const char *help,
                         const struct tb_histogram *histogram);
