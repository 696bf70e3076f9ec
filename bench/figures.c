#include "base/json/json.h"
#include "node.h"
#include <stdlib.h>

int64_t tb_bench_server_status(const struct tb_bench_server *node, const char *key)
{
    struct tb_buf body = {0};
    struct tb_error err = {0};
    struct tb_json *root = NULL;
    int64_t value = -1;

    int status = tb_bench_server_request(node, "GET", "/status", TB_STR(""), &body);
    if (status != 200 || tb_json_parse(tb_buf_str(&body), 16, &root, &err) != TB_OK ||
        !tb_json_int(tb_json_get(root, key), &value))
        tb_bench_die("GET /status: %d, no number %s: %s", status, key, body.data ? body.data : "");
    tb_json_free(root);
    tb_buf_release(&body);
    return value;
}

/* The value of a line of that metric, with labels or without. */
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

bool tb_bench_server_metric(const struct tb_bench_server *node, const char *name, double *ret_sum)
{
    struct tb_buf body = {0};
    double sum = 0, value = 0;
    bool found = false;

    if (tb_bench_server_request(node, "GET", "/metrics", TB_STR(""), &body) != 200)
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
