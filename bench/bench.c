#include "bench.h"
#include "cli/http/cjson.h"
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void tb_bench_die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(2);
}

void tb_bench_note(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("  ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

static const char *setting(const char *variable, const char *fallback)
{
    const char *value = getenv(variable);

    return value && value[0] ? value : fallback;
}

/* Sets an option that has a value. False: there is no such option, or the value is missing. */
static bool take_option(struct tb_bench *bench, const char **parent, const char *name,
                        const char *value)
{
    const struct {
        const char *name, **value;
    } options[] = {{"--edge", &bench->edge},     {"--central", &bench->central},
                   {"--kafka", &bench->kafka},   {"--mongo", &bench->mongo},
                   {"--orders", &bench->orders}, {"--dir", parent}};

    for (size_t i = 0; value && i < sizeof options / sizeof *options; i++) {
        if (strcmp(name, options[i].name) == 0) {
            *options[i].value = value;
            return true;
        }
    }
    return false;
}

void tb_bench_init(struct tb_bench *bench, int argc, char **argv)
{
    const char *parent = setting("TILLBOX_BENCH_DIR", ".");

    *bench = (struct tb_bench){.edge = setting("TILLBOX_EDGE", NULL)};
    bench->name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            bench->quick = true;
        else if (take_option(bench, &parent, argv[i], argv[i + 1]))
            i++;
        else
            tb_bench_die("usage: %s [--quick] [--edge PATH] [--dir DIR] [--central PATH] "
                         "[--kafka ADDRESS] [--mongo URI]",
                         bench->name);
    }
    if (!bench->edge)
        tb_bench_die("say where tillbox-edge is: --edge PATH, or TILLBOX_EDGE");

    int len = snprintf(bench->dir, sizeof bench->dir, "%s/tillbox-bench-XXXXXX", parent);
    if (len < 0 || (size_t)len >= sizeof bench->dir || !mkdtemp(bench->dir))
        tb_bench_die("no scratch folder in %s", parent);
    fprintf(stderr, "%s%s\n", bench->name, bench->quick ? " (quick)" : "");
}

void tb_bench_require(const struct tb_bench *bench, bool central_and_mongo)
{
    if (!bench->kafka)
        tb_bench_die("say where Kafka is: --kafka ADDRESS");
    if (central_and_mongo && (!bench->central || !bench->mongo))
        tb_bench_die("say where tillbox-central and MongoDB are: --central PATH --mongo URI");
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

void tb_bench_remove(const char *path)
{
    if (access(path, F_OK) == 0)
        nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void tb_bench_release(struct tb_bench *bench)
{
    tb_bench_remove(bench->dir);
}

double tb_bench_seconds(const struct tb_bench *bench, double full, double quick)
{
    return bench->quick ? quick : full;
}

int64_t tb_bench_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void tb_bench_sleep(double seconds)
{
    struct timespec rest = {.tv_sec = (time_t)seconds};

    rest.tv_nsec = (long)((seconds - (double)rest.tv_sec) * 1e9);
    while (nanosleep(&rest, &rest) != 0)
        continue;
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

double tb_bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static const char *cell(const char *text)
{
    return text ? text : "";
}

void tb_bench_print(const struct tb_bench_row *row)
{
    printf("%s\t%s\t%s\t%s\t%s\t%s\n", row->figure, cell(row->measured), cell(row->raw),
           cell(row->ratio), cell(row->asked), row->met ? "yes" : "NO");
    fflush(stdout);
}

void tb_bench_print_value(const char *figure, const char *asked, bool met, const char *format, ...)
{
    char measured[80];
    va_list args;

    va_start(args, format);
    vsnprintf(measured, sizeof measured, format, args);
    va_end(args);
    tb_bench_print(&(struct tb_bench_row){
        .figure = figure, .measured = measured, .asked = asked, .met = met});
}

size_t tb_turns_pairs(const struct tb_bench *bench)
{
    return bench->quick ? 3 : 11;
}

void tb_turns_take(struct tb_turns *turns)
{
    TB_ASSERT(turns->pairs > 0 && turns->pairs <= TB_TURNS_MAX);
    for (size_t i = 0; i < turns->pairs; i++) {
        if (i % 2 == 0)
            turns->products[i] = turns->product(turns->ctx);
        turns->raws[i] = turns->raw(turns->ctx);
        if (i % 2 == 1)
            turns->products[i] = turns->product(turns->ctx);
        tb_bench_note("pair %zu: %.0f/s, raw %.0f/s, ratio %.2f", i + 1, turns->products[i],
                      turns->raws[i], turns->products[i] / turns->raws[i]);
    }
}

void tb_turns_print(const char *figure, struct tb_turns *turns, double ratio_min, bool also_met)
{
    char measured[40], raw[40], ratio_text[40], asked[32];
    double ratios[TB_TURNS_MAX], ratio;
    size_t count = turns->pairs;

    for (size_t i = 0; i < count; i++)
        ratios[i] = turns->products[i] / turns->raws[i];
    ratio = tb_bench_median(ratios, count);
    snprintf(measured, sizeof measured, "%.0f/s", tb_bench_median(turns->products, count));
    snprintf(raw, sizeof raw, "%.0f/s", tb_bench_median(turns->raws, count));
    snprintf(ratio_text, sizeof ratio_text, "%.2f (%.2f to %.2f)", ratio, ratios[count / 4],
             ratios[count - 1 - count / 4]);
    snprintf(asked, sizeof asked, ">= %.2f of raw", ratio_min);
    tb_bench_print(&(struct tb_bench_row){.figure = figure,
                                          .measured = measured,
                                          .raw = raw,
                                          .ratio = ratio_text,
                                          .asked = asked,
                                          .met = ratio >= ratio_min && also_met});
}

/* Each of the first 128 values has its own bucket; above, the top seven bits choose one. */
static size_t bucket_of(int64_t us)
{
    uint64_t value = us < 0 ? 0 : (uint64_t)us;
    if (value < 2 * TB_LATENCY_STEPS)
        return (size_t)value;

    unsigned shift = 57u - (unsigned)__builtin_clzll(value);
    size_t bucket = (size_t)shift * TB_LATENCY_STEPS + (size_t)(value >> shift);
    size_t last = TB_LATENCY_OCTAVES * TB_LATENCY_STEPS - 1;
    return bucket > last ? last : bucket;
}

static double bucket_end_us(size_t bucket)
{
    if (bucket < 2 * TB_LATENCY_STEPS)
        return (double)bucket;
    size_t shift = bucket / TB_LATENCY_STEPS - 1;
    size_t top = bucket - shift * TB_LATENCY_STEPS + 1;
    return (double)((uint64_t)top << shift);
}

void tb_latency_add(struct tb_latency *latency, int64_t us)
{
    latency->buckets[bucket_of(us)]++;
    latency->count++;
    if (us > latency->max_us)
        latency->max_us = us;
}

void tb_latency_merge(struct tb_latency *into, const struct tb_latency *other)
{
    for (size_t i = 0; i < TB_LATENCY_OCTAVES * TB_LATENCY_STEPS; i++)
        into->buckets[i] += other->buckets[i];
    into->count += other->count;
    if (other->max_us > into->max_us)
        into->max_us = other->max_us;
}

double tb_latency_ms(const struct tb_latency *latency, double quantile)
{
    uint64_t want = (uint64_t)((double)latency->count * quantile);
    uint64_t seen = 0;

    for (size_t i = 0; i < TB_LATENCY_OCTAVES * TB_LATENCY_STEPS; i++) {
        seen += latency->buckets[i];
        if (seen > want)
            return bucket_end_us(i) / 1000;
    }
    return (double)latency->max_us / 1000;
}

void tb_bench_order(struct tb_buf *out, uint64_t number)
{
    tb_buf_addf(out,
                "{\"customerId\":\"C-%06llu\",\"source\":\"POS\",\"kind\":\"SALE\","
                "\"currency\":\"EUR\",\"lines\":["
                "{\"sku\":\"TEA-0001\",\"name\":\"Green tea, loose\",\"quantity\":2,"
                "\"unitPriceMinor\":350},"
                "{\"sku\":\"MUG-0042\",\"name\":\"Mug, blue\",\"quantity\":1,"
                "\"unitPriceMinor\":1290},"
                "{\"sku\":\"CAK-0007\",\"name\":\"Lemon cake\",\"quantity\":3,"
                "\"unitPriceMinor\":425}]}",
                (unsigned long long)(number % 1000000));
}

bool tb_bench_order_id(struct tb_str answer, char ret_id[TB_UUID_SIZE])
{
    TB_CLEANUP(tb_cjson_freep) cJSON *root = cJSON_ParseWithLength(answer.ptr, answer.len);

    return tb_uuid_parse(tb_cjson_text(root, "orderId"), ret_id);
}
