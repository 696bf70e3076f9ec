#include "server.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A start that takes longer has failed. */
#define START_MAX_US 30000000
/* A server stops within 5 s; a busy machine may need longer. */
#define STOP_MAX_US 20000000

/* Arguments of a command line, with the NULL at its end. */
#define ARGS_MAX 24

static void run(const struct tb_bench *bench, char *const *args, int out_fd)
{
    char diagnostics[256];

    snprintf(diagnostics, sizeof diagnostics, "%s/daemon.err", bench->dir);
    int err_fd = open(diagnostics, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out_fd, STDOUT_FILENO);
    if (err_fd >= 0)
        dup2(err_fd, STDERR_FILENO);
    execv(args[0], args);
    _exit(127);
}

/* The server's first line is `listening on http://127.0.0.1:PORT`. */
static uint16_t read_port(const struct tb_bench *bench, int fd, int64_t deadline_us)
{
    char line[256] = "";
    size_t len = 0;

    while (!strchr(line, '\n') && len + 1 < sizeof line) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int64_t left_ms = (deadline_us - tb_bench_now_us()) / 1000;
        if (left_ms <= 0 || poll(&ready, 1, (int)left_ms) <= 0)
            break;
        ssize_t got = read(fd, line + len, sizeof line - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
        line[len] = '\0';
    }
    const char *colon = strrchr(line, ':');
    long port = colon ? strtol(colon + 1, NULL, 10) : 0;
    if (port <= 0 || port > UINT16_MAX)
        tb_bench_die("it did not start: \"%s\"; see %s/daemon.err", line, bench->dir);
    return (uint16_t)port;
}

/* False: there are too many arguments. */
static bool add_arg(char **args, size_t *count, const char *arg)
{
    if (*count + 1 >= ARGS_MAX)
        return false;
    args[(*count)++] = (char *)(uintptr_t)arg;
    args[*count] = NULL;
    return true;
}

