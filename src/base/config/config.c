#include "base/config/config_priv.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_FILE "/etc/tillbox/tillbox.conf"
#define ENV_PREFIX "TILLBOX_"
#define HOST_NAME_SIZE 256

void tb_config_add_error(struct tb_config_loader *loader, const char *format, ...)
{
    va_list args;

    loader->error_count++;
    va_start(args, format);
    tb_buf_vaddf(loader->report, format, args);
    va_end(args);
    tb_buf_addc(loader->report, '\n');
}

static void free_config(struct tb_config **config)
{
    tb_config_free(*config);
}

static void set(struct tb_config_loader *loader, enum tb_config_key key, const char *text,
                int64_t value, enum tb_config_origin origin)
{
    struct tb_str copy = tb_arena_copy(&loader->config->arena, tb_str_of(text));

    if (!copy.ptr) {
        loader->out_of_memory = true;
        return;
    }
    loader->config->keys[key].text = copy.ptr;
    loader->config->keys[key].value = value;
    loader->config->keys[key].origin = origin;
}

void tb_config_set(struct tb_config_loader *loader, enum tb_config_key key, const char *text,
                   enum tb_config_origin origin, const char *where)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf allowed = {0};
    const struct tb_config_spec *spec = &tb_config_specs[key];
    int64_t value;

    if (tb_config_value_parse(spec, text, &value)) {
        set(loader, key, text, value, origin);
        return;
    }
    tb_config_value_allowed(spec, &allowed);
    tb_config_add_error(loader, "%s: %s.%s = %s is not allowed; allowed: %s", where, spec->section,
                        spec->key, text, tb_buf_str(&allowed).ptr);
}

/* Makes a node name from the host name; characters that are not allowed become '-'. */
static void host_as_node(char ret_name[HOST_NAME_SIZE])
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789-";

    if (gethostname(ret_name, HOST_NAME_SIZE) != 0 || ret_name[0] == '\0')
        memcpy(ret_name, "till", sizeof "till");
    ret_name[tb_config_specs[TB_NODE_NAME].max] = '\0';
    for (size_t at = strspn(ret_name, allowed); ret_name[at]; at += strspn(ret_name + at, allowed))
        ret_name[at] = '-';
}

static void take_defaults(struct tb_config_loader *loader, const char *default_listen)
{
    char host[HOST_NAME_SIZE];

    host_as_node(host);
    for (int i = 0; i < TB_CONFIG_KEY_COUNT; i++) {
        const char *text = tb_config_specs[i].fallback;
        int64_t value = 0;

        if (i == TB_NODE_NAME)
            text = host;
        else if (i == TB_HTTP_LISTEN)
            text = default_listen;
        TB_ASSERT(tb_config_value_parse(&tb_config_specs[i], text, &value));
        set(loader, (enum tb_config_key)i, text, value, TB_CONFIG_DEFAULT);
    }
}

size_t tb_config_env_prefix(const char *entry, const char *section, const char *key)
{
    char wanted[64];
    int len = snprintf(wanted, sizeof wanted, ENV_PREFIX "%s_%s", section, key);

    TB_ASSERT(len > 0 && (size_t)len < sizeof wanted);
    for (char *c = wanted; *c; c++)
        *c = *c == '.' ? '_' : (char)toupper((unsigned char)*c);
    return strncmp(entry, wanted, (size_t)len) == 0 ? (size_t)len : 0;
}

static bool is_variable_of(const char *entry, const struct tb_config_spec *spec)
{
    return entry[tb_config_env_prefix(entry, spec->section, spec->key)] == '=';
}

/* The value of NAME=value; NULL: the entry has another name. */
static const char *env_value(const char *entry, const char *name)
{
    size_t len = strlen(name);

    return strncmp(entry, name, len) == 0 && entry[len] == '=' ? entry + len + 1 : NULL;
}

static void take_variable(struct tb_config_loader *loader, const char *entry)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf name = {0};
    const char *equals = strchr(entry, '=');
    int key = 0;

    if (!equals || env_value(entry, "TILLBOX_URL") || env_value(entry, "TILLBOX_CONFIG"))
        return;
    tb_buf_add(&name, entry, (size_t)(equals - entry));
    while (key < TB_CONFIG_KEY_COUNT && !is_variable_of(entry, &tb_config_specs[key]))
        key++;
    if (key < TB_CONFIG_KEY_COUNT)
        tb_config_set(loader, (enum tb_config_key)key, equals + 1, TB_CONFIG_ENV,
                      tb_buf_str(&name).ptr);
    else if (!tb_config_set_property_from_env(loader, entry, tb_buf_str(&name).ptr))
        tb_config_add_error(loader,
                            "%s: unknown variable; " ENV_PREFIX "SECTION_KEY sets a key, such as "
                            "TILLBOX_NODE_NAME ('tillbox config' lists the keys)",
                            tb_buf_str(&name).ptr);
}

