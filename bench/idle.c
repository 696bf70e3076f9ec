/* What does an edge do when there is nothing to do?
 *
 * After some orders and a pause, wake-ups and writes of one minute are counted in /proc. Then
 * strace, if it is installed, counts writes and syncs for another minute. strace itself wakes the
 * threads, therefore wake-ups are not counted in that minute. */
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

static void count_by_proc(const struct tb_bench_server *server, double seconds)
{
    struct tb_bench_server_io before = tb_bench_server_io(server);
    int64_t switches = tb_bench_server_context_switches(server);

    tb_bench_sleep(seconds);
    double wakeups = (double)(tb_bench_server_context_switches(server) - switches) / seconds;
    struct tb_bench_server_io after = tb_bench_server_io(server);
    long long calls = after.write_calls - before.write_calls;
    long long bytes = after.written_bytes - before.written_bytes;
    tb_bench_print_value("idle: wake-ups of all threads", "< 10/s", wakeups < 10, "%.1f/s",
                         wakeups);
    tb_bench_print_value("idle: writes", "none", calls == 0 && bytes == 0,
                         "%lld calls, %lld bytes", calls, bytes);
}

static pid_t start_strace(const struct tb_bench_server *server, const char *out_path)
{
    char pid_text[16];

    snprintf(pid_text, sizeof pid_text, "%d", (int)server->pid);
    pid_t pid = fork();
    if (pid == 0) {
        int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null_fd, STDERR_FILENO);
        execlp("strace", "strace", "-f", "-q", "-o", out_path, "-e",
               "trace=" SYNC_CALLS "," WRITE_CALLS, "-p", pid_text, (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* Counts the lines with a call; strace also prints a line for each thread that it attaches to. */
static long count_calls(const char *path)
{
    char line[512];
    long count = 0;
    FILE *file = fopen(path, "re");

    while (file && fgets(line, sizeof line, file))
        count += strchr(line, '(') != NULL;
    if (file)
        fclose(file);
    return count;
}

static void count_by_strace(const struct tb_bench *bench, const struct tb_bench_server *server,
                            double seconds)
{
    char path[256];
    int status = 0;

    snprintf(path, sizeof path, "%s/strace.out", bench->dir);
    pid_t pid = start_strace(server, path);
    tb_bench_sleep(seconds);
    if (pid < 0 || waitpid(pid, &status, WNOHANG) != 0) {
        tb_bench_note("strace is missing or may not attach: syncs are not counted");
        return;
    }
    kill(pid, SIGINT); /* detaches */
    waitpid(pid, &status, 0);
    long calls = count_calls(path);
    tb_bench_print_value("idle: writes and syncs by strace", "none", calls == 0, "%ld calls",
                         calls);
}

int main(int argc, char **argv)
{
    static struct tb_load_result result;
    struct tb_load_run run = {.conn_count = 8, .order_count = 2000};
    struct tb_bench bench;
    struct tb_bench_server server;
    char data[256];

    tb_bench_init(&bench, argc, argv);
    snprintf(data, sizeof data, "%s/data", bench.dir);
    tb_bench_server_start(&server, &bench, data);
    tb_load_orders(&server, &run, &result);
    tb_bench_sleep(tb_bench_seconds(&bench, 10, 3));
    count_by_proc(&server, tb_bench_seconds(&bench, 60, 3));
    count_by_strace(&bench, &server, tb_bench_seconds(&bench, 60, 3));
    tb_bench_server_stop(&server);
    tb_bench_release(&bench);
    return 0;
}
