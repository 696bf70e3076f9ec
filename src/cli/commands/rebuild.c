/* rebuild: has the view filled anew from the log, or the old one served again. */
#include "cli/http/ask.h"
#include "cli/http/field.h"
#include "cli/output/progress.h"
#include "cli/output/show.h"
#include "cli/output/table.h"
#include <inttypes.h>
#include <signal.h>

#define LOOK_EVERY_MS 250
/* In a pipe a line at each change of state, and one so often. */
#define LINE_EVERY_MS 5000
/* So much of a content's hash tells two of them apart for a person. */
#define HASH_SHOWN 8

static const struct tb_option options[] = {
    {"--accept", NULL, "have the new view served whatever differs"},
    {"--rollback", NULL, "have the view served again that was before, and wait until it is"},
    {"--wait", NULL, "until it is done; one that is under way is waited for"},
    {"--status", NULL, "start nothing, show how far it is"},
    {NULL, NULL, NULL}};

static const struct tb_column columns[] = {
    {"difference", false}, {"order or currency", false}, {"served", false}, {"rebuilt", false}};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

struct progress_of {
    struct tb_str state;
    int64_t events, total;
};

static bool read_progress(const struct tb_json *json, struct progress_of *ret_progress)
{
    ret_progress->state = tb_field_text(json, "state");
    return ret_progress->state.ptr && tb_field_int(json, "events", &ret_progress->events) &&
           tb_field_int(json, "total", &ret_progress->total);
}

static bool is_state(struct tb_str state, const char *const *names)
{
    for (; *names; names++) {
        if (tb_str_eq(state, tb_str_of(*names)))
            return true;
    }
    return false;
}

static bool is_running(struct tb_str state)
{
    static const char *const names[] = {"building", "catching-up", "comparing", "swapping", NULL};

    return is_state(state, names);
}

static bool is_known(struct tb_str state)
{
    static const char *const names[] = {"none", "done", "failed", "rolled-back", NULL};

    return is_running(state) || is_state(state, names);
}

/* currency: of a side that does not say it by itself. */
static void add_side(struct tb_table *table, const struct tb_json *side, struct tb_str currency)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf cell = {0};
    struct tb_str hash = tb_field_text(side, "hash");
    int64_t version = 0, orders = 0, total = 0;

    if (tb_field_text(side, "currency").ptr)
        currency = tb_field_text(side, "currency");

    (void)tb_field_int(side, "totalMinor", &total);
    if (!side)
        tb_buf_adds(&cell, "none");
    else if (tb_field_int(side, "version", &version))
        tb_buf_addf(&cell, "%" PRId64 " ", version);
    else if (tb_field_int(side, "orders", &orders))
        tb_buf_addf(&cell, "%" PRId64 " orders ", orders);
    if (tb_field_text(side, "status").ptr) {
        tb_buf_add_str(&cell, tb_field_text(side, "status"));
        tb_buf_addc(&cell, ' ');
    }
    if (side)
        tb_show_amount(&cell, total, currency);
    if (hash.len >= HASH_SHOWN)
        tb_buf_addf(&cell, " %.*s", HASH_SHOWN, hash.ptr);
    tb_table_cell(table, tb_buf_str(&cell));
}

static void show_differences(const struct tb_cli *cli, const struct tb_json *json)
{
    struct tb_table table;

    if (!tb_field_first(json, "differences"))
        return;
    tb_table_init(&table, columns, sizeof columns / sizeof columns[0], cli->out_terminal,
                  cli->color);
    for (const struct tb_json *one = tb_field_first(json, "differences"); one;
         one = tb_json_next(one)) {
        struct tb_str what = tb_field_text(one, "orderId");
        struct tb_str currency = tb_field_text(one, "currency");

        tb_table_cell(&table, tb_field_text(one, "difference"));
        tb_table_cell(&table, what.ptr ? what : currency);
        add_side(&table, tb_field(one, "served"), currency);
        add_side(&table, tb_field(one, "rebuilt"), currency);
    }
    tb_table_flush(&table, stdout);
    tb_table_release(&table);
}

