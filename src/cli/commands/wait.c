/* order wait: reads your writes. Asks by long poll until the order can be read at a version. */
#include "base/time/timefmt.h"
#include "cli/http/ask.h"
#include "cli/output/show.h"

#define PART_MAX_MS 30000 /* what one request may wait (INTERFACES) */
#define TIMEOUT_DEFAULT_MS 30000
/* Between questions that were answered sooner than they might have been, unless it is told. */
#define PAUSE_MS 1000

static const struct tb_option wait_options[] = {
    {"--version", "N", "the version to wait for; 1 if left out"},
    {"--timeout", "TIME", "how long: 30s, 500ms, 2m; 30s if left out"},
    {NULL, NULL, NULL}};

static int ask_once(const struct tb_cli *cli, const char *id, int64_t version, int64_t part_ms,
                    struct tb_http_response *ret_reply)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};

    tb_buf_adds(&path, "/orders/");
    tb_url_add_segment(&path, id);
    tb_buf_addf(&path, "?minVersion=%lld&wait=%lldms", (long long)version, (long long)part_ms);
    if (!tb_buf_ok(&path))
        return tb_cli_no_memory(cli);
    tb_http_response_release(ret_reply);
    return tb_http_get(cli, path.data, part_ms + TB_HTTP_TIMEOUT_MS, ret_reply);
}

/* It may come yet: the order is not that far, or cannot be read for the moment. */
static bool may_come(const struct tb_http_response *reply)
{
    return reply->status == 202 || (reply->status == 503 && reply->retry_after_ms > 0);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void rest(const struct tb_cli *cli, const struct tb_http_response *reply,
                 int64_t deadline_ms)
{
    int64_t left_ms = deadline_ms - tb_clock_mono_ms(cli->clock);
    int64_t pause_ms = reply->retry_after_ms > 0 ? reply->retry_after_ms : PAUSE_MS;

    if (left_ms > 0)
        tb_sleep_ms(least(pause_ms, left_ms));
}

/* Asks again until the version is there, is refused, or the time is over. */
static int wait_for(struct tb_cli *cli, const char *id, int64_t version, int64_t timeout_ms,
                    struct tb_http_response *ret_reply)
{
    int64_t deadline_ms = tb_clock_mono_ms(cli->clock) + timeout_ms;
    int64_t left_ms = timeout_ms;

    for (;;) {
        int64_t part_ms = least(left_ms, PART_MAX_MS);
        int64_t until_ms = tb_clock_mono_ms(cli->clock) + part_ms;
        int exit_status = ask_once(cli, id, version, part_ms, ret_reply);

        if (exit_status != TB_EXIT_DONE || !may_come(ret_reply))
            return exit_status;
        if (tb_clock_mono_ms(cli->clock) < until_ms) /* so it was not waited for */
            rest(cli, ret_reply, deadline_ms);
        left_ms = deadline_ms - tb_clock_mono_ms(cli->clock);
        if (left_ms <= 0)
            return TB_EXIT_DONE;
    }
}

static int run_wait(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response reply = {0};
    const char *version_text = tb_args_get(args, "--version");
    const char *timeout_text = tb_args_get(args, "--timeout");
    int64_t version = 1, timeout_ms = TIMEOUT_DEFAULT_MS;
    int exit_status;

    if (version_text && (!tb_args_int(version_text, &version) || version < 1))
        return tb_cli_usage(cli, "order wait", "--version takes a number from 1 on");
    if (timeout_text && !tb_duration_parse(tb_str_of(timeout_text), &timeout_ms))
        return tb_cli_usage(cli, "order wait", "--timeout takes a time such as 30s or 500ms");
    exit_status = wait_for(cli, args->operands[0], version, timeout_ms, &reply);
    if (exit_status != TB_EXIT_DONE)
        return exit_status;
    exit_status = tb_show_response(cli, &reply);
    if (reply.status != 202)
        return exit_status;
    tb_cli_error(cli, "version %lld is not there yet", (long long)version);
    return TB_EXIT_FAILED;
}

const struct tb_subcommand tb_cmd_order_wait = {
    .name = "order wait",
    .operands = "ID",
    .summary = "Wait until an order can be read at a version, and show it",
    .details =
        "Ends as soon as it can; with 1 if it cannot in time. A `show` or `list` that follows\n"
        "sees it for certain, if it asks the same process.",
    .examples = "tillbox order wait 0193a6f2-7c1e-7a44-9d0b-2f6c1e5b8a10\n"
                "tillbox order wait ID --version 3 --timeout 10s --json\n"
                "tillbox order wait ID --url http://central:8082 --timeout 5m",
    .options = wait_options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run_wait,
};
