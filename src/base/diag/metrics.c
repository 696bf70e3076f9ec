#include "base/diag/metrics.h"

const struct tb_histogram_spec tb_histogram_time = {
    .count = 16,
    .bounds = {100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000,
               1000000, 5000000, 10000000, 30000000},
    .scale = 1e-6,
};
const struct tb_histogram_spec tb_histogram_size = {
    .count = 11,
    .bounds = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024},
    .scale = 1,
};

void tb_histogram_observe(struct tb_histogram *histogram, int64_t value)
{
    const struct tb_histogram_spec *spec = histogram->spec;
    size_t bucket = 0;

    TB_ASSERT(value >= 0); /* Prometheus takes a sum that falls for a restart */
    while (bucket < spec->count && value > spec->bounds[bucket])
        bucket++;
    tb_counter_add(&histogram->buckets[bucket], 1);
    tb_counter_add(&histogram->sum, (uint64_t)value);
}

void tb_metric_head(struct tb_buf *out, const char *name, const char *type, const char *help)
{
    tb_buf_addf(out, "# HELP %s ", name);
    for (; *help; help++) {
        if (*help == '\\')
            tb_buf_adds(out, "\\\\");
        else if (*help == '\n')
            tb_buf_adds(out, "\\n");
        else
            tb_buf_addc(out, *help);
    }
    tb_buf_addf(out, "\n# TYPE %s %s\n", name, type);
}

void tb_metric_int(struct tb_buf *out, const char *name, const char *labels, int64_t value)
{
    tb_buf_adds(out, name);
    tb_buf_adds(out, labels);
    tb_buf_addc(out, ' ');
    tb_buf_add_int(out, value);
    tb_buf_addc(out, '\n');
}

void tb_metric_gauge(struct tb_buf *out, const char *name, const char *help, int64_t value)
{
    tb_metric_head(out, name, "gauge", help);
    tb_metric_int(out, name, "", value);
}

void tb_metric_seconds_from_ms(struct tb_buf *out, const char *name, const char *labels,
                               int64_t ms)
{
    uint64_t size = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;

    tb_buf_addf(out, "%s%s %s%llu.%03llu\n", name, labels, ms < 0 ? "-" : "",
                (unsigned long long)(size / 1000), (unsigned long long)(size % 1000));
}

void tb_metric_histogram(struct tb_buf *out, const char *name, const char *help,
                         const struct tb_histogram *histogram)
{
    const struct tb_histogram_spec *spec = histogram->spec;
    unsigned long long total = 0;

    tb_metric_head(out, name, "histogram", help);
    for (size_t i = 0; i < spec->count; i++) {
        total += tb_counter_get(&histogram->buckets[i]);
        tb_buf_addf(out, "%s_bucket{le=\"%g\"} %llu\n", name,
                    (double)spec->bounds[i] * spec->scale, total);
    }
    /* The total of the buckets read so far, so that +Inf and _count are equal. */
    total += tb_counter_get(&histogram->buckets[spec->count]);
    tb_buf_addf(out, "%s_bucket{le=\"+Inf\"} %llu\n", name, total);
    tb_buf_addf(out, "%s_sum %.15g\n", name,
                (double)tb_counter_get(&histogram->sum) * spec->scale);
    tb_buf_addf(out, "%s_count %llu\n", name, total);
}
