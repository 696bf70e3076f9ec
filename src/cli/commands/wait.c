/* order wait: asks by long poll until the order can be read at a version, and shows it. */
#include "base/time/timefmt.h"
#include "base/values/quantity.h"
#include "cli/engine/order_command.h"
#include "cli/output/show.h"
#include <inttypes.h>

#define POLL_MAX_MS 30000 /* the server waits no longer than this for one request */
#define TIMEOUT_DEFAULT_MS 30000
/* The pause before the next request if the server answered early and without Retry-After. */
#define PAUSE_MS 1000

static const struct tb_option wait_options[] = {
    {"--version", "N", "the version to wait for; 1 if left out", NULL},
    {"--timeout", "TIME", "how long: 30s, 500ms, 2m; 30s if left out", NULL},
    {NULL, NULL, NULL, NULL}};

/* True: the order does not have this version yet, or the server cannot read it for the moment. */
static bool is_pending(const struct tb_http_response *response)
{
    return response->status == 202 || (response->status == 503 && response->retry_after_ms > 0);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Asks until the order has the version, the server refuses, or the time is over. The result is the
 * last response. */
static int wait_for(const struct tb_cli *cli, const char *order_path, int64_t version,
                    int64_t timeout_ms, struct tb_http_response *ret_response)
{
    int64_t deadline_ms = tb_cli_now_ms() + timeout_ms;
    int64_t left_ms = timeout_ms;

    for (;;) {
        TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
        int64_t wait_ms = least(left_ms, POLL_MAX_MS);
        int64_t until_ms = tb_cli_now_ms() + wait_ms;

        tb_buf_addf(&path, "%s?minVersion=%" PRId64 "&wait=%" PRId64 "ms", order_path, version,
                    wait_ms);
        tb_http_response_release(ret_response);
        TB_CLI_TRY(tb_http_get(cli, tb_cli_text(&path), wait_ms, ret_response));
        if (!is_pending(ret_response))
            return TB_EXIT_DONE;
        left_ms = deadline_ms - tb_cli_now_ms();
        if (left_ms > 0 && tb_cli_now_ms() < until_ms) /* the server did not wait */
            tb_sleep_ms(
                least(ret_response->retry_after_ms > 0 ? ret_response->retry_after_ms : PAUSE_MS,
                      left_ms));
        left_ms = deadline_ms - tb_cli_now_ms();
        if (left_ms <= 0)
            return TB_EXIT_DONE;
    }
}

static int run_wait(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};
    const char *version_text = tb_args_get(args, "--version");
    const char *timeout_text = tb_args_get(args, "--timeout");
    int64_t version = 1, timeout_ms = TIMEOUT_DEFAULT_MS;

    if (version_text && (!tb_args_int(version_text, &version) || version < 1))
        return tb_cli_usage(cli, "--version takes a number from 1 on");
    if (timeout_text &&
        !tb_quantity_parse(tb_str_of(timeout_text), tb_unit_durations, &timeout_ms))
        return tb_cli_usage(cli, "--timeout takes a time such as 30s or 500ms");
    TB_CLI_TRY(tb_order_path(cli, args, "", &path));
    TB_CLI_TRY(wait_for(cli, tb_cli_text(&path), version, timeout_ms, &response));
    TB_CLI_TRY(tb_show_response(cli, &response));
    if (response.status != 202)
        return TB_EXIT_DONE;
    tb_cli_error(cli, "version %" PRId64 " is not there yet", version);
    return TB_EXIT_FAILED;
}

const struct tb_subcommand tb_cmd_order_wait = {
    .name = "order wait",
    .operands = "ID",
    .summary = "Wait until an order can be read at a version, and show it",
    .details = "Ends as soon as the order can be read, or with 1 when the time is over. A `show`\n"
               "or `list` after it finds the order, if it asks the same process.",
    .examples = "tillbox order wait 0193a6f2-7c1e-7a44-9d0b-2f6c1e5b8a10\n"
                "tillbox order wait ID --version 3 --timeout 10s --json\n"
                "tillbox order wait ID --url http://central:8082 --timeout 5m",
    .options = wait_options,
    .run = run_wait,
};
