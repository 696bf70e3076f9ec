#include "cli/engine/order_command.h"
#include "base/json/json.h"
#include "base/values/uuid.h"
#include "cli/output/show.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define KEY_MAX 255 /* the server accepts no longer idempotency key */

static int fail_reading(const struct tb_cli *cli, const char *file, const char *why)
{
    tb_cli_error(cli, "cannot read %s: %s", file, why);
    return TB_EXIT_FAILED;
}

int tb_body_read(const struct tb_cli *cli, const char *file, struct tb_buf *ret_body)
{
    bool standard = strcmp(file, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    int failed;

    if (fd < 0)
        return fail_reading(cli, file, strerror(errno));
    failed = tb_buf_add_file(ret_body, fd, TB_BODY_MAX);
    if (!standard)
        close(fd);
    if (failed)
        return fail_reading(cli, file, strerror(failed));
    if (ret_body->len > TB_BODY_MAX)
        return fail_reading(cli, file, "more than 1 MiB, which no server takes");
    (void)tb_cli_text(ret_body);
    return TB_EXIT_DONE;
}

/* Appends the decimal integer in text as a member. False: it is none. */
static bool add_int(struct tb_buf *out, const char *name, const char *text, size_t len)
{
    char copy[24];
    int64_t value;

    if (len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (!tb_args_int(copy, &value))
        return false;
    tb_json_member_int(out, name, value);
    return true;
}

/* Appends the order line in text, such as "TEA-1:2:350:Green tea", as an object. The name may
 * contain colons. False: text is no order line. */
static bool add_line(struct tb_buf *out, const char *text)
{
    const char *quantity = strchr(text, ':');
    const char *price = quantity ? strchr(quantity + 1, ':') : NULL;
    const char *name = price ? strchr(price + 1, ':') : NULL;
    const char *end = name ? name : text + strlen(text);

    if (!price || quantity == text)
        return false;
    tb_buf_addc(out, '{');
    tb_json_member_str(out, "sku", (struct tb_str){text, (size_t)(quantity - text)});
    if (name)
        tb_json_member_str(out, "name", tb_str_of(name + 1));
    if (!add_int(out, "quantity", quantity + 1, (size_t)(price - quantity - 1)) ||
        !add_int(out, "unitPriceMinor", price + 1, (size_t)(end - price - 1)))
        return false;
    tb_buf_addc(out, '}');
    return true;
}

static int add_lines(const struct tb_cli *cli, const struct tb_args *args, struct tb_buf *out)
{
    const char *text;
    size_t cursor = 0;

    tb_json_member_key(out, "lines");
    tb_buf_addc(out, '[');
    for (bool first = true; (text = tb_args_each(args, "--line", &cursor)); first = false) {
        tb_buf_adds(out, first ? "" : ",");
        if (!add_line(out, text))
            return tb_cli_usage(cli,
                                "--line %s: it takes SKU:QTY:PRICE[:NAME], quantity and price "
                                "whole numbers, the price in minor units",
                                text);
    }
    tb_buf_addc(out, ']');
    return TB_EXIT_DONE;
}

/* Makes the body from the options. It is empty if none of them is given. */
static int build_body(const struct tb_cli *cli, const struct tb_args *args, struct tb_buf *out)
{
    const struct tb_subcommand *command = cli->subcommand;

    tb_buf_addc(out, '{');
    for (const struct tb_option *option = command->options; option->name; option++) {
        const char *text = option->field ? tb_args_get(args, option->name) : NULL;

        if (text)
            tb_json_member_str(out, option->field, tb_str_of(text));
    }
    if (command->order.lines && tb_args_has(args, "--line"))
        TB_CLI_TRY(add_lines(cli, args, out));
    else if (command->order.lines || out->len == 1)
        tb_buf_clear(out);
    if (command->order.needs && out->len == 0)
        return tb_cli_usage(cli, "give %s", command->order.needs);
    tb_buf_adds(out, out->len > 0 ? "}" : "");
    return TB_EXIT_DONE;
}

/* The body comes from a file, so no option may be given that makes a body. */
static int check_no_flags(const struct tb_cli *cli, const struct tb_args *args)
{
    for (size_t i = 0; i < args->given_count; i++) {
        const struct tb_option *option = args->given[i].option;

        if (option->field || strcmp(option->name, "--line") == 0)
            return tb_cli_usage(cli, "%s and a file contradict each other: give one",
                                option->name);
    }
    return TB_EXIT_DONE;
}

int tb_order_path(const struct tb_cli *cli, const struct tb_args *args, const char *suffix,
                  struct tb_buf *path)
{
    char order_id[TB_UUID_SIZE];

    if (!tb_uuid_parse(tb_str_of(args->operands[0]), order_id))
        return tb_cli_usage(cli,
                            "'%s' is no order id: that is a UUID such as "
                            "0193a6f2-7c1e-7a44-9d0b-2f6c1e5b8a10",
                            args->operands[0]);
    tb_buf_addf(path, "/orders/%s%s", order_id, suffix);
    return TB_EXIT_DONE;
}

/* Checks --idempotency-key and --if-match; NULL: not given. */
static int check_headers(const struct tb_cli *cli, const char *key, const char *version)
{
    int64_t value = 0;

    for (const char *c = key; c && *c; c++)
        if (*c < 0x21 || *c > 0x7e)
            return tb_cli_usage(cli, "--idempotency-key takes visible ASCII only");
    if (key && (!*key || strlen(key) > KEY_MAX))
        return tb_cli_usage(cli, "--idempotency-key takes 1 to %d characters", KEY_MAX);
    if (version && (!tb_args_int(version, &value) || value < 1))
        return tb_cli_usage(cli, "--if-match takes a version, such as 1");
    return TB_EXIT_DONE;
}

int tb_order_command_run(struct tb_cli *cli, const struct tb_args *args)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    TB_CLEANUP(tb_buf_release) struct tb_buf body = {0};
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};
    const char *suffix = cli->subcommand->order.suffix;
    size_t file_operand = suffix ? 1 : 0; /* the first operand is the ID */
    const char *key = tb_args_get(args, "--idempotency-key");
    const char *version = tb_args_get(args, "--if-match");
    bool file = args->operand_count > file_operand;

    TB_CLI_TRY(check_headers(cli, key, version));
    if (suffix)
        TB_CLI_TRY(tb_order_path(cli, args, suffix, &path));
    else
        tb_buf_adds(&path, "/orders");
    if (file) {
        TB_CLI_TRY(check_no_flags(cli, args));
        TB_CLI_TRY(tb_body_read(cli, args->operands[file_operand], &body));
    } else {
        TB_CLI_TRY(build_body(cli, args, &body));
    }
    (void)tb_cli_text(&body); /* ends the program if memory ran out */
    /* A file is sent with all its bytes, so that the server refuses a NUL in it. */
    TB_CLI_TRY(
        tb_http_send_command(cli, cli->subcommand->order.method, tb_cli_text(&path),
                             file || body.len > 0 ? tb_buf_str(&body) : (struct tb_str){NULL, 0},
                             key, version, &response));
    return tb_show_response(cli, &response);
}
