/* What the benchmarks share: options, time, latencies and the rows of the table.
 *
 * Thread:  one.
 * Memory:  values; texts are borrowed for the call.
 * Errors:  a benchmark that cannot measure says why and exits 2 (tb_bench_die).
 * Units:   microseconds (_us), bytes unless the name says otherwise. */
#pragma once
#include "base/mem/buf.h"

struct tb_bench {
    const char *name; /* of the program */
    const char *edge,
        *central;              /* paths of tillbox-edge and tillbox-central; central may be NULL */
    const char *kafka, *mongo; /* address of a broker and URI of a server of our own, or NULL */
    char dir[200]; /* scratch folder on the file system to measure; removed at the end */
    bool quick;    /* a short run: shows that it works, not how fast it is */
};

/* --quick, --edge PATH (else $TILLBOX_EDGE), --dir DIR (else $TILLBOX_BENCH_DIR, else the
 * current folder), --central PATH, --kafka ADDRESS, --mongo URI. Makes a new scratch folder in
 * DIR. */
void tb_bench_init(struct tb_bench *bench, int argc, char **argv);
void tb_bench_release(struct tb_bench *bench);
/* The full figure, or the quick one. */
double tb_bench_seconds(const struct tb_bench *bench, double full, double quick);
_Noreturn void tb_bench_die(const char *format, ...) TB_PRINTF(1, 2);
/* A line for the reader, on standard error: standard output holds rows only. */
void tb_bench_note(const char *format, ...) TB_PRINTF(1, 2);
/* Dies unless the options name what the connected edition needs. */
void tb_bench_require(const struct tb_bench *bench, bool central_and_mongo);
/* Removes a folder and what is in it; no such folder is fine. */
void tb_bench_remove(const char *path);

int64_t tb_bench_now_us(void); /* monotonic */
void tb_bench_sleep(double seconds);
/* The middle one of count values, which get sorted. */
double tb_bench_median(double *values, size_t count);

/* One row of the table, tab-separated: figure, measured, raw limit, ratio, asked, met.
 * Absent cells are "". */
struct tb_bench_row {
    const char *figure, *measured, *raw, *ratio, *asked;
    bool met;
};
void tb_bench_print(const struct tb_bench_row *row);

/* Latencies in buckets of 1/64 octave: percentiles are right within 1.6 %, max is exact. */
#define TB_LATENCY_OCTAVES 32
#define TB_LATENCY_STEPS 64
struct tb_latency {
    uint64_t buckets[TB_LATENCY_OCTAVES * TB_LATENCY_STEPS];
    uint64_t count;
    int64_t max_us;
};
void tb_latency_add(struct tb_latency *latency, int64_t us);
double tb_latency_ms(const struct tb_latency *latency, double quantile); /* 0.99 */

/* Appends an order of three lines as a till would send it, about 400 bytes. */
void tb_bench_order(struct tb_buf *out, uint64_t number);
