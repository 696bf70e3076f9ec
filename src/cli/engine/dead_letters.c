#include "cli/engine/dead_letters.h"
#include "base/json/json.h"
#include "cli/output/progress.h"
#include "cli/output/show.h"
#include <inttypes.h>

/* All ids are read before the first replay. Otherwise a dead letter that fails again would be
 * listed and sent again without end. 100,000 ids take about 5 MB. If there are more dead letters,
 * the user runs the command again. */
#define SELECTION_MAX 100000

static const struct tb_column columns[] = {{"id", false, "id"},
                                           {"status", false, "status"},
                                           {"reason", false, "reason"},
                                           {"type", false, "type"},
                                           {"order", false, "orderId"},
                                           {"version", true, "version"},
                                           {"attempts", true, "attempts"},
                                           {"died", false, "deadAt"},
                                           {"message", false, "message"}};

static const struct tb_option options[] = {TB_OPTIONS_DEAD_LETTER_FILTER,
                                           {NULL, NULL, NULL, NULL}};

const struct tb_page_list tb_dead_letter_list = {
    .path = "/dead-letters",
    .name = "deadLetters",
    .options = options,
    .status = "open",
    .columns = columns,
    .column_count = sizeof columns / sizeof columns[0],
    .large = true,
};

void tb_dead_letter_path(const char *id, const char *suffix, struct tb_buf *path)
{
    tb_buf_adds(path, "/dead-letters/");
    tb_url_add_segment(path, id);
    tb_buf_adds(path, suffix);
}

struct replay {
    const struct tb_cli *cli;
    struct tb_http_client *client; /* owned */
    struct tb_buf ids;             /* each with its NUL, one behind the other */
    int64_t count;
    bool more;              /* there are more than SELECTION_MAX */
    struct tb_table *table; /* for a row of each selected letter; NULL: list none */
    int64_t rate;           /* letters a second; 0: no limit */
    int64_t sent, refused;
    int64_t done; /* sent, or refused for a reason that concerns only that letter */
    struct tb_progress progress;
};

static bool select_page(void *ctx, const struct tb_page *page)
{
    struct replay *replay = ctx;

    for (const cJSON *letter = page->first; letter; letter = letter->next) {
        replay->more = replay->count == SELECTION_MAX;
        if (replay->more)
            break;
        tb_buf_add_str(&replay->ids, tb_cjson_text(letter, "id"));
        tb_buf_addc(&replay->ids, '\0');
        replay->count++;
        if (replay->table)
            tb_show_cells(replay->table, letter);
    }
    if (replay->table)
        tb_table_flush(replay->table, stdout);
    (void)tb_cli_text(&replay->ids); /* ends the program if memory ran out */
    return !replay->more;
}

void tb_dead_letter_print_selected(const struct tb_cli *cli, const char *ids, int64_t count)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf out = {0};

    if (!cli->json) {
        if (cli->out_terminal)
            printf("%s%" PRId64 " would be sent\n", count > 0 ? "\n" : "", count);
        return;
    }
    for (int64_t i = 0; i < count; i++, ids += strlen(ids) + 1) {
        tb_buf_adds(&out, i > 0 ? "," : "");
        tb_json_add_string(&out, tb_str_of(ids));
    }
    printf("{\"wouldSend\":[%s]}\n", tb_cli_text(&out));
}

static void report_refusal(struct replay *replay, const char *id,
                           struct tb_http_response *response)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf head = {0};

    if (replay->cli->json) {
        tb_json_member_str(&head, "id", tb_str_of(id));
    } else {
        tb_buf_adds(&head, replay->cli->out_terminal ? "" : "letter\t");
        tb_text_sanitize(&head, tb_str_of(id));
        tb_buf_adds(&head, replay->cli->out_terminal ? ": " : "\t");
    }
    tb_show_refusal(replay->cli, replay->refused == 0, tb_cli_text(&head), response);
    replay->refused++;
}

/* True: only this dead letter is refused. With any other status the next one would fail in the
 * same way, so the replay stops. */