static void start(struct tb_bench_server *server, const struct tb_bench *bench, char *const *args)
{
    int pipe_fds[2];
    int64_t started_us = tb_bench_now_us();

    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        tb_bench_die("pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid < 0)
        tb_bench_die("fork: %s", strerror(errno));
    if (pid == 0)
        run(bench, args, pipe_fds[1]);
    close(pipe_fds[1]);

    *server = (struct tb_bench_server){.pid = pid, .out_fd = pipe_fds[0]};
    server->port = read_port(bench, pipe_fds[0], started_us + START_MAX_US);
    while (tb_bench_server_request(server, "GET", "/readyz", TB_STR(""), NULL) != 200) {
        if (tb_bench_now_us() > started_us + START_MAX_US)
            tb_bench_die("%s does not become ready; see %s/daemon.err", args[0], bench->dir);
        tb_bench_sleep(0.001);
    }
    server->ready_ms = (double)(tb_bench_now_us() - started_us) / 1000;
}

static void start_with(struct tb_bench_server *server, const struct tb_bench *bench,
                       const char *const *fixed, const char *const *flags)
{
    char *args[ARGS_MAX];
    size_t count = 0;

    for (; *fixed; fixed++)
        TB_ASSERT(add_arg(args, &count, *fixed));
    for (; flags && *flags; flags++)
        TB_ASSERT(add_arg(args, &count, *flags));
    start(server, bench, args);
}

void tb_bench_server_start_edge(struct tb_bench_server *server, const struct tb_bench *bench,
                                const char *data, const char *const *flags)
{
    const char *const fixed[] = {bench->edge,   "--data", data,     "--listen",
                                 "127.0.0.1:0", "--node", "bench1", NULL};

    start_with(server, bench, fixed, flags);
}

void tb_bench_server_start(struct tb_bench_server *server, const struct tb_bench *bench,
                           const char *data)
{
    tb_bench_server_start_edge(server, bench, data, NULL);
}

void tb_bench_server_start_central(struct tb_bench_server *server, const struct tb_bench *bench,
                                   const char *const *flags)
{
    const char *const fixed[] = {bench->central, "--listen",    "127.0.0.1:0", "--kafka-brokers",
                                 bench->kafka,   "--mongo-uri", bench->mongo,  NULL};

    start_with(server, bench, fixed, flags);
}

void tb_bench_server_stop(struct tb_bench_server *server)
{
    int64_t deadline_us = tb_bench_now_us() + STOP_MAX_US;
    int status = 0;

    kill(server->pid, SIGTERM);
    while (waitpid(server->pid, &status, WNOHANG) == 0) {
        if (tb_bench_now_us() > deadline_us)
            tb_bench_die("the daemon does not stop");
        tb_bench_sleep(0.01);
    }
    close(server->out_fd);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        tb_bench_die("the daemon ended with wait status %#x", (unsigned)status);
    server->pid = 0;
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool send_all(int fd, struct tb_str bytes)
{
    while (bytes.len > 0) {
        ssize_t sent = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes.ptr += sent;
        bytes.len -= (size_t)sent;
    }
    return true;
}

int tb_bench_server_request(const struct tb_bench_server *server, const char *method,
                            const char *path, struct tb_str body, struct tb_buf *ret_body)
{
    struct tb_buf text = {0};
    char chunk[8192];
    ssize_t got = 0;
    int status = 0;
    int fd = connect_to(server->port);
    if (fd < 0)
        return 0;

    tb_buf_addf(&text, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n", method,
                path, server->port);
    if (body.len > 0)
        tb_buf_addf(&text, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body.len);
    tb_buf_adds(&text, "\r\n");
    tb_buf_add_str(&text, body);
    bool sent = send_all(fd, tb_buf_str(&text));
    tb_buf_clear(&text);
    while (sent && (got = read(fd, chunk, sizeof chunk)) > 0)
        tb_buf_add(&text, chunk, (size_t)got);
    close(fd);

    if (text.len > 12 && strncmp(text.data, "HTTP/1.1 ", 9) == 0)
        status = (int)strtol(text.data + 9, NULL, 10);
    const char *end = text.data ? strstr(text.data, "\r\n\r\n") : NULL;
    if (ret_body && end)
        tb_buf_adds(ret_body, end + 4);
    tb_buf_release(&text);
    return status;
}

void tb_bench_server_set_link(const struct tb_bench_server *server, const char *state)
{
    struct tb_buf body = {0};

    tb_buf_addf(&body, "{\"state\":\"%s\"}", state);
    int status = tb_bench_server_request(server, "PUT", "/link", tb_buf_str(&body), NULL);
    if (status != 200)
        tb_bench_die("PUT /link %s: status %d", state, status);
    tb_buf_release(&body);
}

/* Returns the number behind `key` in a file of /proc; 0: the thread or process has ended. */
static int64_t proc_number(const char *path, const char *key)
{
    char line[256];
    int64_t value = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;

    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtoll(line + strlen(key), NULL, 10);
    }
    fclose(file);
    return value;
}

static int64_t status_number(const struct tb_bench_server *server, const char *key)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/status", (int)server->pid);
    return proc_number(path, key);
}

int64_t tb_bench_server_rss_kib(const struct tb_bench_server *server)
{
    return status_number(server, "VmRSS:");
}

int64_t tb_bench_server_rss_peak_kib(const struct tb_bench_server *server)
{
    return status_number(server, "VmHWM:");
}

int64_t tb_bench_server_context_switches(const struct tb_bench_server *server)
{
    char path[320];
    int64_t count = 0;
    struct dirent *entry;

    snprintf(path, sizeof path, "/proc/%d/task", (int)server->pid);
    DIR *tasks = opendir(path);
    while (tasks && (entry = readdir(tasks))) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/status", (int)server->pid, entry->d_name);
        count += proc_number(path, "voluntary_ctxt_switches:");
        count += proc_number(path, "nonvoluntary_ctxt_switches:");
    }
    if (tasks)
        closedir(tasks);
    return count;
}

struct tb_bench_server_io tb_bench_server_io(const struct tb_bench_server *server)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/io", (int)server->pid);
    return (struct tb_bench_server_io){.write_calls = proc_number(path, "syscw:"),
                                       .written_bytes = proc_number(path, "write_bytes:")};
}
