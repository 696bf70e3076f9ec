#include "base/config/config_priv.h"
#include "base/json/json.h"
#include <stdio.h>

#define HIDDEN "(hidden)"

static const char *const origin_names[] = {"default", "file", "env", "flag"};

static bool is_secret(const char *key)
{
    return strstr(key, "password") || strstr(key, "secret") || strstr(key, "key.pem") ||
           strstr(key, "sasl.jaas");
}

/* Writes a value without its password: "mongodb://user:(hidden)@host". */
static void show(struct tb_buf *out, const char *key, const char *value)
{
    const char *scheme = strstr(value, "://"), *at = NULL, *colon = NULL;

    if (is_secret(key)) {
        tb_buf_adds(out, HIDDEN);
        return;
    }
    if (scheme) {
        at = strrchr(scheme, '@');
        colon = strchr(scheme + 3, ':');
    }
    if (at && colon && colon < at)
        tb_buf_addf(out, "%.*s" HIDDEN "%s", (int)(colon + 1 - value), value, at);
    else
        tb_buf_adds(out, value);
}

struct entry {
    const char *section, *key, *value, *help;
    enum tb_config_origin origin;
};

static void print(struct tb_buf *out, const struct entry *entry, bool json, bool first)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf name = {0};
    TB_CLEANUP(tb_buf_release) struct tb_buf value = {0};
    const char *origin = origin_names[entry->origin];

    tb_buf_addf(&name, "%s.%s", entry->section, entry->key);
    show(&value, entry->key, entry->value);
    if (!json) {
        tb_buf_addf(out, "# %s\n%s = %s  # %s\n", entry->help, tb_buf_str(&name).ptr,
                    value.len > 0 ? value.data : "", origin);
        return;
    }
    tb_buf_adds(out, first ? "{" : ",{");
    tb_json_member_str(out, "key", tb_buf_str(&name));
    tb_json_member_str(out, "value", value.len > 0 ? tb_buf_str(&value) : TB_STR(""));
    tb_json_member_str(out, "origin", tb_str_of(origin));
    tb_json_member_str(out, "help", tb_str_of(entry->help));
    tb_buf_addc(out, '}');
}

void tb_config_print(const struct tb_config *config, bool json, struct tb_buf *out)
{
    if (json)
        tb_buf_addc(out, '[');
    for (int i = 0; i < TB_CONFIG_KEY_COUNT; i++) {
        const struct tb_config_spec *spec = &tb_config_specs[i];
        struct entry entry = {spec->section, spec->key, config->keys[i].text, spec->help,
                              config->keys[i].origin};

        print(out, &entry, json, i == 0);
    }
    for (const struct tb_config_property *p = config->properties; p; p = p->next) {
        struct entry entry = {tb_config_section_name(p->section), p->key, p->value,
                              "A property of librdkafka.", p->origin};

        print(out, &entry, json, false);
    }
    if (json)
        tb_buf_adds(out, "]\n");
}
