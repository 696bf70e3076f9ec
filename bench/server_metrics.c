#include "server.h"
#include <stdlib.h>

cJSON *tb_bench_server_get_json(const struct tb_bench_server *server, const char *path)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf body = {0};
    int status = tb_bench_server_request(server, "GET", path, TB_STR(""), &body);
    cJSON *root = tb_cjson_parse(&body);

    if (status != 200 || !root)
        tb_bench_die("GET %s: %d %s", path, status, body.data ? body.data : "");
    return root;
}

int64_t tb_bench_server_status(const struct tb_bench_server *server, const char *key)
{
    TB_CLEANUP(tb_cjson_freep) cJSON *root = tb_bench_server_get_json(server, "/status");
    int64_t value = -1;

    if (!tb_cjson_int(root, key, &value))
        tb_bench_die("GET /status has no number %s", key);
    return value;
}

/* Reads the value from a line of that metric, with or without labels. */
static bool read_line(const char *line, const char *name, double *ret_value)
{
    size_t len = strlen(name);
    const char *at = line + len;

    if (strncmp(line, name, len) != 0)
        return false;
    if (*at == '{')
        at = strstr(at, "} ") ? strstr(at, "} ") + 1 : "";
    if (*at != ' ')
        return false;
    *ret_value = strtod(at, NULL);
    return true;
}

bool tb_bench_server_metric(const struct tb_bench_server *server, const char *name,
                            double *ret_sum)
{
    struct tb_buf body = {0};
    double sum = 0, value = 0;
    bool found = false;

    if (tb_bench_server_request(server, "GET", "/metrics", TB_STR(""), &body) != 200)
        tb_bench_die("GET /metrics failed");
    for (const char *line = body.data; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (read_line(line, name, &value)) {
            sum += value;
            found = true;
        }
    }
    tb_buf_release(&body);
    *ret_sum = sum;
    return found;
}

#define VIEW_US INT64_C(600000000)

void tb_bench_server_wait_for_view(const struct tb_bench_server *server)
{
    int64_t start_us = tb_bench_now_us();
    double lag = 1;

    while (!tb_bench_server_metric(server, "kafka_consumer_lag", &lag) || lag > 0) {
        if (tb_bench_now_us() - start_us > VIEW_US)
            tb_bench_die("the edge's view does not follow");
        tb_bench_sleep(0.1);
    }
}
