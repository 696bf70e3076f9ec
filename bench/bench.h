/* What all benchmarks need: options, time, latencies and the rows of the table.
 *
 * Thread:  main.
 * Errors:  a benchmark that cannot measure prints why and exits with 2 (tb_bench_die).
 * Units:   microseconds (_us). */
#pragma once
#include "base/values/uuid.h"

struct tb_bench {
    const char *name; /* of the program */
    const char *edge,
        *central;              /* paths of tillbox-edge and tillbox-central; central may be NULL */
    const char *kafka, *mongo; /* a broker's address and a MongoDB server's URI, or NULL */
    const char *orders;        /* how many `fleet` loads; NULL: its default */
    char dir[200]; /* scratch folder on the file system to measure; removed at the end */
    bool quick;    /* a short run: shows that the benchmark works, not how fast tillbox is */
};

/* --quick, --edge PATH (else $TILLBOX_EDGE), --dir DIR (else $TILLBOX_BENCH_DIR, else the
 * current folder), --central PATH, --kafka ADDRESS, --mongo URI, --orders N. Makes a new scratch
 * folder in DIR. */
void tb_bench_init(struct tb_bench *bench, int argc, char **argv);
void tb_bench_release(struct tb_bench *bench);
/* Returns quick in a quick run, else full. */
double tb_bench_seconds(const struct tb_bench *bench, double full, double quick);
_Noreturn void tb_bench_die(const char *format, ...) TB_PRINTF(1, 2);
/* Prints a line on standard error: standard output has the rows only. */
void tb_bench_note(const char *format, ...) TB_PRINTF(1, 2);
/* Dies unless the options name what the connected edition needs. */
void tb_bench_require(const struct tb_bench *bench, bool central_and_mongo);
/* Removes a folder and everything in it, if it is there. */
void tb_bench_remove(const char *path);

int64_t tb_bench_now_us(void); /* monotonic */
void tb_bench_sleep(double seconds);
/* Returns the median; sorts the values, of which there is at least one. */
double tb_bench_median(double *values, size_t count);

/* Prints one row of the table, tab-separated: figure, measured, raw limit, ratio, asked, met. */
struct tb_bench_row {
    const char *figure, *measured, *raw, *ratio, *asked; /* NULL: the cell is empty */
    bool met;
};
void tb_bench_print(const struct tb_bench_row *row);
/* Prints a row without raw limit; the format makes the measured cell. */
void tb_bench_print_value(const char *figure, const char *asked, bool met, const char *format, ...)
    TB_PRINTF(4, 5);

/* The product and its raw limit, measured in turns: in short slices, so that whatever else the
 * machine does meets both alike. Each function measures one slice and returns its rate a second.
 * Of every second pair the raw slice comes first. */
#define TB_TURNS_MAX 16
struct tb_turns {
    double (*product)(void *ctx), (*raw)(void *ctx);
    void *ctx;
    size_t pairs; /* see tb_turns_pairs */
    /* Of the pairs that were measured: */
    double products[TB_TURNS_MAX], raws[TB_TURNS_MAX];
};
size_t tb_turns_pairs(const struct tb_bench *bench); /* how many of them a run takes */
void tb_turns_take(struct tb_turns *turns);
/* Prints a row: the medians of both, the median of the pairs' ratios, and in brackets the spread
 * of its middle half. It is met if that median is at least ratio_min and also_met is true. */
void tb_turns_print(const char *figure, struct tb_turns *turns, double ratio_min, bool also_met);

/* A histogram with buckets of 1/64 octave: quantiles are right within 1.6 %, max_us is exact. */
#define TB_LATENCY_OCTAVES 32
#define TB_LATENCY_STEPS 64
struct tb_latency {
    uint64_t buckets[TB_LATENCY_OCTAVES * TB_LATENCY_STEPS];
    uint64_t count;
    int64_t max_us;
};
void tb_latency_add(struct tb_latency *latency, int64_t us);
void tb_latency_merge(struct tb_latency *into, const struct tb_latency *other);
double tb_latency_ms(const struct tb_latency *latency, double quantile); /* 0.99 */

/* Appends an order of three lines as a till sends it, about 400 bytes. */
void tb_bench_order(struct tb_buf *out, uint64_t number);
/* Reads the order id from the answer to a placed order. False: there is none. */
bool tb_bench_order_id(struct tb_str answer, char ret_id[TB_UUID_SIZE]);