/* A line of what /rebuild says. */
static void print_line(const struct tb_cli *cli, const struct tb_json *json,
                       const struct progress_of *at)
{
    int64_t rate = 0, left = -1;

    (void)tb_field_int(json, "ratePerSecond", &rate);
    (void)tb_field_int(json, "secondsLeft", &left);
    if (cli->out_terminal)
        printf("%.*s: %" PRId64 " of %" PRId64 " events\n", (int)at->state.len, at->state.ptr,
               at->events, at->total);
    else if (left >= 0)
        printf("%.*s\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\n", (int)at->state.len,
               at->state.ptr, at->events, at->total, rate, left);
    else
        printf("%.*s\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t\n", (int)at->state.len,
               at->state.ptr, at->events, at->total, rate);
    fflush(stdout);
}

static int parse(const struct tb_cli *cli, const struct tb_http_response *reply,
                 struct tb_json **ret_json, struct progress_of *ret_at)
{
    struct tb_error err = {0};

    if (reply->status != 200 && reply->status != 202)
        return tb_show_problem(cli, reply);
    if (tb_json_parse(tb_buf_str(&reply->body), TB_JSON_DEPTH_MAX, ret_json, &err) == TB_OK &&
        read_progress(*ret_json, ret_at) && is_known(ret_at->state))
        return TB_EXIT_DONE;
    tb_cli_error(cli, "the answer of %s is not ours", cli->url);
    return TB_EXIT_FAILED;
}

static void show(const struct tb_cli *cli, const struct tb_http_response *reply,
                 const struct tb_json *json, const struct progress_of *at)
{
    if (cli->json) {
        tb_show_raw(reply);
        return;
    }
    print_line(cli, json, at);
    show_differences(cli, json);
}

/* How it ended; none: the process that ran it is not the one that answers. */
static int tell_end(const struct tb_cli *cli, const struct tb_http_response *reply,
                    const struct tb_json *json, const struct progress_of *at)
{
    static const char *const good[] = {"done", "rolled-back", NULL};
    struct tb_str problem = tb_field_text(json, "problem");

    show(cli, reply, json, at);
    if (is_state(at->state, good))
        return TB_EXIT_DONE;
    if (problem.ptr)
        tb_cli_error(cli, "%.*s", (int)problem.len, problem.ptr);
    else
        tb_cli_error(cli, "how the rebuild ended is not known: the process was started anew");
    return TB_EXIT_FAILED;
}

static void draw(const struct tb_cli *cli, struct tb_progress *progress,
                 const struct progress_of *at)
{
    char note[32];

    progress->total = at->total;
    snprintf(note, sizeof note, "%.*s", (int)at->state.len, at->state.ptr);
    tb_progress_draw(progress, tb_clock_mono_ms(cli->clock), at->events, at->events,
                     tb_str_eq(at->state, TB_STR("building")) ? NULL : note);
}

static int tell_interrupted(const struct tb_cli *cli)
{
    tb_cli_error(cli, "the rebuild goes on; `tillbox rebuild --wait` waits for it again");
    return TB_EXIT_FAILED;
}

static int follow(const struct tb_cli *cli, struct tb_progress *progress)
{
    char last[32] = "";
    int64_t line_at_ms = 0;

    for (;;) {
        TB_CLEANUP(tb_http_response_release) struct tb_http_response reply = {0};
        TB_CLEANUP(tb_json_freep) struct tb_json *json = NULL;
        struct progress_of at = {0};
        int64_t now_ms = tb_clock_mono_ms(cli->clock);
        int exit_status = tb_http_get(cli, "/rebuild", TB_HTTP_TIMEOUT_MS, &reply);

        if (exit_status == TB_EXIT_DONE)
            exit_status = parse(cli, &reply, &json, &at);
        if (exit_status != TB_EXIT_DONE || !is_running(at.state))
            tb_progress_clear(progress);
        if (exit_status != TB_EXIT_DONE)
            return exit_status;
        if (!is_running(at.state))
            return tell_end(cli, &reply, json, &at);
        if (interrupted) {
            tb_progress_clear(progress);
            return tell_interrupted(cli);
        }
        draw(cli, progress, &at);
        if (!progress->on && !cli->json &&
            (!tb_str_eq(at.state, tb_str_of(last)) || now_ms >= line_at_ms)) {
            print_line(cli, json, &at);
            snprintf(last, sizeof last, "%.*s", (int)at.state.len, at.state.ptr);
            line_at_ms = now_ms + LINE_EVERY_MS;
        }
        tb_sleep_ms(LOOK_EVERY_MS);
    }
}

