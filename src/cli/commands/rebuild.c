/* rebuild: has the server fill a new view from the log, or serve the previous view again, or
 * cancels that. */
#include "cli/engine/digest_stream.h"
#include "cli/output/progress.h"
#include "cli/output/show.h"
#include <inttypes.h>
#include <signal.h>

#define POLL_EVERY_MS 250
/* In a pipe a line is printed when the state changes, and whenever this time has passed. */
#define LINE_EVERY_MS 5000

static const struct tb_option options[] = {
    {"--accept", NULL, "serve the new view even if it differs", NULL},
    {"--rollback", NULL, "serve the previous view again, and wait until it is served", NULL},
    {"--cancel", NULL, "end the rebuild that is running, and wait for its end", NULL},
    {"--wait", NULL, "wait until the rebuild is done; also for one that is running", NULL},
    {"--status", NULL, "start nothing; show the progress", NULL},
    {NULL, NULL, NULL, NULL}};

static const struct tb_column columns[] = {{"difference", false, "difference"},
                                           {"order, currency or node", false, NULL},
                                           {"served", false, NULL},
                                           {"rebuilt", false, NULL}};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static const struct state {
    const char *name;
    bool running, good;
} states[] = {
    {"none", false, false},       {"building", true, false}, {"catching-up", true, false},
    {"comparing", true, false},   {"swapping", true, false}, {"done", false, true},
    {"rolled-back", false, true}, {"failed", false, false},  {"cancelled", false, false},
};

/* Returns NULL if the name is no state of a rebuild. */
static const struct state *find_state(const char *name)
{
    for (size_t i = 0; name && i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(states[i].name, name) == 0)
            return &states[i];
    }
    return NULL;
}

/* The answer to GET /rebuild. */
struct status {
    struct tb_http_response response;
    const struct state *state;
    int64_t events, total;
};

static void status_release(struct status *status)
{
    tb_http_response_release(&status->response);
}

static int parse_status(const struct tb_cli *cli, struct status *status)
{
    const int http_status = status->response.status;
    const cJSON *root;

    if (http_status != 200 && http_status != 202)
        return tb_show_problem(cli, &status->response);
    root = tb_http_response_json(&status->response);
    status->state = find_state(tb_cjson_text(root, "state").ptr);
    if (status->state && tb_cjson_int(root, "events", &status->events) &&
        tb_cjson_int(root, "total", &status->total))
        return TB_EXIT_DONE;
    return tb_cli_bad_response(cli, "it is no state of a rebuild");
}

/* Adds the cell of one side: an order, the sums of a currency, or what has arrived of a node.
 * currency: used if the side itself has none. */
static void add_side(struct tb_table *table, const cJSON *side, struct tb_str currency)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf cell = {0};
    const char *status = tb_cjson_text(side, "status").ptr;
    struct tb_str hash = tb_cjson_text(side, "hash");
    int64_t version = 0, orders = 0, through = 0, last = 0;
    tb_sum total = 0;

    if (!side) {
        tb_table_cell(table, TB_STR("none"));
        return;
    }
    if (tb_cjson_text(side, "currency").ptr)
        currency = tb_cjson_text(side, "currency");
    if (tb_cjson_int(side, "completeThrough", &through) &&
        tb_cjson_int(side, "lastSequence", &last)) {
        tb_buf_addf(&cell, "complete to %" PRId64 " of %" PRId64, through, last);
        tb_table_cell(table, tb_buf_str(&cell));
        return;
    }
    if (tb_cjson_int(side, "version", &version))
        tb_buf_addf(&cell, "%" PRId64 " ", version);
    else if (tb_cjson_int(side, "orders", &orders))
        tb_buf_addf(&cell, "%" PRId64 " orders ", orders);
    if (status)
        tb_buf_addf(&cell, "%s ", status);
    (void)tb_cjson_is_sum(tb_cjson_get(side, "totalMinor"), &total);
    tb_show_amount(&cell, total, currency);
    if (hash.len >= TB_DIGEST_HASH_SHOWN)
        tb_buf_addf(&cell, " %.*s", TB_DIGEST_HASH_SHOWN, hash.ptr);
    tb_table_cell(table, tb_buf_str(&cell));
}

static void show_differences(const struct tb_cli *cli, const cJSON *root)
{
    const cJSON *difference = tb_cjson_first(root, "differences");
    TB_CLEANUP(tb_table_release) struct tb_table table = {0};

    if (!difference)
        return;
    tb_table_init(&table, cli, columns, sizeof columns / sizeof columns[0]);
    for (; difference; difference = difference->next) {
        struct tb_str order_id = tb_cjson_text(difference, "orderId");
        struct tb_str currency = tb_cjson_text(difference, "currency");
        struct tb_str node = tb_cjson_text(difference, "node");

        tb_show_cells(&table, difference);
        tb_table_cell(&table, order_id.ptr ? order_id : node.ptr ? node : currency);
        add_side(&table, tb_cjson_get(difference, "served"), currency);
        add_side(&table, tb_cjson_get(difference, "rebuilt"), currency);
    }
    tb_table_flush(&table, stdout);
}

static void print_line(const struct tb_cli *cli, const struct status *status)
{
    int64_t rate = 0, left = 0;
    char left_text[24] = "";

    (void)tb_cjson_int(status->response.json, "ratePerSecond", &rate);
    if (tb_cjson_int(status->response.json, "secondsLeft", &left) && left >= 0)
        snprintf(left_text, sizeof left_text, "%" PRId64, left);
    if (cli->out_terminal)
        printf("%s: %" PRId64 " of %" PRId64 " events\n", status->state->name, status->events,
               status->total);
    else
        printf("%s\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%s\n", status->state->name,
               status->events, status->total, rate, left_text);
    fflush(stdout);
}

