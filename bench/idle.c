/* What does a node do when there is nothing to do?
 *
 * After some orders and a rest, /proc counts wake-ups and writes for a minute. Then strace, if
 * it is there, counts writes and syncs for another: it wakes the threads itself, so the
 * wake-ups are not counted under it. */
#include "load.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYNC_CALLS "fsync,fdatasync,sync_file_range,msync"
#define WRITE_CALLS "write,pwrite64,writev,pwritev,pwritev2,ftruncate,rename,unlink"

static void print_row(const char *figure, const char *measured, const char *asked, bool met)
{
    struct tb_bench_row row = {.figure = figure,
                               .measured = measured,
                               .raw = "",
                               .ratio = "",
                               .asked = asked,
                               .met = met};
    tb_bench_print(&row);
}

static void count_by_proc(const struct tb_bench_server *node, double seconds)
{
    char measured[80];
    struct tb_bench_server_io before = tb_bench_server_io(node);
    int64_t switches = tb_bench_server_context_switches(node);

    tb_bench_sleep(seconds);
    double wakeups = (double)(tb_bench_server_context_switches(node) - switches) / seconds;
    struct tb_bench_server_io after = tb_bench_server_io(node);
    long long calls = after.write_calls - before.write_calls;
    long long bytes = after.written_bytes - before.written_bytes;
    (void)snprintf(measured, sizeof(measured), "%.1f/s", wakeups);
    print_row("idle: wake-ups of all threads", measured, "< 10/s", wakeups < 10);
    (void)snprintf(measured, sizeof(measured), "%lld calls, %lld bytes", calls, bytes);
    print_row("idle: writes", measured, "none", calls == 0 && bytes == 0);
}

static pid_t start_strace(const struct tb_bench_server *node, const char *out_path)
{
    char pid_text[16];

    (void)snprintf(pid_text, sizeof(pid_text), "%d", (int)node->pid);
    pid_t pid = fork();
    if (pid == 0) {
        int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void)dup2(null_fd, STDERR_FILENO);
        (void)execlp("strace", "strace", "-f", "-q", "-o", out_path, "-e",
                     "trace=" SYNC_CALLS "," WRITE_CALLS, "-p", pid_text, (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* Lines that name a call; strace also writes one for each thread it attaches to or leaves. */
static long count_calls(const char *path)
{
    char line[512];
    long count = 0;
    FILE *file = fopen(path, "re");

    while (file && fgets(line, sizeof(line), file))
        count += strchr(line, '(') != NULL;
    if (file)
        (void)fclose(file);
    return count;
}

static void count_by_strace(const struct tb_bench *bench, const struct tb_bench_server *node,
                            double seconds)
{
    char path[256], measured[40];
    int status = 0;

    (void)snprintf(path, sizeof(path), "%s/strace.out", bench->dir);
    pid_t pid = start_strace(node, path);
    tb_bench_sleep(seconds);
    if (pid < 0 || waitpid(pid, &status, WNOHANG) != 0) {
        tb_bench_note("strace is missing or may not attach: syncs are not counted");
        return;
    }
    (void)kill(pid, SIGINT); /* detaches */
    (void)waitpid(pid, &status, 0);
    long calls = count_calls(path);
    (void)snprintf(measured, sizeof(measured), "%ld calls", calls);
    print_row("idle: writes and syncs by strace", measured, "none", calls == 0);
}

int main(int argc, char **argv)
{
    static struct tb_load_result result;
    struct tb_load_run run = {.conn_count = 8, .order_count = 2000};
    struct tb_bench bench;
    struct tb_bench_server node;
    char data[256];

    tb_bench_init(&bench, argc, argv);
    (void)snprintf(data, sizeof(data), "%s/data", bench.dir);
    tb_bench_server_start(&node, &bench, data);
    tb_load_orders(&node, &run, &result);
    tb_bench_sleep(tb_bench_seconds(&bench, 10, 3));
    count_by_proc(&node, tb_bench_seconds(&bench, 60, 3));
    count_by_strace(&bench, &node, tb_bench_seconds(&bench, 60, 3));
    tb_bench_server_stop(&node);
    tb_bench_release(&bench);
    return 0;
}
