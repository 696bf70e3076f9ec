/* dlq replay: has the server send one dead letter, or all selected ones, into the log again. */
#include "base/json/json.h"
#include "cli/engine/dead_letters.h"
#include "cli/engine/order_command.h"
#include "cli/output/show.h"

#define RATE_MAX 100000 /* a second; no log can acknowledge single records faster */

static const struct tb_option options[] = {
    TB_OPTIONS_DEAD_LETTER_FILTER,
    {"--all", NULL, "all open dead letters, or those that the options above select", NULL},
    {"--value", "FILE", "send this event instead of the stored one; - is standard input", NULL},
    {"--rate", "N", "at most N dead letters a second", NULL},
    {"--dry-run", NULL, "send nothing; list what would be sent", NULL},
    {NULL, NULL, NULL, NULL}};

/* Makes the body {"value":"..."}; the server sends the bytes of that text as the event. */
static int read_value(const struct tb_cli *cli, const char *file, struct tb_buf *ret_body)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf text = {0};

    TB_CLI_TRY(tb_body_read(cli, file, &text));
    tb_buf_addc(ret_body, '{');
    tb_json_member_str(ret_body, "value", tb_buf_str(&text));
    tb_buf_addc(ret_body, '}');
    (void)tb_cli_text(ret_body);
    return TB_EXIT_DONE;
}

/* file: contains the event to send; NULL: the server sends the stored one. */
static int replay_one(const struct tb_cli *cli, const char *id, const char *file)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    TB_CLEANUP(tb_buf_release) struct tb_buf body = {0};
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};

    TB_CLI_TRY(file ? read_value(cli, file, &body) : TB_EXIT_DONE);
    tb_dead_letter_path(id, "/replay", &path);
    TB_CLI_TRY(tb_http_send_idempotent(cli, NULL, "POST", tb_cli_text(&path),
                                       file ? tb_buf_str(&body) : (struct tb_str){0}, &response));
    return tb_show_response(cli, &response);
}

/* Lists the dead letter, or reports that it cannot be replayed. */
static int dry_run_one(const struct tb_cli *cli, const char *id)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};
    TB_CLEANUP(tb_table_release) struct tb_table table = {0};

    tb_dead_letter_path(id, "", &path);
    TB_CLI_TRY(tb_show_fetch(cli, tb_cli_text(&path), &response));
    if (tb_str_eq(tb_cjson_text(response.json, "status"), TB_STR("replayed"))) {
        tb_cli_error(cli, "the dead letter was replayed: it is needed no more");
        return TB_EXIT_FAILED;
    }
    if (!cli->json) {
        tb_table_init(&table, cli, tb_dead_letter_list.columns, tb_dead_letter_list.column_count);
        tb_show_cells(&table, response.json);
        tb_table_flush(&table, stdout);
    }
    tb_dead_letter_print_selected(cli, id, 1);
    return TB_EXIT_DONE;
}

static int run(struct tb_cli *cli, const struct tb_args *args)
{
    static const char *const choices[] = {"--order",  "--all",   "--type",
                                          "--reason", "--since", "--rate"};
    const char *id = args->operand_count > 0 ? args->operands[0] : NULL;
    const char *rate_text = tb_args_get(args, "--rate"), *file = tb_args_get(args, "--value");
    int64_t rate = 0;

    if (rate_text && (!tb_args_int(rate_text, &rate) || rate < 1 || rate > RATE_MAX))
        return tb_cli_usage(cli, "--rate takes a number from 1 to %d", RATE_MAX);
    for (size_t i = 0; id && i < sizeof choices / sizeof choices[0]; i++) {
        if (tb_args_has(args, choices[i]))
            return tb_cli_usage(cli, "%s is for several letters, not for one by ID", choices[i]);
    }
    if (!id && !tb_args_has(args, "--order") && !tb_args_has(args, "--all"))
        return tb_cli_usage(cli, "say which: an ID, --order ID, or --all");
    if (!id && file)
        return tb_cli_usage(cli, "--value mends one letter: it needs its ID");
    if (!id)
        return tb_dead_letter_replay_selected(cli, args, rate);
    return tb_args_has(args, "--dry-run") ? dry_run_one(cli, id) : replay_one(cli, id, file);
}

const struct tb_subcommand tb_cmd_dlq_replay = {
    .name = "dlq replay",
    .operands = "[ID]",
    .summary = "Send dead letters into the log again",
    .details = "A replayed event passes the same checks as every event. If it cannot be applied,\n"
               "it is the same dead letter again, with one more attempt. Events that wait for it\n"
               "(reason gap) are applied within 30 s, without a replay. Sending an event twice\n"
               "does no harm. `sent` means that the log has the event; `tillbox dlq show` says\n"
               "whether it was applied. Several dead letters are sent one after the other, those\n"
               "of an order in their order. In a pipe: `letter`, id, reason for each refused\n"
               "one; then the counts.",
    .examples = "tillbox dlq show order-events-3-17 --payload > event.json  # mend it, then:\n"
                "tillbox dlq replay order-events-3-17 --value event.json\n"
                "tillbox dlq replay --order 0193a6f2-7c1e-7a44-9d0b-2f6c1e5b8a10\n"
                "tillbox dlq replay --all --reason apply --since 2026-11-01 --dry-run\n"
                "tillbox dlq replay --all --rate 50",
    .options = options,
    .run = run,
};