static void show(const struct tb_cli *cli, const struct status *status)
{
    tb_cli_clear_line();
    if (cli->json) {
        tb_show_raw(&status->response);
        return;
    }
    print_line(cli, status);
    show_differences(cli, status->response.json);
}

static int parse_and_show(const struct tb_cli *cli, struct status *status)
{
    TB_CLI_TRY(parse_status(cli, status));
    show(cli, status);
    return TB_EXIT_DONE;
}

/* Prints how the rebuild ended. In state "none" the server does not know it: the process that ran
 * the rebuild was restarted. */
static int show_end(const struct tb_cli *cli, const struct status *status, bool cancel)
{
    const char *problem = tb_cjson_text(status->response.json, "problem").ptr;
    bool cancelled = strcmp(status->state->name, "cancelled") == 0;

    show(cli, status);
    if (cancel ? cancelled : status->state->good)
        return TB_EXIT_DONE;
    if (cancel) {
        tb_cli_error(cli, "the rebuild had ended before");
        return TB_EXIT_FAILED;
    }
    tb_cli_error(cli, "%s",
                 problem ? problem
                         : "how the rebuild ended is not known: the process was started anew");
    return TB_EXIT_FAILED;
}

/* Polls until the rebuild ends or the user interrupts. */
static int follow(const struct tb_cli *cli, struct tb_progress *progress, bool cancel)
{
    const struct state *last = NULL;
    int64_t line_at_ms = 0;

    for (;; tb_sleep_ms(POLL_EVERY_MS)) {
        TB_CLEANUP(status_release) struct status status = {0};
        int64_t now_ms = tb_cli_now_ms();

        TB_CLI_TRY(tb_http_get(cli, "/rebuild", 0, &status.response));
        TB_CLI_TRY(parse_status(cli, &status));
        if (!status.state->running)
            return show_end(cli, &status, cancel);
        if (interrupted) {
            tb_cli_error(cli, "%s; `tillbox rebuild --wait` waits for it again",
                         cancel ? "the rebuild is still ending" : "the rebuild goes on");
            return TB_EXIT_FAILED;
        }
        progress->total = status.total;
        tb_progress_draw(progress, status.events, status.events,
                         strcmp(status.state->name, "building") == 0 ? NULL : status.state->name);
        if (!progress->on && !cli->json && (status.state != last || now_ms >= line_at_ms)) {
            print_line(cli, &status);
            last = status.state;
            line_at_ms = now_ms + LINE_EVERY_MS;
        }
    }
}

/* Ctrl-C ends the waiting, not the rebuild. */
static int wait_for(const struct tb_cli *cli, bool cancel)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    struct tb_progress progress;

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    tb_progress_init(&progress, cli, "events", 0);
    return follow(cli, &progress, cancel);
}

static int run(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(status_release) struct status status = {0};
    bool accept = tb_args_has(args, "--accept"), rollback = tb_args_has(args, "--rollback");
    bool cancel = tb_args_has(args, "--cancel");
    /* A rollback takes only a moment, and so does the end of a job. */
    bool wait = tb_args_has(args, "--wait") || rollback || cancel;
    struct tb_str body = {0};

    if (tb_args_has(args, "--status")) {
        if (accept || wait)
            return tb_cli_usage(cli, "--status goes with nothing else");
        TB_CLI_TRY(tb_http_get(cli, "/rebuild", 0, &status.response));
        return parse_and_show(cli, &status);
    }
    if (cancel && (accept || rollback))
        return tb_cli_usage(cli, "--cancel goes with nothing else");
    if (accept && rollback)
        return tb_cli_usage(cli, "--accept or --rollback: a rollback compares nothing");
    if (accept)
        body = TB_STR("{\"accept\":true}");
    if (rollback)
        body = TB_STR("{\"rollback\":true}");
    if (cancel)
        body = TB_STR("{\"cancel\":true}");
    TB_CLI_TRY(tb_http_send_idempotent(cli, NULL, "POST", "/rebuild", body, &status.response));
    /* 409: a rebuild is running already. Without --accept and --rollback, wait for that one. */
    if (wait && (status.response.status == 202 || (status.response.status == 409 && !body.ptr)))
        return wait_for(cli, cancel);
    return parse_and_show(cli, &status);
}

const struct tb_subcommand tb_cmd_rebuild = {
    .name = "rebuild",
    .summary = "Fill the view anew from the log, compare it with the present one, and swap",
    .details =
        "The present view serves meanwhile, and orders are taken. The new view is\n"
        "compared with it: counts and totals of each currency, version and content of\n"
        "each order, and at a central which events of each till have arrived. If they\n"
        "differ, the first 100 differences are listed and the present view stays, unless\n"
        "--accept. A log that has deleted old events ([retention] log)\n"
        "does not have their orders: these are differences, too. The old view is kept for\n"
        "--rollback until the next rebuild, for 7 days at most. If the process ends\n"
        "during a rebuild, the rebuild goes on at its next start, or at another central.\n"
        "--cancel ends it at any time, through any central: what it made is removed.\n"
        "In a pipe: state, events, total, events a second, seconds left; then difference,\n"
        "order, currency or node, the present side, the new side. With --wait the exit status\n"
        "is 1 unless the rebuild is done. Ctrl-C ends the waiting only.",
    .examples = "tillbox rebuild --wait\n"
                "tillbox rebuild --accept --wait\n"
                "tillbox rebuild --rollback --url http://central:8082\n"
                "tillbox rebuild --cancel\n"
                "tillbox rebuild --status --json",
    .options = options,
    .run = run,
};
