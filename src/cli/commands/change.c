/* order address, lines, ship, cancel: change one order. */
#include "base/json/json.h"
#include "cli/engine/command_body.h"
#include "cli/engine/order_path.h"

static int send_change(const struct tb_cli *cli, const struct tb_args *args, const char *command,
                       const char *method, const char *suffix, struct tb_str body)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};

    TB_CLI_TRY(tb_order_path(cli, args, command, suffix, &path));
    return tb_command_send(cli, args, command, method, tb_cli_text(&path), body);
}

/* Sends a body that comes from a file, or from the flags by build. */
static int put_body(const struct tb_cli *cli, const struct tb_args *args, const char *command,
                    const char *suffix, const char *const *flags,
                    int (*build)(const struct tb_cli *, const struct tb_args *, struct tb_buf *))
{
    TB_CLEANUP(tb_buf_release) struct tb_buf body = {0};

    TB_CLI_TRY(tb_command_body_make(cli, args, command, 1, flags, build, &body));
    return send_change(cli, args, command, "PUT", suffix, tb_buf_str(&body));
}

static const struct tb_option address_options[] = {{"--line1", "TEXT", "street and number"},
                                                   {"--line2", "TEXT", "a second line"},
                                                   {"--city", "TEXT", "the city"},
                                                   {"--postal-code", "TEXT", "the postal code"},
                                                   {"--country", "CC", "two letters, such as DE"},
                                                   TB_OPTION_IF_MATCH,
                                                   TB_OPTION_KEY,
                                                   {NULL, NULL, NULL}};
static const char *const address_flags[] = {"--line1",       "--line2",   "--city",
                                            "--postal-code", "--country", NULL};
static const char *const address_names[] = {"line1",      "line2",   "city",
                                            "postalCode", "country", NULL};

static int build_address(const struct tb_cli *cli, const struct tb_args *args, struct tb_buf *out)
{
    tb_buf_addc(out, '{');
    tb_command_body_add_texts(out, args, address_flags, address_names);
    tb_buf_addc(out, '}');
    if (out->len == 2)
        return tb_cli_usage(cli, "order address", "give a FILE, - or --line1, --city, --country");
    return TB_EXIT_DONE;
}

static int run_address(struct tb_cli *cli, const struct tb_args *args)
{
    return put_body(cli, args, "order address", "/address", address_flags, build_address);
}

static const struct tb_option lines_options[] = {
    TB_OPTION_LINE, TB_OPTION_IF_MATCH, TB_OPTION_KEY, {NULL, NULL, NULL}};
static const char *const lines_flags[] = {"--line", NULL};

static int build_lines(const struct tb_cli *cli, const struct tb_args *args, struct tb_buf *out)
{
    int exit_status;

    if (!tb_args_has(args, "--line"))
        return tb_cli_usage(cli, "order lines", "give a FILE, - or at least one --line");
    tb_buf_addc(out, '{');
    exit_status = tb_command_body_add_lines(cli, args, "order lines", out);
    tb_buf_addc(out, '}');
    return exit_status;
}

static int run_lines(struct tb_cli *cli, const struct tb_args *args)
{
    return put_body(cli, args, "order lines", "/lines", lines_flags, build_lines);
}

static const struct tb_option ship_options[] = {
    TB_OPTION_IF_MATCH, TB_OPTION_KEY, {NULL, NULL, NULL}};

static int run_ship(struct tb_cli *cli, const struct tb_args *args)
{
    return send_change(cli, args, "order ship", "POST", "/ship", (struct tb_str){NULL, 0});
}

static const struct tb_option cancel_options[] = {
    {"--reason", "TEXT", "why"}, TB_OPTION_IF_MATCH, TB_OPTION_KEY, {NULL, NULL, NULL}};

static int run_cancel(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf body = {0};
    const char *reason = tb_args_get(args, "--reason");

    tb_buf_addc(&body, '{');
    tb_json_member_str(&body, "reason", tb_str_of(reason));
    tb_buf_addc(&body, '}');
    return send_change(cli, args, "order cancel", "POST", "/cancel",
                       reason ? tb_str_of(tb_cli_text(&body)) : (struct tb_str){NULL, 0});
}
const struct tb_subcommand tb_cmd_order_address = {
    .name = "order address",
    .operands = "ID [FILE|-]",
    .summary = "Change where an order goes",
    .examples = "tillbox order address ID --line1 'Hauptstr. 1' --city Berlin --country DE\n"
                "tillbox order address ID address.json --if-match 1",
    .options = address_options,
    .operands_min = 1,
    .operands_max = 2,
    .run = run_address,
};
const struct tb_subcommand tb_cmd_order_lines = {
    .name = "order lines",
    .operands = "ID [FILE|-]",
    .summary = "Replace an order's lines",
    .details = "A file holds {\"lines\":[...]}. The new lines replace all the old ones.",
    .examples = "tillbox order lines ID --line TEA-1:3:350:'Green tea' --line CUP:1:900\n"
                "tillbox order lines ID lines.json --if-match 1",
    .options = lines_options,
    .operands_min = 1,
    .operands_max = 2,
    .run = run_lines,
};
const struct tb_subcommand tb_cmd_order_ship = {
    .name = "order ship",
    .operands = "ID",
    .summary = "Mark an order as shipped",
    .examples = "tillbox order ship ID\ntillbox order ship ID --if-match 2",
    .options = ship_options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run_ship,
};
const struct tb_subcommand tb_cmd_order_cancel = {
    .name = "order cancel",
    .operands = "ID",
    .summary = "Cancel an order",
    .examples = "tillbox order cancel ID\ntillbox order cancel ID --reason 'changed their mind'",
    .options = cancel_options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run_cancel,
};
