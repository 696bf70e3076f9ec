#include "cli/engine/command_body.h"
#include "base/json/json.h"
#include "cli/output/show.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define KEY_MAX 255 /* the server's limit of an idempotency key */

static int fail_reading(const struct tb_cli *cli, const char *file, const char *why)
{
    tb_cli_error(cli, "cannot read %s: %s", file, why);
    return TB_EXIT_FAILED;
}

int tb_command_body_read(const struct tb_cli *cli, const char *file, struct tb_buf *ret_body)
{
    bool standard = strcmp(file, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    char part[4096];
    ssize_t got = 1;
    int failed = 0;

    if (fd < 0)
        return fail_reading(cli, file, strerror(errno));
    while (got > 0 && ret_body->len <= TB_BODY_MAX) {
        got = read(fd, part, sizeof part);
        failed = got < 0 ? errno : 0;
        if (got > 0)
            tb_buf_add(ret_body, part, (size_t)got);
    }
    if (!standard)
        close(fd);
    if (failed)
        return fail_reading(cli, file, strerror(failed));
    if (ret_body->len > TB_BODY_MAX)
        return fail_reading(cli, file, "more than 1 MiB, which no server takes");
    (void)tb_cli_text(ret_body);
    return TB_EXIT_DONE;
}

int tb_command_body_make(const struct tb_cli *cli, const struct tb_args *args, const char *command,
                         size_t file_operand, const char *const *flags,
                         int (*build)(const struct tb_cli *cli, const struct tb_args *args,
                                      struct tb_buf *out),
                         struct tb_buf *ret_body)
{
    if (args->operand_count <= file_operand) {
        int exit_status = build(cli, args, ret_body);

        (void)tb_cli_text(ret_body);
        return exit_status;
    }
    for (; *flags; flags++) {
        if (tb_args_has(args, *flags))
            return tb_cli_usage(cli, command, "%s and a file contradict each other: give one",
                                *flags);
    }
    return tb_command_body_read(cli, args->operands[file_operand], ret_body);
}

void tb_command_body_add_texts(struct tb_buf *out, const struct tb_args *args,
                               const char *const *flags, const char *const *names)
{
    for (; *names; names++, flags++) {
        if (tb_args_has(args, *flags))
            tb_json_member_str(out, *names, tb_str_of(tb_args_get(args, *flags)));
    }
}

/* Appends a member with the integer in text. */
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

/* "TEA-1:2:350:Green tea"; the name may contain colons. */
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

int tb_command_body_add_lines(const struct tb_cli *cli, const struct tb_args *args,
                              const char *command, struct tb_buf *out)
{
    const char *text;
    size_t cursor = 0;

    tb_json_member_key(out, "lines");
    tb_buf_addc(out, '[');
    for (bool first = true; (text = tb_args_each(args, "--line", &cursor)); first = false) {
        tb_buf_adds(out, first ? "" : ",");
        if (!add_line(out, text))
            return tb_cli_usage(cli, command,
                                "--line %s: it takes SKU:QTY:PRICE[:NAME], quantity and price "
                                "whole numbers, the price in minor units",
                                text);
    }
    tb_buf_addc(out, ']');
    return TB_EXIT_DONE;
}

int tb_command_send(const struct tb_cli *cli, const struct tb_args *args, const char *command,
                    const char *method, const char *path, struct tb_str body)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};
    const char *key = tb_args_get(args, "--idempotency-key");
    const char *version = tb_args_get(args, "--if-match");
    int64_t value = 0;

    for (const char *c = key; c && *c; c++)
        if (*c < 0x21 || *c > 0x7e)
            return tb_cli_usage(cli, command, "--idempotency-key takes visible ASCII only");
    if (key && (!*key || strlen(key) > KEY_MAX))
        return tb_cli_usage(cli, command, "--idempotency-key takes 1 to %d characters", KEY_MAX);
    if (version && (!tb_args_int(version, &value) || value < 1))
        return tb_cli_usage(cli, command, "--if-match takes a version, such as 1");
    TB_CLI_TRY(tb_http_send_command(cli, method, path, body, key, version, &response));
    return tb_show_response(cli, &response);
}
