#include "base/config_priv.h"
#include "base/json.h"
#include <stdio.h>

static void print_lines(const struct tb_config *config, struct tb_buf *out)
{
    for (int i = 0; i < TB_CONFIG_KEY_COUNT; i++) {
        const struct tb_config_spec *spec = &tb_config_specs[i];

        tb_buf_addf(out, "# %s\n%s.%s = %s  # %s\n", spec->help, spec->section, spec->key,
                    config->keys[i].text, tb_config_origin_name(config->keys[i].origin));
    }
}

static void print_json(const struct tb_config *config, struct tb_buf *out)
{
    tb_buf_addc(out, '[');
    for (int i = 0; i < TB_CONFIG_KEY_COUNT; i++) {
        const struct tb_config_spec *spec = &tb_config_specs[i];
        const char *origin = tb_config_origin_name(config->keys[i].origin);
        char name[64];

        snprintf(name, sizeof name, "%s.%s", spec->section, spec->key);
        tb_buf_adds(out, i > 0 ? ",{" : "{");
        tb_json_member_str(out, "key", tb_str_of(name));
        tb_json_member_str(out, "value", tb_str_of(config->keys[i].text));
        tb_json_member_str(out, "origin", tb_str_of(origin));
        tb_json_member_str(out, "help", tb_str_of(spec->help));
        tb_buf_addc(out, '}');
    }
    tb_buf_adds(out, "]\n");
}

void tb_config_print(const struct tb_config *config, bool json, struct tb_buf *out)
{
    if (json)
        print_json(config, out);
    else
        print_lines(config, out);
}
