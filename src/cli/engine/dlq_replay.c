#include "cli/engine/dlq_filter.h"
#include "cli/http/field.h"
#include "cli/output/progress.h"
#include "cli/output/show.h"
#include <inttypes.h>

/* Ids are kept until all are known, so that what dies meanwhile is not sent round and round, and
 * the end is in sight. About 5 MB; who has more than that runs it again. */
#define REPLAY_MAX 100000

struct replay {
    const struct tb_cli *cli;
    struct tb_http_client *client; /* owned */
    struct tb_buf ids;             /* NUL-terminated, one behind the other */
    int64_t count;
    bool more;              /* than REPLAY_MAX */
    struct tb_table *table; /* of what is kept; NULL: none is shown */
    int64_t rate;           /* a second; 0: as fast as they are acknowledged */
    int64_t sent, refused;
    struct tb_progress progress;
};

static bool keep(void *ctx, const struct tb_json *letter)
{
    struct replay *replay = ctx;

    replay->more = replay->count == REPLAY_MAX;
    if (replay->more)
        return true;
    tb_buf_add_str(&replay->ids, tb_field_text(letter, "id"));
    tb_buf_addc(&replay->ids, '\0');
    replay->count++;
    if (replay->table)
        (void)tb_dead_letter_table_add(replay->table, letter);
    return tb_buf_ok(&replay->ids);
}

/* The page at the cursor *next, "" at first, which moves behind it. */
static int keep_page(struct replay *replay, const struct tb_args *args, struct tb_buf *next)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response page = {0};
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    const struct tb_cli *cli = replay->cli;
    int exit_status;

    tb_dead_letter_list_path(args, "open", TB_PAGE_LIMIT_MAX, next->len > 0 ? next->data : NULL,
                             &path);
    if (!tb_buf_ok(&path))
        return tb_cli_no_memory(cli);
    exit_status = tb_page_get(cli, path.data, &page);
    if (exit_status == TB_EXIT_DONE)
        exit_status = tb_page_next_cursor(cli, &page, next);
    if (exit_status == TB_EXIT_DONE)
        exit_status = tb_page_each(cli, &page, "deadLetters", keep, replay);
    if (exit_status == TB_EXIT_DONE && replay->table)
        tb_table_flush(replay->table, stdout);
    return exit_status;
}

/* Every open letter that was chosen. */
static int choose(struct replay *replay, const struct tb_args *args)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf next = {0};
    int exit_status;

    do {
        exit_status = keep_page(replay, args, &next);
    } while (exit_status == TB_EXIT_DONE && next.len > 0 && !replay->more);
    return exit_status;
}

static void tell_more(const struct replay *replay)
{
    if (replay->more)
        tb_cli_error(replay->cli, "there are more than %d: run it again for the others",
                     REPLAY_MAX);
}

void tb_dead_letter_print_selected(const struct tb_cli *cli, const char *ids, int64_t count)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf out = {0};

    if (!cli->json) {
        if (cli->out_terminal)
            printf("%s%" PRId64 " would be sent\n", count > 0 ? "\n" : "", count);
        return;
    }
    tb_buf_adds(&out, "{\"wouldSend\":[");
    for (int64_t i = 0; i < count; i++, ids += strlen(ids) + 1) {
        if (i > 0)
            tb_buf_addc(&out, ',');
        tb_json_add_string(&out, tb_str_of(ids));
    }
    tb_buf_adds(&out, "]}\n");
    if (tb_buf_ok(&out))
        fwrite(out.data, 1, out.len, stdout);
    else
        (void)tb_cli_no_memory(cli);
}

static void print_refusal(struct replay *replay, const char *id,
                          const struct tb_http_response *reply)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf text = {0};

    tb_progress_clear(&replay->progress);
    if (replay->cli->json) {
        tb_buf_adds(&text, replay->refused > 0 ? ",{" : "{");
        tb_json_member_str(&text, "id", tb_str_of(id));
        tb_json_member_int(&text, "status", reply->status);
        tb_json_member_key(&text, "problem");
        tb_problem_json(&text, reply);
        tb_buf_addc(&text, '}');
    } else {
        tb_buf_adds(&text, replay->cli->out_terminal ? "" : "letter\t");
        tb_text_sanitize(&text, tb_str_of(id));
        tb_buf_adds(&text, replay->cli->out_terminal ? ": " : "\t");
        tb_problem_text(&text, reply);
        tb_buf_addc(&text, '\n');
    }
    fputs(tb_buf_ok(&text) ? text.data : "out of memory\n", stdout);
    replay->refused++;
}