static bool concerns_one_letter(int status)
{
    return status == 404 || status == 409 || status == 422;
}

static int send_one(struct replay *replay, const char *id)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};

    tb_dead_letter_path(id, "/replay", &path);
    TB_CLI_TRY(tb_http_send_idempotent(replay->cli, replay->client, "POST", tb_cli_text(&path),
                                       (struct tb_str){0}, &response));
    if (response.status == 202) {
        replay->sent++;
        return TB_EXIT_DONE;
    }
    report_refusal(replay, id, &response);
    return concerns_one_letter(response.status) ? TB_EXIT_DONE : TB_EXIT_FAILED;
}

/* Waits until letter i is due. */
static void wait_for_rate(const struct replay *replay, int64_t i, int64_t start_ms)
{
    int64_t due_ms = replay->rate > 0 ? start_ms + i * 1000 / replay->rate : 0;
    int64_t now_ms = tb_cli_now_ms();

    if (due_ms > now_ms)
        tb_sleep_ms(due_ms - now_ms);
}

/* Sends the next letter only after the log has acknowledged the last one. So the letters of one
 * order stay in sequence. */
static int send_all(struct replay *replay)
{
    const char *id = replay->ids.data;
    int64_t start_ms = tb_cli_now_ms();
    int exit_status = TB_EXIT_DONE;

    tb_progress_init(&replay->progress, replay->cli, "letters", replay->count);
    while (replay->done < replay->count && exit_status == TB_EXIT_DONE) {
        wait_for_rate(replay, replay->done, start_ms);
        exit_status = send_one(replay, id);
        replay->done += exit_status == TB_EXIT_DONE;
        tb_progress_draw(&replay->progress, replay->done, replay->done, NULL);
        id += strlen(id) + 1;
    }
    tb_cli_clear_line();
    return exit_status;
}

static void print_summary(const struct replay *replay, bool complete)
{
    const struct tb_count counts[] = {{"sent", "sent", replay->sent},
                                      {"refused", "refused", replay->refused}};

    if (replay->cli->out_terminal && !replay->cli->json)
        printf("sent %" PRId64 ", refused %" PRId64 "\n", replay->sent, replay->refused);
    else
        tb_show_counts(replay->cli, counts, 2, complete);
}

static int send_selected(struct replay *replay)
{
    int exit_status;

    TB_CLI_TRY(tb_http_open(replay->cli, 1, &replay->client));
    if (replay->cli->json)
        fputs("{\"refusals\":[", stdout);
    exit_status = send_all(replay);
    tb_http_client_free(replay->client);
    print_summary(replay, exit_status == TB_EXIT_DONE && !replay->more);
    if (exit_status != TB_EXIT_DONE)
        tb_cli_error(replay->cli,
                     "stopped: %" PRId64 " of %" PRId64 " were not sent and stay as they are. "
                     "Running it again continues safely.",
                     replay->count - replay->done, replay->count);
    return exit_status == TB_EXIT_DONE && replay->refused > 0 ? TB_EXIT_FAILED : exit_status;
}

int tb_dead_letter_replay_selected(const struct tb_cli *cli, const struct tb_args *args,
                                   int64_t rate)
{
    struct replay replay = {.cli = cli, .rate = rate};
    bool dry = tb_args_has(args, "--dry-run");
    struct tb_table table;
    int exit_status;

    tb_table_init(&table, cli, columns, sizeof columns / sizeof columns[0]);
    replay.table = dry && !cli->json ? &table : NULL;
    exit_status = tb_pages_walk(cli, args, &tb_dead_letter_list, select_page, &replay);
    if (exit_status == TB_EXIT_DONE && dry)
        tb_dead_letter_print_selected(cli, replay.ids.data, replay.count);
    else if (exit_status == TB_EXIT_DONE)
        exit_status = send_selected(&replay);
    if (replay.more)
        tb_cli_error(cli, "there are more than %d: run it again for the others", SELECTION_MAX);
    tb_buf_release(&replay.ids);
    tb_table_release(&table);
    return exit_status;
}
