#include "api/handlers/context.h"
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* Reads the fields 22 and 24 of /proc/self/stat (proc(5)): the start in clock ticks since boot,
 * and the resident pages. */
static bool read_stat(unsigned long long *ret_start, unsigned long long *ret_pages)
{
    FILE *file = fopen("/proc/self/stat", "re");
    char text[1024];

    if (!file)
        return false;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *name_end = strrchr(text, ')'); /* of field 2, which may have blanks and brackets */
    return name_end && sscanf(name_end + 1,
                              " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s" /* 3 to 12 */
                              " %*s %*s %*s %*s %*s %*s %*s %*s %*s"     /* 13 to 21 */
                              " %llu %*s %llu",
                              ret_start, ret_pages) == 2;
}

/* Reads the kernel's boot time, in Unix time. To compute it from clocks would give a slightly
 * other value each time. */
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
    tb_metric_gauge(out, "process_open_fds", "Open file descriptors.", count);
}

void tb_process_metrics(struct tb_buf *out)
{
    unsigned long long start_ticks = 0, pages = 0, boot_s = 0;
    struct rusage usage;

    add_open_files(out);
    getrusage(RUSAGE_SELF, &usage);
    tb_metric_head(out, "process_cpu_seconds_total", "counter", "User and system time.");
    tb_buf_addf(out, "process_cpu_seconds_total %.2f\n",
                (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    if (!read_stat(&start_ticks, &pages))
        return;
    tb_metric_gauge(out, "process_resident_memory_bytes", "Resident memory.",
                    (int64_t)pages * sysconf(_SC_PAGESIZE));
    if (!read_boot_time(&boot_s))
        return;
    tb_metric_head(out, "process_start_time_seconds", "gauge", "Start, in Unix time.");
    tb_buf_addf(out, "process_start_time_seconds %.2f\n",
                (double)boot_s + (double)start_ticks / (double)sysconf(_SC_CLK_TCK));
}
