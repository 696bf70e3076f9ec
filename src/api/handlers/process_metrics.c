#include "api/handlers/context.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* /proc/self/stat behind the name's closing parenthesis begins with field 3 (proc(5)). */
#define FIELD_START 22
#define FIELD_RSS 24

static bool read_fields(unsigned long long ret_fields[FIELD_RSS + 1])
{
    FILE *file = fopen("/proc/self/stat", "re");
    char text[1024], *at = NULL;

    if (!file)
        return false;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    at = strrchr(text, ')');
    if (!at)
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

/* Of the kernel, in Unix time: a clock that was read now would differ a little each time. */
static bool read_boot_time(unsigned long long *ret_seconds)
{
    FILE *file = fopen("/proc/stat", "re");
    char line[512];
    bool found = false;

    while (file && !found && fgets(line, sizeof line, file))
        found = sscanf(line, "btime %llu", ret_seconds) == 1;
    if (file)
        fclose(file);
    return found;
}

static void add_open_files(struct tb_buf *out)
{
    DIR *dir = opendir("/proc/self/fd");
    int64_t count = -3; /* ".", ".." and the folder itself */

    if (!dir)
        return;
    while (readdir(dir))
        count++;
    closedir(dir);
    tb_metric_head(out, "process_open_fds", "gauge", "Open file descriptors.");
    tb_metric_int(out, "process_open_fds", "", count);
}

void tb_process_metrics(struct tb_buf *out)
{
    unsigned long long fields[FIELD_RSS + 1] = {0}, boot_s = 0;
    struct rusage usage;

    add_open_files(out);
    getrusage(RUSAGE_SELF, &usage);
    tb_metric_head(out, "process_cpu_seconds_total", "counter", "User and system time.");
    tb_buf_addf(out, "process_cpu_seconds_total %.2f\n",
                (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    if (!read_fields(fields))
        return;
    tb_metric_head(out, "process_resident_memory_bytes", "gauge", "Resident memory.");
    tb_metric_int(out, "process_resident_memory_bytes", "",
                  (int64_t)fields[FIELD_RSS] * sysconf(_SC_PAGESIZE));
    if (!read_boot_time(&boot_s))
        return;
    tb_metric_head(out, "process_start_time_seconds", "gauge", "Start, in Unix time.");
    tb_buf_addf(out, "process_start_time_seconds %.2f\n",
                (double)boot_s + (double)fields[FIELD_START] / (double)sysconf(_SC_CLK_TCK));
}