/* What is said of this letter alone; anything else will be said of the next one too. */
static bool is_about_the_letter(int status)
{
    return status == 404 || status == 409 || status == 422;
}

static int send_one(struct replay *replay, const char *id)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    TB_CLEANUP(tb_http_response_release) struct tb_http_response reply = {0};
    int exit_status;

    tb_dead_letter_path(id, "/replay", &path);
    if (!tb_buf_ok(&path))
        return tb_cli_no_memory(replay->cli);
    exit_status = tb_http_send_idempotent(replay->cli, replay->client, "POST", path.data,
                                          (struct tb_str){0}, &reply);
    if (exit_status != TB_EXIT_DONE)
        return exit_status;
    if (reply.status == 202) {
        replay->sent++;
        return TB_EXIT_DONE;
    }
    print_refusal(replay, id, &reply);
    return is_about_the_letter(reply.status) ? TB_EXIT_DONE : TB_EXIT_FAILED;
}

/* Letter i is sent no sooner than i / rate after the first. */
static void wait_for_rate(const struct replay *replay, int64_t i, int64_t start_ms)
{
    int64_t due_ms = replay->rate > 0 ? start_ms + i * 1000 / replay->rate : 0;
    int64_t now_ms = tb_clock_mono_ms(replay->cli->clock);

    if (due_ms > now_ms)
        tb_sleep_ms(due_ms - now_ms);
}

/* One after the other, each acknowledged by the log before the next: an order's stay in order. */
static int send_chosen(struct replay *replay)
{
    const struct tb_cli *cli = replay->cli;
    const char *id = replay->ids.data;
    int64_t start_ms = tb_clock_mono_ms(cli->clock);
    int exit_status = TB_EXIT_DONE;

    tb_progress_init(&replay->progress, cli->err_terminal, cli->columns, "letters", replay->count,
                     start_ms);
    for (int64_t i = 0; i < replay->count && exit_status == TB_EXIT_DONE; i++) {
        wait_for_rate(replay, i, start_ms);
        exit_status = send_one(replay, id);
        tb_progress_draw(&replay->progress, tb_clock_mono_ms(cli->clock), i + 1, i + 1, NULL);
        id += strlen(id) + 1;
    }
    tb_progress_clear(&replay->progress);
    return exit_status;
}

static void print_summary(const struct replay *replay, bool complete)
{
    if (replay->cli->json)
        printf("],\"sent\":%" PRId64 ",\"refused\":%" PRId64 ",\"complete\":%s}\n", replay->sent,
               replay->refused, complete ? "true" : "false");
    else if (replay->cli->out_terminal)
        printf("sent %" PRId64 ", refused %" PRId64 "\n", replay->sent, replay->refused);
    else
        printf("sent\t%" PRId64 "\nrefused\t%" PRId64 "\n", replay->sent, replay->refused);
}

static int send_several(struct replay *replay)
{
    int exit_status;

    if (replay->cli->json)
        fputs("{\"refusals\":[", stdout);
    exit_status = send_chosen(replay);
    print_summary(replay, exit_status == TB_EXIT_DONE && !replay->more);
    if (exit_status != TB_EXIT_DONE)
        tb_cli_error(replay->cli,
                     "stopped: %" PRId64 " of %" PRId64 " were not sent and stay as they are. "
                     "Running it again continues safely.",
                     replay->count - replay->sent - replay->refused, replay->count);
    if (exit_status == TB_EXIT_DONE && replay->refused > 0)
        exit_status = TB_EXIT_FAILED;
    return exit_status;
}

int tb_dead_letter_replay_selected(struct tb_cli *cli, const struct tb_args *args, int64_t rate)
{
    struct replay replay = {.cli = cli, .rate = rate};
    bool dry = tb_args_has(args, "--dry-run");
    struct tb_table table;
    int exit_status;

    tb_dead_letter_table_init(cli, &table);
    replay.table = dry && !cli->json ? &table : NULL;
    exit_status = choose(&replay, args);
    if (exit_status == TB_EXIT_DONE && dry)
        tb_dead_letter_print_selected(cli, replay.ids.data, replay.count);
    else if (exit_status == TB_EXIT_DONE)
        exit_status = tb_http_open(cli, &replay.client);
    if (exit_status == TB_EXIT_DONE && !dry)
        exit_status = send_several(&replay);
    tell_more(&replay);
    tb_http_client_free(replay.client);
    tb_buf_release(&replay.ids);
    tb_table_release(&table);
    return exit_status;
}