/* Ctrl-C ends the waiting, not the rebuild. */
static int wait_for(const struct tb_cli *cli)
{
    struct sigaction action = {.sa_handler = on_interrupt}, before;
    struct tb_progress progress;
    int exit_status;

    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, &before);
    tb_progress_init(&progress, cli->err_terminal, cli->columns, "events", 0,
                     tb_clock_mono_ms(cli->clock));
    exit_status = follow(cli, &progress);
    (void)sigaction(SIGINT, &before, NULL);
    return exit_status;
}

static int show_once(const struct tb_cli *cli, const struct tb_http_response *reply)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *json = NULL;
    struct progress_of at = {0};
    int exit_status = parse(cli, reply, &json, &at);

    if (exit_status == TB_EXIT_DONE)
        show(cli, reply, json, &at);
    return exit_status;
}

static int start(const struct tb_cli *cli, struct tb_str body, bool wait)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response reply = {0};
    int exit_status = tb_http_send_idempotent_once(cli, "POST", "/rebuild", body, &reply);

    if (exit_status != TB_EXIT_DONE)
        return exit_status;
    /* With nothing asked of it beside, one that is under way is as good. */
    if (wait && (reply.status == 202 || (reply.status == 409 && !body.ptr)))
        return wait_for(cli);
    return show_once(cli, &reply);
}

static int run(struct tb_cli *cli, const struct tb_args *args)
{
    bool accept = tb_args_has(args, "--accept"), rollback = tb_args_has(args, "--rollback");
    bool wait = tb_args_has(args, "--wait");
    struct tb_str body = {0};

    if (tb_args_has(args, "--status")) {
        TB_CLEANUP(tb_http_response_release) struct tb_http_response reply = {0};
        int exit_status;

        if (accept || rollback || wait)
            return tb_cli_usage(cli, "rebuild", "--status goes with nothing else");
        exit_status = tb_http_get(cli, "/rebuild", TB_HTTP_TIMEOUT_MS, &reply);
        return exit_status == TB_EXIT_DONE ? show_once(cli, &reply) : exit_status;
    }
    if (accept && rollback)
        return tb_cli_usage(cli, "rebuild", "--accept or --rollback: a rollback compares nothing");
    if (accept)
        body = TB_STR("{\"accept\":true}");
    if (rollback)
        body = TB_STR("{\"rollback\":true}");
    return start(cli, body, wait || rollback); /* which takes a moment only */
}

const struct tb_subcommand tb_cmd_rebuild = {
    .name = "rebuild",
    .summary = "Fill the view anew from the log while the old one serves, compare, and swap",
    .details =
        "Orders go on being taken and read. The new view is compared with the served one: counts\n"
        "and totals per currency, and version and content of each order. What differs is listed\n"
        "(the first 100) and nothing is changed, unless --accept. A log that has removed old\n"
        "events ([retention] log) cannot tell of their orders: they are among the differences.\n"
        "The old view is kept for --rollback until the next rebuild, for 7 days at most. Where a\n"
        "process ends meanwhile it goes on at its next start, or at another central. In a pipe:\n"
        "state, events, total, events a second, seconds left; then difference, order or\n"
        "currency, what is served, what was rebuilt. With --wait it ends with 1 unless it is\n"
        "done; Ctrl-C ends the waiting only.",
    .examples = "tillbox rebuild --wait\n"
                "tillbox rebuild --accept --wait\n"
                "tillbox rebuild --rollback --url http://central:8082\n"
                "tillbox rebuild --status --json",
    .options = options,
    .run = run,
};
