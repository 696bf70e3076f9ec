#include "api/handlers/process_metrics.h"
#include "base/diag/metrics.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* /proc/self/stat behind the name's closing parenthesis begins with field 3 (proc(5)). */
#define FIELD_UTIME 14
#define FIELD_STIME 15
#define FIELD_START 22
#define FIELD_RSS 24

static bool read_text(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return false;
    size_t len = fread(text, 1, size - 1, file);
    (void)fclose(file);
    text[len] = '\0';
    return len > 0;
}

static bool read_fields(unsigned long long ret_fields[FIELD_RSS + 1])
{
    char text[1024];
    char *at = NULL;

    if (!read_text("/proc/self/stat", text, sizeof(text)) || (at = strrchr(text, ')')) == NULL)
        return false;
    at += 3; /* ") R": the state is a letter */
    for (int field = 4; field <= FIELD_RSS; field++) {
        char *end = NULL;
        ret_fields[field] = strtoull(at, &end, 10);
        if (end == at)
            return false;
        at = end;
    }
    return true;
}

static bool read_boot_time(unsigned long long *ret_seconds)
{
    FILE *file = fopen("/proc/stat", "re");
    char line[512];
    bool found = false;

    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof(line), file) != NULL)
        found = sscanf(line, "btime %llu", ret_seconds) == 1;
    (void)fclose(file);
    return found;
}

static void add_open_files(struct tb_buf *out)
{
    DIR *dir = opendir("/proc/self/fd");
    int64_t count = -3; /* ".", ".." and the folder itself */

    if (dir == NULL)
        return;
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir);
    tb_metric_head(out, "process_open_fds", "gauge", "Open file descriptors.");
    tb_metric_int(out, "process_open_fds", "", count);
}

void tb_process_metrics(struct tb_buf *out)
{
    unsigned long long fields[FIELD_RSS + 1] = {0}, boot_s = 0;
    double ticks = (double)sysconf(_SC_CLK_TCK);

    add_open_files(out);
    if (!read_fields(fields))
        return;
    tb_metric_head(out, "process_resident_memory_bytes", "gauge", "Resident memory.");
    tb_metric_int(out, "process_resident_memory_bytes", "",
                  (int64_t)fields[FIELD_RSS] * sysconf(_SC_PAGESIZE));
    tb_metric_head(out, "process_cpu_seconds_total", "counter", "User and system time.");
    tb_buf_addf(out, "process_cpu_seconds_total %.2f\n",
                (double)(fields[FIELD_UTIME] + fields[FIELD_STIME]) / ticks);
    if (!read_boot_time(&boot_s))
        return;
    tb_metric_head(out, "process_start_time_seconds", "gauge", "Start, in Unix time.");
    tb_buf_addf(out, "process_start_time_seconds %.2f\n",
                (double)boot_s + (double)fields[FIELD_START] / ticks);
}
