#include "base/config/config_load.h"
#include "support/support.h"
#include <stdio.h>
#include <stdlib.h>

static char folder[128];
char file_path[160];

void config_setup(void)
{
    tmpdir_make(folder);
    snprintf(file_path, sizeof file_path, "%s/t.conf", folder);
}

void config_teardown(void)
{
    tmpdir_remove(folder);
}

void write_file(const char *bytes, size_t len)
{
    FILE *file = fopen(file_path, "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, len, file), len);
    ck_assert_int_eq(fclose(file), 0);
}

enum tb_code load(struct load *load)
{
    struct tb_error err = {0};
    char *args[ARGS_MAX + 2] = {0}, *env[ARGS_MAX + 1] = {0};
    int argc = 0;

    if (load->file) {
        write_file(load->file, strlen(load->file));
        args[argc++] = strdup("--config");
        args[argc++] = strdup(file_path);
    }
    for (int i = 0; i < ARGS_MAX && load->args[i]; i++)
        args[argc++] = strdup(load->args[i]);
    for (int i = 0; i < ARGS_MAX && load->env[i]; i++)
        env[i] = strdup(load->env[i]);
    enum tb_code code =
        tb_config_load(argc, args, env, LISTEN, &load->config, &load->report, &err);
    ck_assert((load->config != NULL) == (code == TB_OK));
    ck_assert((load->report.len == 0) == (code == TB_OK));
    for (int i = 0; i < argc; i++)
        free(args[i]);
    for (int i = 0; env[i]; i++)
        free(env[i]);
    return code;
}

void release(struct load *load)
{
    tb_config_free(load->config);
    tb_buf_release(&load->report);
}

void load_good(struct load *l)
{
    enum tb_code code = load(l);

    ck_assert_msg(code == TB_OK, "%s", tb_buf_str(&l->report).ptr);
}

/* Every line of the report, with FILE for the path. */
void check_report(struct load *l, const char *const *lines)
{
    const char *at;

    ck_assert_int_eq(load(l), TB_INVALID);
    at = l->report.data;
    for (; *lines; lines++) {
        char expected[400];
        const char *mark = strstr(*lines, "FILE");

        if (mark)
            snprintf(expected, sizeof expected, "%.*s%s%s\n", (int)(mark - *lines), *lines,
                     file_path, mark + 4);
        else
            snprintf(expected, sizeof expected, "%s\n", *lines);
        ck_assert_msg(strncmp(at, expected, strlen(expected)) == 0, "expected: %sgot: %s",
                      expected, at);
        at += strlen(expected);
    }
    ck_assert_str_eq(at, "");
    release(l);
}