static void take_environment(struct tb_config_loader *loader, char *const *env)
{
    for (; env && *env; env++) {
        if (strncmp(*env, ENV_PREFIX, sizeof ENV_PREFIX - 1) == 0)
            take_variable(loader, *env);
    }
}

/* The values of the command line, not parsed yet. */
struct flags {
    const char *file; /* --config; NULL: not given */
    const char *values[TB_CONFIG_KEY_COUNT];
};

/* Is arg the flag, alone or as --flag=value? */
static bool names_flag(const char *arg, const char *flag)
{
    return flag && (strcmp(arg, flag) == 0 || env_value(arg, flag));
}

/* The value behind the '=', or the next argument, which it skips. A yes/no flag needs no value. */
static const char *flag_value(struct tb_config_loader *loader, bool is_bool, int argc,
                              char *const *argv, int *at)
{
    const char *equals = strchr(argv[*at], '=');

    if (equals)
        return equals + 1;
    if (is_bool)
        return "yes";
    if (*at + 1 < argc && strncmp(argv[*at + 1], "--", 2) != 0)
        return argv[++*at];
    tb_config_add_error(loader, "%s: needs a value", argv[*at]);
    return NULL;
}

static void report_argument(struct tb_config_loader *loader, const char *arg)
{
    if (strncmp(arg, "--", 2) != 0) {
        tb_config_add_error(loader, "%s: unexpected argument; flags begin with --", arg);
        return;
    }
    tb_buf_addf(loader->report, "%.*s: unknown flag; there are --config", (int)strcspn(arg, "="),
                arg);
    for (int i = 0; i < TB_CONFIG_KEY_COUNT; i++) {
        if (tb_config_specs[i].flag)
            tb_buf_addf(loader->report, ", %s", tb_config_specs[i].flag);
    }
    tb_config_add_error(loader, "%s", "");
}

static void collect_flags(struct tb_config_loader *loader, int argc, char *const *argv,
                          struct flags *ret_flags)
{
    for (int at = 0; at < argc; at++) {
        int key = 0;

        if (names_flag(argv[at], "--config")) {
            ret_flags->file = flag_value(loader, false, argc, argv, &at);
            continue;
        }
        while (key < TB_CONFIG_KEY_COUNT && !names_flag(argv[at], tb_config_specs[key].flag))
            key++;
        if (key < TB_CONFIG_KEY_COUNT)
            ret_flags->values[key] =
                flag_value(loader, tb_config_specs[key].type == TB_CONFIG_BOOL, argc, argv, &at);
        else
            report_argument(loader, argv[at]);
    }
}

static void take_file(struct tb_config_loader *loader, const char *flag, char *const *env)
{
    const char *path = flag;

    for (; !path && env && *env; env++) {
        path = env_value(*env, "TILLBOX_CONFIG");
        if (path && !*path)
            path = NULL;
    }
    tb_config_read_file(loader, path ? path : DEFAULT_FILE, /* may_be_missing= */ !path);
}

enum tb_code tb_config_load(int argc, char *const *argv, char *const *env,
                            const char *default_listen, struct tb_config **ret_config,
                            struct tb_buf *ret_report, struct tb_error *err)
{
    TB_CLEANUP(free_config) struct tb_config *config = calloc(1, sizeof *config);
    struct tb_config_loader loader = {.config = config, .report = ret_report};
    struct flags flags = {0};

    if (!config)
        return tb_error_set(err, TB_INTERNAL, "out of memory reading the configuration");
    take_defaults(&loader, default_listen);
    collect_flags(&loader, argc, argv, &flags);
    take_file(&loader, flags.file, env);
    take_environment(&loader, env);
    for (int i = 0; i < TB_CONFIG_KEY_COUNT; i++) {
        if (flags.values[i])
            tb_config_set(&loader, (enum tb_config_key)i, flags.values[i], TB_CONFIG_FLAG,
                          tb_config_specs[i].flag);
    }
    if (loader.out_of_memory || !tb_buf_ok(ret_report))
        return tb_error_set(err, TB_INTERNAL, "out of memory reading the configuration");
    if (loader.error_count > 0)
        return tb_error_set(err, TB_INVALID, "the configuration has %zu fault%s",
                            loader.error_count, loader.error_count == 1 ? "" : "s");
    *ret_config = config;
    config = NULL;
    return TB_OK;
}

void tb_config_free(struct tb_config *config)
{
    if (config)
        tb_arena_release(&config->arena);
    free(config);
}

const char *tb_config_text(const struct tb_config *config, enum tb_config_key key)
{
    return config->keys[key].text;
}

int64_t tb_config_int(const struct tb_config *config, enum tb_config_key key)
{
    return config->keys[key].value;
}
