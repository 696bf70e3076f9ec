#include "cli/engine/command_body.h"
#include "base/json/json.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define KEY_MAX 255 /* INTERFACES, "Idempotency-Key" */

static int fail_reading(const struct tb_cli *cli, const char *file, const char *why)
{
    tb_cli_error(cli, "cannot read %s: %s", file, why);
    return TB_EXIT_FAILED;
}

int tb_command_body_read(const struct tb_cli *cli, const char *file, struct tb_buf *ret_body)
{
    bool standard = strcmp(file, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    ssize_t got = 1;
    int failed = 0;

    if (fd < 0)
        return fail_reading(cli, file, strerror(errno));
    while (got > 0 && ret_body->len <= TB_BODY_MAX && tb_buf_reserve(ret_body, 4096)) {
        char part[4096];

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
    return tb_buf_ok(ret_body) ? TB_EXIT_DONE : fail_reading(cli, file, "out of memory");
}

/* "TEA-1:2:350:Green tea"; the name may hold colons. */
static bool add_line(struct tb_buf *out, const char *text)
{
    const char *quantity = strchr(text, ':');
    const char *price = quantity ? strchr(quantity + 1, ':') : NULL;
    const char *name = price ? strchr(price + 1, ':') : NULL;
    char number[24];
    int64_t value = 0;

    if (!price || quantity == text || (size_t)(price - quantity) > sizeof number)
        return false;
    tb_buf_addc(out, '{');
    tb_json_member_str(out, "sku", (struct tb_str){text, (size_t)(quantity - text)});
    if (name)
        tb_json_member_str(out, "name", tb_str_of(name + 1));
    memcpy(number, quantity + 1, (size_t)(price - quantity - 1));
    number[price - quantity - 1] = '\0';
    if (!tb_args_int(number, &value))
        return false;
    tb_json_member_int(out, "quantity", value);
    size_t len = name ? (size_t)(name - price - 1) : strlen(price + 1);
    if (len >= sizeof number)
        return false;
    memcpy(number, price + 1, len);
    number[len] = '\0';
    if (!tb_args_int(number, &value))
        return false;
    tb_json_member_int(out, "unitPriceMinor", value);
    tb_buf_addc(out, '}');
    return true;
}

int tb_command_body_add_lines(const struct tb_cli *cli, const struct tb_args *args,
                              const char *command, struct tb_buf *out)
{
    const char *text;
    size_t cursor = 0;
    bool first = true;

    tb_json_member_key(out, "lines");
    tb_buf_addc(out, '[');
    while ((text = tb_args_each(args, "--line", &cursor))) {
        if (!first)
            tb_buf_addc(out, ',');
        first = false;
        if (!add_line(out, text))
            return tb_cli_usage(cli, command,
                                "--line %s: it takes SKU:QTY:PRICE[:NAME], quantity and price "
                                "whole numbers, the price in minor units",
                                text);
    }
    tb_buf_addc(out, ']');
    return TB_EXIT_DONE;
}

int tb_command_body_check_alone(const struct tb_cli *cli, const struct tb_args *args,
                                const char *command, const char *const *names)
{
    for (; *names; names++)
        if (tb_args_has(args, *names))
            return tb_cli_usage(cli, command, "%s and a file contradict each other: give one",
                                *names);
    return TB_EXIT_DONE;
}

int tb_command_idempotency_key(const struct tb_cli *cli, const struct tb_args *args,
                               const char *command, const char **ret_key)
{
    const char *key = tb_args_get(args, "--idempotency-key");

    for (const char *c = key; c && *c; c++)
        if (*c < 0x21 || *c > 0x7e)
            return tb_cli_usage(cli, command, "--idempotency-key takes visible ASCII only");
    if (key && (!*key || strlen(key) > KEY_MAX))
        return tb_cli_usage(cli, command, "--idempotency-key takes 1 to %d characters", KEY_MAX);
    *ret_key = key;
    return TB_EXIT_DONE;
}

int tb_command_if_match(const struct tb_cli *cli, const struct tb_args *args, const char *command,
                        const char **ret_version)
{
    const char *version = tb_args_get(args, "--if-match");
    int64_t value = 0;

    if (version && (!tb_args_int(version, &value) || value < 1))
        return tb_cli_usage(cli, command, "--if-match takes a version, such as 1");
    *ret_version = version;
    return TB_EXIT_DONE;
}
