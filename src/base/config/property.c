#include "base/config/config_priv.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* In bytes. librdkafka's names are short; a value may be a path, a list or a token. */
#define KEY_MAX 100
#define VALUE_MAX 4096

static const char *const names[TB_CONFIG_SECTION_COUNT] = {
    [TB_CONFIG_KAFKA_PROPERTIES] = "kafka.properties",
    [TB_CONFIG_KAFKA_PRODUCER] = "kafka.producer",
    [TB_CONFIG_KAFKA_CONSUMER] = "kafka.consumer",
};

const char *tb_config_section_name(enum tb_config_section section)
{
    return names[section];
}

enum tb_config_section tb_config_section_find(const char *name)
{
    int section = 0;

    while (section < TB_CONFIG_SECTION_COUNT && strcmp(names[section], name) != 0)
        section++;
    return (enum tb_config_section)section;
}

const struct tb_config_property *tb_config_properties(const struct tb_config *config)
{
    return config->properties;
}

static struct tb_config_property *find(struct tb_config *config, enum tb_config_section section,
                                       const char *key)
{
    struct tb_config_property *at = config->properties;

    while (at && (at->section != section || strcmp(at->key, key) != 0))
        at = (struct tb_config_property *)(uintptr_t)at->next;
    return at;
}

static void add(struct tb_config_loader *loader, enum tb_config_section section, const char *key,
                const char *value, enum tb_config_origin origin)
{
    struct tb_config *config = loader->config;
    struct tb_config_property *at = find(config, section, key);

    if (!at) {
        at = tb_arena_alloc(&config->arena, sizeof *at);
        if (!at) {
            loader->out_of_memory = true;
            return;
        }
        if (config->last_property)
            config->last_property->next = at;
        else
            config->properties = at;
        config->last_property = at;
        at->section = section;
        at->key = tb_arena_copy(&config->arena, tb_str_of(key)).ptr;
        config->property_count++;
    }
    at->value = tb_arena_copy(&config->arena, tb_str_of(value)).ptr;
    at->origin = origin;
    loader->out_of_memory |= !at->key || !at->value;
}

void tb_config_set_property(struct tb_config_loader *loader, enum tb_config_section section,
                            const char *key, const char *value, enum tb_config_origin origin,
                            const char *where)
{
    static const struct tb_config_spec text = {.type = TB_CONFIG_TEXT, .max = VALUE_MAX};
    const struct tb_config_property *known = find(loader->config, section, key);
    int64_t ignored;

    if (known && known->origin == origin)
        tb_config_add_error(loader, "%s: %s.%s is set already", where, names[section], key);
    else if (strlen(key) > KEY_MAX || !tb_config_value_parse(&text, value, &ignored))
        tb_config_add_error(
            loader,
            "%s: %s.%s is not allowed; allowed: a key of at most %d bytes and a text "
            "in UTF-8 without control characters, at most %d bytes",
            where, names[section], key, KEY_MAX, VALUE_MAX);
    else if (!known && loader->config->property_count == TB_CONFIG_PROPERTIES_MAX)
        tb_config_add_error(loader, "%s: more than %d properties", where,
                            TB_CONFIG_PROPERTIES_MAX);
    else
        add(loader, section, key, value, origin);
}

bool tb_config_set_property_from_env(struct tb_config_loader *loader, const char *entry,
                                     const char *where)
{
    for (int i = 0; i < TB_CONFIG_SECTION_COUNT; i++) {
        TB_CLEANUP(tb_buf_release) struct tb_buf key = {0};
        size_t skip = tb_config_env_prefix(entry, names[i], "");
        const char *at = entry + skip;

        if (skip == 0 || *at == '=')
            continue;
        for (; *at != '='; at++)
            tb_buf_addc(&key, *at == '_' ? '.' : (char)tolower((unsigned char)*at));
        tb_config_set_property(loader, (enum tb_config_section)i, tb_buf_str(&key).ptr, at + 1,
                               TB_CONFIG_ENV, where);
        return true;
    }
    return false;
}
